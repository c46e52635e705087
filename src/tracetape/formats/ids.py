"""Ids of traces and spans: numbers inside, and their spellings in MLflow's formats."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

__all__ = ["base64_of", "parse_span_id", "parse_trace_id", "span_id_text", "trace_id_text"]

_TRACE_BYTES = 16
_SPAN_BYTES = 8
_HEX = re.compile(r"(?:0x)?[0-9a-f]+", re.IGNORECASE)
# Before the digits: ours and MLflow's, and MLflow's for Unity Catalog, with the location.
_PREFIX = re.compile(r"(?:trace:/[^/]+/)?(?:tr-)?")


def trace_id_text(trace_id: int) -> str:
    """A 128-bit trace id as MLflow shows it: ``tr-`` and 32 hexadecimal digits."""
    return f"tr-{trace_id:032x}"


def span_id_text(span_id: int) -> str:
    """A 64-bit span id as 16 hexadecimal digits."""
    return f"{span_id:016x}"


@lru_cache(maxsize=64)  # all spans of a trace have it
def parse_trace_id(text: str) -> int:
    """The number that a trace id represents, in any of its spellings.

    Raises:
        ValueError: it is not one of ``tr-<hex>``, ``trace:/<location>/<hex>``, hexadecimal, base64.
    """
    return _parse(text[_PREFIX.match(text).end() :], _TRACE_BYTES)  # type: ignore[union-attr]


def parse_span_id(text: str) -> int:
    """The number that a span id represents, hexadecimal or base64.

    Raises:
        ValueError: it is neither.
    """
    return _parse(text, _SPAN_BYTES)


def base64_of(number: int, size: int) -> str:
    """`number` as `size` bytes in base64, as OpenTelemetry's JSON for protobuf has it."""
    return binascii.b2a_base64(number.to_bytes(size, "big"), newline=False).decode()


def _parse(text: str, size: int) -> int:
    # Base64 of a whole id is shorter than its hexadecimal form, and ends with "=" at these sizes.
    if _HEX.fullmatch(text):
        number = int(text, 16)
    else:
        data = binascii.a2b_base64(text)
        if len(data) != size:
            raise ValueError(f"{text!r} is not an id of {size} bytes")
        number = int.from_bytes(data, "big")
    if number >= 1 << 8 * size:
        raise ValueError(f"{text!r} is longer than {size} bytes")
    return number
