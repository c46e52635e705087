"""The Responses API: one whole span, plain or streamed, whole, failed or cut short.

Answers come from the recorded model server or have the shapes of OpenAI's API reference, "The
response object" and "Streaming events".
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from far_end import ASK, VERSION, FarEnd, events, http
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI, OpenAI

from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces

if not hasattr(OpenAI, "responses"):
    pytest.skip(f"openai {openai.__version__} has no responses", allow_module_level=True)

from tracetape_openai.response_events import ResponseEvents
from tracetape_openai.responses import Responses

QUESTION: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "input": "What is the capital of France?",
    "max_output_tokens": 16,
}
USAGE = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 12,
}
TEXT = {"type": "output_text", "text": "It is Paris.", "annotations": []}
MESSAGE = {
    "id": "msg-1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [TEXT],
}


def response(*output: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    body = {"id": "resp-1", "object": "response", "created_at": 1, "model": "m-1"}
    usage = USAGE if status in ("completed", "incomplete") else None
    return {**body, "status": status, "output": list(output), "usage": usage, **more}


def streamed(*sent: dict[str, Any]) -> Any:
    numbered = [{**event, "sequence_number": n} for n, event in enumerate(sent)]
    body = events(*numbered, done=False)
    return http.Response(200, content=body, headers={"content-type": "text/event-stream"})


def only(traces: CapturedTraces) -> Any:
    ((span,),) = [trace.data.spans for trace in traces]
    return span


@pytest.mark.cassette
async def test_a_streamed_response_equals_the_plain_one(traces: CapturedTraces) -> None:
    """But for what varies from call to call, sync and async, both are equal field by field."""
    answer = OpenAI().responses.create(**QUESTION)
    for _ in OpenAI().responses.create(**QUESTION, stream=True):
        pass
    async with AsyncOpenAI() as client:
        async for _ in await client.responses.create(**QUESTION, stream=True):
            pass

    spans = [trace.data.spans[0] for trace in traces]
    assert [span.name for span in spans] == ["Responses", "Responses", "AsyncResponses"]
    assert {span.span_type for span in spans} == {SpanType.CHAT_MODEL}
    plain = spans[0]
    assert plain.inputs == QUESTION
    assert plain.outputs["output"][-1]["content"][0]["text"] == answer.output_text
    assert plain.get_attribute("max_output_tokens") == 16
    assert plain.get_attribute("input") is None
    for span in spans:
        assert span.token_usage == plain.token_usage
        assert span.token_usage["output_tokens"] == answer.usage.output_tokens
        assert content(span) == content(plain)


def content(span: Any) -> list[Any]:
    """What was answered, without the ids that the server makes up."""
    items = copy.deepcopy(span.outputs["output"])
    for item in items:
        item.pop("id", None)
    return items


def test_what_a_response_says_of_itself(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Model, usage, id, and tools in the form that those of chats have."""
    function = {"name": "weather", "parameters": {"type": "object"}, "strict": True}
    tools = [{"type": "function", **function}, {"type": "web_search"}]
    far_end.answers = [http.Response(200, json=response(MESSAGE))]
    far_end.client().responses.create(model="m", input="?", tools=tools)
    span = only(traces)
    assert span.outputs == response(MESSAGE)
    assert span.model_name == "m-1"
    assert span.get_attribute("tracetape.llm.response_id") == "resp-1"
    assert span.token_usage == {
        "input_tokens": 5,
        "output_tokens": 7,
        "total_tokens": 12,
        "cache_read_input_tokens": 2,
        "reasoning_tokens": 3,
    }
    assert span.inputs["tools"] == tools
    assert span.get_attribute("mlflow.chat.tools") == [
        {"type": "function", "function": function},
        {"type": "function", "function": {"name": "web_search"}},
    ]


@pytest.mark.parametrize(
    ("tool", "function"),
    [
        ({"type": "web_search_preview"}, {"name": "web_search_preview"}),
        ({"type": "file_search", "vector_store_ids": ["vs-1"]}, {"name": "file_search"}),
        ({"type": "computer_use_preview", "display_width": 9}, {"name": "computer_use_preview"}),
        ({"type": "mcp", "server_label": "s"}, {"name": "mcp"}),
        (
            {"type": "custom", "name": "shell", "description": "Runs.", "format": {}},
            {"name": "shell", "description": "Runs."},
        ),
        ({"type": "function", "name": "f", "strict": True}, {"name": "f", "strict": True}),
    ],
    ids=lambda value: value.get("type"),
)
def test_every_kind_of_tool_is_a_function(
    tool: dict[str, Any], function: dict[str, Any], far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As MLflow has them; the inputs have the tool as it was offered."""
    far_end.answers = [http.Response(200, json=response(MESSAGE))]
    far_end.client().responses.create(model="m", input="?", tools=[tool])
    span = only(traces)
    assert span.get_attribute("mlflow.chat.tools") == [{"type": "function", "function": function}]
    assert span.inputs["tools"] == [tool]


def test_tools_of_chats_stay_as_they_are(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Also those that are no functions."""
    tools: Any = [
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "g"}},
    ]
    far_end.client().chat.completions.create(**ASK, tools=tools)
    assert only(traces).get_attribute("mlflow.chat.tools") == tools


def test_tools_that_are_changed_after_the_call(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The span has those that were offered."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    far_end.answers = [http.Response(200, json=response(MESSAGE))]
    far_end.client().responses.create(model="m", input="?", tools=[tool])
    tool["parameters"]["changed"] = True
    assert "changed" not in str(only(traces).get_attribute("mlflow.chat.tools"))


FAILED = response(status="failed", error={"code": "server_error", "message": "We are sorry."})
FILTERED = response(
    MESSAGE, status="incomplete", incomplete_details={"reason": "content_filter"}, error=None
)
CUT = response(
    MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"}, error=None
)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("body", "description"),
    [
        (FAILED, "failed: server_error: We are sorry."),
        (FILTERED, "incomplete: content_filter"),
    ],
    ids=["failed", "filtered"],
)
def test_a_response_that_is_none_is_an_error(
    body: dict[str, Any], description: str, stream: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Though the HTTP call went well; what came is kept, and the user sees what he would."""
    last = {"type": f"response.{body['status']}", "response": body}
    far_end.answers = [streamed(last) if stream else http.Response(200, json=body)]
    answer = far_end.client().responses.create(model="m", input="?", stream=stream)
    if stream:
        assert [event.type for event in answer] == [last["type"]]
    else:
        assert answer.status == body["status"]
    span = only(traces)
    assert span.status.status_code is SpanStatusCode.ERROR
    assert span.status.description == description
    assert span.outputs == body
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.message"] == description


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_response_that_reaches_a_limit_is_an_answer(
    stream: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As in chats: OK, with the limit as the reason to finish."""
    last = {"type": "response.incomplete", "response": CUT}
    far_end.answers = [streamed(last) if stream else http.Response(200, json=CUT)]
    answer = far_end.client().responses.create(model="m", input="?", stream=stream)
    if stream:
        assert len(list(answer)) == 1
    span = only(traces)
    assert span.status.status_code is SpanStatusCode.OK
    assert span.get_attribute("tracetape.llm.finish_reasons") == ["max_output_tokens"]
    assert span.events == []


def test_an_error_event(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The reason is the span's; what came before it is kept."""
    begun = {"type": "response.created", "response": response(status="in_progress")}
    error = {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None}
    far_end.answers = [streamed(begun, error)]
    types = [e.type for e in far_end.client().responses.create(model="m", input="?", stream=True)]
    assert types == ["response.created", "error"]
    span = only(traces)
    assert span.status.status_code is SpanStatusCode.ERROR
    assert span.status.description == "rate_limit_exceeded: Slow down."
    assert span.outputs == response(status="in_progress")


def test_a_response_in_the_background(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Its tokens are counted where it is fetched when it is ready."""
    far_end.answers = [
        http.Response(200, json=response(status="queued", background=True)),
        http.Response(200, json=response(MESSAGE, background=True)),
    ]
    client = far_end.client()
    client.responses.create(model="m", input="?", background=True)
    client.responses.retrieve("resp-1")
    begun, fetched = (trace.data.spans[0] for trace in traces)
    assert begun.token_usage is None
    assert begun.get_attribute("tracetape.llm.finish_reasons") is None  # it is not finished
    assert fetched.get_attribute("tracetape.llm.finish_reasons") == ["completed"]
    assert fetched.name == "Responses"
    assert fetched.inputs == {"response_id": "resp-1"}
    assert fetched.outputs == response(MESSAGE, background=True)
    assert fetched.token_usage["total_tokens"] == 12


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_response_in_the_background_is_counted_once(
    stream: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """However often it is fetched; another one, and one of another service, counts for itself."""
    one, other = (f"resp-{n}-{stream}" for n in (1, 2))
    done = {**response(MESSAGE, background=True), "id": one}
    whole = {"type": "response.completed", "response": done}
    queued = {**response(status="queued", background=True), "id": one}
    begun = {"type": "response.queued", "response": queued}
    client = far_end.client()
    for _ in range(2):  # the server of a test may give the same id again
        far_end.answers = [
            streamed(begun) if stream else http.Response(200, json=queued),
            streamed(whole) if stream else http.Response(200, json=done),
            http.Response(200, json=done),
            http.Response(200, json={**done, "id": other}),
            http.Response(200, json=done),
        ]
        made = client.responses.create(model="m", input="?", background=True, stream=stream)
        fetched = client.responses.retrieve(one, stream=stream)
        if stream:
            assert len([*made, *fetched]) == 2
        client.responses.retrieve(one)
        client.responses.retrieve(other)
        client.responses.cancel(one)
    totals = [(trace.data.spans[0].token_usage or {}).get("total_tokens") for trace in traces]
    assert totals == [None, 12, None, 12, None, None, 12, None, None, None]


def test_a_response_that_is_looked_up_again(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Counts no tokens: the call that made it has."""
    far_end.answers = [http.Response(200, json=response(MESSAGE))]
    far_end.client().responses.retrieve("resp-1")
    span = only(traces)
    assert span.token_usage is None
    assert span.outputs == response(MESSAGE)


def test_compacted_and_beta_responses(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Each is one span, where the SDK has it."""
    client = far_end.client()
    expected = []
    if hasattr(client.responses, "compact"):
        compacted = {"id": "c-1", "object": "response.compaction", "created_at": 1, "output": []}
        far_end.answers.append(http.Response(200, json={**compacted, "usage": USAGE}))
        client.responses.compact(model="m", input="?")
        expected.append(SpanType.LLM)
    if hasattr(client.beta, "responses"):
        far_end.answers.append(http.Response(200, json=response(MESSAGE)))
        client.beta.responses.create(model="m", input="?")
        expected.append(SpanType.CHAT_MODEL)
    spans = [trace.data.spans[0] for trace in traces]
    assert [span.span_type for span in spans] == expected
    assert {span.token_usage["total_tokens"] for span in spans} <= {12}


# -- streams, put together -------------------------------------------------------------------------

texts = st.text(min_size=1, max_size=30)
citations = st.fixed_dictionaries(
    {"type": st.just("file_citation"), "index": st.integers(0, 9), "file_id": texts}
)
parts = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("output_text"),
            "text": texts,
            "annotations": st.lists(citations, max_size=2),
        }
    ),
    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": texts}),
)
items = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "id": st.just("m"),
            "content": st.lists(parts, min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("reasoning"),
            "id": st.just("r"),
            "summary": st.lists(
                st.fixed_dictionaries({"type": st.just("summary_text"), "text": texts}),
                min_size=1,
                max_size=2,
            ),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "id": st.just("f"), "arguments": texts}
    ),
    st.fixed_dictionaries({"type": st.just("mcp_call"), "id": st.just("c"), "arguments": texts}),
    st.fixed_dictionaries(
        {"type": st.just("custom_tool_call"), "id": st.just("t"), "input": texts}
    ),
    st.fixed_dictionaries(
        {"type": st.just("code_interpreter_call"), "id": st.just("i"), "code": texts}
    ),
)
_NAMES = {
    "function_call": ("function_call_arguments", "arguments"),
    "mcp_call": ("mcp_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
    "code_interpreter_call": ("code_interpreter_call_code", "code"),
}


def cut(text: str, draw: Any) -> Iterator[str]:
    """The text in random pieces."""
    while text:
        size = draw(st.integers(1, len(text)))
        yield text[:size]
        text = text[size:]


def item_events(index: int, item: dict[str, Any], draw: Any) -> Iterator[dict[str, Any]]:
    """What a server sends for one item of the output; `done` events may be left out."""
    where = {"output_index": index, "item_id": item["id"]}
    place = {"message": "content", "reasoning": "summary"}.get(item["type"])
    if place is None:
        name, key = _NAMES[item["type"]]
        yield {"type": "response.output_item.added", **where, "item": {**item, key: ""}}
        for piece in cut(item[key], draw):
            yield {"type": f"response.{name}.delta", **where, "delta": piece}
        if draw(st.booleans()):
            yield {"type": f"response.{name}.done", **where, key: item[key]}
    else:
        yield {"type": "response.output_item.added", **where, "item": {**item, place: []}}
        for n, part in enumerate(item[place]):
            yield from part_events(n, part, {**where, f"{place}_index": n}, draw)
    if draw(st.booleans()):
        yield {"type": "response.output_item.done", **where, "item": item}


def part_events(
    n: int, part: dict[str, Any], where: dict[str, Any], draw: Any
) -> Iterator[dict[str, Any]]:
    key = "refusal" if part["type"] == "refusal" else "text"
    summary = part["type"] == "summary_text"
    holder = "reasoning_summary_part" if summary else "content_part"
    name = {"refusal": "refusal", "output_text": "output_text"}.get(
        part["type"], "reasoning_summary_text"
    )
    empty = {**part, key: "", **({"annotations": []} if "annotations" in part else {})}
    yield {"type": f"response.{holder}.added", **where, "part": empty}
    for piece in cut(part[key], draw):
        yield {"type": f"response.{name}.delta", **where, "delta": piece}
    for i, annotation in enumerate(part.get("annotations", ())):
        added = {"annotation_index": i, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added", **where, **added}
    if draw(st.booleans()):
        yield {"type": f"response.{name}.done", **where, key: part[key]}
        yield {"type": f"response.{holder}.done", **where, "part": part}


@given(st.lists(items, min_size=1, max_size=3), st.data())
def test_any_output_is_put_together_from_its_events(output: list[Any], data: st.DataObject) -> None:
    """Whatever the cuts; the last event, with the whole response, is not needed for it."""
    together = ResponseEvents()
    together.add({"type": "response.created", "response": response(status="in_progress")})
    for index, item in enumerate(output):
        for event in item_events(index, item, data.draw):
            before = copy.deepcopy(event)
            together.add(event)
            assert event == before
    assert together.response() == response(*output, status="in_progress")
    final = response(*output)
    together.add({"type": "response.completed", "response": {**final, "output": None}})
    assert together.response() == final
    together.add({"type": "response.completed", "response": final})
    assert together.response() == final


@pytest.mark.skipif(VERSION < (3, 50), reason="the SDK's own accumulator had other names")
@given(st.lists(items, min_size=1, max_size=3), st.data())
def test_a_stream_that_is_cut_anywhere_is_what_the_sdk_makes_of_it(
    output: list[Any], data: st.DataObject
) -> None:
    """Where the SDK's own accumulator knows the kind of item: messages and function calls."""
    from openai._models import construct_type
    from openai.lib.streaming.responses._responses import ResponseStreamState
    from openai.types.responses import ResponseStreamEvent

    output = [
        {**item, "id": f"id-{n}", "call_id": f"call-{n}", "name": "f"}
        for n, item in enumerate(output)
        if item["type"] == "function_call"
        or (
            item["type"] == "message"
            and all(p["type"] == "output_text" and not p["annotations"] for p in item["content"])
        )
    ]
    sent = [{"type": "response.created", "response": response(status="in_progress")}]
    for index, item in enumerate(output):
        sent += [e for e in item_events(index, item, data.draw) if not e["type"].endswith("done")]
    theirs = ResponseStreamState(input_tools=[], text_format=openai.omit)
    ours = ResponseEvents()
    for event in sent[: data.draw(st.integers(1, len(sent)))]:
        typed: Any = construct_type(type_=ResponseStreamEvent, value=event)
        snapshot = theirs.accumulate_event(typed)
        theirs._ResponseStreamState__current_snapshot = snapshot  # type: ignore[attr-defined]
        ours.add(typed)
    expected = [item.to_dict() for item in snapshot.output]
    assert ours.response().get("output", []) == expected


PLACE = {"output_index": 0, "content_index": 0, "item_id": "i"}
VERSE = {"type": "verse", "id": "i", "verse": ""}
ITEMS = [{"type": "message", "content": [{"type": "output_text", "text": "Paris"}]}]
DIALECTS: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "an index as text": (
        [
            {"type": "response.output_text.delta", **PLACE, "output_index": "0", "delta": "Pa"},
            {"type": "response.output_text.delta", **PLACE, "output_index": "0", "delta": "ris"},
        ],
        ITEMS,
    ),
    "no index": (
        [
            {"type": "response.output_text.delta", "delta": "Pa"},
            {"type": "response.output_text.delta", "delta": "ris"},
        ],
        ITEMS,
    ),
    "items without an index": (
        [
            {"type": "response.output_item.added", "item": {**VERSE, "id": "1"}},
            {"type": "response.output_item.added", "item": {**VERSE, "id": "2"}},
            {"type": "response.output_item.done", "item": {**VERSE, "id": "1", "verse": "la"}},
        ],
        [{**VERSE, "id": "1", "verse": "la"}, {**VERSE, "id": "2"}],
    ),
    "a new kind": (
        [
            {"type": "response.output_item.added", "output_index": 0, "item": VERSE},
            {"type": "response.verse.delta", **PLACE, "delta": "la"},
            {"type": "response.verse.delta", **PLACE, "delta": " la"},
            {"type": "response.verse.done", **PLACE, "metre": "iambic"},
        ],
        [{**VERSE, "verse": "la la", "metre": "iambic"}],
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_events_that_are_counted_otherwise_or_new(name: str) -> None:
    """Lose nothing of what they say."""
    events, output = DIALECTS[name]
    extractor = Responses()
    for event in ({"type": "response.created", "response": {"id": "r"}}, *events):
        extractor.chunk(event)
    assert extractor.result(None).outputs == {"id": "r", "output": output}


def test_a_response_that_was_cancelled_says_so() -> None:
    """In its status, and as its reason to finish; what came is kept."""
    extractor = Responses()
    end = {"type": "response.cancelled", "response": {"id": "r", "status": "cancelled"}}
    for event in (*DIALECTS["no index"][0], end):
        extractor.chunk(event)
    result = extractor.result(None)
    assert extractor.is_end(end)
    assert result.outputs == {"id": "r", "status": "cancelled", "output": ITEMS}
    assert result.fields["finish_reasons"] == ["cancelled"]
