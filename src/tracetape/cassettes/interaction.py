"""What a tape holds: requests, responses with the timing of their parts, errors."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Chunk", "Headers", "Interaction", "RecordedError", "Request", "Response"]

Headers = list[tuple[str, str]]


@dataclass
class Request:
    """A request as it was sent.

    Attributes:
        method: in capitals.
        url: whole, without credentials or a fragment.
        headers: names in lower case.
        body: the bytes.
    """

    method: str
    url: str
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's first value, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass
class Chunk:
    """A part of a body, as it came from the network.

    Attributes:
        data: its bytes, content encoding removed.
        delay: seconds since the part before it, or since the headers.
    """

    data: bytes
    delay: float = 0.0


@dataclass
class Response:
    """A response as it was received, its content encoding removed.

    Attributes:
        status: the code.
        reason: the phrase behind it.
        headers: names in lower case; those of the encoding are in `encoding`.
        chunks: the body.
        encoding: headers that described the body on the wire.
        cut: the reader, or the network, ended the body before its end.
    """

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    encoding: Headers = field(default_factory=list)
    cut: bool = False

    @property
    def body(self) -> bytes:
        """All chunks together."""
        return b"".join(chunk.data for chunk in self.chunks)

    def header(self, name: str) -> str:
        """A header's first value, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass
class RecordedError:
    """The exception that ended a request, or the body of its response.

    Attributes:
        type: the name of its class in the HTTP library, such as ``ConnectTimeout``.
        message: its text.
    """

    type: str
    message: str


@dataclass
class Interaction:
    """One request and what came of it; `response` is None if nothing but an error came."""

    request: Request
    response: Response | None = None
    error: RecordedError | None = None
