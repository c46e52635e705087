"""The tools that a chat model may call, as an attribute of its span."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pydantic
import pytest

import tracetape
from tracetape import tracing
from tracetape.entities import NoOpSpan, Span
from tracetape.exceptions import IntegrationMissingError

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
        "strict": True,
    },
}
PLAIN = {"type": "function", "function": {"name": "now"}}
CATALOG = {"type": "uc_function", "uc_function": {"name": "main.tools.now"}}


@pytest.mark.parametrize("tools", [[], [PLAIN], [WEATHER, PLAIN, CATALOG]])
def test_valid_tools(tools: list[Any], last_span: Callable[[], Span]) -> None:
    """They stand on the span as they were given."""
    with tracetape.start_span() as span:
        tracing.set_span_chat_tools(span, tools)
    assert last_span().attributes["mlflow.chat.tools"] == tools


def test_models_of_pydantic(last_span: Callable[[], Span]) -> None:
    """They are taken as well; what they do not say is left out."""

    class Function(pydantic.BaseModel):
        name: str
        description: str | None = None

    class Tool(pydantic.BaseModel):
        type: str = "function"
        function: Function

    Tool.model_rebuild(_types_namespace={"Function": Function})
    with tracetape.start_span() as span:
        tracing.set_span_chat_tools(span, [Tool(function=Function(name="now"))])
    assert last_span().attributes["mlflow.chat.tools"] == [PLAIN]


@pytest.mark.parametrize(
    "tool",
    [
        {},
        None,
        "now",
        {"function": {"name": "now"}},
        {"type": "other", "function": {"name": "now"}},
        {"type": "function", "function": {}},
        {"type": "function", "function": {"name": 7}},
        {"type": "function", "function": {"name": "now", "parameters": "none"}},
    ],
    ids=str,
)
def test_invalid_tools(tool: Any, last_span: Callable[[], Span]) -> None:
    """Pydantic's own error, and the span is left as it was."""
    with tracetape.start_span() as span:
        with pytest.raises(pydantic.ValidationError):
            tracing.set_span_chat_tools(span, [PLAIN, tool])
    assert "mlflow.chat.tools" not in last_span().attributes


def test_a_span_that_is_not_recorded() -> None:
    """It takes them, and forgets them."""
    span = NoOpSpan()
    tracing.set_span_chat_tools(span, [PLAIN])
    assert span.attributes == {}


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package to install is named."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with tracetape.start_span() as span:
        with pytest.raises(IntegrationMissingError, match="pip install pydantic"):
            tracing.set_span_chat_tools(span, [PLAIN])
