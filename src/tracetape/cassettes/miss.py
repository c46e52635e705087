"""The error of a miss: the nearest recording, and the fields that differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from tracetape.cassettes.advice import Advice
from tracetape.cassettes.file.model import Request
from tracetape.cassettes.matching import Matcher

__all__ = [
    "cancelled_message",
    "elsewhere_message",
    "miss_message",
    "missing_message",
    "printable",
    "unrecorded_lines",
    "unrecorded_message",
]

_SHOWN = 120  # characters of a differing value
_FIELDS = 20  # differing fields
_COMPARED = 40  # recordings whose bodies are looked at
_TAIL = 500  # bytes of a body: conversations differ at their end
_WEIGHTS = {"path": 4.0, "host": 2.0, "method": 2.0}
_ABSENT = object()
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def miss_message(
    path: Path,
    matcher: Matcher,
    request: Request,
    key: tuple[Any, ...],
    recorded: Sequence[Request],
    keys: Sequence[tuple[Any, ...]],
    advice: Advice,
) -> str:
    """Why `request` has no answer on the tape `path`, and what can be done about it."""
    lines = [f"{request.method} {request.url} is not on the cassette {path}."]
    remedy = (
        f"Record it with {advice.new}, record the whole cassette again with {advice.anew}, or "
        f"name the fields that vary with {advice.ignore}."
    )
    if not recorded:
        lines.append("The cassette has no recordings.")
    elif key in keys:
        times = keys.count(key)
        lines.append(
            f"It was recorded {'once' if times == 1 else f'{times} times'}, and each recording "
            "has been replayed already"
            + (", or a function in match_on says that it differs." if matcher.comparisons else ".")
        )
        remedy = (
            f"Record it with {advice.new}, record the whole cassette again with {advice.anew}, or "
            f"let the last recording answer again with {advice.repeat}."
        )
    else:
        nearest = _nearest(matcher, request, key, recorded, keys)
        lines.append(f"The nearest recording, {nearest.method} {nearest.url}, differs in:")
        found = [*_differences(matcher, request, nearest)]
        lines += [f"  {line}" for line in found[:_FIELDS]]
        if len(found) > _FIELDS:
            lines.append(f"  and {len(found) - _FIELDS} more fields")
        sent, kept = _origin(request.url), _origin(nearest.url)
        if sent != kept:
            remedy = (
                f"The program sends its requests to {sent}, but {kept} was recorded. Unset the "
                "variable that names the host (OPENAI_BASE_URL, DATABRICKS_HOST), map one host to "
                f"the other with {advice.rename.format(sent=sent, kept=kept)}, or record the whole "
                f"cassette again with {advice.anew}."
            )
    return "\n".join(map(printable, [*lines, remedy]))


def printable(line: str) -> str:
    """`line` with escapes for what would steer a terminal, or hide in it."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), line)


def missing_message(path: Path, request: Request, advice: Advice) -> str:
    """Why `request` has no answer where there is no file `path`."""
    why = f"The mode is none, because {advice.reason}. " if advice.reason else ""
    return printable(
        f"{request.method} {request.url} has no answer: the cassette {path} does not exist. "
        f"{why}Record it first, with {advice.once} and a key for the real service."
    )


def elsewhere_message(path: Path, request: Request, library: str, advice: Advice) -> str:
    """Why a request of another library has no answer."""
    return printable(
        f"{request.method} {request.url}: a connection to {request.host} was refused, because the "
        f"cassette {path} is being replayed. Cassettes hold requests of httpx2, httpx and "
        f"requests, not of {library}. To reach the host for real, use {advice.allow}."
    )


def cancelled_message(path: Path, cancelled: Mapping[str, int]) -> str:
    """The fate in replay of requests that were cancelled while `path` was recorded."""
    return "\n  ".join(
        [
            f"the cassette {path} lacks requests that the program cancelled before anything came. "
            "There is nothing to replay, so each is a miss in replay:",
            *unrecorded_lines(cancelled),
        ]
    )


def unrecorded_lines(unrecorded: Mapping[str, int]) -> list[str]:
    """A line for each thing that a recording lacks, and how often it was."""
    lines = [
        f"not recorded: {what}{'' if times == 1 else f', {times:,} times'}"
        for what, times in [*unrecorded.items()][:_FIELDS]
    ]
    more = len(unrecorded) - len(lines)
    return [*lines, f"not recorded: {more:,} more"] if more else lines


def unrecorded_message(path: Path, unrecorded: Mapping[str, int], advice: Advice) -> str:
    """The remedy for a request that the recording at `path` lacks."""
    return "\n  ".join(
        [
            f"the cassette {path} does not hold everything that was sent: only requests of "
            "httpx2, httpx and requests are recorded. Replay refuses the following, unless they "
            f"go to this machine or to a host named with {advice.allow}:",
            *unrecorded_lines(unrecorded),
        ]
    )


def _nearest(
    matcher: Matcher,
    request: Request,
    key: tuple[Any, ...],
    recorded: Sequence[Request],
    keys: Sequence[tuple[Any, ...]],
) -> Request:
    """By the parts that differ, then by the likeness of the bodies of the best ones."""
    weights = [_WEIGHTS.get(part, 1.0) for part in matcher.parts]

    def distance(number: int) -> float:
        parts = zip(weights, key, keys[number])  # noqa: B905 - one of each a part
        return sum(weight for weight, ours, theirs in parts if ours != theirs)

    order = sorted(range(len(keys)), key=distance)
    best = [number for number in order[:_COMPARED] if distance(number) == distance(order[0])]
    comparer = difflib.SequenceMatcher(b=_tail(request), autojunk=False)

    def likeness(number: int) -> float:
        comparer.set_seq1(_tail(recorded[number]))
        return comparer.quick_ratio()

    return recorded[max(best, key=likeness)]


def _tail(request: Request) -> str:
    return request.body[-_TAIL:].decode("latin-1")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _differences(matcher: Matcher, sent: Request, kept: Request) -> Iterator[str]:
    ours, theirs = matcher.key(sent), matcher.key(kept)
    for part, one, other in zip(matcher.parts, ours, theirs):  # noqa: B905 - one of each a part
        if one == other:
            continue
        if part == "body":
            first, second = matcher.json(sent), matcher.json(kept)
            if first is not None and second is not None:
                yield from _walk("body", first, second)
                continue
        yield _line(part, one, other)


def _walk(path: str, sent: Any, kept: Any) -> Iterator[str]:
    if isinstance(sent, Mapping) and isinstance(kept, Mapping):
        for key in [*kept, *(key for key in sent if key not in kept)]:
            yield from _walk(f"{path}.{key}", sent.get(key, _ABSENT), kept.get(key, _ABSENT))
    elif isinstance(sent, list) and isinstance(kept, list):
        for index in range(max(len(sent), len(kept))):
            ours, theirs = (s[index] if index < len(s) else _ABSENT for s in (sent, kept))
            yield from _walk(f"{path}[{index}]", ours, theirs)
    elif sent != kept or type(sent) is not type(kept):
        yield _line(path, sent, kept)


def _line(name: str, sent: Any, kept: Any) -> str:
    ours, theirs = _text(sent), _text(kept)
    if len(ours) > _SHOWN or len(theirs) > _SHOWN:
        ours, theirs = _around(ours, theirs), _around(theirs, ours)
    return f"{name}: sent {ours}, recorded {theirs}"


def _around(text: str, other: str) -> str:
    """`text` where it begins to differ from `other`."""
    if len(text) <= _SHOWN:
        return text
    pairs = zip(text, other)  # noqa: B905 - the shorter one ends the comparison
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other)))
    start = max(0, same - 20)
    begin, end = "…" * (start > 0), "…" * (start + _SHOWN < len(text))
    return f"{begin}{text[start : start + _SHOWN]}{end} ({len(text):,} characters)"


def _text(value: Any) -> str:
    if value is _ABSENT:
        return "(absent)"
    if isinstance(value, bytes):
        return repr(value)[1:] if value else "(empty)"
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return repr(value)
