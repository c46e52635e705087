"""Base64 media in inputs and outputs are kept once, and references stand in their place."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracetape
from tracetape.capture import encode
from tracetape.entities import Span
from tracetape.entities.attachment import Attachment
from tracetape.media.extraction import take_media
from tracetape.tracing.attachments import get_attachment

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
ENCODED = b64encode(PNG).decode()
URI = f"data:image/png;base64,{ENCODED}"
WAV = b"RIFF\x00\x00WAVE" * 20

# By the API references of OpenAI (chat, images, Responses) and Anthropic (Messages).
PLACES: dict[str, tuple[Any, str]] = {
    "image of a chat message": (
        {"content": [{"type": "image_url", "image_url": {"url": URI, "detail": "low"}}]},
        "image/png",
    ),
    "file of a chat message": (
        {"type": "file", "file": {"filename": "a.png", "file_data": URI}},
        "image/png",
    ),
    "audio of a chat message": (
        {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "wav"}},
        "audio/wav",
    ),
    "audio of an answer": (
        {"audio": {"id": "audio_1", "data": ENCODED, "expires_at": 1, "transcript": "Hi"}},
        "audio/wav",
    ),
    "audio that says nothing of itself": (
        {"result": {"audio": {"id": "audio_1", "data": ENCODED}, "transcript": "Hi"}},
        "audio/wav",
    ),
    "audio of a message, as MP3": (
        {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "mp3"}},
        "audio/mpeg",
    ),
    "image of the image API": ({"created": 1, "data": [{"b64_json": ENCODED}]}, "image/png"),
    "image made by Responses": (
        {"output": [{"type": "image_generation_call", "result": ENCODED}]},
        "image/png",
    ),
    "image of Anthropic's": (
        {"source": {"type": "base64", "media_type": "image/png", "data": ENCODED}},
        "image/png",
    ),
    "image of Bedrock's": (
        {"content": [{"text": "see"}, {"image": {"format": "png", "source": {"bytes": ENCODED}}}]},
        "image/png",
    ),
    "document of Bedrock's": (
        {"document": {"name": "a", "format": "pdf", "source": {"bytes": ENCODED}}},
        "application/pdf",
    ),
    "part of Gemini's": (
        {"parts": [{"inline_data": {"mime_type": "image/png", "data": ENCODED}}]},
        "image/png",
    ),
    "part of Gemini's over HTTP": (
        {"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": ENCODED}}]},
        "audio/mp3",
    ),
    "a data URI alone": (URI, "image/png"),
}


def recorded(value: Any) -> Span:
    with tracetape.start_span("step") as span:
        span.set_inputs(value)
        span.set_outputs({"seen": value})
    tracetape.flush()
    trace = tracetape.get_trace(span.trace_id)
    assert trace is not None
    return trace.data.spans[0]


def references(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("mlflow-attachment://") else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for item in items for found in references(item)]


@pytest.mark.parametrize(("value", "content_type"), PLACES.values(), ids=PLACES)
def test_each_place_of_media_gives_a_reference(value: Any, content_type: str) -> None:
    """The reference names type and size, and gives the content back."""
    span = recorded(value)
    (reference,) = references(span.inputs)
    assert references(span.outputs) == [reference]
    said = Attachment.parse_ref(reference)
    assert said is not None
    assert (said["content_type"], said["size"]) == (content_type, len(PNG))
    assert said["trace_id"] == span.trace_id
    attachment = get_attachment(reference)
    assert attachment is not None
    assert (attachment.content_type, attachment.content_bytes) == (content_type, PNG)


def test_the_same_content_is_stored_once(store_path: Path) -> None:
    """However many spans and traces show it."""
    for _ in range(3):
        recorded(URI)
    tracetape.flush()
    with closing(sqlite3.connect(store_path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM attachments").fetchone() == (1,)
        ((size,),) = connection.execute("SELECT max(length(inputs)) FROM spans").fetchall()
        previews = connection.execute("SELECT request_preview FROM traces").fetchall()
    connection.close()
    assert size < 250
    assert all("base64" not in preview for (preview,) in previews)


def test_a_running_span_shows_the_same_reference() -> None:
    """Whether it is read from the span, from memory, or from the store."""
    with tracetape.start_span("step") as span:
        span.set_inputs(URI)
        here = span.inputs
        trace = tracetape.get_trace(span.trace_id)
        assert trace is not None
        assert trace.data.spans[0].inputs == here
    tracetape.flush()
    stored = tracetape.get_trace(span.trace_id)
    assert stored is not None
    assert stored.data.spans[0].inputs == here
    assert references(here) == [here]


def test_an_attachment_is_recorded_as_a_reference() -> None:
    """The class of ``mlflow.tracing.attachments``, anywhere in a value."""
    span = recorded({"voice": Attachment(content_type="audio/wav", content_bytes=WAV)})
    attachment = get_attachment(span.inputs["voice"])
    assert attachment is not None
    assert (attachment.content_type, attachment.content_bytes) == ("audio/wav", WAV)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,",
        "data:image/png;base64,not base64!",
        f"look: {URI}",
        "data:,Hello",
        f"data:image/png;base64,{ENCODED[:-3]}",
        'say ";base64,"',
    ],
)
def test_what_is_no_media_stays_as_it_is(text: str) -> None:
    """Text that only looks like it, or that would not come back the same."""
    assert recorded({"text": text, "b64_json": "?"}).inputs == {"text": text, "b64_json": "?"}


def test_everything_else_keeps_every_byte() -> None:
    """Numbers that JSON readers round, the order of keys, spaces."""
    data = b'{"n": 123456789012345678901234567890, "x":1.0, "url": "%b"}' % URI.encode()
    taken = take_media(data, "tr-1")
    assert taken.startswith(b'{"n": 123456789012345678901234567890, "x":1.0, "url": "mlflow-')


@given(st.binary(min_size=1, max_size=300), st.text(max_size=50), st.text(max_size=50))
def test_any_content_among_any_text_comes_out_whole(content: bytes, key: str, text: str) -> None:
    """Whatever stands around it."""
    uri = f"data:application/pdf;base64,{b64encode(content).decode()}"
    found: dict[str, Attachment] = {}
    taken = take_media(encode({key: [text, uri]}), "tr-1", found)
    (attachment,) = found.values()
    assert attachment.content_bytes == content
    reference = attachment.ref("tr-1")
    assert taken == encode({key: [reference if text == uri else text, reference]})


def test_media_stay_inline_if_the_user_says_so() -> None:
    """`configure`, and the environment variable of MLflow's meaning."""
    with tracetape.configure(extract_attachments=False):
        assert recorded(URI).inputs == URI


def test_the_environment_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read again by `reset`, as everything of the environment."""
    monkeypatch.setenv("TRACETAPE_TRACE_EXTRACT_ATTACHMENTS", "false")
    store = tracetape.tracing.runtime.runtime.recorder.store.url
    tracetape.tracing.reset()
    tracetape.configure(store=store)
    assert recorded(URI).inputs == URI


def test_too_large_media_are_named_but_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost in silence: the reference says what it was, a warning why it is not there."""
    with tracetape.configure(max_attachment_size=100):
        span = recorded(URI)
    (reference,) = references(span.inputs)
    assert get_attachment(reference) is None
    assert f"an attachment of {len(PNG)} bytes is not kept: the bound is 100" in caplog.text


def test_what_is_no_reference_gives_none() -> None:
    """Also one whose content nobody has."""
    unknown = Attachment(content_type="image/png", content_bytes=b"unknown").ref("tr-1")
    assert get_attachment(unknown) is None
    assert get_attachment("https://example.com/a.png") is None
