"""Binary content next to a span: images, audio, documents."""

from __future__ import annotations

from base64 import b64encode
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

from tracetape._lazy import loading

__all__ = ["Attachment"]

_SCHEME = "mlflow-attachment"  # MLflow's, so that its own references are understood
_DEFAULT_TYPE = "application/octet-stream"


class Attachment:
    """Binary content; in a span's inputs or outputs a reference takes its place."""

    def __init__(self, *, content_type: str, content_bytes: bytes) -> None:
        """Hold the content and its media type, such as ``image/png``."""
        self._content_type = content_type
        self._content_bytes = bytes(content_bytes)  # a bytearray may change later

    @classmethod
    def from_file(cls, path: str | Path, content_type: str | None = None) -> Attachment:
        """The content of a file; its media type is guessed from the name if not given.

        Raises:
            OSError: the file cannot be read.
        """
        with loading:
            from mimetypes import guess_type  # it reads files: only for who asks it

        return cls(
            content_type=content_type or guess_type(str(path))[0] or _DEFAULT_TYPE,
            content_bytes=Path(path).read_bytes(),
        )

    @cached_property
    def id(self) -> str:
        """A UUID made from the content: the same content is the same attachment."""
        content = blake2b(self._content_bytes, digest_size=16, key=self._content_type.encode()[:64])
        return str(UUID(bytes=content.digest()))

    @property
    def content_type(self) -> str:
        """The media type."""
        return self._content_type

    @property
    def content_bytes(self) -> bytes:
        """The content."""
        return self._content_bytes

    def ref(self, trace_id: str, *, raw: bool = False) -> str:
        """The URI that represents it in a trace.

        Args:
            trace_id: the trace that it belongs to.
            raw: it represents base64 without a data URI around it, which the URI then says.
        """
        said: dict[str, str | int] = {
            "content_type": self._content_type,
            "trace_id": trace_id,
            "size": len(self._content_bytes),
        }
        if raw:
            said["encoding"] = "base64"
        return f"{_SCHEME}://{self.id}?{urlencode(said)}"

    @staticmethod
    def parse_ref(ref_uri: str) -> dict[str, str | int | None] | None:
        """Parse a URI that `ref` made.

        Returns:
            ``attachment_id``, ``content_type``, ``trace_id`` and ``size`` (None if it is not
            given); None if it is not such a URI.
        """
        try:
            parts = urlsplit(ref_uri)
            given = {name: values[0] for name, values in parse_qs(parts.query).items()}
            attachment_id = parts.hostname
        except (AttributeError, TypeError, ValueError):
            return None
        content_type, trace_id = given.get("content_type"), given.get("trace_id")
        if parts.scheme != _SCHEME or not (attachment_id and content_type and trace_id):
            return None
        size = given.get("size", "")
        return {
            "attachment_id": attachment_id,
            "content_type": content_type,
            "trace_id": trace_id,
            "size": (int(size) or None) if size.isdecimal() else None,
        }

    def __tracetape_json__(self) -> str:
        # What a client library would be given; it becomes a reference like any other media.
        return f"data:{self._content_type};base64,{b64encode(self._content_bytes).decode()}"

    def __repr__(self) -> str:
        size = len(self._content_bytes)
        return f"Attachment(content_type={self._content_type!r}, size={size})"
