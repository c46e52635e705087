"""Links: from a span to one of another trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracetape.capture import decode, encode
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.formats.ids import parse_span_id, parse_trace_id

__all__ = ["Link", "checked_link"]


@dataclass
class Link:
    """That a span has to do with another one which is not its parent.

    Attributes:
        trace_id: the other span's trace: ``tr-<hex>``, ``trace:/<location>/<hex>`` or hexadecimal.
        span_id: the other span: 16 hexadecimal digits.
        attributes: what kind of link it is; None if it has none.
    """

    trace_id: str
    span_id: str
    attributes: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The three fields, always all of them."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "attributes": self.attributes,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Link:
        """The link that `to_dict` gave."""
        return cls(data["trace_id"], data["span_id"], data.get("attributes"))


def checked_link(link: Any) -> dict[str, Any]:
    """A copy of `link` as JSON values.

    Raises:
        InvalidTypeError: it is not a `Link`.
        InvalidValueError: its ids are invalid.
    """
    if not isinstance(link, Link):
        raise InvalidTypeError(
            f"The `link` parameter must be a Link instance, but got {type(link)}."
        )
    try:
        parse_trace_id(link.trace_id)
        int(link.span_id, 16)
        parse_span_id(link.span_id)
    except (TypeError, ValueError):
        raise InvalidValueError(
            f"Invalid link: trace_id={link.trace_id!r}, span_id={link.span_id!r}. trace_id must "
            "be a trace ID (tr-<hex>, trace:/<location>/<hex> or hexadecimal), and span_id must "
            "be a hexadecimal string."
        ) from None
    copied: dict[str, Any] = decode(encode(link.to_dict()))
    copied["attributes"] = copied["attributes"] or None
    return copied
