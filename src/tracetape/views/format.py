"""Durations, times, tokens and untrusted text, for people."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tracetape._system import wall_clock_ns
from tracetape._terminal import clean
from tracetape.entities import TraceInfo, TraceState
from tracetape.live.liveness import is_unfinished, last_seen_ms

__all__ = [
    "ago",
    "clean",
    "duration",
    "local_time",
    "one_line",
    "sign_of_life",
    "state",
    "token_counts",
    "tokens",
]

_STATES = {TraceState.OK: "green", TraceState.ERROR: "bold red"}
_UNITS = ((60.0, "s"), (60.0, "min"), (24.0, "h"))


def one_line(text: str, width: int) -> str:
    """`text` on one line of at most `width` characters."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= width else flat[: max(1, width - 1)] + "…"


def duration(nanoseconds: int | None) -> str:
    """A duration in the unit that reads best; an ellipsis for what still runs."""
    if nanoseconds is None:
        return "…"
    if nanoseconds < 0:  # from elsewhere, or of two clocks
        return f"-{duration(-nanoseconds)}"
    if nanoseconds < 999_500:
        return f"{nanoseconds / 1e3:.0f} µs"
    if nanoseconds < 999_500_000:
        return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds < 1e7 else f"{nanoseconds / 1e6:.0f} ms"
    seconds = nanoseconds / 1e9
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def state(info: TraceInfo) -> tuple[str, str]:
    """A trace's state in words, and the style it is shown in."""
    if info.state is TraceState.IN_PROGRESS:
        return ("unfinished", "red") if is_unfinished(info) else ("running", "yellow")
    return info.state.value.replace("_", " "), _STATES.get(info.state, "yellow")


def sign_of_life(info: TraceInfo) -> str:
    """When the process of an unfinished trace was last alive; empty for all others."""
    seen = last_seen_ms(info)
    return f"last sign of life {ago(seen)}" if seen is not None and is_unfinished(info) else ""


def token_counts(usage: Mapping[str, int] | None) -> str:
    """Tokens in and out; empty if nothing is known."""
    if not usage:
        return ""
    into, out = (usage.get(f"{kind}_tokens") for kind in ("input", "output"))
    return " → ".join("?" if count is None else f"{count:,}" for count in (into, out))


def tokens(usage: Mapping[str, int] | None) -> str:
    """The same, with its unit."""
    return f"{token_counts(usage)} tokens" if usage else ""


def ago(milliseconds: int) -> str:
    """How long ago a moment was."""
    seconds = max(0.0, wall_clock_ns() / 1e9 - milliseconds / 1000)
    for size, unit in _UNITS:
        if seconds < size:
            return f"{int(seconds)} {unit} ago"
        seconds /= size
    return local_time("%Y-%m-%d %H:%M", milliseconds)


def local_time(form: str, milliseconds: int) -> str:
    """A moment by the clock on the wall; a number, where that clock does not reach it."""
    try:
        return time.strftime(form, time.localtime(milliseconds / 1000))
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
