"""When a request is the recorded one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import orjson

from tracetape._json import dumps
from tracetape.cassettes.file.model import Request
from tracetape.cassettes.options import collection, names
from tracetape.exceptions import InvalidValueError

__all__ = ["MATCH_ON", "Comparison", "Matcher"]

Comparison = Callable[[Request, Request], Any]

MATCH_ON = ("method", "scheme", "host", "port", "path", "query", "body")
_URI = ("scheme", "host", "port", "path", "query")  # vcrpy's word for them
_PORTS = {"http": 80, "https": 443}
_FIELD = re.compile(rb'[;\s]name="([^"]*)"', re.IGNORECASE)
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


class Matcher:
    """Compares requests by parts, less the fields that are declared volatile.

    Attributes:
        parts: names out of `MATCH_ON`, each once.
        comparisons: functions that are asked too.
    """

    def __init__(
        self,
        match_on: Sequence[str | Comparison] | None,
        ignore: Collection[str],
        *,
        null_is_absent: bool = False,
    ) -> None:
        """Choose the parts.

        Args:
            match_on: names out of `MATCH_ON`, or ``uri`` for all of a URL; None means all. And
                functions of two requests, which return False or fail by `assert` where they differ.
            ignore: fields to leave out, such as ``body.user``, ``body.metadata.run`` or
                ``query.api-version``.
            null_is_absent: a field of JSON that is ``null`` equals one that is not there.

        Raises:
            InvalidValueError: a name is unknown, or there is none.
        """
        given = MATCH_ON if match_on is None else collection("match_on", match_on, "path")
        if not given:
            raise InvalidValueError(
                "match_on is empty, so any request would get the next recording: "
                'name at least one part, as in match_on=["method"]'
            )
        ignore = names("ignore", ignore, "body.user")
        self.comparisons = [part for part in given if callable(part)]
        wanted = [part for part in given if not callable(part)]
        for part in wanted:
            if part not in (*MATCH_ON, "uri"):
                raise InvalidValueError(
                    f"cannot match on {part!r}: choose from {', '.join(MATCH_ON)}, uri"
                )
        for field in ignore:
            kind, dot, name = field.partition(".")
            if kind not in ("body", "query") or not dot or not all(name.split(".")):
                raise InvalidValueError(
                    f"cannot ignore {field!r}: name a field as body.NAME or query.NAME"
                )
        self.parts = tuple(
            part for part in MATCH_ON if part in wanted or ("uri" in wanted and part in _URI)
        )
        self._parts = [_PARTS[part] for part in self.parts]
        self._null_is_absent = null_is_absent
        self._body_fields = [f.split(".")[1:] for f in ignore if f.startswith("body.")]
        self._query_fields = {f.partition(".")[2] for f in ignore if f.startswith("query.")}

    def key(self, request: Request) -> tuple[Any, ...]:
        """Equal for requests that match."""
        url = urlsplit(request.url)
        return tuple([part(self, request, url) for part in self._parts])

    def first(
        self, sent: Request, numbers: Iterable[int], recorded: Callable[[int], Request]
    ) -> int | None:
        """The first of `numbers`, all of one key, whose recording the functions hold for equal."""
        return next((n for n in numbers if self._are_equal(sent, recorded(n))), None)

    def _are_equal(self, sent: Request, recorded: Request) -> bool:
        try:
            return all(compare(sent, recorded) in (None, True) for compare in self.comparisons)
        except AssertionError:
            return False

    def json(self, request: Request) -> Any:
        """A JSON body less the volatile fields; None if it is not JSON."""
        try:
            value = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return None
        for path in self._body_fields:
            _drop(value, path)
        return _without_null(value) if self._null_is_absent else value

    def _query(self, url: SplitResult) -> tuple[tuple[str, str], ...]:
        if not url.query:
            return ()
        pairs = parse_qsl(url.query, keep_blank_values=True)
        return tuple(sorted(pair for pair in pairs if pair[0] not in self._query_fields))

    def _body(self, request: Request) -> Any:
        if not request.body:
            return b""
        content_type = request.header("content-type")
        if content_type.startswith("multipart/"):
            return _multipart(content_type, request.body, self._flat_fields())
        if content_type.startswith("application/x-www-form-urlencoded"):
            pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
            volatile = self._flat_fields()
            return tuple(sorted(pair for pair in pairs if pair[0] not in volatile))
        value = self.json(request)
        if value is None:
            return request.body
        return dumps(value, orjson.OPT_SORT_KEYS)

    def _flat_fields(self) -> set[str]:
        """The volatile fields of a form."""
        return {path[0] for path in self._body_fields if len(path) == 1}


_PARTS: dict[str, Callable[[Matcher, Request, SplitResult], Any]] = {
    "method": lambda matcher, request, url: request.method,
    "scheme": lambda matcher, request, url: url.scheme.lower(),
    "host": lambda matcher, request, url: (url.hostname or "").lower(),
    "port": lambda matcher, request, url: url.port or _PORTS.get(url.scheme.lower()),
    "path": lambda matcher, request, url: url.path or "/",
    "query": lambda matcher, request, url: matcher._query(url),
    "body": lambda matcher, request, url: matcher._body(request),
}


def _multipart(content_type: str, body: bytes, volatile: Collection[str]) -> Any:
    """The parts without the boundary, which is made up again for each request."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return body
    parts = body.split(b"--" + boundary[1].encode())
    return tuple(part for part in parts if not volatile or _field(part) not in volatile)


def _field(part: bytes) -> str | None:
    """The name of a part of a form."""
    found = _FIELD.search(part.partition(b"\r\n\r\n")[0])
    return None if found is None else found[1].decode("utf-8", "replace")


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(item) for name, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value


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
