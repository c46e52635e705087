"""Credentials in bodies, by the names of what they are values of: JSON, forms, event streams."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from tracetape._json import dumps
from tracetape.privacy.fields import clean_fields, may_hold_credentials
from tracetape.privacy.names import is_secret
from tracetape.privacy.pieces import conceal_pieces
from tracetape.privacy.values import Secrets

__all__ = ["PLACEHOLDER", "clean_body", "named_credentials", "without_pieces"]

PLACEHOLDER = "REDACTED"
_BOUNDARY = re.compile(r'(?i)boundary="?([^";,]+)')
_FIELD = re.compile(rb'(?i)\bname="([^"]*)"')
_FILE = re.compile(rb"(?i)\bfilename\*?=")
_DATA = re.compile(rb"(?m)^(data:[ \t]*)(\S[^\r\n]*)")


def clean_body(body: bytes, content_type: str, found: list[str]) -> bytes:
    """`body` with placeholders for credentials, which go into `found`; else byte for byte."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _clean_form(body, found)
    if kind.startswith("multipart/"):
        boundary = _BOUNDARY.search(content_type)
        return _clean_parts(body, boundary[1].strip().encode(), found) if boundary else body
    if not may_hold_credentials(body):
        return body
    if kind == "text/event-stream":
        return _DATA.sub(lambda data: data[1] + _clean_json(data[2], found), body)
    cleaned = _clean_json(body, found)
    if cleaned == body and b"\n" in body.strip():  # JSON by lines
        lines = body.splitlines(keepends=True)
        cleaned = b"".join(_clean_line(line, found) for line in lines)
    return cleaned


def without_pieces(body: bytes, secrets: Secrets) -> bytes:
    """An event stream without the secrets that several of its events have parts of."""
    if not secrets:
        return body
    events = [_parsed(data[2]) for data in _DATA.finditer(body)]
    if not conceal_pieces([[event] for event in events], secrets, PLACEHOLDER):
        return body
    rest = iter(events)

    def written(data: re.Match[bytes]) -> bytes:
        event = next(rest)
        return data[0] if event is None else data[1] + dumps(event)

    return _DATA.sub(written, body)


def named_credentials(body: bytes, content_type: str) -> Iterator[tuple[str, str]]:
    """The fields that `clean_body` would replace: path and value of each."""
    kind = content_type.partition(";")[0].strip().lower()
    pairs: Iterable[tuple[str, str]] = ()
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    elif kind.startswith("multipart/"):
        boundary = _BOUNDARY.search(content_type)
        parts = body.split(b"--" + boundary[1].strip().encode()) if boundary else []
        pairs = [field for part in parts if (field := _field_of(part)) is not None]
    elif kind == "text/event-stream":
        for data in _DATA.finditer(body):
            yield from _replaced(_parsed(data[2]))
    else:
        value = _parsed(body)
        lines = body.splitlines() if value is None else ()
        for one in (value, *map(_parsed, lines)):
            yield from _replaced(one)
    for name, text in pairs:
        if _clean_value(name, text, []) != text:
            yield name, text


def _replaced(value: Any) -> Iterator[tuple[str, str]]:
    try:
        yield from _differences(value, clean_fields(value, [], PLACEHOLDER), "")
    except RecursionError:
        return


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, str]]:
    if before is after:
        return
    if isinstance(before, dict):
        for key, item in before.items():
            yield from _differences(item, after[key], f"{path}.{key}" if path else key)
    elif isinstance(before, list):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(one, other, f"{path}[{at}]")
    elif before != after:
        yield path, str(before)


def _clean_json(data: bytes, found: list[str]) -> bytes:
    if data.lstrip()[:1] not in (b"{", b"["):
        return data
    value = _parsed(data)
    try:
        cleaned = clean_fields(value, found, PLACEHOLDER)
    except RecursionError:
        return data
    return data if cleaned == value else dumps(cleaned)


def _clean_line(line: bytes, found: list[str]) -> bytes:
    text = line.rstrip(b"\r\n")
    return _clean_json(text, found) + line[len(text) :]


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _clean_form(body: bytes, found: list[str]) -> bytes:
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    kept = [(name, _clean_value(name, value, found)) for name, value in pairs]
    return body if kept == pairs else urlencode(kept).encode()


def _clean_value(name: str, value: str, found: list[str]) -> str:
    words = [word for word in re.split(r"[\[\].]+", name) if word]  # "auth[token]", "auth.token"
    last, above = words[-1:] or [""], words[-2:-1] or [""]
    if value and (is_secret(name, value) or is_secret(last[0], value, above[0])):
        found.append(value)
        return PLACEHOLDER
    if value[:1] in ("{", "["):
        return _clean_json(value.encode(), found).decode("utf-8", "replace")
    return value


def _clean_parts(body: bytes, boundary: bytes, found: list[str]) -> bytes:
    """A form of parts; files stay as they are."""
    mark = b"--" + boundary
    return mark.join(_clean_part(part, found) for part in body.split(mark))


def _clean_part(part: bytes, found: list[str]) -> bytes:
    field = _field_of(part)
    if field is None:
        return part
    cleaned = _clean_value(*field, found)
    head, blank, _ = part.partition(b"\r\n\r\n")
    return part if cleaned == field[1] else head + blank + cleaned.encode() + b"\r\n"


def _field_of(part: bytes) -> tuple[str, str] | None:
    """Name and value of a part of a form; None if it is a file, or no text."""
    head, blank, content = part.partition(b"\r\n\r\n")
    name = _FIELD.search(head)
    if not blank or name is None or _FILE.search(head):
        return None
    try:
        return name[1].decode("utf-8", "replace"), content.removesuffix(b"\r\n").decode()
    except UnicodeDecodeError:
        return None
