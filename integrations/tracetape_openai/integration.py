"""The methods of OpenAI's SDK that are wrapped."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tracetape.instrument import Integration, Target, Template, wrap_taking_a_chunk
from tracetape_openai.api import API

__all__ = ["INTEGRATION", "TEMPLATE"]

TEMPLATE = Template(
    module="openai",
    client="OpenAI",
    async_client="AsyncOpenAI",
    endpoints=API.endpoints,
    generic="tracetape_openai.generic:Generic",
    management="tracetape_openai.generic:Management",
    # Bodies there name a model, and nobody asks it.
    managed=(
        "/agents",
        "/assistants",
        "/batches",
        "/evals",
        "/fine_tuning",
        "/live",
        "/realtime",
        "/responses/input_tokens",
        "/threads",
    ),
)


def _lazily(module: str, wrapper: str, *, is_async: bool) -> Callable[..., Any]:
    """`wrapper` of a module of tracetape, which is loaded when there is something to wrap."""

    def wrap(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        make = getattr(import_module(f"tracetape_openai.{module}"), wrapper)
        wrapped: Callable[..., Any] = make(original, is_on, is_async=is_async)
        return wrapped

    return wrap


def _socket_targets() -> list[Target]:
    """Targets for sessions over WebSockets; old versions of the SDK have none."""
    return [
        Target(
            f"openai.resources.{module}",
            f"{'Async' if is_async else ''}{name}Connection",
            method,
            _lazily("websockets", wrapper, is_async=is_async),
            optional=True,
        )
        for module, name in (
            ("responses.responses", "Responses"),
            ("beta.responses.responses", "Responses"),
            ("realtime.realtime", "Realtime"),
            ("beta.realtime.realtime", "Realtime"),
        )
        for is_async in (False, True)
        for method, wrapper in (
            ("send", "wrap_send"),
            ("recv_bytes", "wrap_receive"),
            ("close", "wrap_close"),
        )
    ]


def _runner_targets() -> list[Target]:
    """The tool runners; they came with openai 3."""
    return [
        Target(
            f"openai.lib.{module}_tool_runner",
            f"{'Async' if is_async else ''}{name}ToolRunner",
            method,
            _lazily("tool_runners", wrapper, is_async=is_async),
            optional=True,
        )
        for module, name, method, wrapper in (
            ("responses", "Responses", "iterate", "wrap_iterate"),
            ("responses", "Responses", "_execute_function", "wrap_execute"),
            ("decisions", "Decisions", "run", "wrap_run"),
        )
        for is_async in (False, True)
    ]


def _helper_targets() -> list[Target]:
    """Where the `.stream()` helpers take each chunk, and make the user's own models of them."""
    return [
        Target(f"openai.lib.streaming.{module}", name, method, wrap_taking_a_chunk, optional=True)
        for module, name, method in (
            ("chat._completions", "ChatCompletionStreamState", "handle_chunk"),
            ("responses._responses", "ResponseStreamState", "handle_event"),
        )
    ]


INTEGRATION = Integration(
    name="openai",
    package="openai",
    install="pip install openai",
    targets=(*TEMPLATE.targets(), *_socket_targets(), *_runner_targets(), *_helper_targets()),
    ahead=("tracetape_openai.chat", "tracetape_openai.responses"),
    apis=(API,),
)
