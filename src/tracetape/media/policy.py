"""Whether a span's JSON may hold media, and what is to be done with them."""

from __future__ import annotations

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


class MediaPolicy:
    """What is done with base64 media; `configure` changes it.

    Attributes:
        extract: whether they are taken out at all.
        max_bytes: larger ones are named by their reference only, and not kept; None: no bound.
    """

    def __init__(self) -> None:
        """Everything is taken out and kept."""
        self.extract = True
        self.max_bytes: int | None = None


policy = MediaPolicy()


def may_hold_media(data: bytes | None) -> bool:
    """Whether a closer look at this JSON is worth its price; most has nothing that hints at it."""
    return (
        data is not None
        and len(data) >= _SHORTEST
        and policy.extract
        and any(mark in data for mark in _MARKS)
    )
