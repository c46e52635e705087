"""Whether a span's JSON may hold media, and what is to be done with them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MediaPolicy", "may_hold_media", "policy"]

_SHORTEST = 24  # bytes of JSON that can hold a data URI
_MARKS = (
    b";base64,",
    b'"b64_json"',
    b'"base64"',
    b'audio"',
    b'"image_generation_call"',
    b'"inline_data"',
    b'"inlineData"',
    b'"bytes"',
)


@dataclass(frozen=True)
class MediaPolicy:
    """What is done with base64 media.

    Attributes:
        extract: whether they are taken out at all.
        max_bytes: larger ones are named by their reference only, and not kept; None: no bound.
    """

    extract: bool = True
    max_bytes: int | None = None


class _Policy:
    """What holds now.

    Attributes:
        now: part of the configuration, put here with it.
    """

    now = MediaPolicy()


policy = _Policy()


def may_hold_media(data: bytes | None) -> bool:
    """Whether a closer look at this JSON is worth its price; most has nothing that hints at it."""
    return (
        data is not None
        and len(data) >= _SHORTEST
        and policy.now.extract
        and any(mark in data for mark in _MARKS)
    )
