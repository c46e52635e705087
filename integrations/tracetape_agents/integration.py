"""OpenAI's Agents SDK: its runs, and what it tells its trace processors."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tracetape.instrument import Integration, Target

__all__ = ["INTEGRATION"]


def _lazily(name: str) -> Callable[..., Any]:
    def wrap(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        take = getattr(import_module("tracetape_agents.processor"), name)

        def told(*args: Any, **kwargs: Any) -> Any:
            if len(args) == 2 and is_on():
                take(args[1])
            return original(*args, **kwargs)

        return told

    return wrap


def _wrap_run(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    traced = import_module("tracetape_agents.runs").run

    async def run(*args: Any, **kwargs: Any) -> Any:
        if is_on():
            return await traced(original, args, kwargs)
        return await original(*args, **kwargs)

    return run


def _wrap_run_streamed(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    traced = import_module("tracetape_agents.runs").run_streamed

    def run_streamed(*args: Any, **kwargs: Any) -> Any:
        return traced(original, args, kwargs) if is_on() else original(*args, **kwargs)

    return run_streamed


# The one that calls all processors; ours does not depend on which of them there are.
INTEGRATION = Integration(
    name="agents",
    package="agents",
    install="pip install openai-agents",
    targets=(
        *(
            Target(
                "agents.tracing.provider", "SynchronousMultiTracingProcessor", name, _lazily(name)
            )
            for name in ("on_trace_start", "on_trace_end", "on_span_start", "on_span_end")
        ),
        # Older ones have no such class: what they tell the processors is all there is.
        Target("agents.run", "AgentRunner", "run", _wrap_run, optional=True),
        Target("agents.run", "AgentRunner", "run_streamed", _wrap_run_streamed, optional=True),
    ),
)
