"""When a request is the recorded one, and what differs when it is not."""

from __future__ import annotations

import difflib
import email
import email.policy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from tracetape.cassettes.interaction import Request
from tracetape.exceptions import InvalidValueError

__all__ = ["MATCH_ON", "Matcher"]

MATCH_ON = ("method", "scheme", "host", "port", "path", "query", "body")
_PORTS = {"http": 80, "https": 443}
_SHOWN = 120  # characters of a differing value


class Matcher:
    """Compares requests by parts, less the fields that are declared volatile."""

    def __init__(self, match_on: Sequence[str] | None, ignore: Collection[str]) -> None:
        """Choose the parts.

        Args:
            match_on: names out of `MATCH_ON`; None means all.
            ignore: fields to leave out, such as ``body.user``, ``body.metadata.run`` or
                ``query.api-version``.

        Raises:
            InvalidValueError: a name is unknown.
        """
        self._parts = tuple(MATCH_ON if match_on is None else match_on)
        for part in self._parts:
            if part not in MATCH_ON:
                raise InvalidValueError(
                    f"cannot match on {part!r}: choose from {', '.join(MATCH_ON)}"
                )
        for field in ignore:
            if field.partition(".")[0] not in ("body", "query") or "." not in field:
                raise InvalidValueError(
                    f"cannot ignore {field!r}: name a field as body.NAME or query.NAME"
                )
        self._body_fields = [f.split(".")[1:] for f in ignore if f.startswith("body.")]
        self._query_fields = {f.partition(".")[2] for f in ignore if f.startswith("query.")}

    def key(self, request: Request) -> tuple[Any, ...]:
        """Equal for requests that match."""
        return tuple(_PARTS[part](self, request) for part in self._parts)

    def differences(self, request: Request, recorded: Request) -> list[str]:
        """What keeps two requests from matching, a line a field."""
        lines: list[str] = []
        for part in self._parts:
            sent, kept = _PARTS[part](self, request), _PARTS[part](self, recorded)
            if sent == kept:
                continue
            if part == "body":
                lines += _body_differences(self._json(request), self._json(recorded), sent, kept)
            else:
                lines.append(_line(part, _text(sent), _text(kept)))
        return lines

    def distance(self, request: Request, recorded: Request) -> float:
        """How unlike two requests are: small for the one that was probably meant."""
        unequal: float = sum(
            _WEIGHTS[part] * (_PARTS[part](self, request) != _PARTS[part](self, recorded))
            for part in self._parts
        )
        near = difflib.SequenceMatcher(None, request.body[-500:], recorded.body[-500:])
        return unequal - near.quick_ratio()

    def _json(self, request: Request) -> Any:
        try:
            value = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return None
        for path in self._body_fields:
            _drop(value, path)
        return value

    def _query(self, request: Request) -> tuple[tuple[str, str], ...]:
        pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
        return tuple(sorted(pair for pair in pairs if pair[0] not in self._query_fields))

    def _body(self, request: Request) -> Any:
        content_type = request.header("content-type")
        if content_type.startswith("multipart/"):
            return _multipart(content_type, request.body)
        if content_type.startswith("application/x-www-form-urlencoded"):
            return tuple(sorted(parse_qsl(request.body.decode("utf-8", "replace"), True)))
        value = self._json(request)
        if value is None:
            return request.body
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


_PARTS: dict[str, Callable[[Matcher, Request], Any]] = {
    "method": lambda _, request: request.method,
    "scheme": lambda _, request: urlsplit(request.url).scheme.lower(),
    "host": lambda _, request: (urlsplit(request.url).hostname or "").lower(),
    "port": lambda _, request: _port(request.url),
    "path": lambda _, request: urlsplit(request.url).path or "/",
    "query": lambda matcher, request: matcher._query(request),
    "body": lambda matcher, request: matcher._body(request),
}
_WEIGHTS = dict.fromkeys(MATCH_ON, 1.0) | {"path": 4.0, "host": 2.0, "method": 2.0}


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port or _PORTS.get(parts.scheme.lower())


def _multipart(content_type: str, body: bytes) -> Any:
    """The parts' headers and contents: the boundary is made up anew for each request."""
    message = email.message_from_bytes(
        b"content-type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    return tuple(
        (tuple(sorted((k.lower(), str(v)) for k, v in part.items())), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    )


def _drop(value: Any, path: Sequence[str]) -> None:
    """Remove a field by its path; a list on the way is gone through item by item."""
    if isinstance(value, list):
        for item in value:
            _drop(item, path)
    elif isinstance(value, dict):
        if len(path) == 1:
            value.pop(path[0], None)
        elif path[0] in value:
            _drop(value[path[0]], path[1:])


def _body_differences(sent: Any, kept: Any, sent_raw: Any, kept_raw: Any) -> list[str]:
    if sent is None or kept is None:
        return [_line("body", _text(sent_raw), _text(kept_raw))]
    return [_line(f"body{path}", ours, theirs) for path, ours, theirs in _walk("", sent, kept)]


def _walk(path: str, sent: Any, kept: Any) -> list[tuple[str, str, str]]:
    if isinstance(sent, Mapping) and isinstance(kept, Mapping):
        found = []
        for key in [*kept, *(key for key in sent if key not in kept)]:
            found += _walk(f"{path}.{key}", sent.get(key, _ABSENT), kept.get(key, _ABSENT))
        return found
    if isinstance(sent, list) and isinstance(kept, list):
        found = []
        for index in range(max(len(sent), len(kept))):
            pair = [side[index] if index < len(side) else _ABSENT for side in (sent, kept)]
            found += _walk(f"{path}[{index}]", *pair)
        return found
    return [] if sent == kept and type(sent) is type(kept) else [(path, _text(sent), _text(kept))]


class _Absent:
    pass


_ABSENT = _Absent()


def _text(value: Any) -> str:
    if value is _ABSENT:
        return "(absent)"
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _line(name: str, sent: str, kept: str) -> str:
    return f"{name}: sent {sent}, recorded {kept}"
