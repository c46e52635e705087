"""The tools that a chat model may call, as an attribute of its span."""

from __future__ import annotations

from typing import Any, Literal

from tracetape._lazy import loading
from tracetape.entities import LiveSpan
from tracetape.exceptions import IntegrationMissingError

__all__ = ["set_span_chat_tools"]


def set_span_chat_tools(span: LiveSpan, tools: list[Any]) -> None:
    """Record the tools that are offered to the model, in OpenAI's form.

    Stored as ``mlflow.chat.tools``. After ``mlflow.tracing.set_span_chat_tools``, which checks
    them with pydantic too.

    Args:
        span: an open span.
        tools: ``[{"type": "function", "function": {"name": …, "parameters": …}}]``; pydantic
            models are taken as well.

    Raises:
        pydantic.ValidationError: a tool has another form.
        IntegrationMissingError: pydantic is not installed.
    """
    try:
        with loading:
            from pydantic import BaseModel
    except ImportError as error:
        raise IntegrationMissingError(
            "set_span_chat_tools() needs the package pydantic: `pip install pydantic`"
        ) from error
    plain = [
        tool.model_dump(exclude_none=True) if isinstance(tool, BaseModel) else tool
        for tool in tools
    ]

    class FunctionTool(BaseModel):
        name: str
        description: str | None = None
        parameters: dict[str, Any] | None = None
        strict: bool | None = None

    class ChatTool(BaseModel):
        type: Literal["function", "uc_function"]
        function: FunctionTool | None = None
        uc_function: dict[str, Any] | None = None

    # The annotations above are strings, and their names are local: resolve them here.
    ChatTool.model_rebuild(_types_namespace={"FunctionTool": FunctionTool, "Literal": Literal})
    for tool in plain:
        ChatTool.model_validate(tool)
    span.set_attribute("mlflow.chat.tools", plain)
