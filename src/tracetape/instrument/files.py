"""Uploaded files, as a span's inputs show them; nothing is read that the user's call reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from tracetape._lazy import loading

__all__ = ["described_files"]


def described_files(files: Any) -> dict[str, Any]:
    """Each field's file, or list of files: bytes as an `Attachment`, others by their name.

    Args:
        files: what httpx takes as ``files``: a mapping or pairs, of contents or of tuples
            (name, content, content type, headers).
    """
    pairs: Iterable[tuple[str, Any]] = files.items() if isinstance(files, Mapping) else files
    described: dict[str, Any] = {}
    for field, file in pairs:
        if field.endswith("[]"):
            described.setdefault(field[:-2], []).append(_described(file))
        else:
            described[field] = _described(file)
    return described


def _described(file: Any) -> Any:
    with loading:
        from mimetypes import guess_type

        from tracetape.entities.attachment import Attachment

    name, content, content_type = None, file, None
    if isinstance(file, tuple):
        name, content, content_type, *_ = *file, None, None
    name = name or _name_of(content)
    content_type = content_type or guess_type(name or "")[0]
    if isinstance(content, (bytes, bytearray)):
        content_type = content_type or "application/octet-stream"
        return Attachment(content_type=content_type, content_bytes=bytes(content))
    return {"filename": name, "content_type": content_type}


def _name_of(content: Any) -> str | None:
    is_path = isinstance(content, os.PathLike)
    name = os.fspath(content) if is_path else getattr(content, "name", None)
    return os.path.basename(name) if isinstance(name, str) else None
