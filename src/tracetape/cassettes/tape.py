"""The tape file: YAML in vcrpy's version-1 shape, read and written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tracetape.cassettes.bodies import MAX_BODY, decoded, from_stored, is_event_stream, to_stored
from tracetape.cassettes.interaction import (
    Chunk,
    Headers,
    Interaction,
    RecordedError,
    Request,
    Response,
)
from tracetape.exceptions import CassetteError, CassetteFormatError

__all__ = ["Tape", "load", "save"]

OURS = "tracetape"  # the key of what vcrpy has no place for
ENCODING_HEADERS = ("content-encoding", "transfer-encoding", "content-length")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Tape:
    """The contents of a file."""

    def __init__(self, interactions: list[Interaction], *, incomplete: bool = False) -> None:
        """Hold `interactions`; `incomplete`: the recording did not come to its end."""
        self.interactions = interactions
        self.incomplete = incomplete


def load(path: Path) -> Tape:
    """Read a tape: YAML or JSON, plain or packed by gzip, ours or vcrpy's.

    Nothing in it is executed: tags that make objects are refused.

    Raises:
        CassetteFormatError: it is no tape that we can read.
        CassetteError: it cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be read: {error}") from error
    try:
        return _parsed(_unpacked(data))
    except CassetteFormatError as error:
        raise CassetteFormatError(f"{path} is no usable cassette: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CassetteFormatError(
            f"{path} is no usable cassette: it is not YAML that can be read safely: {reason}"
        ) from error


def save(path: Path, tape: Tape) -> None:
    """Write a tape; a reader sees the old file or the new one, never half of it.

    Raises:
        CassetteError: it cannot be written.
    """
    document: dict[str, Any] = {"version": 1}
    if tape.incomplete:
        document[OURS] = {"incomplete": True}
    document["interactions"] = [_to_stored(one) for one in tape.interactions]
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be written: {error}") from error


def _unpacked(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    plain = decoded(data, "gzip")
    if plain is None:
        raise CassetteFormatError("it begins as a gzip file but cannot be unpacked")
    return plain


def _parsed(data: bytes) -> Tape:
    if len(data) > MAX_BODY:
        raise CassetteFormatError(f"it is larger than {MAX_BODY:,} bytes")
    if not data.strip():
        raise CassetteFormatError("it is empty; delete it to record it anew")
    document = yaml.load(data, Loader=_Loader)  # noqa: S506 - a safe loader, in C where there is one
    if not isinstance(document, Mapping) or not isinstance(document.get("interactions"), list):
        raise CassetteFormatError("it has no list of `interactions`")
    if document.get("version", 1) != 1:
        raise CassetteFormatError(
            f"it has version {document['version']!r}, and only version 1 is known"
        )
    ours = _mapping(document.get(OURS))
    interactions = []
    for number, stored in enumerate(document["interactions"], 1):
        try:
            interactions.append(_from_stored(stored))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CassetteFormatError(f"interaction {number} is malformed: {error!r}") from error
    return Tape(interactions, incomplete=bool(ours.get("incomplete")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _from_stored(stored: Any) -> Interaction:
    ours = _mapping(stored.get(OURS))
    raw = stored["request"]
    request = Request(
        str(raw["method"]).upper(), str(raw["uri"]), _headers(raw), from_stored(_body(raw))
    )
    error = None
    if ours.get("error") is not None:
        error = RecordedError(str(ours["error"]["type"]), str(ours["error"]["message"]))
    if stored.get("response") is None:
        if error is None:
            raise ValueError("it has neither a response nor an error")
        return Interaction(request, None, error)
    return Interaction(request, _response(stored["response"], ours), error)


def _body(raw: Mapping[str, Any]) -> Any:
    # Some serializers put the parsed JSON beside the place of the body.
    return {"parsed_body": raw["parsed_body"]} if "parsed_body" in raw else raw.get("body")


def _headers(raw: Mapping[str, Any]) -> Headers:
    headers: Headers = []
    for name, values in (raw.get("headers") or {}).items():
        for value in values if isinstance(values, list) else [values]:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            headers.append((str(name).lower(), text))
    return headers


def _response(raw: Mapping[str, Any], ours: Mapping[str, Any]) -> Response:
    status = raw.get("status") or {}
    if isinstance(status, Mapping):
        code, reason = int(status["code"]), str(status.get("message") or "")
    else:
        code, reason = int(status), ""
    if "status_code" in raw:  # vcrpy's httpx stub before version 6
        code = int(raw["status_code"])
    headers = _headers(raw)
    body = from_stored(raw.get("content") if "content" in raw else _body(raw))
    encoding = next((value for name, value in headers if name == "content-encoding"), "")
    if encoding:
        body = decoded(body, encoding) or body  # many tapes keep the header over a plain body
    kept = [(name, value) for name, value in headers if name not in ENCODING_HEADERS]
    stored_encoding = [(str(k), str(v)) for k, v in _mapping(ours.get("encoding")).items()]
    wire = [(name, value) for name, value in headers if name in ENCODING_HEADERS]
    return Response(
        code,
        reason,
        kept,
        _chunks(body, ours.get("chunks")),
        stored_encoding or wire,
        bool(ours.get("cut")),
    )


def _chunks(body: bytes, sizes: Any) -> list[Chunk]:
    if not sizes:
        return [Chunk(body)] if body else []
    if sum(int(size) for size, _ in sizes) != len(body):
        raise ValueError("its chunks do not add up to its body: was it edited by hand?")
    chunks, at = [], 0
    for size, milliseconds in sizes:
        chunks.append(Chunk(body[at : at + int(size)], float(milliseconds) / 1000))
        at += int(size)
    return chunks


def _to_stored(one: Interaction) -> dict[str, Any]:
    request, response, error = one.request, one.response, one.error
    ours: dict[str, Any] = {}
    stored: dict[str, Any] = {
        "request": {
            "method": request.method,
            "uri": request.url,
            "headers": _grouped(request.headers),
            "body": to_stored(request.body, request.header("content-type")) or None,
        },
        "response": None,
    }
    if response is not None:
        content_type = response.header("content-type")
        body = to_stored(response.body, content_type)
        stored["response"] = {
            "status": {"code": response.status, "message": response.reason},
            "headers": _grouped(response.headers),
            "body": {"string": body},
        }
        # A pretty-printed body has no chunks to speak of; a plain answer's say nothing.
        if is_event_stream(content_type) or len(response.chunks) > 1:
            verbatim = body if isinstance(body, bytes) else body.encode()
            if verbatim == response.body:
                ours["chunks"] = [
                    [len(chunk.data), round(chunk.delay * 1000, 1)] for chunk in response.chunks
                ]
        if response.encoding:
            ours["encoding"] = dict(response.encoding)
        if response.cut:
            ours["cut"] = True
    if error is not None:
        ours["error"] = {"type": error.type, "message": error.message}
    if ours:
        stored[OURS] = ours
    return stored


def _grouped(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in sorted(headers, key=lambda pair: pair[0]):
        grouped.setdefault(name, []).append(value)
    return grouped


class _Dumper(yaml.SafeDumper):
    """Blocks for long text, one line for a chunk's size and time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # Where a block cannot hold the text (CRLF, trailing spaces), the emitter quotes it.
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    flow = bool(value) and all(isinstance(item, (int, float)) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
