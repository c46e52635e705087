"""Large tapes as they were parsed, kept in the user's cache: YAML takes seconds to read.

An entry is named by the hash of the tape's bytes, and is JSON: nothing in it is executed, and one
that cannot be read is as good as none.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson

from tracetape._version import __version__
from tracetape.cassettes.file.model import Chunk, Interaction, RecordedError, Request, Response
from tracetape.privacy.files import open_private

__all__ = ["VARIABLE", "cached", "keep"]

VARIABLE = "TRACETAPE_CACHE"
_WORTH = 1 << 20  # bytes; smaller tapes are parsed in some 50 ms
_ENTRIES = 50
_FORMAT = f"2 {__version__}".encode()  # another version may read a tape in another way
Parsed = tuple[list[Interaction], bool]


def cached(data: bytes) -> Parsed | None:
    """The interactions that a file with these bytes was parsed to, or None."""
    path = _entry(data)
    if path is None:
        return None
    try:
        content = path.read_bytes()
        incomplete, stored = orjson.loads(content)
        found = [_interaction(*one) for one in stored], bool(incomplete)
        os.utime(path)  # the oldest go first
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None
    return found


def keep(data: bytes, parsed: Parsed) -> None:
    """Keep what the tape with these bytes was parsed to; without a place for it nothing is done."""
    path = _entry(data)
    if path is None:
        return
    interactions, incomplete = parsed
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        content = orjson.dumps([incomplete, [_stored(one) for one in interactions]])
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with open_private(draft) as file:
                file.write(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _forget_the_oldest(path.parent)
    except (OSError, TypeError, ValueError):
        return  # a full disk, a folder of somebody else's: the tape is parsed each time


def _entry(data: bytes) -> Path | None:
    folder = _folder() if len(data) >= _WORTH else None
    if folder is None:
        return None
    return folder / f"{hashlib.blake2b(data, digest_size=32, key=_FORMAT).hexdigest()}.json"


def _folder() -> Path | None:
    """``TRACETAPE_CACHE``, which is off if it is empty; else the user's, where systems have it."""
    own = os.environ.get(VARIABLE)
    if own is not None:
        return Path(own) / "cassettes" if own else None
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    home = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    base = Path(os.environ.get(variable) or os.path.expanduser(home))
    return base / "tracetape" / "cassettes" if base.is_absolute() else None


def _forget_the_oldest(folder: Path) -> None:
    entries = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in entries[_ENTRIES:]:
        path.unlink(missing_ok=True)


def _stored(one: Interaction) -> list[Any]:
    request, response, error = one.request, one.response, one.error
    return [
        [request.method, request.url, request.headers, *_text(request.body)],
        None
        if response is None
        else [
            response.status,
            response.reason,
            response.headers,
            *_text(response.body),
            [len(chunk.data) for chunk in response.chunks],
            [chunk.delay for chunk in response.chunks],
            response.encoding,
            response.cut,
        ],
        None if error is None else [error.type, error.message],
    ]


def _text(data: bytes) -> tuple[str, bool]:
    """As JSON can hold it, and whether it is base64."""
    try:
        return data.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), True


def _bytes(text: str, is_packed: bool) -> bytes:
    return base64.b64decode(text, validate=True) if is_packed else text.encode()


def _interaction(
    request: Sequence[Any], response: Sequence[Any] | None, error: Sequence[str] | None
) -> Interaction:
    method, url, headers, *body = request
    return Interaction(
        Request(method, url, _pairs(headers), _bytes(*body)),
        None if response is None else _response(*response),
        None if error is None else RecordedError(*error),
    )


def _response(
    status: int,
    reason: str,
    headers: Any,
    text: str,
    is_packed: bool,
    sizes: Sequence[int],
    delays: Sequence[float],
    encoding: Any,
    cut: bool,
) -> Response:
    body = _bytes(text, is_packed)
    ends = [*accumulate(sizes)]
    if (ends[-1] if ends else 0) != len(body) or min(sizes, default=0) < 0:
        raise ValueError("the sizes of the parts are not those of the body")
    places = zip([0, *ends][:-1], ends, delays, strict=True)
    chunks = [Chunk(body[start:end], delay) for start, end, delay in places]
    return Response(status, reason, _pairs(headers), chunks, _pairs(encoding), cut)


def _pairs(headers: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers]
