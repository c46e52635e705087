"""The contents of a cassette: requests, responses with the timing of their parts, errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

__all__ = [
    "ENCODING_HEADERS",
    "END",
    "NO_CONTENT",
    "OURS",
    "WHOLE",
    "Chunk",
    "Headers",
    "Interaction",
    "RecordedError",
    "Request",
    "Response",
    "header_bytes",
]

OURS = "tracetape"  # the key of what vcrpy has no place for
END = "tracetape_end"  # the key of the last line, where the first lines announce it
WHOLE = "# recorded"  # a line behind each interaction, as long as the recording goes on
# They describe the body on the wire; a tape holds it decoded.
ENCODING_HEADERS = ("content-encoding", "transfer-encoding", "content-length")
Headers = list[tuple[str, str]]
NO_CONTENT = (204, 304)  # statuses whose answers have no body
_NOT_MODIFIED = 304


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

    @property
    def uri(self) -> str:
        """The URL, by vcrpy's name."""
        return self.url

    @property
    def host(self) -> str:
        """Its host, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        """Its path."""
        return urlsplit(self.url).path or "/"

    @property
    def query(self) -> list[tuple[str, str]]:
        """Its parameters, sorted."""
        return sorted(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """A header's first value, or an empty string."""
        return _first(self.headers, name)


@dataclass(slots=True)
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
        """All chunks together; set, it is one chunk."""
        return b"".join(chunk.data for chunk in self.chunks)

    @body.setter
    def body(self, data: bytes) -> None:
        self.chunks = [Chunk(data)] if data else []

    @property
    def is_event_stream(self) -> bool:
        """Whether the body is a stream of server-sent events."""
        return self.header("content-type").partition(";")[0].strip().lower() == "text/event-stream"

    def headers_for_replay(self, method: str) -> Headers:
        """The headers, with the length of the body as it is now if it came with one.

        An answer to HEAD, or with status 304, has the length of a body that it does not have.
        """
        names = {name for name, _ in self.encoding}
        if not self.chunks and (method.upper() == "HEAD" or self.status == _NOT_MODIFIED):
            return [*self.headers, *(pair for pair in self.encoding if pair[0] == "content-length")]
        if "content-length" in names and "content-encoding" not in names and not self.cut:
            return [*self.headers, ("content-length", str(len(self.body)))]
        return self.headers

    def header(self, name: str) -> str:
        """A header's first value, or an empty string."""
        return _first(self.headers, name)


def header_bytes(value: str) -> bytes:
    """A header's value as a server sends it; vcrpy keeps it as UTF-8 says it."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


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


def _first(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key == name), "")
