"""requests: `HTTPAdapter.send` with a tape before it."""

from __future__ import annotations

import importlib
import io
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Any

from tracetape.cassettes.bodies import is_event_stream
from tracetape.cassettes.interaction import Interaction, RecordedError, Request, Response
from tracetape.cassettes.player import Recording
from tracetape.cassettes.tape import ENCODING_HEADERS
from tracetape.cassettes.transports.decision import concerned, decide

__all__ = ["wrap"]


def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every request of every session passes here, with its redirects and retries."""

    @wraps(original)
    def send(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        tapes = concerned(request.url)
        if not tapes:
            return original(adapter, request, *args, **kwargs)
        decision = decide(tapes, _request(request))
        if decision.play is not None:
            return _replayed(adapter, request, decision.play, decision.speed)
        if decision.record is None:
            return original(adapter, request, *args, **kwargs)
        try:
            response = original(adapter, request, *args, **kwargs)
        except BaseException as error:
            decision.record.failed(error)
            raise
        _tape(response, decision.record)
        return response

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
        request.body = data
    headers = [(name.lower(), str(value)) for name, value in request.headers.items()]
    return Request(request.method.upper(), request.url, headers, data)


def _replayed(adapter: Any, request: Any, interaction: Interaction, speed: float) -> Any:
    exceptions = importlib.import_module("requests.exceptions")
    recorded, error = interaction.response, interaction.error
    if recorded is None:
        raise _exception(exceptions, error or RecordedError("ConnectionError", ""), request)
    last = None
    if error is not None:
        last = _exception(exceptions, error, request)
    elif recorded.cut:
        last = exceptions.ChunkedEncodingError("the recording ends here: its reader left")
    raw = _response_class()(recorded, speed, last, request.method)
    return adapter.build_response(request, raw)


def _exception(exceptions: Any, error: RecordedError, request: Any) -> Exception:
    cls = getattr(exceptions, error.type, None)
    if not (isinstance(cls, type) and issubclass(cls, exceptions.RequestException)):
        cls = exceptions.ConnectionError
    exception: Exception = cls(error.message, request=request)
    return exception


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
                body=_File(self._tape_parts),
                headers=urllib3.HTTPHeaderDict(recorded.headers),
                status=recorded.status,
                reason=recorded.reason,
                version=11,
                preload_content=False,
                decode_content=False,
                request_method=method,
            )

        def stream(self, amt: int = 2**16, decode_content: bool | None = None) -> Iterator[bytes]:
            """The parts as they came: urllib3's own would join them to blocks of `amt`."""
            for part in self._tape_parts:
                for at in range(0, len(part), amt):
                    yield part[at : at + amt]

    return ReplayedResponse


def _parts(recorded: Response, speed: float, last: Exception | None) -> Iterator[bytes]:
    for chunk in recorded.chunks:
        if speed > 0:
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


def _tape(response: Any, recording: Recording) -> None:
    headers = [(name.lower(), value) for name, value in response.raw.headers.items()]
    kept = [pair for pair in headers if pair[0] not in ENCODING_HEADERS]
    wire = [pair for pair in headers if pair[0] in ENCODING_HEADERS]
    recording.head(response.status_code, response.reason or "", kept, wire)
    response.raw = _Tee(response.raw, recording, dict(headers))


class _Tee:
    """urllib3's response; what is read of it is copied to the recording, decoded."""

    def __init__(self, raw: Any, recording: Recording, headers: dict[str, str]) -> None:
        self._raw = raw
        self._recording = recording
        self._headers = headers
        self._seen = b""

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Part by part, as requests' `iter_content` and `content` read."""
        try:
            for part in self._raw.stream(*args, **kwargs):
                self._take(part)
                yield part
        except Exception as error:
            self._recording.failed(error)
            raise
        self._recording.end(cut=False)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """For who reads `response.raw` himself."""
        data = self._raw.read(*args, **kwargs)
        self._take(data)
        if not data:
            self._recording.end(cut=False)
        return data

    def close(self) -> None:
        """The reader is done."""
        self._raw.close()
        self._end()

    def release_conn(self) -> None:
        """The reader is done, and the connection goes back to its pool."""
        self._raw.release_conn()
        self._end()

    def _take(self, part: bytes) -> None:
        if part:
            self._recording.chunk(part)
            self._seen = (self._seen + part)[-64:]

    def _end(self) -> None:
        whole = is_event_stream(self._headers.get("content-type", "")) and b"[DONE]" in self._seen
        self._recording.end(cut=not (whole or self._headers.get("content-length") == "0"))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
