"""A stream is the SDK's own object, read, left and broken off as without us; what came is kept."""

from __future__ import annotations

import copy
import gc
import gzip
import json
import pickle
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import openai
import pytest
from far_end import ASK, COMPLETION, VERSION, FarEnd, chunk, events, http
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk

import tracetape
from tracetape.entities import Span
from tracetape.instrument import call as call_module
from tracetape.testing import CapturedTraces, capture

T = TypeVar("T")
STREAM = {"content-type": "text/event-stream"}
HELLO = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "H"}),
    chunk({"content": "i"}),
    {**chunk({}), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)
closable = pytest.mark.skipif(not hasattr(openai.Stream, "close"), reason="no Stream.close")
has_streaming = pytest.mark.skipif(VERSION < (1, 14), reason="no with_streaming_response")
has_helpers = pytest.mark.skipif(VERSION < (1, 92), reason="no chat.completions.stream")


def only_span(traces: CapturedTraces) -> Span:
    ((span,),) = [trace.data.spans for trace in traces]
    return span


def said(span: Span) -> Any:
    return span.outputs["choices"][0]["message"]["content"]


def reason(span: Span) -> Any:
    return span.get_attribute("tracetape.llm.stream_end")


class Line(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
    """A connection that brings parts one by one, then breaks, if it is to."""

    def __init__(self, *parts: bytes, broken: Exception | None = None) -> None:
        self.parts = parts
        self.broken = broken
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.parts
        if self.broken is not None:
            raise self.broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def parts(*chunks: dict[str, Any], done: bool = True) -> list[bytes]:
    return [events(one, done=False) for one in chunks] + [b"data: [DONE]\n\n"] * done


def answer(*sent: bytes, kind: type = http.Response, live: bool = True, **more: Any) -> Any:
    """An answer whose body is still to come, or is there already as after an event hook."""
    body: Any = {"stream": Line(*sent, **more)} if live else {"content": b"".join(sent)}
    return kind(200, headers=STREAM, **body)


# -- what the user holds ---------------------------------------------------------------------------


async def test_a_stream_is_of_the_sdks_own_class(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Not of a subclass of ours."""
    stream = far_end.client().chat.completions.create(**ASK, stream=True)
    assert type(stream) is openai.Stream
    async_stream = await far_end.async_client().chat.completions.create(**ASK, stream=True)
    assert type(async_stream) is openai.AsyncStream
    assert [one.choices[0].delta.content for one in stream] == ["H", "i"]
    assert [one.choices[0].delta.content async for one in async_stream] == ["H", "i"]
    assert [said(trace.data.spans[0]) for trace in traces] == ["Hi", "Hi"]


class Plain(openai.Stream[T]):
    """Nothing else than its base."""


class Loud(openai.Stream[T]):
    """Makes something of each chunk."""

    def __iter__(self) -> Iterator[Any]:
        for one in super().__iter__():
            yield (one.choices[0].delta.content or "").upper()


class Own(openai.Stream[T]):
    """Reads the events itself, and gives no chunks."""

    def __stream__(self) -> Iterator[Any]:
        for sse in self._iter_events():
            if not sse.data.startswith("[DONE]"):
                yield sse.data


@pytest.mark.parametrize("kind", [Plain, Loud, Own])
@pytest.mark.parametrize("live", [True, False])
def test_a_users_stream_class_is_watched_the_same_way(
    kind: Any, live: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Whatever it makes of the chunks."""
    far_end.answers = [answer(*parts(*HELLO), live=live)]
    body = {**ASK, "stream": True}
    stream = far_end.client().post(
        "/chat/completions",
        cast_to=ChatCompletionChunk,
        body=body,
        stream=True,
        stream_cls=kind[ChatCompletionChunk],
    )
    assert type(stream) is kind
    assert len(list(stream)) == 4
    span = only_span(traces)
    assert (said(span), reason(span)) == ("Hi", "exhausted")
    assert span.time_to_first_token_ns is not None


def _close(stream: Any) -> None:
    stream.close()


def _leave(stream: Any) -> None:
    with stream:
        pass


def _close_response(stream: Any) -> None:
    stream.response.close()


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("leave", [_close, _leave, _close_response])
def test_closing_a_stream_ends_its_span_once(
    leave: Any, live: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Also if the response was read before, as by an event hook, and closes nothing any more."""
    if leave is not _close_response and not hasattr(openai.Stream, "close"):
        pytest.skip("no Stream.close")
    far_end.answers = [answer(*parts(*HELLO), live=live)]
    stream = far_end.client().chat.completions.create(**ASK, stream=True)
    next(iter(stream)), next(iter(stream))
    leave(stream)
    leave(stream)
    span = only_span(traces)
    assert (said(span), reason(span)) == ("H", "closed")


@closable
@pytest.mark.parametrize("live", [True, False])
async def test_closing_an_async_stream_ends_its_span_once(
    live: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As with the sync one."""
    far_end.answers = [answer(*parts(*HELLO), live=live)]
    stream = await far_end.async_client().chat.completions.create(**ASK, stream=True)
    await anext(stream), await anext(stream)
    await stream.close()
    span = only_span(traces)
    assert (said(span), reason(span)) == ("H", "closed")


def test_a_stream_that_is_dropped_is_abandoned(
    far_end: FarEnd, traces: CapturedTraces, eventually: Callable[..., Any]
) -> None:
    """Watching it keeps nothing of it alive."""
    far_end.answers = [answer(*parts(*HELLO))]
    stream = far_end.client().chat.completions.create(**ASK, stream=True)
    for one in stream:
        if one.choices[0].delta.content:
            break
    del stream
    # `gc.collect` does nothing while another thread collects.
    eventually(lambda: gc.collect() >= 0 and len(traces))
    span = only_span(traces)
    assert (said(span), reason(span)) == ("H", "abandoned")


@pytest.mark.parametrize("live", [True, False])
def test_a_connection_is_closed_as_often_as_without_us(live: bool, far_end: FarEnd) -> None:
    """And the response can be pickled and copied as before."""
    seen = []
    for on in (False, True):
        with capture():
            tracetape.autolog(disable=not on)
            far_end.answers = [answer(*parts(*HELLO), live=live)]
            line = far_end.answers[0].stream
            stream = far_end.client().chat.completions.create(**ASK, stream=True)
            response = stream.response
            copied = copy.copy(stream)
            texts = [one.choices[0].delta.content for one in copied]
            copies = [pickle.loads(pickle.dumps(response))] if not live else []
            copies += [copy.deepcopy(response)] if not live else []
            for one in copies:
                one.close()
            response.close()
            seen.append((texts, getattr(line, "closed", 0), [one.content for one in copies]))
    tracetape.autolog(disable=True)
    assert seen[0] == seen[1]


# -- streams that are read through the raw response ------------------------------------------------


def _raw(client: OpenAI) -> Iterator[Any]:
    yield from client.chat.completions.with_raw_response.create(**ASK, stream=True).parse()


def _streaming(client: OpenAI) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as response:
        yield from response.iter_lines()


@pytest.mark.parametrize("read", [_raw, pytest.param(_streaming, marks=has_streaming)])
def test_a_raw_stream_that_breaks_off_keeps_what_came(
    read: Any, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As a plain one does: text, model, usage, and the error."""
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    sent = parts(*HELLO[:2], {**HELLO[2], "usage": usage}, done=False)
    far_end.answers = [answer(*sent, b'data: {"id', broken=http.ReadError("reset"))]
    with pytest.raises((http.ReadError, openai.APIConnectionError)):
        list(read(far_end.client(max_retries=0)))
    span = only_span(traces)
    assert span.status.status_code == "ERROR"
    assert (said(span), span.model_name, reason(span)) == ("Hi", "m-1", "error")
    assert span.token_usage is not None
    assert span.token_usage["total_tokens"] == 4


def test_a_raw_stream_that_is_dropped_keeps_what_came(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Nobody closes it."""
    far_end.answers = [answer(*parts(*HELLO))]
    response = far_end.client().chat.completions.with_raw_response.create(**ASK, stream=True)
    stream = response.parse()
    next(stream), next(stream)
    del response, stream
    gc.collect()
    assert said(only_span(traces)) == "H"


@pytest.mark.parametrize("raw", [False, True])
def test_what_the_user_lets_go_is_collected_as_without_us(raw: bool, far_end: FarEnd) -> None:
    """Without waiting for the collector of cycles, if the SDK's own objects do not need it."""
    gone = []
    for on in (False, True):
        with capture():
            tracetape.autolog(disable=not on)
            far_end.answers = [answer(*parts(*HELLO))]
            completions: Any = far_end.client().chat.completions
            gc.collect()
            gc.disable()
            try:
                create = completions.with_raw_response.create if raw else completions.create
                result = create(**ASK, stream=True)
                response = result.http_response if raw else result.response
                watched = [weakref.ref(result), weakref.ref(response), weakref.ref(response.stream)]
                del result, response
                gone.append([one() is None for one in watched])
            finally:
                gc.enable()
            gc.collect()
    tracetape.autolog(disable=True)
    assert gone[0] == gone[1]


@closable  # older versions leave the response open, which has no time then
def test_the_responses_own_stream_is_still_to_be_asked(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The HTTP library and the SDK look for attributes there."""
    far_end.answers = [answer(*parts(*HELLO)) for _ in range(2)]
    completions = far_end.client().chat.completions
    raw = completions.with_raw_response.create(**ASK, stream=True)
    list(raw.parse())
    plain = completions.create(**ASK, stream=True)
    list(plain)
    for response in (raw.http_response, plain.response):
        assert response.elapsed.total_seconds() >= 0
        assert isinstance(response.stream, http.SyncByteStream)
        with pytest.raises(AttributeError):
            _ = response.stream.nothing_of_the_kind
    assert len(traces) == 2


def test_a_raw_stream_has_a_time_to_its_first_token(
    far_end: FarEnd, traces: CapturedTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is read as the parts pass; it ends with the terminator, as the SDK reads it."""
    now = [0]
    for module in ("body", "call"):
        monkeypatch.setattr(f"tracetape.instrument.{module}.perf_counter_ns", lambda: now[0])

    def slow(*sent: bytes) -> Iterator[bytes]:
        for part in sent:
            now[0] += 1_000_000
            yield part

    packed = gzip.compress(b"".join(parts(*HELLO)))
    for sent, headers in (
        (parts(*HELLO), STREAM),
        # A server packs the whole, and sends what there is of it: here two parts of no use alone.
        ([packed[:12], packed[12:]], {**STREAM, "content-encoding": "gzip"}),
    ):
        now[0] = 0
        far_end.answers = [http.Response(200, headers=headers, content=slow(*sent))]
        create = far_end.client().chat.completions.with_raw_response.create
        texts = [one.choices[0].delta.content for one in create(**ASK, stream=True).parse()]
        assert "".join(text or "" for text in texts) == "Hi"
    plain, unpacked = (trace.data.spans[0] for trace in traces)
    assert plain.time_to_first_token_ns == 2_000_000
    assert unpacked.time_to_first_token_ns == 2_000_000
    assert [reason(plain), reason(unpacked), said(unpacked)] == ["exhausted", "exhausted", "Hi"]


class MyResponse(http.Response):  # type: ignore[misc]
    """The user's own, of his module; not made as the library's is."""

    def __init__(self, status: int, **options: Any) -> None:
        assert options.get("stream") is not None or "content" in options
        super().__init__(status, **options)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_users_response_class_is_no_obstacle(
    raw: bool, packed: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The HTTP library is found by the ancestors of the class."""
    body = b"".join(parts(*HELLO))
    headers = {**STREAM, **({"content-encoding": "gzip"} if packed else {})}
    sent = gzip.compress(body) if packed else body
    far_end.answers = [MyResponse(200, headers=headers, stream=Line(sent)) for _ in range(2)]
    completions: Any = far_end.client().chat.completions
    async_completions: Any = far_end.async_client().chat.completions
    if raw:
        stream = completions.with_raw_response.create(**ASK, stream=True).parse()
        answered = await async_completions.with_raw_response.create(**ASK, stream=True)
        async_stream = answered.parse()
    else:
        stream = completions.create(**ASK, stream=True)
        async_stream = await async_completions.create(**ASK, stream=True)
    assert len(list(stream)) == len([one async for one in async_stream]) == 4
    for trace in traces:
        assert (said(trace.data.spans[0]), reason(trace.data.spans[0])) == ("Hi", "exhausted")


# -- the first token -------------------------------------------------------------------------------

FRAMES: list[dict[str, Any]] = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"role": "assistant", "content": None, "reasoning_content": None, "refusal": None}),
    chunk(None, prompt_filter_results=[{"prompt_index": 0}]),
    chunk({"audio": {"id": "audio_1", "expires_at": 1}}),
    chunk({}),
]
FIRST: list[dict[str, Any]] = [
    {"content": "Hi"},
    {"content": [{"type": "text", "text": "Hi"}]},
    {"reasoning_content": "hm"},
    {"refusal": "No"},
    {"audio": {"data": "YQ=="}},
    {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f"}}]},
]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("first", FIRST, ids=lambda delta: next(iter(delta)))
def test_the_first_token_is_the_first_that_says_something(
    first: dict[str, Any],
    raw: bool,
    far_end: FarEnd,
    traces: CapturedTraces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No chunk that only announces the answer."""
    now = [0]
    for module in ("body", "call"):
        monkeypatch.setattr(f"tracetape.instrument.{module}.perf_counter_ns", lambda: now[0])

    def slow() -> Iterator[bytes]:
        for part in parts(*FRAMES, chunk(first), chunk({"content": "more"})):
            now[0] += 1
            yield part

    far_end.answers = [http.Response(200, headers=STREAM, content=slow())]
    completions: Any = far_end.client().chat.completions
    if raw:
        list(completions.with_raw_response.create(**ASK, stream=True).parse())
    else:
        list(completions.create(**ASK, stream=True))
    assert only_span(traces).time_to_first_token_ns == len(FRAMES) + 1


# -- sound -----------------------------------------------------------------------------------------

WHOLE = "YWJjZGVmZ2hpamtsbW5vcA=="


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        ([WHOLE[n : n + 7] for n in range(0, len(WHOLE), 7)], WHOLE),
        (["YWI=", "Y2Q=", "ZQ=="], "YWJjZGU="),
        (["YWI", "=Y2Q", "=", "ZQ=", "="], "YWJjZGU="),
        (["YWJj", "ZGV"], "YWJjZGU="),
        (["YWJj", "Z"], "YWJj"),
        (["no base64:", " ä"], "no base64: ä"),
    ],
    ids=["cut anywhere", "each by itself", "both", "broken off", "broken off early", "none"],
)
def test_pieces_of_sound_are_joined(
    pieces: list[str], kept: str, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Wherever a server cuts them; what is no base64 stays the text that it is."""
    tracetape.configure(extract_attachments=False)
    sent = [chunk({"role": "assistant"}), *(chunk({"audio": {"data": one}}) for one in pieces)]
    far_end.answers = [answer(*parts(*sent))]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    assert only_span(traces).outputs["choices"][0]["message"]["audio"]["data"] == kept


# -- asking for the usage --------------------------------------------------------------------------


def _refusing(status: int, text: str) -> Any:
    def serve(request: Any) -> Any:
        if "stream_options" in json.loads(request.content):
            return http.Response(status, json={"error": {"message": text}})
        return http.Response(200, headers=STREAM, content=events(*HELLO))

    return serve


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_to_tell_the_usage_is_asked_without(
    status: int, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The user sees the same stream as without us; the server is not asked for it again."""
    tracetape.autolog(stream_usage=True)
    url = f"https://refuses-{status}.end/v1"
    serve = _refusing(status, "Extra inputs are not permitted: stream_options")
    far_end.answers = [serve] * 5
    client = far_end.client().with_options(base_url=url)
    async_client = far_end.async_client().with_options(base_url=url)
    for _ in range(2):
        stream = client.chat.completions.create(**ASK, stream=True)
        assert [one.choices[0].delta.content for one in stream] == ["", "H", "i", None]
    async_stream = await async_client.chat.completions.create(**ASK, stream=True)
    assert [one.choices[0].delta.content async for one in async_stream] == ["", "H", "i", None]
    assert len(far_end.requests) == 4
    assert [said(trace.data.spans[0]) for trace in traces] == ["Hi"] * 3
    assert all(trace.info.state == "OK" for trace in traces)


def test_an_error_that_is_not_ours_stays_the_users(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Sent once, and raised without a word of a second request."""
    tracetape.autolog(stream_usage=True)
    far_end.answers = [_refusing(400, "messages: too long")]
    client = far_end.client().with_options(base_url="https://strict.end/v1")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ASK, stream=True)
    assert caught.value.__context__ is None or "BadRequest" not in repr(caught.value.__context__)
    assert len(far_end.requests) == 1
    assert only_span(traces).status.status_code == "ERROR"


# -- answers that the user's model refuses ---------------------------------------------------------


async def _read_all(helper: Any) -> None:
    async with helper as stream:
        async for _ in stream:
            pass


WRONG = '{"a": "x"}'


@pytest.mark.skipif(VERSION < (1, 92), reason="no chat.completions.parse")
async def test_an_answer_that_the_users_model_refuses_is_kept(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The call is an error, plain or streamed; the answer was paid for."""
    from pydantic import BaseModel, ValidationError

    class Answer(BaseModel):
        a: int

    ask = {**ASK, "response_format": Answer}
    message = {"role": "assistant", "content": WRONG}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    sent = parts(HELLO[0], chunk({"content": WRONG}), HELLO[3])
    far_end.answers = [
        *(http.Response(200, json={**COMPLETION, "choices": [choice]}) for _ in range(2)),
        *(answer(*sent) for _ in range(3)),
    ]
    client, async_client = far_end.client(), far_end.async_client()
    with pytest.raises(ValidationError):
        client.chat.completions.parse(**ask)
    with pytest.raises(ValidationError):
        await async_client.chat.completions.parse(**ask)
    with client.chat.completions.stream(**ask) as stream, pytest.raises(ValidationError):
        for _ in stream:
            pass
    with pytest.raises(ValidationError), client.chat.completions.stream(**ask) as stream:
        stream.get_final_completion()
    with pytest.raises(ValidationError):
        await _read_all(async_client.chat.completions.stream(**ask))
    assert len(traces) == 5
    for trace in traces:
        (span,) = trace.data.spans
        assert span.status.status_code == "ERROR"
        assert "ValidationError" in str(span.status.description)
        assert (said(span), span.model_name) == (WRONG, "m-1")
        assert span.get_attribute("tracetape.llm.finish_reasons") == ["stop"]


# -- what is kept of chunks until they are read ----------------------------------------------------


def test_a_chunk_that_the_user_changes_is_recorded_as_it_came(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """It is his as soon as he has it."""
    for one in far_end.client().chat.completions.create(**ASK, stream=True):
        one.choices[0].delta.content = "changed"
        one.model = "changed"
    assert (said(only_span(traces)), only_span(traces).model_name) == ("Hi", "m-1")


def test_of_a_stream_that_was_left_early_nothing_is_kept_that_the_user_has_not_got(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Though all of it came in one part."""
    stream = far_end.client().chat.completions.create(**ASK, stream=True)
    next(iter(stream))
    stream.response.close()
    assert said(only_span(traces)) == "H"


def test_of_a_very_long_stream_the_oldest_chunks_are_read_meanwhile(
    far_end: FarEnd, traces: CapturedTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be read has a bound, and the answer is whole."""
    monkeypatch.setattr("tracetape.instrument.unread._MOST_TEXTS", 20_000)
    words = [f"{n} " for n in range(500)]
    body = events(*HELLO[:1], *(chunk({"content": word}) for word in words))
    far_end.answers = [http.Response(200, content=body, headers=STREAM)]
    most = 0
    for _ in far_end.client().chat.completions.create(**ASK, stream=True):
        texts = [text for call in call_module.open_streams for text in call._texts]
        most = max(most, sum(map(sys.getsizeof, texts)))
    assert 10_000 < most < 24_000  # 16 chunks come between two looks
    assert said(only_span(traces)) == "".join(words)
