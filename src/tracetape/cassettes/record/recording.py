"""One interaction while it happens."""

from __future__ import annotations

import re
from collections.abc import Callable

from tracetape._system import perf_counter
from tracetape.cassettes.file.bodies import decoded, decoded_parts, is_known
from tracetape.cassettes.file.model import (
    ENCODING_HEADERS,
    NO_CONTENT,
    Chunk,
    Headers,
    Interaction,
    RecordedError,
    Request,
    Response,
)

__all__ = ["Recording"]

# The events behind which a server sends nothing more: SDKs leave a stream after them.
_LAST_EVENT = re.compile(
    rb"(?:^|\n)(?:data: ?\[DONE\]|event: ?(?:response\.(?:completed|failed|incomplete)"
    rb"|message_stop)\r?\ndata:[^\n]*)\s*\Z"
)


class Recording:
    """Takes what comes, in the order in which it comes; each end but the first does nothing.

    Attributes:
        interaction: what has come so far.
        is_over: nothing more is taken.
        is_decoded: the parts are given without their content encoding.
    """

    def __init__(self, request: Request, done: Callable[[Recording], None]) -> None:
        """Record what will come of `request`; `done` is called once, when it is over."""
        self.interaction = Interaction(request)
        self.is_over = False
        self.is_decoded = False
        self._done = done
        self._last = perf_counter()

    def head(self, status: int, reason: str, headers: Headers) -> None:
        """The response's head came."""
        kept = [pair for pair in headers if pair[0] not in ENCODING_HEADERS]
        wire = [pair for pair in headers if pair[0] in ENCODING_HEADERS]
        self.interaction.response = Response(status, reason, kept, [], wire)
        self._last = perf_counter()

    def chunk(self, data: bytes) -> None:
        """A part of the body came."""
        response = self.interaction.response
        if response is None or self.is_over:
            return
        now = perf_counter()
        response.chunks.append(Chunk(data, now - self._last))
        self._last = now

    def failed(self, error: BaseException) -> None:
        """The request, or the body, ended with an exception of the HTTP library."""
        if not self.is_over:
            self.interaction.error = RecordedError(type(error).__name__, str(error))
            self.end(exhausted=False)

    def dropped(self) -> None:
        """It was cancelled before anything came: there is nothing to replay."""
        if not self.is_over and self.interaction.response is None:
            self.is_over = True
            self._done(self)

    def end(self, *, exhausted: bool) -> None:
        """The body is over; not `exhausted`: the reader left, perhaps before its end."""
        if self.is_over:
            return
        self.is_over = True
        response = self.interaction.response
        if response is not None:
            received = sum(len(chunk.data) for chunk in response.chunks)
            self._decode(response)
            response.cut = not (exhausted or self._is_whole(response, received))
        self._done(self)

    def _decode(self, response: Response) -> None:
        encoding = ", ".join(v for name, v in response.encoding if name == "content-encoding")
        if not encoding or self.is_decoded:
            return
        parts = decoded_parts([chunk.data for chunk in response.chunks], encoding)
        if parts is None:
            whole = decoded(response.body, encoding) if is_known(encoding) else None
            if whole is None:  # it stays as it is, and says so
                response.headers.append(("content-encoding", encoding))
            else:
                response.body = whole
            return
        chunks: list[Chunk] = []
        waited = 0.0
        for part, chunk in zip(parts, response.chunks):  # noqa: B905 - as many as there were
            waited += chunk.delay
            if part:
                chunks.append(Chunk(part, waited))
                waited = 0.0
        response.chunks = chunks

    def _is_whole(self, response: Response, received: int) -> bool:
        """Whether a reader that left missed nothing."""
        if response.status in NO_CONTENT or self.interaction.request.method == "HEAD":
            return True
        length = next((v for name, v in response.encoding if name == "content-length"), None)
        is_packed = any(name == "content-encoding" for name, _ in response.encoding)
        if length is not None and length.isdigit() and not (self.is_decoded and is_packed):
            return received >= int(length)
        return response.is_event_stream and _LAST_EVENT.search(response.body) is not None
