"""A stored trace becomes a tape: the program gives the same answers from it, and the same tree.

The far end answers in the shapes of OpenAI's API reference; streams are chopped at other places
than those that the tape is made with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from far_end import ASK, FarEnd, chunk, completion_answer, events, http

from tracetape import start_span
from tracetape.cassettes import cassette
from tracetape.cassettes.rewrite import write
from tracetape.exceptions import CassetteError, CassetteMissError, InvalidValueError
from tracetape.exchange.from_trace import calls_of, interactions_of
from tracetape.instrument import autolog
from tracetape.store import SQLiteStore
from tracetape.testing import CapturedTraces, capture
from tracetape.tracing.runtime import runtime

URL = "https://far.end/v1"
CHAT = {**ASK, "stream": True}
PNG = "data:image/png;base64,iVBORw0KGgo="
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m-1",
    "status": "completed",
    "output": [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "He greets."}],
        },
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Good morning", "annotations": []}],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "wave",
            "arguments": '{"hand": "left"}',
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
EMBEDDINGS = {
    "object": "list",
    "model": "e",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


def sse(*chunks: dict[str, Any], done: bool = True) -> Any:
    headers = {"content-type": "text/event-stream", "x-request-id": "req_9"}
    return http.Response(200, content=events(*chunks, done=done), headers=headers)


def tool(index: int, **function: str) -> dict[str, Any]:
    named = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
    return {"tool_calls": [{"index": index, **named, "function": function}]}


def chat(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(**ASK).to_dict()


def chat_with_an_image(client: openai.OpenAI) -> Any:
    content = [{"type": "image_url", "image_url": {"url": PNG}}]
    messages: Any = [{"role": "user", "content": content}]
    return client.chat.completions.create(model="m", messages=messages).to_dict()


def chat_stream(client: openai.OpenAI) -> Any:
    """Text, calls of tools and reasons to finish, by choice."""
    said: dict[int, list[Any]] = {}
    usage = None
    for one in client.chat.completions.create(**CHAT):
        usage = one.usage or usage
        for choice in one.choices:
            text, calls, reason = said.setdefault(choice.index, ["", {}, None])
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                name, arguments = calls.get(call.index, ("", ""))
                more = call.function.name or "", call.function.arguments or ""
                calls[call.index] = (name + more[0], arguments + more[1])
            text += choice.delta.content or ""
            said[choice.index] = [text, calls, choice.finish_reason or reason]
    return said, usage and usage.to_dict()


def chat_stream_left_early(client: openai.OpenAI) -> Any:
    text = ""
    with client.chat.completions.create(**CHAT) as stream:
        for number, one in enumerate(stream):
            text += one.choices[0].delta.content or ""
            if number == 1:
                break
    return text


def broken_stream(client: openai.OpenAI) -> Any:
    with pytest.raises(openai.APIError) as caught:
        chat_stream(client)
    return type(caught.value), str(caught.value)


def refused(client: openai.OpenAI) -> Any:
    with pytest.raises(openai.APIStatusError) as caught:
        chat(client)
    return type(caught.value), str(caught.value), caught.value.status_code


def response(client: openai.OpenAI) -> Any:
    return client.responses.create(model="m", input="Hello").to_dict()


def response_stream(client: openai.OpenAI) -> Any:
    """Read by the SDK's own helper, which insists on the order of events."""
    with client.responses.stream(model="m", input="Hello") as stream:
        deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
        return "".join(deltas), stream.get_final_response().output_text


def completion_stream(client: openai.OpenAI) -> Any:
    stream = client.completions.create(model="m", prompt="Hello", stream=True)
    return "".join(one.choices[0].text for one in stream)


def embeddings(client: openai.OpenAI) -> Any:
    return client.embeddings.create(model="e", input="Hello").to_dict()


def response_answer() -> Any:
    """The events of the API reference, with a text in two parts."""
    head = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    message: Any = RESPONSE["output"][1]  # type: ignore[index]
    of = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = message["content"][0]
    whole = {**RESPONSE, "output": [message]}
    found = [
        {"type": "response.created", "response": head},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message, "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", **of, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **of, "delta": "Good mor", "logprobs": []},
        {"type": "response.output_text.delta", **of, "delta": "ning", "logprobs": []},
        {"type": "response.output_text.done", **of, "text": "Good morning", "logprobs": []},
        {"type": "response.content_part.done", **of, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.completed", "response": whole},
    ]
    return sse(*[{**one, "sequence_number": i} for i, one in enumerate(found)], done=False)


TEXT = [
    chunk({"role": "assistant", "content": "Good"}),
    chunk({"content": " mor"}),
    chunk({"content": "ning"}),
    {**chunk({}), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
USED = chunk(None, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
TOOLS = [
    chunk({"role": "assistant", "content": None}),
    chunk(tool(0, name="wave", arguments="")),
    chunk(tool(0, arguments='{"hand":')),
    chunk(tool(0, arguments=' "left"}')),
    chunk(tool(1, name="stop", arguments="{}")),
    {**chunk({}), "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
]
TWO = [
    {**chunk({}), "choices": [{"index": i, "delta": {"role": "assistant", "content": text}}]}
    for i, text in ((0, "a"), (1, "b"), (0, "c"), (1, "d"))
]
FAILED = {"error": {"message": "overloaded", "type": "server_error"}}
NOT_FOUND = {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}
COMPLETION = [
    {"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
    for choice in (
        {"index": 0, "text": "Good ", "finish_reason": None},
        {"index": 0, "text": "morning", "finish_reason": "stop"},
    )
]


def error(status: int, body: Any = None, **headers: str) -> Any:
    return http.Response(status, json=body or {}, headers=headers)


CASES: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "chat": (chat, [completion_answer()]),
    "chat-image": (chat_with_an_image, [completion_answer()]),
    "chat-stream": (chat_stream, [sse(*TEXT, USED)]),
    "chat-stream-tools": (chat_stream, [sse(*TOOLS)]),
    "chat-stream-two-choices": (chat_stream, [sse(*TWO)]),
    "chat-stream-left-early": (chat_stream_left_early, [sse(*TEXT)]),
    "chat-stream-error": (broken_stream, [sse(*TEXT[:2], FAILED, done=False)]),
    "chat-refused": (refused, [error(404, NOT_FOUND)]),
    "chat-retried": (chat, [error(429, **{"retry-after-ms": "1"}), completion_answer()]),
    "completion-stream": (completion_stream, [sse(*COMPLETION)]),
    "response": (response, [http.Response(200, json=RESPONSE)]),
    "response-stream": (response_stream, [response_answer()]),
}


@pytest.fixture
def far_end() -> FarEnd:
    return FarEnd()


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[CapturedTraces], Path]:
    """Write the tape of the only trace."""

    def made(traces: CapturedTraces) -> Path:
        (trace,) = traces
        store = runtime.recorder.store
        found = [
            one for span in calls_of(trace) for one in interactions_of(span, store.get_attachment)
        ]
        path = tmp_path / "made.yaml"
        write(path, found)
        return path

    return made


@pytest.mark.parametrize(("program", "answers"), CASES.values(), ids=CASES)
def test_the_program_gives_the_same_from_the_tape(
    program: Callable[[Any], Any],
    answers: list[Any],
    far_end: FarEnd,
    keep: Callable[[CapturedTraces], Path],
    traces: CapturedTraces,
) -> None:
    """Answers, errors and the whole tree; and as many chunks as there were."""
    far_end.answers = [*answers]
    with start_span("program"):
        expected = program(far_end.client())
    tape = keep(traces)
    recorded = traces[0]
    with capture() as again, cassette(tape, mode="none") as player:
        with openai.OpenAI(api_key="k", base_url=URL) as client, start_span("program"):
            assert program(client) == expected
        assert player.unused == []
    assert _content(again[0].tree(full=True)) == _content(recorded.tree(full=True))
    one, other = recorded.data.spans[1], again[0].data.spans[1]
    for name in ("retries", "stream_end", "request_id", "finish_reasons", "chunk_count"):
        assert other.get_attribute(f"tracetape.llm.{name}") == one.get_attribute(
            f"tracetape.llm.{name}"
        ), name


def _content(tree: str) -> str:
    """The tree up to a stack trace, which names lines of the test."""
    return tree.partition("Traceback")[0]


async def test_asynchronous_programs_too(
    far_end: FarEnd, keep: Callable[[CapturedTraces], Path], traces: CapturedTraces
) -> None:
    """What is on the tape does not say which client has asked."""

    async def program(client: openai.AsyncOpenAI) -> str:
        parts = [part async for part in await client.chat.completions.create(**CHAT)]
        return "".join(part.choices[0].delta.content or "" for part in parts)

    far_end.answers = [sse(*TEXT)]
    assert await program(far_end.async_client()) == "Good morning"
    with cassette(keep(traces), mode="none"):
        async with openai.AsyncOpenAI(api_key="k", base_url=URL) as client:
            assert await program(client) == "Good morning"
    assert traces[1].tree() == traces[0].tree()


def databricks(**options: Any) -> openai.OpenAI:
    """As `WorkspaceClient().serving_endpoints.get_open_ai_client()` makes it."""
    url = "https://dbc-1.cloud.databricks.com/serving-endpoints"
    return openai.OpenAI(api_key="k", base_url=url, **options)


def azure(**options: Any) -> openai.OpenAI:
    """Its URLs name the model, and the version of the API."""
    url = "https://r.openai.azure.com"
    return openai.AzureOpenAI(api_key="k", azure_endpoint=url, api_version="1", **options)


@pytest.mark.parametrize("client", [databricks, azure], ids=["databricks", "azure"])
@pytest.mark.parametrize("program", [chat, chat_stream], ids=["plain", "streamed"])
def test_other_services_too(
    client: Callable[..., openai.OpenAI],
    program: Callable[[Any], Any],
    far_end: FarEnd,
    keep: Callable[[CapturedTraces], Path],
    traces: CapturedTraces,
) -> None:
    """Usage with every chunk, as Databricks sends it; the deployment in the URL, as of Azure."""
    usage = USED["usage"]
    if program is chat_stream:
        far_end.answers = [sse(*({**one, "usage": usage} for one in TEXT))]
    transport = http.MockTransport(far_end)
    expected = program(client(http_client=http.Client(transport=transport)))
    with cassette(keep(traces), mode="none", ignore=["query.api-version"]):
        with client() as real:
            assert program(real) == expected
    assert traces[1].tree(full=True) == traces[0].tree(full=True)
    assert traces[1].data.spans[0].provider == client.__name__


def test_embeddings_need_their_vectors(
    far_end: FarEnd, keep: Callable[[CapturedTraces], Path], traces: CapturedTraces
) -> None:
    """Where only their count and dimension were stored, the error says how to store them."""
    far_end.answers = [http.Response(200, json=EMBEDDINGS)] * 2
    embeddings(far_end.client())
    with pytest.raises(InvalidValueError, match=r"vectors were not stored.*autolog\(vectors=True"):
        keep(traces)
    autolog(vectors=True)
    try:
        with capture() as whole:
            expected = embeddings(far_end.client())
            tape = keep(whole)
        with cassette(tape, mode="none"), openai.OpenAI(api_key="k", base_url=URL) as client:
            assert embeddings(client) == expected
    finally:
        autolog()


def test_a_secret_in_a_trace_gets_on_no_tape(
    far_end: FarEnd, keep: Callable[[CapturedTraces], Path], traces: CapturedTraces, tmp_path: Path
) -> None:
    """As when a tape is recorded."""
    question = {"role": "user", "content": "sk-" + "a1" * 20}
    far_end.client().chat.completions.create(model="m", messages=[question])  # type: ignore[list-item]
    with pytest.raises(CassetteError, match="an OpenAI key in the request's body"):
        keep(traces)
    assert not (tmp_path / "made.yaml").exists()


def test_what_is_no_call_is_refused(traces: CapturedTraces) -> None:
    """A span of one's own has no URL, and a trace without calls nothing to replay."""
    with start_span("mine", span_type="LLM") as span:
        span.set_inputs({"model": "m"})
    (trace,) = traces
    with pytest.raises(InvalidValueError, match="no calls of models"):
        calls_of(trace)
    (mine,) = calls_of(trace, [span.span_id])
    unmade = r"\(mine\) cannot be replayed: it was not made by an integration"
    with pytest.raises(InvalidValueError, match=unmade):
        interactions_of(mine, SQLiteStore(None).get_attachment)
    with pytest.raises(InvalidValueError, match="has no span 'xyz'"):
        calls_of(trace, ["xyz"])


def test_a_miss_is_refused_with_a_remedy(traces: CapturedTraces, tmp_path: Path) -> None:
    """No server has answered."""
    client = openai.OpenAI(api_key="k", base_url=URL, max_retries=0)
    with pytest.raises(CassetteMissError), cassette(tmp_path / "a.yaml", mode="none"):
        client.chat.completions.create(**ASK)
    (span,) = calls_of(traces[0])
    with pytest.raises(InvalidValueError, match="record it there with mode 'new_episodes'"):
        interactions_of(span, SQLiteStore(None).get_attachment)


def test_uploads_are_refused(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The trace has not the file as it was sent."""
    far_end.answers = [http.Response(200, json={"text": "Hello"})]
    far_end.client().audio.transcriptions.create(model="m", file=("a.wav", b"RIFF"))
    (span,) = calls_of(traces[0])
    with pytest.raises(InvalidValueError, match="files were uploaded"):
        interactions_of(span, SQLiteStore(None).get_attachment)


def test_the_tape_reads_like_a_recording(
    far_end: FarEnd, keep: Callable[[CapturedTraces], Path], traces: CapturedTraces
) -> None:
    """One event a chunk, and the body as it was asked."""
    far_end.answers = [sse(*TEXT)]
    chat_stream(far_end.client())
    with cassette(keep(traces), mode="none") as player:
        (one,) = player.interactions
    assert one.request.url == f"{URL}/chat/completions"
    assert json.loads(one.request.body) == CHAT
    assert one.response is not None
    assert len(one.response.chunks) == 5  # four chunks, and the end
    assert one.response.body.endswith(b"data: [DONE]\n\n")
