"""The Agents SDK: agents, tools, handoffs and guardrails, with the calls of models beneath.

The answers have the shape of OpenAI's API reference, "The response object".
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import agents
import httpx2
import openai
import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    Model,
    ModelResponse,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    custom_span,
    function_tool,
    generation_span,
)
from openai import AsyncOpenAI
from openai.types.responses import ResponseOutputMessage

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces

MOMENT = 50_000_000  # ns, by which two clocks of one machine may differ
HEAD = {"id": "resp-1", "object": "response", "created_at": 1, "model": "m-1", "tools": []}
USAGE = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}
TEXT = {"type": "output_text", "text": "Sunny.", "annotations": []}
MESSAGE = {
    "type": "message",
    "id": "msg-1",
    "role": "assistant",
    "status": "completed",
    "content": [TEXT],
}


def response(*output: Any) -> httpx2.Response:
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "status": "completed"}
    return httpx2.Response(200, json={**HEAD, **rest, "usage": USAGE, "output": [*output]})


def call(name: str, arguments: str) -> dict[str, Any]:
    named = {"type": "function_call", "id": "fc-1", "call_id": "call-1", "name": name}
    return {**named, "arguments": arguments, "status": "completed"}


@pytest.fixture(autouse=True)
def only_ours() -> Iterator[None]:
    """Nothing is sent to OpenAI's own traces; ours do not need any processor."""
    agents.set_trace_processors([])
    tracetape.autolog()
    yield
    tracetape.autolog(disable=True)


def model(*answers: httpx2.Response) -> OpenAIResponsesModel:
    waiting = list(answers)
    transport = httpx2.MockTransport(lambda request: waiting.pop(0))
    client = AsyncOpenAI(api_key="k", http_client=httpx2.AsyncClient(transport=transport))
    return OpenAIResponsesModel("m", openai_client=client)


@function_tool
def weather(city: str) -> str:
    """The weather of a city."""
    with tracetape.start_span("inside"):
        return f"sunny in {city}"


def shape(trace: Any) -> list[tuple[str, str, str | None]]:
    names = {span.span_id: span.name for span in trace.data.spans}
    return [(s.name, s.span_type, names.get(s.parent_id or "")) for s in trace.data.spans]


async def test_an_agent_with_its_tools(traces: CapturedTraces) -> None:
    """One span for each step, and no second one for the call of the model."""
    asked = model(response(call("weather", '{"city":"Paris"}')), response(MESSAGE))
    agent = Agent(name="helper", tools=[weather], model=asked)
    config = RunConfig(workflow_name="flow", group_id="chat-1", trace_metadata={"env": "test"})
    result = await Runner.run(agent, "Weather?", run_config=config)

    assert result.final_output == "Sunny."
    (trace,) = traces
    assert shape(trace) == [
        ("flow", SpanType.AGENT, None),
        ("helper", SpanType.AGENT, "flow"),
        ("AsyncResponses", SpanType.CHAT_MODEL, "helper"),
        ("weather", SpanType.TOOL, "helper"),
        ("inside", SpanType.UNKNOWN, "weather"),
        ("AsyncResponses", SpanType.CHAT_MODEL, "helper"),
    ]
    tool = trace.data.spans[3]
    assert tool.inputs == '{"city":"Paris"}'
    assert tool.outputs == "sunny in Paris"
    assert trace.data.spans[1].get_attribute("tools") == ["weather"]
    assert trace.info.token_usage["total_tokens"] == 24
    assert trace.info.trace_metadata["mlflow.trace.session"] == "chat-1"
    assert trace.info.trace_metadata["env"] == "test"
    assert tracetape.get_current_active_span() is None


@pytest.mark.parametrize("way", ["run", "run_streamed"])
async def test_a_run_has_what_was_asked_and_answered(way: str, traces: CapturedTraces) -> None:
    """By MLflow's name; so the trace has, too, also where a workflow of the user's is above it."""
    for flow in (None, "flow"):
        with contextlib.nullcontext() if flow is None else agents.trace(flow):
            answer = response(MESSAGE)
            asked = model(answer if way == "run" else streamed(answer))
            agent = Agent(name="helper", model=asked)
            if way == "run":
                await Runner.run(agent, "Weather?")
            else:
                async for _ in Runner.run_streamed(agent, input="Weather?").stream_events():
                    pass
    alone, below = traces
    ((run, helper, call), (above, run_below, *_)) = alone.data.spans, below.data.spans
    assert shape(alone)[0] == (f"AgentRunner.{way}", SpanType.AGENT, None)
    assert (helper.parent_id, call.parent_id) == (run.span_id, helper.span_id)
    assert (run.inputs, run.outputs) == ("Weather?", "Sunny.")
    assert (alone.info.request_preview, alone.info.response_preview) == ('"Weather?"', '"Sunny."')
    assert (above.name, above.span_type) == ("flow", SpanType.WORKFLOW)
    assert (run_below.inputs, run_below.outputs) == ("Weather?", "Sunny.")
    assert run_below.parent_id == above.span_id
    assert tracetape.get_current_active_span() is None


async def test_a_run_whose_content_is_none_of_the_traces(traces: CapturedTraces) -> None:
    """As the user tells the SDK; and no span of a run whose tracing he disables."""
    agent = Agent(name="helper", model=model(response(MESSAGE), response(MESSAGE)))
    await Runner.run(agent, "?", run_config=RunConfig(trace_include_sensitive_data=False))
    await Runner.run(agent, "?", run_config=RunConfig(tracing_disabled=True))
    run = traces[0].data.spans[0]
    assert (run.name, run.inputs, run.outputs) == ("AgentRunner.run", None, None)
    assert [span.name for span in traces[1].data.spans] == ["AsyncResponses"]


async def test_a_run_where_the_sdks_tracing_is_off(traces: CapturedTraces) -> None:
    """The run is a span, with the calls of models beneath."""
    agents.set_tracing_disabled(True)
    try:
        agent = Agent(name="helper", model=model(response(MESSAGE)))
        await Runner.run(agent, "Weather?")
    finally:
        agents.set_tracing_disabled(False)
    (trace,) = traces
    assert [span.name for span in trace.data.spans] == ["AgentRunner.run", "AsyncResponses"]


async def test_a_streamed_run_that_nobody_reads(traces: CapturedTraces) -> None:
    """Its span ends with its task, also if that never began."""
    agent = Agent(name="helper", model=model(streamed(response(MESSAGE))))
    Runner.run_streamed(agent, "Weather?").cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    run = root_of(traces)
    assert (run.name, run.outputs) == ("AgentRunner.run_streamed", None)
    assert run.status.status_code is SpanStatusCode.OK


async def test_a_streamed_run_that_raises_below_a_workflow(traces: CapturedTraces) -> None:
    """The run has the exception; asyncio tells of it as without us if nobody reads it."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: told.append(said))
    refused = httpx2.Response(401, json={"error": {"message": "bad key"}})
    with agents.trace("flow"):
        result = Runner.run_streamed(Agent(name="helper", model=model(refused)), "Weather?")
        assert result.run_loop_task is not None
        await asyncio.wait([result.run_loop_task])
    del result
    gc.collect()
    (run,) = traces[0].search_spans(name="AgentRunner.run_streamed")
    assert run.status.description.startswith("AuthenticationError: ")
    assert [said["message"] for said in told] == ["Task exception was never retrieved"]


class Echo(Model):
    """A model of the user's, as LiteLLM's are: no SDK of a provider that we know."""

    def __init__(self, fails: bool = False) -> None:
        """Answers, or fails."""
        self.fails = fails

    async def get_response(self, *_: Any, **asked: Any) -> ModelResponse:
        """Tells the SDK what it does."""
        message = {"role": "assistant", "content": "Sunny."}
        with generation_span(input=asked["input"], model="echo-1") as step:
            step.span_data.output = [message]
            step.span_data.usage = {
                "input_tokens": 5,
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 0},
            }
            if self.fails:
                step.set_error({"message": "no answer", "data": None})
                raise ValueError("no answer")
        return ModelResponse(
            output=[ResponseOutputMessage.model_validate(MESSAGE)],
            usage=agents.Usage(),
            response_id=None,
        )

    def stream_response(self, *_: Any, **__: Any) -> Any:
        """Not asked here."""
        raise NotImplementedError


async def test_a_model_that_only_the_sdk_knows(traces: CapturedTraces) -> None:
    """Its calls are spans by what the SDK says of them, from their beginning to their end."""
    await Runner.run(Agent(name="helper", model=Echo()), "Weather?")
    with pytest.raises(ValueError, match="no answer"):
        await Runner.run(Agent(name="helper", model=Echo(fails=True)), "Weather?")
    (failed,) = traces[1].search_spans(span_type=SpanType.CHAT_MODEL)
    assert (failed.status.status_code, failed.status.description) == ("ERROR", "no answer")
    (call,) = traces[0].search_spans(span_type=SpanType.CHAT_MODEL)
    assert (call.name, call.model_name) == ("Generation", "echo-1")
    assert call.inputs == [{"role": "user", "content": "Weather?"}]
    assert call.outputs == [{"role": "assistant", "content": "Sunny."}]
    assert call.token_usage == {"input_tokens": 5, "output_tokens": 7}
    assert call.get_attribute("mlflow.message.format") == "openai-agent"
    helper = traces[0].data.spans[1]
    assert call.parent_id == helper.span_id
    assert helper.start_time_ns <= call.start_time_ns + MOMENT
    assert call.end_time_ns <= helper.end_time_ns


async def test_a_handoff(traces: CapturedTraces) -> None:
    """The agent that it goes to is a sibling of the one that it comes from."""
    expert = Agent(name="expert", model=model(response(MESSAGE)))
    asked = model(response(call("transfer_to_expert", "{}")))
    await Runner.run(Agent(name="helper", handoffs=[expert], model=asked), "Weather?")
    (trace,) = traces
    (handoff,) = trace.search_spans(name="handoff from helper")
    assert handoff.outputs == "expert"
    (run, *agents_in_turn) = trace.search_spans(span_type=SpanType.AGENT)
    assert [span.name for span in agents_in_turn] == ["helper", "expert"]
    assert {span.parent_id for span in agents_in_turn} == {run.span_id}


async def test_a_guardrail_that_stops_the_run(traces: CapturedTraces) -> None:
    """It is a span of its own; the user's exception is the SDK's."""

    async def no(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info="no", tripwire_triggered=True)

    guard = InputGuardrail(guardrail_function=no, name="polite")
    agent = Agent(name="helper", input_guardrails=[guard], model=model(response(MESSAGE)))
    with pytest.raises(InputGuardrailTripwireTriggered):
        await Runner.run(agent, "Weather?")
    (found,) = traces[0].search_spans(span_type=SpanType.GUARDRAIL)
    assert found.name == "polite"
    assert found.get_attribute("triggered") is True


async def test_a_tool_that_fails(traces: CapturedTraces) -> None:
    """ERROR with what the SDK says of it; the run goes on as without us."""

    @function_tool
    def broken() -> str:
        """Fails."""
        raise ValueError("no weather")

    asked = model(response(call("broken", "{}")), response(MESSAGE))
    result = await Runner.run(Agent(name="helper", tools=[broken], model=asked), "Weather?")
    assert result.final_output == "Sunny."
    (tool,) = traces[0].search_spans(span_type=SpanType.TOOL)
    assert tool.status.status_code is SpanStatusCode.ERROR
    assert tool.status.description == "Error running tool (non-fatal)"
    assert tool.get_attribute("error.data")["tool_name"] == "broken"


async def test_steps_of_the_users_own(traces: CapturedTraces) -> None:
    """The SDK's `custom_span` nests with ours."""
    with agents.trace("flow"), tracetape.start_span("ours"):
        with custom_span("theirs", data={"n": 1}):
            pass
    (trace,) = traces
    assert shape(trace) == [
        ("flow", SpanType.WORKFLOW, None),
        ("ours", SpanType.UNKNOWN, "flow"),
        ("theirs", SpanType.UNKNOWN, "ours"),
    ]
    assert trace.data.spans[2].outputs == {"n": 1}


async def test_switched_off(traces: CapturedTraces) -> None:
    """The SDK's tracing is its own again."""
    tracetape.autolog(disable=True)
    await Runner.run(Agent(name="helper", model=model(response(MESSAGE))), "Weather?")
    assert len(traces) == 0


class Bare:
    """A trace or a span with nothing that the SDK's own has."""


class Failing(Bare):
    """One of the user's that cannot be exported."""

    trace_id = span_id = "id-1"
    name = "flow"
    error = "text"
    span_data = None

    def export(self) -> dict[str, Any]:
        raise NotImplementedError


@pytest.mark.parametrize(
    "one", [Bare(), Failing(), MagicMock(), None, 5], ids=lambda o: repr(o)[:9]
)
def test_stand_ins_for_traces_and_spans_are_no_trouble(
    one: Any, traces: CapturedTraces, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's processors are told of them, and we say nothing."""
    from agents.tracing.provider import SynchronousMultiTracingProcessor

    class Told(agents.TracingProcessor):
        """The user's own processor."""

        def on_trace_start(self, trace: Any) -> None:
            told.append(trace)

        on_trace_end = on_span_start = on_span_end = on_trace_start

        def shutdown(self) -> None: ...

        def force_flush(self) -> None: ...

    told: list[Any] = []
    processors = SynchronousMultiTracingProcessor()
    processors.add_tracing_processor(Told())
    processors.on_trace_start(one)
    processors.on_span_start(one)
    processors.on_span_end(one)
    processors.on_trace_end(trace=one)
    processors.on_trace_end(one)
    assert told == [one] * 5
    assert [record.message for record in caplog.records if record.name == "tracetape"] == []
    assert tracetape.get_current_active_span() is None


def streamed(answer: httpx2.Response) -> httpx2.Response:
    event = {"type": "response.completed", "sequence_number": 0, "response": answer.json()}
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, content=f"data: {json.dumps(event)}\n\n", headers=headers)


def looping(answered: Callable[[httpx2.Response], httpx2.Response] | None = None) -> Agent[Any]:
    """An agent that never comes to an end."""
    answers = [response(call("weather", '{"city":"Paris"}')) for _ in range(4)]
    asked = model(*(map(answered, answers) if answered else answers))
    return Agent(name="helper", tools=[weather], model=asked)


def root_of(traces: CapturedTraces) -> Any:
    (trace,) = traces
    root = trace.data.spans[0]
    assert root.span_type == SpanType.AGENT
    assert (trace.info.state == "ERROR") is (root.status.status_code == "ERROR")
    return root


async def test_a_run_that_raises_is_a_failed_trace(traces: CapturedTraces) -> None:
    """The workflow has the exception, though the user catches it."""
    with pytest.raises(MaxTurnsExceeded):
        await Runner.run(looping(), "Weather?", max_turns=2)
    root = root_of(traces)
    assert root.status.status_code is SpanStatusCode.ERROR
    assert root.status.description.startswith("MaxTurnsExceeded: ")
    assert [event.attributes["exception.type"] for event in root.events] == ["MaxTurnsExceeded"]


async def test_a_streamed_run_that_raises_is_a_failed_trace(traces: CapturedTraces) -> None:
    """Its exception reaches the user where he reads the events."""
    result = Runner.run_streamed(looping(streamed), "Weather?", max_turns=2)
    with pytest.raises(MaxTurnsExceeded):
        async for _ in result.stream_events():
            pass
    assert root_of(traces).status.status_code is SpanStatusCode.ERROR


async def test_a_model_that_refuses_is_a_failed_trace(traces: CapturedTraces) -> None:
    """An error of the service ends the run."""
    refused = httpx2.Response(401, json={"error": {"message": "bad key"}})
    with pytest.raises(openai.AuthenticationError):
        await Runner.run(Agent(name="helper", model=model(refused)), "Weather?")
    root = root_of(traces)
    assert root.status.description.startswith("AuthenticationError: ")


async def test_a_run_that_recovers_is_no_failure(traces: CapturedTraces) -> None:
    """A tool that failed, a handler that gave an answer, an attempt before a better one."""

    @function_tool
    def broken() -> str:
        """Fails."""
        raise ValueError("no weather")

    asked = model(response(call("broken", "{}")), response(MESSAGE))
    await Runner.run(Agent(name="helper", tools=[broken], model=asked), "Weather?")
    handlers: Any = {"max_turns": lambda _: "Enough."}
    await Runner.run(looping(), "Weather?", max_turns=2, error_handlers=handlers)
    result = Runner.run_streamed(
        looping(streamed), "Weather?", max_turns=2, error_handlers=handlers
    )
    async for _ in result.stream_events():
        pass
    with agents.trace("two attempts"):
        with pytest.raises(MaxTurnsExceeded):
            await Runner.run(looping(), "Weather?", max_turns=2)
        await Runner.run(Agent(name="helper", model=model(response(MESSAGE))), "Weather?")
    assert [trace.info.state for trace in traces] == ["OK"] * 4


async def test_a_run_within_an_exception_handler(traces: CapturedTraces) -> None:
    """What the program handles meanwhile is none of the run's."""
    try:
        raise KeyError("cache")
    except KeyError:
        await Runner.run(Agent(name="helper", model=model(response(MESSAGE))), "Weather?")
    assert root_of(traces).status.status_code is SpanStatusCode.OK


async def test_an_agent_that_fails_as_a_tool(traces: CapturedTraces) -> None:
    """The agent above it goes on with what the SDK tells it of the failure."""
    tool = looping().as_tool("ask", "asks", max_turns=1)
    asked = model(response(call("ask", '{"input":"?"}')), response(MESSAGE))
    await Runner.run(Agent(name="boss", tools=[tool], model=asked), "Weather?")
    assert root_of(traces).status.status_code is SpanStatusCode.OK
