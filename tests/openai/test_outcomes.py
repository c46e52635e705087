"""Answers that are none, though the HTTP call went well: ERROR, whatever way they tell it."""

from __future__ import annotations

import inspect
import json
from typing import Any

import openai
import pytest
from far_end import ASK, COMPLETION, OBJECT, FarEnd, chunk, events, http

import tracetape
from tracetape.entities import SpanStatusCode, TraceState
from tracetape.testing import CapturedTraces

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
ERROR = {"code": 502, "message": "Provider returned error"}
TOLD: dict[str, tuple[dict[str, Any], str, str]] = {
    "error first": ({"error": ERROR, "user_id": "u"}, "502", "502: Provider returned error"),
    "id first": (
        {**COMPLETION, "choices": None, "error": ERROR},
        "502",
        "502: Provider returned error",
    ),
    "a text": ({"id": "1", "error": "busy"}, "Error", "busy"),
    "a type": (
        {"error": {"type": "overloaded", "message": "later"}},
        "overloaded",
        "overloaded: later",
    ),
    "detail": ({"detail": "model is loading"}, "Error", "model is loading"),
    "errors": (
        {"success": False, "errors": [{"code": 7003, "message": "no route"}], "result": None},
        "7003",
        "7003: no route",
    ),
    "details": (
        {"detail": [{"loc": ["body"], "msg": "missing", "type": "missing"}]},
        "Error",
        "missing",
    ),
    "vLLM": (
        {"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404},
        "404",
        "404: no such model",
    ),
    "MiniMax": (
        {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        "1004",
        "1004: login fail",
    ),
    "Databricks": (
        {"error_code": "BAD_REQUEST", "message": "no endpoint"},
        "BAD_REQUEST",
        "BAD_REQUEST: no endpoint",
    ),
}


def choice(**more: Any) -> dict[str, Any]:
    one = {"index": 0, "message": {"role": "assistant", "content": "Pa"}, "finish_reason": "stop"}
    return {**COMPLETION, "choices": [{**one, **more}]}


TOLD["in a choice"] = (
    choice(finish_reason="error", error=ERROR),
    "502",
    "502: Provider returned error",
)
TOLD["reason to finish"] = (choice(finish_reason="error"), "error", "error")
TOLD["filtered"] = (choice(finish_reason="content_filter"), "content_filter", "content_filter")
TOLD["filter of Gemini"] = (
    choice(finish_reason="content_filter: SAFETY"),
    "content_filter",
    "content_filter: SAFETY",
)


@pytest.mark.parametrize("name", TOLD)
def test_an_error_in_an_answer_of_status_200(
    name: str, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """ERROR with code and message, for the span, its event and its trace; the answer is kept."""
    body, code, description = TOLD[name]
    far_end.answers = [http.Response(200, json=body)]
    far_end.client().chat.completions.create(**ASK)
    (trace,) = traces
    (span,) = trace.data.spans
    assert span.status.status_code is SpanStatusCode.ERROR
    assert span.status.description == description
    assert trace.info.state is TraceState.ERROR
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes == {"exception.type": code, "exception.message": description}
    assert span.outputs == body


@pytest.mark.parametrize("reason", ["error", "content_filter"])
def test_a_stream_whose_last_reason_is_a_failure(
    reason: str, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As the plain answer; what came before is kept."""
    last = chunk({})
    last["choices"][0]["finish_reason"] = reason
    body = events(chunk({"role": "assistant", "content": "Pa"}), last)
    far_end.answers = [http.Response(200, content=body, headers=SSE)]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    (trace,) = traces
    (span,) = trace.data.spans
    assert (span.status.status_code, span.status.description) == (SpanStatusCode.ERROR, reason)
    assert trace.info.state is TraceState.ERROR
    assert span.outputs["choices"][0]["message"]["content"] == "Pa"


@pytest.mark.parametrize(
    "body",
    [
        choice(finish_reason="length"),
        choice(finish_reason="model_length"),
        choice(error=None),
        {**COMPLETION, "error": None},
        {**COMPLETION, "message": "a remark", "detail": "another"},
        {**COMPLETION, "choices": []},
        {**COMPLETION, "base_resp": {"status_code": 0, "status_msg": "success"}},
    ],
    ids=str,
)
def test_an_answer_is_no_error(
    body: dict[str, Any], far_end: FarEnd, traces: CapturedTraces
) -> None:
    """A limit that was reached, an empty error, words beside an answer."""
    far_end.answers = [http.Response(200, json=body)]
    far_end.client().chat.completions.create(**ASK)
    (trace,) = traces
    assert trace.data.spans[0].status.status_code is SpanStatusCode.OK
    assert trace.info.state is TraceState.OK


def test_an_answer_of_null(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Has no outputs."""
    far_end.answers = [http.Response(200, content=b"null", headers=JSON)]
    far_end.client().chat.completions.create(**ASK)
    assert traces[0].data.spans[0].outputs is None


def test_a_trace_that_is_kept_only_if_it_fails(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Is kept if an answer tells of an error, which is read after the call."""
    far_end.answers = [http.Response(200, json=TOLD["id first"][0])]
    tracetape.configure(sampling_ratio=0.0, keep_errors=True)
    far_end.client().chat.completions.create(**ASK)
    assert [trace.info.state for trace in traces] == [TraceState.ERROR]


@pytest.mark.parametrize("name", ["error first", "detail", "vLLM"])
def test_embeddings_that_are_none(name: str, far_end: FarEnd, traces: CapturedTraces) -> None:
    """The SDK may find no vectors in the answer; the span says why."""
    body, code, description = TOLD[name]
    far_end.answers = [http.Response(200, json=body)]
    far_end.client().post("/embeddings", cast_to=OBJECT, body={"model": "m", "input": "x"})
    span = traces[0].data.spans[0]
    assert (span.status.status_code, span.status.description) == ("ERROR", description)
    assert span.events[0].attributes["exception.type"] == code


PAGE = b"<html>blocked</html>"
NO_ANSWER = "the server sent a page in the place of an answer"
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": []},
    "/completions": {"prompt": "x"},
    "/responses": {"input": "x"},
}
# Older SDKs read events without a name only; newer ones make an exception of Assistants' alone.
HAS_NAMED_EVENTS = "thread." in inspect.getsource(openai.Stream.__stream__)
# Content type, body, code, description, outputs.
INSTEAD: dict[str, tuple[str, bytes, str, str, Any]] = {
    **{
        f"JSON: {name}": (
            "application/json",
            json.dumps(TOLD[name][0]).encode(),
            TOLD[name][1],
            TOLD[name][2],
            TOLD[name][0],
        )
        for name in ("error first", "detail", "vLLM")
    },
    "a page": ("text/html", PAGE, "Error", NO_ANSWER, PAGE.decode()),
    **{
        f"an event: {name}": (
            "text/event-stream",
            events(TOLD[name][0]),
            TOLD[name][1],
            TOLD[name][2],
            TOLD[name][0],
        )
        for name in ("detail", "vLLM")
    },
    "an event error": (
        "text/event-stream",
        b'event: error\ndata: {"message": "boom", "code": 3}\n\n',
        "3",
        "3: boom",
        {"message": "boom", "code": 3},
    ),
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("name", INSTEAD)
async def test_an_error_in_the_place_of_a_stream(
    name: str, path: str, is_async: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As the plain answer would be: ERROR with code and message, and what came is kept."""
    if name == "an event error" and not HAS_NAMED_EVENTS:
        pytest.skip("the SDK drops events with a name, or hands them on within another object")
    kind, content, code, description, outputs = INSTEAD[name]
    far_end.answers = [http.Response(200, content=content, headers={"content-type": kind})]
    asked: dict[str, Any] = {"model": "m", "stream": True, **ENDPOINTS[path]}
    how = {"cast_to": OBJECT, "body": asked, "stream": True}
    if is_async:
        client = far_end.async_client()
        async for _ in await client.post(path, stream_cls=openai.AsyncStream[OBJECT], **how):
            pass
    else:
        list(far_end.client().post(path, stream_cls=openai.Stream[OBJECT], **how))
    (trace,) = traces
    (span,) = trace.data.spans
    assert (span.status.status_code, span.status.description) == ("ERROR", description)
    assert [event.attributes["exception.type"] for event in span.events] == [code]
    assert span.outputs == outputs


def test_an_error_after_the_first_words(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Is the stream's error; what came before is kept."""
    body = events(chunk({"role": "assistant", "content": "Pa"}), TOLD["vLLM"][0])
    far_end.answers = [http.Response(200, content=body, headers=SSE)]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    span = traces[0].data.spans[0]
    assert (span.status.status_code, span.status.description) == ("ERROR", TOLD["vLLM"][2])
    assert span.outputs["choices"][0]["message"]["content"] == "Pa"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/event-stream"])
def test_a_stream_with_remarks_is_no_error(
    kind: str, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Words before the first choice and after the last, whatever the server calls its stream."""
    last = chunk({})
    last["choices"][0]["finish_reason"] = "stop"
    remark = {"message": "in the queue"}
    body = events(remark, chunk({"role": "assistant", "content": "Pa"}), last, remark)
    far_end.answers = [http.Response(200, content=body, headers={"content-type": kind})]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    span = traces[0].data.spans[0]
    assert span.status.status_code is SpanStatusCode.OK
    assert span.outputs["choices"][0]["message"]["content"] == "Pa"
    assert span.get_attribute("tracetape.llm.chunk_count") == 4
