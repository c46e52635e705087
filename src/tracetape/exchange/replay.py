"""The contract of replays: how a stored call becomes what its client sent and its server gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from tracetape._json import dumps
from tracetape.entities import Span
from tracetape.formats.names import NAME_OF_FIELD

__all__ = ["AnyReplay", "Replay", "StoredCall", "UnfitError", "data_event", "field_of"]


class UnfitError(Exception):
    """Why a stored call cannot be replayed."""


class StoredCall(NamedTuple):
    """A call that a span has kept.

    Attributes:
        span: the span; its outputs may name attachments.
        path: the path below the API's base.
        body: the request's body, with whole attachments.
        answer: the answer, with whole attachments; None: there is none.
    """

    span: Span
    path: str
    body: dict[str, Any]
    answer: Any

    def field(self, name: str) -> Any:
        """A neutral field of the span, a key of `NAME_OF_FIELD`."""
        return field_of(self.span, name)

    @property
    def chunk_count(self) -> int:
        """The number of chunks of a stream."""
        count = self.field("chunk_count")
        return count if isinstance(count, int) else 0


class Replay:
    """Makes a recording of a stored call: the reverse of an `Extractor`.

    This class replays calls whose bodies are the inputs and outputs of their span. A subclass says
    what is different, and how an answer is streamed. Methods raise `UnfitError` with the reason
    where a call cannot be replayed.
    """

    refusal: ClassVar[str] = ""  # why no call of the endpoint can be replayed
    done: ClassVar[bytes] = b"data: [DONE]\n\n"  # what follows the last event of a whole stream

    def url(self, call: StoredCall) -> str:
        """The URL that was asked."""
        return f"{call.field('base_url')}{call.path}"

    def body(self, call: StoredCall) -> Mapping[str, Any]:
        """The body that was sent."""
        return call.body

    def answer(self, call: StoredCall) -> Any:
        """The plain answer, or the sum of a stream."""
        return call.answer

    def events(self, call: StoredCall, answer: Any) -> list[bytes]:
        """The events of a stream whose sum is `answer`."""
        raise UnfitError(f"it was streamed, and tracetape does not know how {call.path} streams")


class AnyReplay(Replay):
    """Replays a path that no table has: its chunks are kept as they came."""

    def events(self, call: StoredCall, answer: Any) -> list[bytes]:
        """The chunks."""
        if not isinstance(answer, list):
            return super().events(call, answer)
        return [data_event(chunk) for chunk in answer]


def field_of(span: Span, name: str) -> Any:
    """A neutral field of a span."""
    return span.get_attribute(NAME_OF_FIELD[name])


def data_event(value: Any) -> bytes:
    """One server-sent event without a name."""
    return b"data: %b\n\n" % dumps(value)
