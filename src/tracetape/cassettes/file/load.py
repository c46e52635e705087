"""From a file's bytes to interactions, with nothing executed and nothing unbounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson
import yaml

from tracetape.cassettes.file import foreign, own_yaml
from tracetape.cassettes.file.bodies import MAX_BODY, decoded, from_base64, from_stored, is_known
from tracetape.cassettes.file.model import (
    ENCODING_HEADERS,
    END,
    NO_CONTENT,
    OURS,
    WHOLE,
    Headers,
    Interaction,
    RecordedError,
    Request,
    Response,
)
from tracetape.cassettes.file.timing import chunks
from tracetape.exceptions import CassetteFormatError

__all__ = ["parsed"]

_LAST_STATUS = 999
_MAX_DEPTH = 200  # the loader in C recurses, and would crash the process some 10,000 deep
_TOO_DEEP = f"it is nested more than {_MAX_DEPTH} levels deep"
_TAG = "tag:yaml.org,2002:"
_BINARIES = ("!binary", f"{_TAG}binary")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+")
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """The safe loader, in C where there is one; ruby writes binary as ``!binary``."""


def _istr(loader: Any, node: yaml.Node) -> str:
    """The text in one of multidict's `istr`, as vcrpy writes the names of aiohttp's headers."""
    arguments: Any = None
    if isinstance(node, yaml.SequenceNode):
        arguments = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        given = loader.construct_mapping(node, deep=True)
        arguments = given.get("args") if set(given) == {"args"} else None
    if isinstance(arguments, list) and len(arguments) == 1 and isinstance(arguments[0], str):
        return arguments[0]
    raise yaml.constructor.ConstructorError(None, None, "an istr holds one string", node.start_mark)


def _binary(loader: Any, node: yaml.Node) -> bytes:
    """Decode a binary strictly: PyYAML skips damage, and reads another body."""
    try:
        return from_base64(loader.construct_scalar(node))
    except ValueError as error:
        problem = f"a binary is not valid base64: {error}"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


for _name in _BINARIES:
    _Loader.add_constructor(_name, _binary)
for _how in ("apply", "new"):
    # The module is in C, or in Python where that could not be built.
    for _module in ("multidict", "multidict._multidict", "multidict._multidict_py"):
        _tag = f"tag:yaml.org,2002:python/object/{_how}:{_module}.istr"
        _Loader.add_constructor(_tag, _istr)


def parsed(data: bytes) -> tuple[list[Interaction], bool]:
    """The interactions, and whether the recording did not come to its end.

    Raises:
        CassetteFormatError: it is not a tape that we can read.
    """
    if data[:2] == b"\x1f\x8b":
        plain = decoded(data, "gzip")
        if plain is None:
            raise CassetteFormatError("it begins as a gzip file but cannot be unpacked")
        data = plain
    if len(data) > MAX_BODY:
        raise CassetteFormatError(f"it is larger than {MAX_BODY:,} bytes")
    if not data.strip():
        raise CassetteFormatError("it is empty; delete it to record it again")
    try:
        document = _document(_whole(data))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if _is_too_deep(error):
            raise CassetteFormatError(_TOO_DEEP) from error
        reason = " ".join(str(error).split())
        raise CassetteFormatError(f"it is not YAML that can be read safely: {reason}") from error
    stored_ones = foreign.interactions(document)
    ours = _mapping(document.get(OURS))
    if ours.get("end") and document.get(END) is not True:
        raise CassetteFormatError(
            f"its last line, `{END}: true`, is missing: the file was cut off; restore it, or "
            "delete it to record it again"
        )
    found = []
    for number, stored in enumerate(stored_ones, 1):
        try:
            found.append(_interaction(stored))
        except (KeyError, TypeError, ValueError, AttributeError, CassetteFormatError) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise CassetteFormatError(f"interaction {number} is malformed: {reason}") from error
    return found, bool(ours.get("incomplete"))


def _whole(data: bytes) -> bytes:
    """A recording that was killed, without the interaction that it was writing."""
    line = f"\n{WHOLE}\n".encode()
    end = data.rfind(line)
    return data if end < 0 or f"\n{END}:".encode() in data[end:] else data[: end + len(line)]


def _document(data: bytes) -> Any:
    if data.lstrip()[:1] == b"{":
        try:
            return orjson.loads(data)  # its escapes for emoji are not YAML
        except orjson.JSONDecodeError:
            pass  # a mapping of YAML may begin so too
    ours = own_yaml.document(data)
    if ours is not None:
        return ours
    try:
        return _from_events(data)
    except _UnusualError:
        _check(data)
        return yaml.load(data, Loader=_Loader)  # noqa: S506 - it is a safe loader


class _UnusualError(Exception):
    """It has what tapes seldom have: aliases, other tags than that of binaries, odd keys."""


def _from_events(data: bytes) -> Any:
    """The document, made in the one pass that checks its depth: to parse it takes most of the time.

    Raises:
        _UnusualError: PyYAML has to make it.
    """
    loader = _Loader(data)
    top: list[Any] = []  # the document, once it is whole
    opened: list[tuple[Any, list[Any]]] = [([], top)]  # what is being filled, and its parts
    try:
        while loader.check_event():
            event = loader.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                opened[-1][1].append(_scalar(event))
            elif kind in (yaml.SequenceEndEvent, yaml.MappingEndEvent):
                made, parts = opened.pop()
                try:
                    if kind is yaml.MappingEndEvent:
                        made.update(zip(parts[::2], parts[1::2]))  # noqa: B905 - they are pairs
                except TypeError as error:  # a key that is a list or a mapping
                    raise _UnusualError from error
                opened[-1][1].append(made)
            elif kind in (yaml.SequenceStartEvent, yaml.MappingStartEvent):
                if event.anchor is not None or event.tag is not None:
                    raise _UnusualError
                if len(opened) > _MAX_DEPTH:
                    raise CassetteFormatError(_TOO_DEEP)
                items: list[Any] = []
                opened.append((items, items) if kind is yaml.SequenceStartEvent else ({}, items))
            elif kind is yaml.AliasEvent or (kind is yaml.DocumentStartEvent and top):
                raise _UnusualError
    finally:
        loader.dispose()
    return top[0] if top else None


def _scalar(event: Any) -> Any:
    if event.anchor is not None:
        raise _UnusualError
    text: str = event.value
    if event.tag in _BINARIES:
        try:
            return from_base64(text)
        except ValueError as error:
            raise _UnusualError from error
    if event.tag is not None:
        raise _UnusualError
    return _plain(text) if event.implicit[0] else text


@lru_cache(maxsize=1024)
def _plain(text: str) -> Any:
    """The value of a text without quotes, as PyYAML has it."""
    tables = _Loader.yaml_implicit_resolvers
    patterns = tables.get(text[:1], []) + tables.get(None, [])
    tag = next((tag for tag, pattern in patterns if pattern.match(text)), f"{_TAG}str")
    kind = tag.removeprefix(_TAG)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float" and _FLOAT.fullmatch(text):
        return float(text)
    raise _UnusualError  # a date, a number in another system


def _is_too_deep(error: Exception) -> bool:
    # libyaml reads ahead of its events: a limit of its own, 1,000 since PyYAML 6.0.4, may be first.
    problem = getattr(error, "problem", None) or ""
    return isinstance(error, RecursionError) or "nesting" in problem


def _check(data: bytes) -> None:
    """Refuse what would crash the loader or fill the memory, by a look at the bare events."""
    copied = 0
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    for event in yaml.parse(data, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, _index(event.start_mark)))
            if len(opened) > _MAX_DEPTH:
                raise CassetteFormatError(_TOO_DEEP)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = opened.pop()
            if anchor is not None:
                sizes[anchor] = _index(event.end_mark) - start
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor is not None for anchor, _ in opened):
                raise CassetteFormatError("it has aliases inside a part that an alias repeats")
            copied += sizes.get(str(event.anchor), 0)
            if copied > MAX_BODY:
                raise CassetteFormatError(f"its aliases repeat more than {MAX_BODY:,} bytes")
        elif isinstance(event, yaml.ScalarEvent) and event.anchor is not None:
            sizes[event.anchor] = _index(event.end_mark) - _index(event.start_mark)


def _index(mark: Any) -> int:
    index: int = mark.index
    return index


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _interaction(stored: Any) -> Interaction:
    if not isinstance(stored, Mapping):
        raise TypeError("it is not a mapping")
    ours = _mapping(stored.get(OURS))
    raw = stored["request"]
    url = raw["uri"] if "uri" in raw else raw["url"]
    _ = urlsplit(str(url)).port  # raises a ValueError for what is not a URL
    body = from_stored(_body(raw))
    request = Request(str(raw["method"]).upper(), str(url), _headers(raw), body)
    error = None
    if ours.get("error") is not None:
        error = RecordedError(str(ours["error"]["type"]), str(ours["error"]["message"]))
    if stored.get("response") is None:
        if error is None:
            raise ValueError("it has neither a response nor an error")
        return Interaction(request, None, error)
    return Interaction(request, _response(stored["response"], ours, request.method), error)


def _body(raw: Mapping[str, Any]) -> Any:
    # Some serializers put the parsed JSON next to the place of the body.
    return {"parsed_body": raw["parsed_body"]} if "parsed_body" in raw else raw.get("body")


def _is_missing(stored: Any, headers: Headers) -> bool:
    """Whether the file ends, or was cut, before a body that was there."""
    if ("content-length", "0") in headers:
        return False
    # Some serializers write an empty body so; it has no type either.
    is_blank = isinstance(stored, Mapping) and {*stored} == {"string"} and stored["string"] is None
    return stored is None or (is_blank and any(name == "content-type" for name, _ in headers))


def _headers(raw: Mapping[str, Any]) -> Headers:
    headers: Headers = []
    given = raw.get("headers") or {}
    if not isinstance(given, Mapping):
        raise CassetteFormatError(f"headers must be a mapping, not {type(given).__name__}")
    for name, values in given.items():
        for value in values if isinstance(values, list) else [values]:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            headers.append((str(name).lower(), text))
    return headers


def _response(raw: Mapping[str, Any], ours: Mapping[str, Any], method: str) -> Response:
    status, reason = raw.get("status"), ""
    if isinstance(status, Mapping):
        status, reason = status["code"], str(status.get("message") or "")
    code = int(
        raw["status_code"] if status is None else status
    )  # as vcrpy's first httpx stub has it
    if not 100 <= code <= _LAST_STATUS:
        raise ValueError(f"{code} is not an HTTP status")
    headers = _headers(raw)
    stored = raw.get("content") if "content" in raw else _body(raw)
    if _is_missing(stored, headers) and code not in NO_CONTENT and method != "HEAD":
        raise ValueError("its response has no body")
    body = from_stored(stored)
    dropped: tuple[str, ...] = ENCODING_HEADERS
    encoding = next((value for name, value in headers if name == "content-encoding"), "")
    written = _mapping(ours.get("encoding"))
    # We keep the header on no body but one that could not be decoded: the client is to fail again.
    is_broken = any(str(name).lower() == "content-encoding" for name in written)
    if encoding and is_known(encoding) and not is_broken:
        plain = decoded(body, encoding)
        body = body if plain is None else plain  # many tapes keep the header over a plain body
    elif encoding:
        dropped = ENCODING_HEADERS[1:]  # it cannot be undone here: the client is to see it
    wire = [(name, value) for name, value in headers if name in dropped]
    return Response(
        status=code,
        reason=reason,
        headers=[(name, value) for name, value in headers if name not in dropped],
        chunks=chunks(body, ours.get("chunks")),
        encoding=[(str(k), str(v)) for k, v in written.items()] or wire,
        cut=bool(ours.get("cut")),
    )
