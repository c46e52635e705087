"""Images: made, edited, varied."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Result, fields_of, plain
from tracetape_openai.model_calls import ModelCall, answer_fields

__all__ = ["Images"]

# What an event has in addition to an image and what the plain answer says.
_OF_EVENTS = frozenset({"type", "b64_json", "partial_image_index", "sequence_number", "created_at"})


class Images(ModelCall):
    """``POST /images/generations``, ``/images/edits`` and ``/images/variations``.

    Shapes: OpenAI's API reference, "The image generation response" and "Image streaming events".
    The type is MLflow's. The images themselves become attachments of the trace.
    """

    resource: ClassVar[str] = "Images"
    span_type: ClassVar[str] = SpanType.TOOL
    content: ClassVar[frozenset[str]] = frozenset({"prompt", "image", "mask"})

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._images: list[dict[str, Any]] = []
        self._partial: dict[str, Any] | None = None

    def chunk(self, chunk: Any) -> None:
        """Take a whole image, or the newest sketch of one."""
        event = fields_of(plain(chunk))
        if str(event.get("type", "")).endswith(".completed"):
            self._images.append(event)
            self._partial = None
        elif "b64_json" in event:
            self._partial = event

    def result(self, body: Any | None) -> Result:
        """The images; of a stream that was cut short the last sketch."""
        if body is not None:
            return super().result(body)
        events = self._images + ([self._partial] if self._partial else [])
        if not events:
            return Result(None)
        last = events[-1]
        answer = {
            "created": last.get("created_at"),
            "data": [{"b64_json": event.get("b64_json")} for event in events],
            **{key: value for key, value in last.items() if key not in _OF_EVENTS},
        }
        return Result(answer, answer_fields(answer))
