"""Bodies: content encodings, and the forms in which vcrpy and its kin store them."""

from __future__ import annotations

import base64
import importlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tracetape._modules import is_installed
from tracetape.exceptions import CassetteFormatError

__all__ = [
    "MAX_BODY",
    "broken_event",
    "broken_json",
    "decoded",
    "decoded_parts",
    "from_base64",
    "from_stored",
    "is_known",
    "to_stored",
]

MAX_BODY = 256 << 20  # bytes; a compressed body that grows beyond it is a bomb
_BIG_NUMBER = re.compile(rb"\d{17}|[eE][+-]?\d{3}")  # what orjson may read as another number
_JSON = re.compile(r"[\w.-]+/(?:[\w.+-]+\+)?json\s*(?:;|$)", re.IGNORECASE)  # not JSON lines
_NUMBERS = re.compile(r"\[\n\s+(-?[\d.eE+-]+(?:,\n\s+-?[\d.eE+-]+)*)\n\s+\]")
_SPACED = re.compile(r",\s+")
_DATA = re.compile(rb"^data: ?(.*?)\r?$", re.MULTILINE)
_NAMES = {"x-gzip": "gzip", "x-deflate": "deflate"}


def is_known(encoding: str) -> bool:
    """Whether a content encoding can be undone here."""
    return all(
        name == "identity" or (name in _DECODERS and _is_installed(name))
        for name in _names(encoding)
    )


def decoded(data: bytes, encoding: str) -> bytes | None:
    """`data` without its content encodings; None if it was not really so encoded.

    Raises:
        CassetteFormatError: it is a bomb.
    """
    for name in reversed(_names(encoding)):
        if name == "identity":
            continue
        try:
            data = _DECODERS[name](data)
        except Exception:  # noqa: BLE001 - each library has its own, and all mean the same
            return None
        if len(data) > MAX_BODY:
            raise CassetteFormatError(f"a {name} body is larger than {MAX_BODY:,} bytes unpacked")
    return data


def decoded_parts(parts: list[bytes], encoding: str) -> list[bytes] | None:
    """Decode an encoded body part by part; it may end early.

    None if the encoding is unknown, or was not really used.
    """
    names = [name for name in _names(encoding) if name != "identity"]
    if not names:
        return parts
    if len(names) > 1 or not is_known(encoding):
        return None
    for feed in _feeds(names[0]):
        try:
            return [feed(part) for part in parts]
        except Exception:  # noqa: BLE001, S112 - each library has its own, and all mean the same
            continue
    return None


def _names(encoding: str) -> list[str]:
    parts = [part.strip().lower() for part in encoding.split(",")]
    return [_NAMES.get(part, part) for part in parts if part]


def _is_installed(name: str) -> bool:
    if name == "zstd":
        return _zstd_library() is not None
    return name != "br" or is_installed("brotli")


def _zstd_library() -> Any:
    """Python's own since 3.14, its twin for older ones, or the one before both."""
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _feeds(name: str) -> list[Callable[[bytes], bytes]]:
    if name == "br":
        return [importlib.import_module("brotli").Decompressor().process]
    if name == "zstd":
        return [_zstd_feed()]
    windows = [16 + zlib.MAX_WBITS] if name == "gzip" else [zlib.MAX_WBITS, -zlib.MAX_WBITS]
    return [zlib.decompressobj(window).decompress for window in windows]


def _zstd_feed() -> Callable[[bytes], bytes]:
    """A body may have several frames, one after the other (RFC 8878, 3)."""
    frame: Any = None

    def feed(part: bytes) -> bytes:
        nonlocal frame
        result = b""
        while part:
            if frame is None or frame.eof:
                frame = _zstd_library().ZstdDecompressor()
                frame = frame.decompressobj() if hasattr(frame, "decompressobj") else frame
            result += frame.decompress(part)
            part = frame.unused_data if frame.eof else b""
        return result

    return feed


def _inflated(data: bytes, window: int) -> bytes:
    decompressor = zlib.decompressobj(window)
    result = decompressor.decompress(data, MAX_BODY + 1)
    if len(result) <= MAX_BODY and not decompressor.eof:
        raise zlib.error("the body ends early")
    return result


def _deflate(data: bytes) -> bytes:
    try:
        return _inflated(data, zlib.MAX_WBITS)
    except zlib.error:
        return _inflated(data, -zlib.MAX_WBITS)  # without zlib's header


def _brotli(data: bytes) -> bytes:
    decompressor = importlib.import_module("brotli").Decompressor()
    try:
        result: bytes = decompressor.process(data, output_buffer_limit=MAX_BODY + 1)
    except TypeError:  # before brotli 1.2
        result = decompressor.process(data)
    if len(result) <= MAX_BODY and not decompressor.is_finished():
        raise ValueError("the body ends early")
    return result


def _zstd(data: bytes) -> bytes:
    library = _zstd_library()
    result = b""
    while len(result) <= MAX_BODY:
        frame = library.ZstdDecompressor()
        if hasattr(frame, "stream_reader"):
            reader = frame.stream_reader(data, read_across_frames=True)
            return bytes(reader.read(MAX_BODY + 1))
        result += frame.decompress(data, max_length=MAX_BODY + 1 - len(result))
        if frame.eof and not frame.unused_data:
            break
        if len(result) <= MAX_BODY and not frame.eof:
            raise ValueError("the body ends early")
        data = frame.unused_data
    return result


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: _inflated(data, 16 + zlib.MAX_WBITS),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def from_base64(text: Any) -> bytes:
    """Decode base64, in one line or several.

    Raises:
        ValueError: it is not such a body, or cut short.
    """
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not isinstance(text, str):
        raise ValueError(f"it is not text, but of the type {type(text).__name__}")
    return base64.b64decode("".join(text.split()), validate=True)


def from_stored(body: Any) -> bytes:
    """The bytes of a stored body: text, binary, or a mapping with one of vcrpy's keys.

    ``string`` and ``base64_string`` are vcrpy's; ``parsed_body``, the JSON itself, is what
    several projects' serializers write in their place.

    Raises:
        CassetteFormatError: it is not one of them.
    """
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    if isinstance(body, Mapping):
        if body.get("base64_string") is not None:
            try:
                return from_base64(body["base64_string"])
            except ValueError as error:
                raise CassetteFormatError(
                    f"a base64_string is not valid base64: {error}"
                ) from error
        if "parsed_body" in body:
            return _from_parsed(body["parsed_body"])
        if "string" not in body and body.get("encoding") is None:
            raise CassetteFormatError("a body has none of string, base64_string and parsed_body")
        return from_stored(body.get("string"))
    raise CassetteFormatError(f"a body must be text or binary, not {type(body).__name__}")


def _from_parsed(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits, for example
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except (TypeError, ValueError) as error:
            raise CassetteFormatError(
                f"a parsed_body cannot be written as JSON: {error}"
            ) from error


def to_stored(data: bytes, content_type: str) -> str | bytes:
    """The form of a body in the file: JSON pretty-printed, text as text, the rest as binary."""
    if _JSON.match(content_type):
        try:
            return _pretty(data)
        except (ValueError, TypeError, RecursionError):
            pass  # whatever it says, it is stored as it is (too deep is a TypeError of orjson's)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def broken_json(data: bytes, content_type: str) -> str | None:
    """Where a body that should be JSON is not; None if it is, or is of another type."""
    if not data or not _JSON.match(content_type):
        return None
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            json.loads(data)  # knows NaN
        except (ValueError, RecursionError) as error:
            return str(error)
    return None


def broken_event(data: bytes) -> str | None:
    """Where the data of an event should be JSON, as it begins so, and is not; else None."""
    for number, found in enumerate(_DATA.finditer(data), 1):
        if found[1].startswith((b"{", b"[")) and found[1] != b"[DONE]":
            problem = broken_json(found[1], "application/json")
            if problem is not None:
                return f"event {number}: {problem}"
    return None


def _pretty(data: bytes) -> str:
    if _BIG_NUMBER.search(data):
        text = json.dumps(json.loads(data), indent=2, ensure_ascii=False, allow_nan=False)
    else:
        text = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2).decode()
    # An embedding's thousand numbers on one line; inside JSON strings there are no line ends.
    return _NUMBERS.sub(lambda found: f"[{_SPACED.sub(', ', found[1])}]", text)
