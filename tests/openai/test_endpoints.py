"""Each endpoint gives one span of its kind.

The bodies have the shapes of OpenAI's API reference and of the SDK's own types.
"""

from __future__ import annotations

import base64
import inspect
import struct
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from far_end import VERSION, FarEnd, events, http

import tracetape
from tracetape.entities import SpanType
from tracetape.instrument import Extractor
from tracetape.testing import CapturedTraces
from tracetape.tracing.attachments import get_attachment

PNG = b"\x89PNG\r\n\x1a\n picture"
PICTURE = base64.b64encode(PNG).decode()
TOKENS = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}


def json(body: Any) -> Any:
    return http.Response(200, json=body)


def event_stream(*bodies: Any) -> Any:
    return http.Response(
        200, content=events(*bodies), headers={"content-type": "text/event-stream"}
    )


def vectors(request: Any) -> Any:
    """In base64 if that is asked for; the SDK does so by itself, old ones only beside numpy."""
    numbers = [0.5, -1.0, 2.0]
    as_base64 = b'"base64"' in request.content
    vector = base64.b64encode(struct.pack("<3f", *numbers)).decode() if as_base64 else numbers
    body = {
        "object": "list",
        "model": "e-1",
        "data": [{"object": "embedding", "index": n, "embedding": vector} for n in range(2)],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    return json(body)


def needs(resource: str) -> pytest.MarkDecorator:
    reason = f"openai {openai.__version__} has no {resource}"
    return pytest.mark.skipif(not hasattr(openai.OpenAI, resource), reason=reason)


since_1_10 = pytest.mark.skipif(VERSION < (1, 10), reason="the first versions had not all of it")


def test_completions(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """LLM; the prompt is what goes in."""
    choice = {"index": 0, "text": "Paris", "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    body = {"id": "c-1", "object": "text_completion", "created": 1, "model": "m-1"}
    far_end.answers = [json({**body, "choices": [choice], "usage": usage})]
    far_end.client().completions.create(model="m", prompt="The capital", max_tokens=3)

    assert (span().name, span().span_type) == ("Completions", SpanType.LLM)
    assert span().inputs == {"model": "m", "prompt": "The capital", "max_tokens": 3}
    assert span().outputs["choices"] == [choice]
    assert span().get_attribute("max_tokens") == 3
    assert span().get_attribute("prompt") is None
    assert span().token_usage == {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    assert span().get_attribute("tracetape.llm.finish_reasons") == ["stop"]


def test_a_streamed_completion_is_one_string(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """As in MLflow; what else the answer says stands in fields."""
    head = {"id": "c-1", "object": "text_completion", "created": 1, "model": "m-1"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    parts = [
        {**head, "choices": [{"index": 0, "text": "Par", "finish_reason": None, "logprobs": None}]},
        {**head, "choices": [{"index": 0, "text": "is", "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": usage},
    ]
    far_end.answers = [event_stream(*parts)]
    for _ in far_end.client().completions.create(model="m", prompt="x", stream=True):
        pass
    assert span().outputs == "Paris"
    assert span().model_name == "m-1"
    assert span().get_attribute("tracetape.llm.finish_reasons") == ["stop"]
    assert span().get_attribute("tracetape.llm.response_id") == "c-1"
    assert span().token_usage == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def test_streamed_completions_have_the_shape_of_the_plain_answer(
    far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """Text and logprobs of several choices are put together."""
    head = {"id": "c-1", "object": "text_completion", "created": 1, "model": "m-1"}

    def part(index: int, text: str, reason: str | None = None) -> dict[str, Any]:
        logprobs = {
            "tokens": [text],
            "token_logprobs": [-0.5],
            "top_logprobs": [{text: -0.5}],
            "text_offset": [0],
        }
        choice = {"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}
        return {**head, "choices": [choice]}

    far_end.answers = [
        event_stream(part(0, "Pa"), part(1, "Ly"), part(0, "ris", "stop"), part(1, "on", "length"))
    ]
    for _ in far_end.client().completions.create(model="m", prompt="x", n=2, stream=True):
        pass

    def whole(index: int, first: str, second: str, reason: str) -> dict[str, Any]:
        logprobs = {
            "tokens": [first, second],
            "token_logprobs": [-0.5, -0.5],
            "top_logprobs": [{first: -0.5}, {second: -0.5}],
            "text_offset": [0, 0],
        }
        text = first + second
        return {"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}

    choices = [whole(0, "Pa", "ris", "stop"), whole(1, "Ly", "on", "length")]
    assert span().outputs == {**head, "choices": choices}
    assert span().get_attribute("tracetape.llm.streamed") is True


@pytest.mark.cassette
def test_a_real_servers_streamed_completion_equals_the_plain_one(
    traces: CapturedTraces,
) -> None:
    """Its outputs are the text, as in MLflow; the fields of both are equal."""
    ask: dict[str, Any] = {"model": "gpt-4o-mini", "prompt": "The capital of France is"}
    ask.update(max_tokens=5, temperature=0)
    usage = {"stream_options": {"include_usage": True}}
    openai.OpenAI().completions.create(**ask)
    for _ in openai.OpenAI().completions.create(**ask, stream=True, extra_body=usage):
        pass
    plain, streamed = (trace.data.spans[0] for trace in traces)
    (choice,) = plain.outputs["choices"]
    assert streamed.outputs == choice["text"]
    for name in ("model_name", "token_usage", "status"):
        assert getattr(streamed, name) == getattr(plain, name)
    reasons = "tracetape.llm.finish_reasons"
    assert streamed.get_attribute(reasons) == plain.get_attribute(reasons)
    assert traces[0].info.token_usage == traces[1].info.token_usage


@pytest.mark.cassette
@pytest.mark.skipif(VERSION < (1, 70), reason="without numpy it asks for numbers, not base64")
def test_a_real_servers_embeddings(traces: CapturedTraces) -> None:
    """Their dimension is the model's."""
    answer = openai.OpenAI().embeddings.create(model="gemma3-270m", input=["Paris", "Lyon"])
    (span,) = traces[0].data.spans
    assert span.outputs["data"] == {"count": 2, "dimension": len(answer.data[0].embedding)}
    assert span.token_usage["input_tokens"] > 0


@pytest.mark.parametrize("encoding", [None, "float"])
def test_embeddings_are_counted_not_kept(
    encoding: str | None, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """Count and dimension; the user has his vectors."""
    far_end.answers = [vectors]
    options = {"encoding_format": encoding} if encoding else {}
    answer = far_end.client().embeddings.create(model="e", input=["a", "b"], **options)

    assert answer.data[1].embedding == [0.5, -1.0, 2.0]
    assert (span().name, span().span_type) == ("Embeddings", SpanType.EMBEDDING)
    assert span().inputs == {"model": "e", "input": ["a", "b"], **options}
    assert span().outputs == {
        "object": "list",
        "model": "e-1",
        "data": {"count": 2, "dimension": 3},
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert span().token_usage == {"input_tokens": 4, "total_tokens": 4}
    assert span().get_attribute("encoding_format") == encoding


def test_embeddings_that_are_read_raw(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """The dimension is that of the 32-bit floats in base64."""
    far_end.answers = [vectors]
    far_end.client().embeddings.with_raw_response.create(model="e", input=["a", "b"])
    assert span().outputs["data"] == {"count": 2, "dimension": 3}


def test_vectors_are_kept_when_asked_for(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """`autolog(vectors=True)`."""
    tracetape.autolog(vectors=True)
    far_end.answers = [vectors]
    far_end.client().embeddings.create(model="e", input=["a", "b"])
    assert [one["embedding"] for one in span().outputs["data"]] == [[0.5, -1.0, 2.0]] * 2


def test_moderations(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """GUARDRAIL, with the verdict."""
    result = {"flagged": True, "categories": {"violence": True}, "category_scores": {}}
    far_end.answers = [json({"id": "modr-1", "model": "mod-1", "results": [result]})]
    far_end.client().moderations.create(model="mod", input="a threat")
    assert (span().name, span().span_type) == ("Moderations", SpanType.GUARDRAIL)
    assert span().outputs["results"] == [result]
    assert span().model_name == "mod-1"


@since_1_10
def test_images_are_attachments(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """TOOL, as in MLflow; a reference stands in the picture's place."""
    far_end.answers = [json({"created": 1, "data": [{"b64_json": PICTURE}], "usage": TOKENS})]
    far_end.client().images.generate(model="i", prompt="a cat")
    assert (span().name, span().span_type) == ("Images", SpanType.TOOL)
    (image,) = span().outputs["data"]
    attachment = get_attachment(image["b64_json"])
    assert (attachment.content_type, attachment.content_bytes) == ("image/png", PNG)
    assert span().token_usage == TOKENS
    assert span().get_attribute("prompt") is None


@since_1_10
def test_an_image_that_is_edited(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """What is uploaded as bytes is kept too."""
    far_end.answers = [json({"created": 1, "data": [{"b64_json": PICTURE}]})]
    far_end.client().images.edit(model="i", prompt="a hat", image=("cat.png", PNG))
    attachment = get_attachment(span().inputs["image"])
    assert (attachment.content_type, attachment.content_bytes) == ("image/png", PNG)
    assert span().inputs["prompt"] == "a hat"


needs_image_streams = pytest.mark.skipif(
    "stream" not in inspect.signature(openai.resources.Images.generate).parameters,
    reason="no streamed images",
)


@needs_image_streams
@pytest.mark.parametrize("whole", [True, False])
def test_streamed_images(whole: bool, far_end: FarEnd, span: Callable[[], Any]) -> None:
    """The last sketch counts only if the picture never came."""
    sketch = {"type": "image_generation.partial_image", "partial_image_index": 0}
    last = {"type": "image_generation.completed", "usage": TOKENS}
    common = {"created_at": 1, "size": "1x1", "quality": "low", "output_format": "png"}
    common["background"] = "opaque"
    sent = [{**sketch, "b64_json": base64.b64encode(b"sketch").decode(), **common}]
    if whole:
        sent.append({**last, "b64_json": PICTURE, **common})
    far_end.answers = [event_stream(*sent)]
    for _ in far_end.client().images.generate(model="i", prompt="a cat", stream=True):
        pass
    (image,) = span().outputs["data"]
    content = get_attachment(image["b64_json"]).content_bytes
    assert content == (PNG if whole else b"sketch")
    assert span().outputs["size"] == "1x1"
    assert span().token_usage == (TOKENS if whole else None)


@pytest.mark.filterwarnings("ignore:deprecated")  # the translations are
@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
def test_transcriptions(kind: str, far_end: FarEnd, span: Callable[[], Any]) -> None:
    """LLM; the audio is kept, and the text is the output."""
    far_end.answers = [json({"text": "Hello."})]
    audio = getattr(far_end.client().audio, kind)
    audio.create(model="a", file=("a.wav", b"RIFF sound"))
    assert (span().name, span().span_type) == (kind.title(), SpanType.LLM)
    assert span().outputs == {"text": "Hello."}
    attachment = get_attachment(span().inputs["file"])
    assert attachment.content_bytes == b"RIFF sound"
    assert attachment.content_type in ("audio/wav", "audio/x-wav")


def test_transcriptions_as_text(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """Subtitles are a string for the user, and an output as they are."""
    text = "1\n00:00:00 --> 00:00:01\nHello.\n"
    headers = {"content-type": "text/plain"}
    far_end.answers = [http.Response(200, content=text.encode(), headers=headers)]
    answer = far_end.client().audio.transcriptions.create(
        model="a", file=("a.wav", b"RIFF"), response_format="srt"
    )
    if isinstance(answer, str):  # old SDKs make an object of it
        assert answer == text
        assert span().outputs == text


@pytest.mark.skipif(VERSION < (1, 70), reason="no streamed transcriptions")
def test_streamed_transcriptions(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """The whole text, with its usage; or what came of it."""
    deltas = [{"type": "transcript.text.delta", "delta": part} for part in ("Hel", "lo.")]
    done = {"type": "transcript.text.done", "text": "Hello.", "usage": {"type": "tokens", **TOKENS}}
    far_end.answers = [event_stream(*deltas, done)]
    for _ in far_end.client().audio.transcriptions.create(
        model="a", file=("a.wav", b"RIFF"), stream=True
    ):
        pass
    assert span().outputs == {"text": "Hello.", "usage": {"type": "tokens", **TOKENS}}
    assert span().token_usage == TOKENS


@since_1_10
def test_speech_is_an_attachment(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """The user reads his bytes; the same ones are kept."""
    headers = {"content-type": "audio/mpeg"}
    far_end.answers = [http.Response(200, content=b"ID3 sound", headers=headers)]
    answer = far_end.client().audio.speech.create(model="s", voice="alloy", input="Hello")
    assert answer.read() == b"ID3 sound"
    assert (span().name, span().span_type) == ("Speech", SpanType.LLM)
    attachment = get_attachment(span().outputs)
    assert (attachment.content_type, attachment.content_bytes) == ("audio/mpeg", b"ID3 sound")


@pytest.mark.skipif(VERSION < (1, 80), reason="no argument stream_format")
def test_speech_as_events(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """The parts that the events bring are put together."""
    deltas = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()}
        for part in (b"one ", b"two")
    ]
    far_end.answers = [event_stream(*deltas, {"type": "speech.audio.done", "usage": TOKENS})]
    with far_end.client().audio.speech.with_streaming_response.create(
        model="s", voice="alloy", input="Hello", stream_format="sse", response_format="wav"
    ) as response:
        list(response.iter_lines())
    attachment = get_attachment(span().outputs)
    assert (attachment.content_type, attachment.content_bytes) == ("audio/wav", b"one two")
    assert span().token_usage == TOKENS


@needs("decisions")
def test_decisions(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """LLM; the answers are the outputs."""
    answers = [{"type": "predicate", "probability": 0.9, "name": None}]
    far_end.answers = [json({"answers": answers, "model": "d-1", "usage": TOKENS})]
    question = {"type": "predicate", "question": "Is it nice?"}
    far_end.client().decisions.create(model="d", input="It is.", questions=[question])
    assert (span().name, span().span_type) == ("Decisions", SpanType.LLM)
    assert span().get_attribute("mlflow.message.format") == "openai_decisions"
    assert span().inputs == {"model": "d", "input": "It is.", "questions": [question]}
    assert span().outputs["answers"] == answers
    assert span().token_usage == TOKENS


FOUND = {
    "object": "vector_store.search_results.page",
    "search_query": ["cats"],
    "data": [
        {
            "file_id": "file-1",
            "filename": "cats.md",
            "score": 0.9,
            "attributes": {"author": "Ann"},
            "content": [{"type": "text", "text": "Cats purr."}, {"type": "text", "text": "Often."}],
        }
    ],
    "has_more": False,
    "next_page": None,
}


async def test_vector_store_search(far_end: FarEnd, traces: CapturedTraces) -> None:
    """RETRIEVER; the outputs are documents."""
    if not hasattr(far_end.client(), "vector_stores"):
        pytest.skip(f"openai {openai.__version__} has no vector stores")
    far_end.answers = [json(FOUND), json(FOUND)]
    (found,) = far_end.client().vector_stores.search("vs_1", query="cats", max_num_results=3)
    assert found.filename == "cats.md"
    async for _ in far_end.async_client().vector_stores.search("vs_1", query="cats"):
        pass
    plain, other = (trace.data.spans[0] for trace in traces)
    assert (plain.name, other.name) == ("VectorStores", "AsyncVectorStores")
    assert plain.span_type == SpanType.RETRIEVER
    assert plain.inputs == {"vector_store_id": "vs_1", "query": "cats", "max_num_results": 3}
    assert plain.outputs == other.outputs
    assert plain.outputs == [
        {
            "page_content": "Cats purr.\nOften.",
            "metadata": {"author": "Ann", "doc_uri": "cats.md", "score": 0.9},
            "id": "file-1",
        }
    ]


@since_1_10
def test_an_unknown_path_with_a_model_is_traced(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """An LLM span, named by the call, rather than none."""
    far_end.answers = [json({"id": "r-1", "results": [1], "usage": TOKENS})]
    body = {"model": "rank-1", "query": "cats"}
    far_end.client().post("/rerank", cast_to=object, body=body)
    assert (span().name, span().span_type) == ("POST /rerank", SpanType.LLM)
    assert span().inputs == body
    assert span().outputs["results"] == [1]
    assert span().token_usage == TOKENS


def calls_of_management(far: FarEnd) -> Iterator[Callable[[], Any]]:
    client = far.client()
    job = {"id": "ft-1", "object": "fine_tuning.job", "model": "m"}
    far.answers = [
        json({"object": "list", "data": []}),
        json(job),
        http.Response(200, content=b"lines", headers={"content-type": "application/x-ndjson-data"}),
    ]
    yield client.models.list
    yield lambda: client.fine_tuning.jobs.create(model="m", training_file="file-1")
    yield lambda: client.files.content("file-1")


@since_1_10
def test_management_is_traced_only_when_asked_for(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Also where a body names a model that nobody asks."""
    for call in calls_of_management(far_end):
        call()
    assert len(traces) == 0
    tracetape.autolog(all_requests=True)
    for call in calls_of_management(far_end):
        call()
    models, job, content = (trace.data.spans[0] for trace in traces)
    assert [models.name, job.name] == ["GET /models", "POST /fine_tuning/jobs"]
    assert {span.span_type for span in (models, job, content)} == {SpanType.UNKNOWN}
    assert job.inputs == {"model": "m", "training_file": "file-1"}
    assert content.outputs == {"content_type": "application/x-ndjson-data", "size": 5}


@since_1_10
def test_a_very_large_body_is_not_copied(
    far_end: FarEnd, span: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has it all; the span says how large it was."""
    monkeypatch.setattr("tracetape.instrument.body._MAX_BYTES", 100)
    content = (b"x" * 60 for _ in range(3))
    headers = {"content-type": "audio/mpeg"}
    far_end.answers = [http.Response(200, content=content, headers=headers)]
    with far_end.client().audio.speech.with_streaming_response.create(
        model="s", voice="alloy", input="Hello"
    ) as response:
        assert len(b"".join(response.iter_bytes())) == 180
    assert span().outputs == "[a body of 180 bytes is not kept]"


def test_every_class_of_the_table_is_there() -> None:
    """They are loaded when first needed: a wrong name would show only then."""
    from tracetape.apis import apis, as_endpoint, resolve
    from tracetape.instrument import MessageReader, Replay
    from tracetape_openai.integration import TEMPLATE

    for reference in (TEMPLATE.generic, TEMPLATE.management):
        assert issubclass(resolve(reference), Extractor)
    endpoints = [as_endpoint(value) for api in apis() for value in api.endpoints.values()]
    assert len(endpoints) > 16
    for endpoint in endpoints:
        assert issubclass(resolve(endpoint.extractor), Extractor)
        for reference, kind in ((endpoint.replay, Replay), (endpoint.messages, MessageReader)):
            assert reference is None or issubclass(resolve(reference), kind)
