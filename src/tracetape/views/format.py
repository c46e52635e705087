"""Durations, times, tokens and untrusted text, for people."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

__all__ = ["ago", "clean", "duration", "one_line", "tokens"]

# Control characters could move the cursor, change colours or set the window's title.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNITS = ((60.0, "s"), (60.0, "min"), (24.0, "h"))


def clean(text: str) -> str:
    """`text` without what a terminal would obey."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, width: int) -> str:
    """`text` on one line of at most `width` characters."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= width else flat[: max(1, width - 1)] + "…"


def duration(nanoseconds: int | None) -> str:
    """A duration in the unit that reads best; an ellipsis for what still runs."""
    if nanoseconds is None:
        return "…"
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.0f} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds < 1e7 else f"{nanoseconds / 1e6:.0f} ms"
    seconds = nanoseconds / 1e9
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def tokens(usage: Mapping[str, int] | None) -> str:
    """Tokens in and out; empty if nothing is known."""
    if not usage:
        return ""
    return f"{usage.get('input_tokens', 0):,} → {usage.get('output_tokens', 0):,} tokens"


def ago(milliseconds: int) -> str:
    """How long ago a moment was."""
    seconds = max(0.0, time.time() - milliseconds / 1000)
    for size, unit in _UNITS:
        if seconds < size:
            return f"{int(seconds)} {unit} ago"
        seconds /= size
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(milliseconds / 1000))
