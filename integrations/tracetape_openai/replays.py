"""Replays of stored calls: what OpenAI's SDK sent, and what the server gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tracetape.instrument import Replay, StoredCall, UnfitError
from tracetape_openai.event_streams import chat_events, completion_events, response_events

__all__ = [
    "ChatReplay",
    "CompletionReplay",
    "EmbeddingReplay",
    "FileReplay",
    "ImageReplay",
    "PlainReplay",
    "ResponseReplay",
]


class PlainReplay(Replay):
    """Replays an endpoint that is not streamed."""


class _DeployedReplay(Replay):
    """Replays an endpoint whose model Azure's client puts into the URL."""

    def url(self, call: StoredCall) -> str:
        """The URL, with the deployment where it is Azure's."""
        base = str(call.field("base_url"))
        if call.span.provider == "azure" and "/deployments/" not in base:
            return f"{base}/deployments/{call.body.get('model')}{call.path}"
        return super().url(call)


class ChatReplay(_DeployedReplay):
    """Replays ``POST /chat/completions``."""

    def events(self, call: StoredCall, answer: Any) -> list[bytes]:
        """The chunks of the completion."""
        if not isinstance(answer, dict):
            return super().events(call, answer)
        return chat_events(answer, call.body, call.chunk_count)


class CompletionReplay(_DeployedReplay):
    """Replays ``POST /completions``."""

    def answer(self, call: StoredCall) -> Any:
        """The completion; of a stream its text alone is kept (`tracetape_openai.completions`)."""
        if not (isinstance(call.answer, str) and call.field("streamed")):
            return call.answer
        reasons = call.field("finish_reasons") or [None]
        usage = call.field("provider_usage")
        return {
            "id": call.field("response_id") or "",
            "object": "text_completion",
            "created": call.span.start_time_ns // 1_000_000_000,
            "model": call.span.model_name,
            "choices": [{"index": 0, "text": call.answer, "finish_reason": reasons[0]}],
            **({"usage": usage} if usage else {}),
        }

    def events(self, call: StoredCall, answer: Any) -> list[bytes]:
        """The chunks of the completion."""
        if not isinstance(answer, dict):
            return super().events(call, answer)
        return completion_events(answer, call.body, call.chunk_count)


class ResponseReplay(Replay):
    """Replays ``POST /responses``."""

    done: ClassVar[bytes] = b""  # its last event has the whole response

    def events(self, call: StoredCall, answer: Any) -> list[bytes]:
        """The events of the response."""
        if not isinstance(answer, dict):
            return super().events(call, answer)
        return response_events(answer, call.chunk_count)


class EmbeddingReplay(_DeployedReplay):
    """Replays ``POST /embeddings``."""

    def body(self, call: StoredCall) -> Mapping[str, Any]:
        """The body with the encoding that the SDK asks for if nobody else does."""
        return {**call.body, "encoding_format": call.body.get("encoding_format", "base64")}

    def answer(self, call: StoredCall) -> Any:
        """The vectors, if they were stored."""
        data = call.answer.get("data") if isinstance(call.answer, dict) else None
        if isinstance(data, dict) and "count" in data:
            raise UnfitError(
                "the vectors were not stored, only their count and dimension: trace them with "
                "`tracetape.autolog(vectors=True)`, or record a tape with "
                "`tracetape run --cassette`"
            )
        return call.answer


class ImageReplay(_DeployedReplay):
    """Replays ``POST /images/generations``, if it was not streamed."""


class FileReplay(Replay):
    """Refuses calls that upload files."""

    refusal: ClassVar[str] = "files were uploaded, which a trace does not hold as they were sent"
