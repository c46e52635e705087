"""The SDK's tool runners: an AGENT span, and below it the calls of models and functions.

The answers have the shapes of OpenAI's API reference, "The response object".
"""

from __future__ import annotations

from typing import Any

import pytest
from far_end import FarEnd, http

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces

runners: Any = pytest.importorskip("openai.lib.responses_tool_runner")

HEAD = {"id": "resp-1", "object": "response", "created_at": 1, "model": "m-1", "error": None}
USAGE = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}
REST = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": USAGE}
TOOL = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
CALL = {
    "type": "function_call",
    "id": "fc-1",
    "call_id": "call-1",
    "name": "weather",
    "arguments": '{"city":"Paris"}',
    "status": "completed",
}
TEXT = {"type": "output_text", "text": "Sunny.", "annotations": []}
MESSAGE = {
    "type": "message",
    "id": "msg-1",
    "role": "assistant",
    "status": "completed",
    "content": [TEXT],
}
PARAMS = {"model": "m", "input": "Weather in Paris?"}


def response(*output: Any) -> Any:
    return http.Response(200, json={**HEAD, **REST, "status": "completed", "output": [*output]})


def names(spans: list[Any]) -> list[tuple[str, str]]:
    return [(span.name, span.span_type) for span in spans]


def weather(arguments: dict[str, Any]) -> str:
    with tracetape.start_span("inside"):
        return f"sunny in {arguments['city']}"


async def weather_async(arguments: dict[str, Any]) -> str:
    return weather(arguments)


def test_a_run_is_an_agent_with_its_tools(far_end: FarEnd, traces: CapturedTraces) -> None:
    """What the function does itself is below its span."""
    far_end.answers = [response(CALL), response(MESSAGE)]
    function = runners.RegisteredFunction(TOOL, weather)
    runner = runners.ResponsesToolRunner(functions=[function])
    answer = runner.run(far_end.client(), PARAMS)

    assert answer.output_text == "Sunny."
    (trace,) = traces
    agent, asked, tool, inside, answered = trace.data.spans
    assert names([agent, asked, tool, inside, answered]) == [
        ("ResponsesToolRunner", SpanType.AGENT),
        ("Responses", SpanType.CHAT_MODEL),
        ("weather", SpanType.TOOL),
        ("inside", SpanType.UNKNOWN),
        ("Responses", SpanType.CHAT_MODEL),
    ]
    assert {span.parent_id for span in (asked, tool, answered)} == {agent.span_id}
    assert inside.parent_id == tool.span_id
    assert agent.inputs == PARAMS
    assert agent.outputs["output"][0]["content"][0]["text"] == "Sunny."
    assert tool.inputs == {"city": "Paris"}
    assert tool.outputs == "sunny in Paris"
    assert tool.get_attribute("call_id") == "call-1"
    assert trace.info.token_usage["total_tokens"] == 24


async def test_an_async_run(far_end: FarEnd, traces: CapturedTraces) -> None:
    """As the sync one."""
    far_end.answers = [response(CALL), response(MESSAGE)]
    function = runners.AsyncRegisteredFunction(TOOL, weather_async)
    runner = runners.AsyncResponsesToolRunner(functions=[function])
    answer = await runner.run(far_end.async_client(), PARAMS)

    assert answer.output_text == "Sunny."
    (trace,) = traces
    assert names(trace.data.spans) == [
        ("AsyncResponsesToolRunner", SpanType.AGENT),
        ("AsyncResponses", SpanType.CHAT_MODEL),
        ("weather", SpanType.TOOL),
        ("inside", SpanType.UNKNOWN),
        ("AsyncResponses", SpanType.CHAT_MODEL),
    ]


def test_between_turns_the_agent_is_not_current(far_end: FarEnd, traces: CapturedTraces) -> None:
    """What the user does with a turn is no part of the run; left early it keeps what came."""
    far_end.answers = [response(CALL)]
    function = runners.RegisteredFunction(TOOL, weather)
    runner = runners.ResponsesToolRunner(functions=[function])
    turns = runner.iterate(far_end.client(), PARAMS)
    next(turns)
    assert tracetape.get_current_active_span() is None
    turns.close()
    agent, _ = traces[0].data.spans
    assert agent.status.status_code is SpanStatusCode.OK
    assert agent.outputs["output"][0]["name"] == "weather"


def test_a_tool_that_fails(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Its span has the error, the user the runner's own."""

    def broken(arguments: dict[str, Any]) -> str:
        raise ValueError("no weather")

    far_end.answers = [response(CALL)]
    runner = runners.ResponsesToolRunner(functions=[runners.RegisteredFunction(TOOL, broken)])
    with pytest.raises(runners.ToolRunnerError, match="stopped before completion"):
        runner.run(far_end.client(), PARAMS)
    agent, _, tool = traces[0].data.spans
    assert agent.status.status_code is SpanStatusCode.ERROR
    assert tool.status.description == "ValueError: no weather"


def test_switched_off_runs_are_not_traced(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The methods are the SDK's own again."""
    tracetape.autolog(disable=True)
    far_end.answers = [response(MESSAGE)]
    runners.ResponsesToolRunner().run(far_end.client(), PARAMS)
    assert len(traces) == 0
    assert not hasattr(runners.ResponsesToolRunner.iterate, "__wrapped__")
