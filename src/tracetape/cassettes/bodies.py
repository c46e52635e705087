"""Bodies: content encodings, and the forms in which vcrpy and its kin store them."""

from __future__ import annotations

import base64
import binascii
import importlib
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from tracetape.exceptions import CassetteFormatError

__all__ = ["MAX_BODY", "decoded", "from_stored", "is_event_stream", "to_stored"]

MAX_BODY = 256 << 20  # bytes; a compressed body that grows beyond it is a bomb


def is_event_stream(content_type: str) -> bool:
    """Whether a body is a stream of server-sent events."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def decoded(data: bytes, encoding: str) -> bytes | None:
    """`data` without its content encodings; None if one is unknown or was not really used."""
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        try:
            data = _DECODERS[name](data)
        except Exception:  # noqa: BLE001 - unknown, not installed, or not so encoded at all
            return None
        if len(data) > MAX_BODY:
            raise CassetteFormatError(f"a {name} body is larger than {MAX_BODY:,} bytes unpacked")
    return data


def _limited(decompressor: Any, data: bytes) -> bytes:
    result: bytes = decompressor.decompress(data, MAX_BODY + 1)
    if len(result) <= MAX_BODY and not decompressor.eof:
        raise zlib.error("the body ends early")
    return result


def _deflate(data: bytes) -> bytes:
    try:
        return _limited(zlib.decompressobj(), data)
    except zlib.error:
        return _limited(zlib.decompressobj(-zlib.MAX_WBITS), data)  # without zlib's header


def _brotli(data: bytes) -> bytes:
    result: bytes = importlib.import_module("brotli").decompress(data)
    return result


def _zstd(data: bytes) -> bytes:
    decompressor = importlib.import_module("zstandard").ZstdDecompressor()
    result: bytes = decompressor.decompressobj().decompress(data)
    return result


_DECODERS = {
    "identity": lambda data: data,
    "gzip": lambda data: _limited(zlib.decompressobj(16 + zlib.MAX_WBITS), data),
    "x-gzip": lambda data: _limited(zlib.decompressobj(16 + zlib.MAX_WBITS), data),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def from_stored(body: Any) -> bytes:
    """The bytes of a stored body: text, binary, or a mapping with one of vcrpy's keys.

    ``string`` and ``base64_string`` are vcrpy's; ``parsed_body``, the JSON itself, is what
    several projects' serializers write in their place.
    """
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    if isinstance(body, Mapping):
        if body.get("base64_string") is not None:
            try:
                return base64.b64decode(body["base64_string"])
            except (binascii.Error, TypeError, ValueError) as error:
                raise CassetteFormatError(f"a base64_string is no base64: {error}") from error
        if "parsed_body" in body:
            return orjson.dumps(body["parsed_body"])
        return from_stored(body.get("string"))
    raise CassetteFormatError(f"a body must be text or binary, not {type(body).__name__}")


def to_stored(data: bytes, content_type: str) -> str | bytes:
    """What is written for a body: JSON pretty-printed, text as text, the rest as binary."""
    if "json" in content_type:
        try:
            return orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2).decode()
        except orjson.JSONDecodeError:
            pass  # whatever it says, it is stored as it is
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
