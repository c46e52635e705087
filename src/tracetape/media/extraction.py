"""Base64 media in a span's JSON: taken out as attachments, references left in their place.

Understood are data URIs (RFC 2397), and the places where APIs have base64 without one:
``b64_json`` of images, ``input_audio`` and ``audio`` of chat messages and the ``result`` of image
generation of OpenAI's, ``source`` of Anthropic's images and documents, ``bytes`` of Bedrock's
images, documents and videos, ``inline_data`` of Gemini's.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import orjson

from tracetape.diagnostics import internal_error, logger
from tracetape.entities.attachment import Attachment
from tracetape.entities.span_record import SpanRecord
from tracetape.formats.ids import trace_id_text
from tracetape.media.policy import may_hold_media, policy

__all__ = ["take_media", "without_media"]

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*);base64,(.+)", re.DOTALL)


def without_media(record: SpanRecord, found: dict[str, Attachment] | None = None) -> SpanRecord:
    """The record with references in the place of media; `found` takes these, by id."""
    inputs, outputs = record.inputs, record.outputs
    if not (may_hold_media(inputs) or may_hold_media(outputs)):
        return record
    trace_id = trace_id_text(record.trace_id)
    return record.replace(
        inputs=inputs if inputs is None else take_media(inputs, trace_id, found),
        outputs=outputs if outputs is None else take_media(outputs, trace_id, found),
    )


def take_media(data: bytes, trace_id: str, found: dict[str, Attachment] | None = None) -> bytes:
    """JSON with references in the place of base64 media.

    Args:
        data: the JSON.
        trace_id: named by the references.
        found: takes the attachments that are to be kept, by id.

    Returns:
        `data` itself if there are none; otherwise every other byte is as it was.
    """
    try:
        for text, content_type in _media(orjson.loads(data)):
            attachment = _attachment(text, content_type)
            if attachment is None:
                continue
            reference = attachment.ref(trace_id, raw=not text.startswith("data:"))
            # Replaced as text: reading and writing JSON again would change large numbers.
            data = data.replace(b'"%b"' % text.encode(), b'"%b"' % reference.encode())
            if found is not None and _is_kept(attachment):
                found[attachment.id] = attachment
    except (ValueError, RecursionError):
        return data  # no JSON that we can read: it stays whole
    except Exception:  # noqa: BLE001 - the guard
        internal_error("taking media out of a span")
    return data


def _media(value: Any) -> Iterator[tuple[str, str | None]]:
    """Each base64 string with its media type; None: the string is a data URI, which says it."""
    if isinstance(value, str):
        if value.startswith("data:"):
            yield value, None
    elif isinstance(value, list):
        for item in value:
            yield from _media(item)
    elif isinstance(value, dict):
        place = _raw_media(value)
        for key, item in value.items():
            if place is not None and key == place[0]:
                yield item, place[1]
            elif key == "audio" and _is_bare_audio(item):
                yield item["data"], "audio/wav"
                yield from _media({name: part for name, part in item.items() if name != "data"})
            elif key in _BEDROCK and (content_type := _bedrock_type(key, item)):
                yield item["source"]["bytes"], content_type
            else:
                yield from _media(item)


def _raw_media(value: dict[str, Any]) -> tuple[str, str] | None:
    """The key of an object whose value is base64, and the media's type."""
    key, content_type = "", ""
    if "b64_json" in value:
        key, content_type = "b64_json", _image_type(value.get("b64_json"))
    elif value.get("type") == "base64" and "media_type" in value:
        key, content_type = "data", str(value["media_type"])
    elif value.get("type") == "image_generation_call":
        key, content_type = "result", _image_type(value.get("result"))
    elif "data" in value and ("mime_type" in value or "mimeType" in value):
        key, content_type = "data", str(value.get("mime_type") or value.get("mimeType"))
    elif "data" in value and ("format" in value or "transcript" in value):
        audio = value.get("format")
        kind = _AUDIO.get(audio, audio) if isinstance(audio, str) else "wav"
        key, content_type = "data", f"audio/{kind}"
    text = value.get(key)
    # Data URIs at such a place are found as such.
    is_raw = isinstance(text, str) and text and not text.startswith("data:")
    return (key, content_type) if is_raw else None


_AUDIO = {"mp3": "mpeg"}  # where the media's type has another name than the format


def _is_bare_audio(part: Any) -> bool:
    """Whether it is an answer's sound that says neither its format nor its text."""
    if not isinstance(part, dict) or _raw_media(part) is not None:
        return False
    text = part.get("data")
    return isinstance(text, str) and text != "" and not text.startswith("data:")


_BEDROCK = {"image": "image", "video": "video", "audio": "audio", "document": "application"}


def _bedrock_type(key: str, part: Any) -> str | None:
    """The media's type of a part such as ``{"format": "png", "source": {"bytes": …}}``."""
    kind, source = (part.get(k) for k in ("format", "source")) if isinstance(part, dict) else (0, 0)
    text = source.get("bytes") if isinstance(source, dict) else None
    is_raw = isinstance(text, str) and text and not text.startswith("data:")
    return f"{_BEDROCK[key]}/{kind}" if is_raw and isinstance(kind, str) else None


_SIGNATURES = {
    "iVBOR": "image/png",
    "/9j/": "image/jpeg",
    "R0lG": "image/gif",
    "UklG": "image/webp",
}


def _image_type(text: Any) -> str:
    known = (kind for start, kind in _SIGNATURES.items() if str(text).startswith(start))
    return next(known, "image/png")


def _attachment(text: str, content_type: str | None) -> Attachment | None:
    """The media, if reading and writing it gives the same text again."""
    encoded = text
    if content_type is None:
        match = _DATA_URI.fullmatch(text)
        if match is None:
            return None
        content_type, encoded = match.groups()
    try:
        content = binascii.a2b_base64(encoded)
    except (binascii.Error, ValueError):
        return None
    if not content or b64encode(content).decode() != encoded:
        return None
    return Attachment(content_type=content_type, content_bytes=content)


def _is_kept(attachment: Attachment) -> bool:
    size = len(attachment.content_bytes)
    if policy.now.max_bytes is None or size <= policy.now.max_bytes:
        return True
    logger.warning(
        "tracetape: an attachment of %d bytes is not kept: the bound is %d (max_attachment_size)",
        size,
        policy.now.max_bytes,
    )
    return False
