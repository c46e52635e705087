"""Audio: transcriptions, translations and speech."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.entities.attachment import Attachment
from tracetape.instrument import Request, Result, Text, decoded_base64, fields_of, plain, text_of
from tracetape_openai.model_calls import ModelCall, answer_fields

__all__ = ["Speech", "Transcriptions", "Translations"]


class Transcriptions(ModelCall):
    """``POST /audio/transcriptions``: JSON, text or subtitles, plain and streamed.

    Shapes: OpenAI's API reference, "The transcription object" and "Stream events" of it.
    """

    resource: ClassVar[str] = "Transcriptions"
    span_type: ClassVar[str] = SpanType.LLM
    content: ClassVar[frozenset[str]] = frozenset({"file"})

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._text = Text()
        self._segments: list[dict[str, Any]] = []
        self._done: dict[str, Any] = {}

    def chunk(self, chunk: Any) -> None:
        """Take a part of the text, a segment, or the whole."""
        event = fields_of(plain(chunk))
        kind = event.pop("type", None)
        if kind == "transcript.text.delta":
            self._text.add(text_of(event.get("delta")))
        elif kind == "transcript.text.segment":
            self._segments.append(event)
        elif kind == "transcript.text.done":
            self._done = event

    def result(self, body: Any | None) -> Result:
        """The text, with what it says of itself."""
        if body is not None:
            return super().result(body)
        answer: dict[str, Any] = {"text": "".join(self._text), **self._done}
        if self._segments:
            answer["segments"] = self._segments
        return Result(answer, answer_fields(answer))


class Translations(Transcriptions):
    """``POST /audio/translations``."""

    resource: ClassVar[str] = "Translations"


class Speech(ModelCall):
    """``POST /audio/speech``; what is heard becomes an attachment of the trace."""

    resource: ClassVar[str] = "Speech"
    span_type: ClassVar[str] = SpanType.LLM

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._content_type = "audio/mpeg"
        self._parts: list[str] = []
        self._done: dict[str, Any] = {}

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes; events do not say what kind of audio they bring."""
        if request.body.get("response_format") not in (None, "mp3"):
            self._content_type = f"audio/{request.body['response_format']}"
        return super().request(request)

    def chunk(self, chunk: Any) -> None:
        """Take one of the events that are sent instead of a file, if they are asked for."""
        event = fields_of(plain(chunk))
        if event.get("type") == "speech.audio.delta":
            self._parts.append(text_of(event.get("audio")))
        elif event.get("type") == "speech.audio.done":
            self._done = event

    def result(self, body: Any | None) -> Result:
        """The audio."""
        if body is not None:
            return super().result(body)
        content = decoded_base64(self._parts)
        if content is None:
            return Result("".join(self._parts), answer_fields(self._done))
        audio = Attachment(content_type=self._content_type, content_bytes=content)
        return Result(audio, answer_fields(self._done))
