"""What is seen, and what is added, between the SDK and the wire."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from far_end import ASK, COMPLETION, VERSION, FarEnd, http
from openai import OpenAI
from openai.types.chat import ChatCompletion

import tracetape
from tracetape.entities import Span
from tracetape.exceptions import InvalidTypeError
from tracetape.store import open_store
from tracetape.testing import CapturedTraces


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """The options of `autolog` are those of its last call."""
    yield
    tracetape.autolog()
    tracetape.autolog(disable=True)


def only_span(traces: CapturedTraces) -> Span:
    ((span,),) = [trace.data.spans for trace in traces]
    return span


takes_stream_options = pytest.mark.skipif(VERSION < (1, 26), reason="no argument stream_options")


# -- retries ---------------------------------------------------------------------------------------


async def test_retries_are_events_of_one_span(far_end: FarEnd, traces: CapturedTraces) -> None:
    """With the status that led to each, and how long the SDK waited."""

    def troubles() -> list[http.Response | Exception]:
        busy = http.Response(429, headers={"retry-after-ms": "2"})
        return [busy, http.ConnectError("down")]

    far_end.answers = troubles()
    far_end.client().chat.completions.create(**ASK)
    far_end.answers = troubles()
    await far_end.async_client().chat.completions.create(**ASK)

    assert len(traces) == 2
    for trace in traces:
        (span,) = trace.data.spans
        assert [event.name for event in span.events] == ["retry", "retry"]
        first, second = (event.attributes for event in span.events)
        assert first["http.response.status_code"] == 429
        assert first["retry.wait_seconds"] == (
            0.002 if VERSION >= (1, 8) else pytest.approx(0.5, 1)
        )
        assert first["http.request.resend_count"] == 1
        assert "http.response.status_code" not in second
        assert second["http.request.resend_count"] == 2
        assert span.get_attribute("tracetape.llm.retries") == 2
        assert span.status.status_code == "OK"


def test_given_up_retries_end_in_the_sdks_own_error(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The error comes after the events, and is the one that the user gets."""
    far_end.answers = [http.Response(503), http.Response(503)]
    with pytest.raises(openai.InternalServerError):
        far_end.client(max_retries=1).chat.completions.create(**ASK)
    assert [event.name for event in only_span(traces).events] == ["retry", "exception"]


def test_without_a_retry_nothing_is_said(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Not even a zero."""
    far_end.client().chat.completions.create(**ASK)
    assert only_span(traces).get_attribute("tracetape.llm.retries") is None


# -- traceparent -----------------------------------------------------------------------------------


def test_a_traceparent_goes_with_the_call(far_end: FarEnd, traces: CapturedTraces) -> None:
    """It names the call's own span, so that the server's spans are its children."""
    far_end.client().chat.completions.create(**ASK, extra_headers={"X-Mine": "1"})
    span = only_span(traces)
    headers = far_end.requests[0].headers
    assert headers["traceparent"] == f"00-{span.trace_id[3:]}-{span.span_id}-01"
    assert headers["x-mine"] == "1"


@pytest.mark.parametrize("where", ["call", "client"])
def test_the_callers_own_traceparent_wins(
    where: str, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Whether it is given with the call or with the client."""
    mine = {"Traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    client = far_end.client(default_headers=mine if where == "client" else None)
    client.chat.completions.create(**ASK, extra_headers=mine if where == "call" else None)
    assert far_end.requests[0].headers.get_list("traceparent") == [mine["Traceparent"]]
    assert len(traces) == 1


def test_a_traceparent_of_the_callers_own_http_client_wins(far_end: FarEnd) -> None:
    """It is his, as one given with the call is."""
    own = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    tracetape.autolog()
    transport = http.Client(transport=http.MockTransport(far_end), headers={"traceparent": own})
    client = OpenAI(api_key="k", base_url="https://far.end/v1", http_client=transport)
    client.chat.completions.create(**ASK)
    assert far_end.requests[0].headers["traceparent"] == own


def test_the_traceparent_can_be_switched_off(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Then nothing on the wire is ours."""
    tracetape.autolog(propagate=False)
    far_end.client().chat.completions.create(**ASK)
    assert "traceparent" not in far_end.requests[0].headers
    assert len(traces) == 1


def test_the_callers_options_stay_as_they_are(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Also where they are used for two requests."""
    headers = {"X-Mine": "1"}
    client = far_end.client()
    for _ in range(2):
        client.post(
            "/chat/completions", cast_to=ChatCompletion, body=ASK, options={"headers": headers}
        )
    assert headers == {"X-Mine": "1"}
    first, second = (request.headers["traceparent"] for request in far_end.requests)
    assert first != second
    assert len(traces) == 2


def test_the_users_own_hook_sees_the_traceparent_and_may_change_it(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """It is in the prepared request; what the user's client makes of that is sent."""
    seen = []

    class Client(OpenAI):
        def _prepare_request(self, request: Any) -> None:
            seen.append(request.headers["traceparent"])
            request.headers["traceparent"] = "mine"

    http_client = http.Client(transport=http.MockTransport(far_end))
    client = Client(api_key="k", base_url="https://far.end/v1", http_client=http_client)
    client.chat.completions.create(**ASK)
    span = only_span(traces)
    assert seen == [f"00-{span.trace_id[3:]}-{span.span_id}-01"]
    assert far_end.requests[0].headers.get_list("traceparent") == ["mine"]


# -- the request as it is sent, and the answer as it came ------------------------------------------

TEMPERATE: dict[str, Any] = {**ASK, "temperature": 0.5, "extra_body": {"top_k": 3}}
ASKED = {"model": "m", "messages": ASK["messages"], "temperature": 0.5, "top_k": 3}


def test_each_call_of_a_client_is_recorded_alike(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The first is described when it begins, later ones by the request that the SDK has built."""
    client = far_end.client()
    for _ in range(3):
        client.chat.completions.create(**TEMPERATE)
    for trace in traces:
        (span,) = trace.data.spans
        assert span.inputs == ASKED
        assert (span.get_attribute("temperature"), span.get_attribute("top_k")) == (0.5, 3)
        assert span.get_attribute("messages") is None
    assert len(traces) == 3


def test_what_is_recorded_is_what_was_given_not_what_a_clients_hook_makes_of_it(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """A hook of the user's own that hides a name from the server does not hide it here."""

    class Hiding(OpenAI):
        def _prepare_options(self, options: Any) -> Any:
            hidden = {**options.json_data, "messages": [{"role": "user", "content": "***"}]}
            vars(options)["json_data"] = hidden
            return options

    http_client = http.Client(transport=http.MockTransport(far_end))
    client = Hiding(api_key="k", base_url="https://far.end/v1", http_client=http_client)
    for _ in range(2):
        client.chat.completions.create(**ASK)
    assert b"***" in far_end.requests[1].content
    for trace in traces:
        assert trace.data.spans[0].inputs == ASK


def test_what_changes_during_the_call_changes_no_record(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The request is as it was when the SDK built it, also after a second attempt."""
    messages = [{"role": "user", "content": "Hello"}]

    def busy(request: Any) -> Any:
        messages[0]["content"] = "changed"
        return http.Response(429, headers={"retry-after-ms": "2"})

    client = far_end.client()
    client.chat.completions.create(**ASK)
    far_end.answers = [busy]
    client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]
    assert [trace.data.spans[0].inputs for trace in traces] == [ASK, ASK]


def test_a_call_that_builds_no_request_has_inputs(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The SDK has refused a value, or the user's own hook has failed."""
    client = far_end.client()
    client.chat.completions.create(**ASK)
    with pytest.raises(TypeError):
        client.chat.completions.create(**ASK, extra_body={"odd": object()})
    span = traces[1].data.spans[0]
    assert span.inputs["messages"] == ASK["messages"]
    assert span.status.status_code == "ERROR"


def test_an_open_call_is_seen_whole(far_end: FarEnd, traces: CapturedTraces) -> None:
    """While the server takes its time: model, parameters and messages."""
    client = far_end.client()
    client.chat.completions.create(**TEMPERATE)
    seen: list[Span] = []

    def slow(request: Any) -> Any:
        number = request.headers["traceparent"].split("-")[1]
        trace = tracetape.get_trace(f"tr-{number}")
        assert trace is not None
        seen.extend(trace.data.spans)
        return http.Response(200, json={"choices": []})

    far_end.answers = [slow]
    client.chat.completions.create(**TEMPERATE)
    (span,) = seen
    assert (span.inputs, span.get_attribute("temperature")) == (ASKED, 0.5)
    assert span.model_name == "m"
    ended = traces[1].data.spans[0]
    assert (ended.inputs, ended.get_attribute("temperature")) == (ASKED, 0.5)


def test_an_answer_is_kept_as_it_came(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Whole numbers that no float can hold included, and whatever spaces the server writes."""
    content = json.dumps({**COMPLETION, "number": 2**70 + 1, "odd": float("nan")}, indent=2)
    headers = {"content-type": "application/json"}
    far_end.answers = [http.Response(200, content=content.encode(), headers=headers)]
    far_end.client().chat.completions.create(**ASK)
    outputs = only_span(traces).outputs
    assert (outputs["number"], outputs["odd"]) == (str(2**70 + 1), "NaN")
    assert outputs["choices"] == COMPLETION["choices"]


# -- usage of streams ------------------------------------------------------------------------------


@takes_stream_options
async def test_stream_usage_asks_for_it_and_hides_the_chunk(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The span has the tokens; the user gets the chunks that he would have got."""
    tracetape.autolog(stream_usage=True)
    plain = list(far_end.client().chat.completions.create(**ASK, stream=True))
    stream = await far_end.async_client().chat.completions.create(**ASK, stream=True)
    assert [chunk.to_dict() for chunk in plain] == [chunk.to_dict() async for chunk in stream]
    assert [chunk.usage for chunk in plain] == [None, None]

    for trace, request in zip(traces, far_end.requests, strict=True):
        (span,) = trace.data.spans
        assert span.token_usage == {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
        assert "stream_options" not in span.inputs
        assert json.loads(request.content)["stream_options"] == {"include_usage": True}


@takes_stream_options
@pytest.mark.parametrize("given", [{"include_usage": True}, {"include_usage": False}])
def test_stream_options_of_the_user_win(
    given: dict[str, bool], far_end: FarEnd, traces: CapturedTraces
) -> None:
    """What he asked for he gets, and nothing else."""
    tracetape.autolog(stream_usage=True)
    chunks = list(
        far_end.client().chat.completions.create(**ASK, stream=True, stream_options=given)
    )
    assert len(chunks) == (3 if given["include_usage"] else 2)
    assert json.loads(far_end.requests[0].content)["stream_options"] == given
    assert only_span(traces).inputs["stream_options"] == given


def test_who_reads_the_response_himself_is_not_asked_for_more(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """His bytes cannot be hidden from him."""
    tracetape.autolog(stream_usage=True)
    raw = far_end.client().chat.completions.with_raw_response.create(**ASK, stream=True)
    assert len(list(raw.parse())) == 2
    assert "stream_options" not in json.loads(far_end.requests[0].content)
    assert len(traces) == 1


def test_by_default_the_request_is_what_the_user_made(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """No usage is asked for, and none is made up."""
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    assert "stream_options" not in json.loads(far_end.requests[0].content)
    assert only_span(traces).token_usage is None


# -- the end ---------------------------------------------------------------------------------------

UNREAD = """
import sys
sys.path.insert(0, {folder!r})
from far_end import ASK, FarEnd
import tracetape
tracetape.configure(store="unread.db")
tracetape.autolog()
stream = FarEnd().client().chat.completions.create(**ASK, stream=True)
next(stream)
"""


def test_a_stream_that_is_unread_at_the_programs_end_keeps_what_came(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """It is no open span for ever; the reason says how it came to its end."""
    run_python(UNREAD.format(folder=str(Path(__file__).parent)))
    (info,) = open_store("unread.db").list_traces()
    tracetape.configure(store="unread.db")
    trace = tracetape.get_trace(info.trace_id)
    assert trace is not None
    (span,) = trace.data.spans
    assert span.status.status_code == "OK"
    assert span.outputs["choices"][0]["message"]["content"] == "H"
    assert span.get_attribute("tracetape.llm.stream_end") == "exit"


# -- keywords --------------------------------------------------------------------------------------


def test_mlflows_keywords_are_taken() -> None:
    """A program written for ``mlflow.autolog`` runs; a misspelt word is an error."""
    tracetape.autolog(log_models=False, silent=True, exclude_flavors=["sklearn"])
    with pytest.raises(InvalidTypeError, match="unexpected keyword argument 'log_trace'"):
        tracetape.autolog(log_trace=True)


def test_without_traces_nothing_is_logged() -> None:
    """MLflow's word for it."""
    tracetape.autolog()
    tracetape.autolog(log_traces=False)
    assert "request" not in vars(OpenAI)
