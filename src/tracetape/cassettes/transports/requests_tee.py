"""The body of a real response of requests, told to a recording as it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracetape.cassettes.record.recording import Recording

__all__ = ["Tee"]


class Tee:
    """Stands before urllib3's response, and passes on all that it is asked."""

    def __init__(self, raw: Any, recording: Recording) -> None:
        """Record what will be read of `raw`, decoded."""
        self._raw = raw
        self._recording = recording
        self._data: Any = None

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Iterator[bytes]:
        """Part by part, as requests' `iter_content` and `content` read."""
        self._note(decode_content)
        try:
            for part in self._raw.stream(amt, decode_content):
                self._recording.chunk(part)
                yield part
        except Exception as error:
            self._recording.failed(error)
            raise
        self._recording.end(exhausted=True)

    def __iter__(self) -> Iterator[bytes]:
        lines: Iterator[bytes] = type(self._raw).__iter__(self)  # urllib3's own, over `stream`
        return lines

    def read(self, amt: int | None = None, decode_content: bool | None = None, **kw: Any) -> Any:
        """For who reads `response.raw` himself."""
        return self._read(self._raw.read, amt, decode_content, **kw)

    def read1(self, amt: int | None = None, decode_content: bool | None = None, **kw: Any) -> Any:
        """As far as there is something."""
        return self._read(self._raw.read1, amt, decode_content, **kw)

    def readinto(self, buffer: Any) -> int:
        """Into the caller's memory, as `io` does."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, read: Any, amt: int | None, decode_content: bool | None, **kw: Any) -> Any:
        self._note(decode_content)
        try:
            data = read(amt, decode_content, **kw)
        except Exception as error:
            self._recording.failed(error)
            raise
        if data:
            self._recording.chunk(data)
        if amt is None or (amt and not data):
            self._recording.end(exhausted=True)
        return data

    def _note(self, decode_content: bool | None) -> None:
        if decode_content is None:
            decode_content = self._raw.decode_content
        self._recording.is_decoded = bool(decode_content)

    def close(self) -> None:
        """The reader is done."""
        self._raw.close()
        self._recording.end(exhausted=False)

    def release_conn(self) -> None:
        """The reader is done, and the connection goes back to its pool."""
        self._raw.release_conn()
        self._recording.end(exhausted=False)

    @property
    def decode_content(self) -> bool:
        """The user may set it: ``response.raw.decode_content = True``."""
        return bool(self._raw.decode_content)

    @decode_content.setter
    def decode_content(self, value: bool) -> None:
        self._raw.decode_content = value

    @property
    def data(self) -> Any:
        """All of the body; urllib3's own would be read past us."""
        if self._data is None:
            self._data = self.read(cache_content=True)
        return self._data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
