"""requests: `HTTPAdapter.send` with a tape before it."""

from __future__ import annotations

import importlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Any

from tracetape.cassettes.context import seen
from tracetape.cassettes.file.model import RecordedError, Request, Response
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.transports.decision import Played, concerned, decide
from tracetape.cassettes.transports.errors import requests_error, urllib3_error
from tracetape.cassettes.transports.mocks import is_of_responses, is_refusal_of_responses

__all__ = ["wrap"]

_RESPONSES = "responses"


def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every request of every session passes here, with its redirects and retries."""

    @wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        tapes = concerned(request.url)
        if not tapes:
            with seen():
                return original(self, request, *args, **kwargs)
        if _RESPONSES in sys.modules and is_of_responses(original):
            try:
                return original(self, request, *args, **kwargs)
            except OSError as error:
                if not is_refusal_of_responses(error):
                    raise
        decision = decide(tapes, _request(request))
        if isinstance(decision, Played):
            return _replayed(self, request, decision)
        try:
            with seen():
                response = original(self, request, *args, **kwargs)
        except OSError as error:  # requests' own are of it
            decision.failed(error)
            raise
        except BaseException:
            decision.dropped()
            raise
        return _taped(response, decision)

    vars(send)["is_taped"] = True
    return send


def _request(request: Any) -> Request:
    body = request.body
    if body is None:
        data = b""
    elif isinstance(body, str):
        data = body.encode()
    elif isinstance(body, (bytes, bytearray)):
        data = bytes(body)
    else:  # a file or an iterator: read once, and sent from memory
        data = body.read() if hasattr(body, "read") else b"".join(body)
        data = data.encode() if isinstance(data, str) else data
        request.body = data
        if "Transfer-Encoding" in request.headers:
            del request.headers["Transfer-Encoding"]
            request.headers["Content-Length"] = str(len(data))
    headers = [(_text(name).lower(), _text(value)) for name, value in request.headers.items()]
    return Request(request.method.upper(), request.url, headers, data)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _replayed(adapter: Any, request: Any, played: Played) -> Any:
    recorded, error = played.interaction.response, played.interaction.error
    if recorded is None:
        raise requests_error(error or RecordedError("ConnectionError", ""), request)
    if error is None and recorded.cut:
        error = RecordedError(
            "ProtocolError", "the recording ends here, because its reader stopped early"
        )
    last = None if error is None else urllib3_error(error)
    raw = _response_class()(recorded, played.speed, last, request.method)
    return adapter.build_response(request, raw)


def _taped(response: Any, recording: Recording) -> Any:
    headers = [(name.lower(), value) for name, value in response.raw.headers.iteritems()]
    recording.head(response.status_code, response.reason or "", headers)
    response.raw = _Tee(response.raw, recording)
    return response


@lru_cache(maxsize=1)
def _response_class() -> Any:
    urllib3 = importlib.import_module("urllib3")

    class ReplayedResponse(urllib3.HTTPResponse):  # type: ignore[misc,name-defined]
        """urllib3's response over recorded parts, which it gives one by one."""

        def __init__(
            self, recorded: Response, speed: float, last: Exception | None, method: str
        ) -> None:
            self._tape_parts = _parts(recorded, speed, last)
            super().__init__(
                body=io.BufferedReader(_File(self._tape_parts)),
                headers=urllib3.HTTPHeaderDict(recorded.headers_for_replay(method)),
                status=recorded.status,
                reason=recorded.reason,
                version=11,
                preload_content=False,
                decode_content=False,
                request_method=method,
            )

        def stream(
            self, amt: int | None = 2**16, decode_content: bool | None = None
        ) -> Iterator[bytes]:
            """The parts as they came: urllib3's own would join them to blocks of `amt`."""
            for part in self._tape_parts:
                size = amt or len(part)
                for at in range(0, len(part), size):
                    yield part[at : at + size]

    return ReplayedResponse


def _parts(recorded: Response, speed: float, last: Exception | None) -> Iterator[bytes]:
    for chunk in recorded.chunks:
        if speed:
            time.sleep(chunk.delay / speed)
        if chunk.data:
            yield chunk.data
    if last is not None:
        raise last


class _File(io.RawIOBase):
    """The parts as a file, for who reads `response.raw` himself."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._parts, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Tee:
    """The body of a real response, which a recording takes as it is read.

    It passes on to urllib3's response all that it is asked.
    """

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
