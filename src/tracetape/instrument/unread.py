"""Parts of a call that are read when its span is: mostly on the writing thread."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any, Protocol

import orjson

from tracetape._json import dumps
from tracetape.capture import encode
from tracetape.diagnostics import internal_error
from tracetape.entities.span_record import SpanRecord
from tracetape.instrument.copying import encoded
from tracetape.instrument.integration import Extractor, Request, Result
from tracetape.live.live_span import LiveSpan

__all__ = [
    "CHUNK_BYTES",
    "COUNTED",
    "Builder",
    "Event",
    "Texts",
    "Unread",
    "described",
    "read_json",
    "taken",
]

_SCALARS = (str, int, bool, type(None))
_RESERVED = "mlflow."
COUNTED = 16  # chunks: what a stream holds is counted so often
CHUNK_BYTES = 128  # of one, about, as the extractor keeps it
_MOST_TEXTS = 1 << 20  # bytes of a stream's texts; beyond it each new one lets an old one be read
_may_be_rounded = re.compile(r"\d{19}").search  # orjson makes floats of larger whole numbers


class Event(Protocol):
    """The event of a stream of which the SDK has just made a chunk."""

    text: str | None


class Builder(Protocol):
    """Builds the requests of a call."""

    def takes_request(self, call: Any, request: Any, options: Any) -> None:
        """Take the first request that is built of `options`."""

    def missed(self) -> None:
        """Take note that none was seen."""


class Unread:
    """Parts of a call that nobody has read yet: its request, and its answer or its stream.

    Attributes:
        asked: the request without its body; None: it was read.
        given: gives the body while the span does not have it yet; None: the span's inputs are it.
        added: keys that the seam has put into the body.
        answered: whether the span's outputs are the answer as it came.
        texts: the JSON of each chunk of a stream; None: there is none, or it was read.
        headers: the answer's, with the name of the one that has its id; None: it was read.
    """

    __slots__ = (
        "_extractor",
        "_kind",
        "added",
        "answered",
        "asked",
        "given",
        "headers",
        "texts",
    )

    def __init__(
        self, kind: type[Extractor], asked: Request | None, extractor: Extractor | None = None
    ) -> None:
        """A call that an extractor of this kind reads: this one, or one that is made when asked."""
        self._kind = kind
        self._extractor = extractor
        self.asked = asked
        self.given: Callable[[], dict[str, Any]] | None = None
        self.added: Mapping[str, Any] | None = None
        self.answered = False
        self.texts: list[str] | None = None
        self.headers: tuple[Any, str] | None = None

    @property
    def kind(self) -> type[Extractor]:
        """The extractor's class."""
        return self._kind

    @property
    def extractor(self) -> Extractor:
        """The extractor, which is the call's own."""
        if self._extractor is None:
            self._extractor = self._kind()
        return self._extractor

    def forget_chunks(self) -> None:
        """Let go of what the extractor holds of a stream."""
        self._extractor = self._kind()

    def read(self, span: LiveSpan, fields: dict[str, Any]) -> dict[str, Any]:
        """Read what is unread of `span`, and give its fields; `fields` are those it has."""
        if self.asked is not None:
            try:
                span._inputs, attributes, said = self._request(span._inputs, self.extractor)
                span._attributes = {**attributes, **(span._attributes or {})}
                fields = {**said, **fields}
            except Exception:  # noqa: BLE001 - the guard
                internal_error("reading a request")
            self.asked = self.given = None
        if self.headers is not None:
            fields = {**fields, **self._request_id()}
            self.headers = None
        if self.texts is not None:
            texts, self.texts = self.texts, None
            try:
                fields = {**self._stream(span, texts), **fields}
            except Exception:  # noqa: BLE001 - the guard
                internal_error("reading a stream")
        if self.answered:
            self.answered = False
            try:
                fields = {**fields, **self._answer(span)}
            except Exception:  # noqa: BLE001 - the guard
                internal_error("reading an answer")
        return fields

    def look(self, record: SpanRecord) -> SpanRecord:
        """The record of an open span with what is known of its call, which stays unread."""
        inputs, attributes, fields = record.inputs, record.attributes or {}, record.fields or {}
        if self.asked is not None:
            try:
                extractor = self._extractor or self._kind()  # the caller's thread may make its own
                inputs, told, said = self._request(inputs, extractor)
                attributes, fields = {**told, **attributes}, {**said, **fields}
            except Exception:  # noqa: BLE001 - the guard
                internal_error("reading a request")
        fields = {**fields, **self._request_id()}
        return record.replace(inputs=inputs, attributes=attributes or None, fields=fields or None)

    def _request(
        self, inputs: bytes | None, extractor: Extractor
    ) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
        """Inputs, attributes and fields of the request."""
        given, asked = self.given, self.asked
        if asked is None:
            raise RuntimeError("the request was read before")
        data = encode(given()) if inputs is None and given is not None else inputs
        body, data = read_json(data or b"{}")
        body = whole = body if isinstance(body, dict) else {}
        if self.added:
            body = {key: value for key, value in body.items() if key not in self.added}
        request = asked._replace(body=body)
        shown = extractor.inputs(request)
        if shown is not whole:
            data = encoded(shown)
        attributes, fields = described(extractor, request)
        return data, _attributes(attributes), fields

    def _request_id(self) -> dict[str, Any]:
        headers = self.headers
        value = None if headers is None else headers[0].get(headers[1])
        return {"request_id": value} if isinstance(value, str) and value else {}

    def take(self, text: str) -> None:
        """Let the extractor read a chunk."""
        try:
            value = _value_of(text)
            if value is not None:
                self.extractor.chunk(value)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a streamed chunk")

    def _stream(self, span: LiveSpan, texts: list[str]) -> dict[str, Any]:
        for text in texts:
            self.take(text)
        result = self.extractor.result(None)
        span._outputs = encoded(result.outputs)
        return taken(span, result)

    def _answer(self, span: LiveSpan) -> dict[str, Any]:
        body, span._outputs = read_json(span._outputs or b"null")
        if body is None:  # a body of null says nothing; to the extractor it would be a stream
            return {}
        result = self.extractor.result(body)
        if result.outputs is not None:
            span._outputs = encoded(result.outputs)
        return taken(span, result)


class Texts(list[str]):
    """The JSON of a stream's chunks that nobody has read yet.

    Attributes:
        times: when the first of them came, as many as may only announce the answer.
    """

    __slots__ = ("times",)

    def __init__(self) -> None:
        """Begin without a chunk."""
        self.times: list[int] = []

    def first(self, unread: Unread) -> int:
        """When the first chunk came that does not only announce the answer; 0: none has come."""
        try:
            for text, at in zip(self, self.times, strict=False):
                value = _value_of(text)
                if value is not None and not unread.extractor.is_head(value):
                    return at
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a streamed chunk")
        return 0

    def counted(self, span: LiveSpan, unread: Unread, held: int) -> int:
        """How many bytes the stream holds, `held` so far; asked after every `COUNTED` chunks.

        The oldest of a very long stream are read. Of a trace that is dropped all is let go.
        """
        size = sum(map(getsizeof, self[-COUNTED:]))
        if span._trace.dropped:
            self.clear()
            unread.forget_chunks()
        elif held + size > _MOST_TEXTS:
            oldest = self[: 2 * COUNTED]
            del self[: 2 * COUNTED]
            for text in oldest:
                unread.take(text)
            size += len(oldest) * CHUNK_BYTES - sum(map(getsizeof, oldest))
        span._grow(size)
        return held + size


def described(extractor: Extractor, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes and fields of a request."""
    attributes, fields = extractor.request(request)
    fields["path"] = request.path
    if request.provider is None:
        fields.pop("provider", None)
    return attributes, fields


def taken(span: LiveSpan, result: Result) -> dict[str, Any]:
    """Fields of an answer; if it is an error, the span has failed."""
    if result.error is not None:
        span._answer_failed(result.error, result.error_type)
    return result.said()


def read_json(data: bytes) -> tuple[Any, bytes]:
    """The value of JSON that a client library wrote or read, and its JSON in our spelling.

    What is not JSON is the text itself.
    """
    try:
        value = orjson.loads(data)
        ours = orjson.dumps(value)
        if ours == data:
            return value, data
    except orjson.JSONDecodeError:  # more than JSON
        pass
    except TypeError:  # more levels than orjson writes
        return value, dumps(value)
    # orjson rounds large whole numbers, and refuses NaN and halves of characters.
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = data.decode(errors="replace")
    return value, encoded(value)


def _value_of(text: str) -> Any:
    """The value of a chunk's JSON; None for what is not JSON."""
    try:
        if not _may_be_rounded(text):
            return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text)  # NaN, halves of characters, large whole numbers
    except (ValueError, RecursionError):
        return None


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as a span keeps them."""
    return {
        key: value if type(value) in _SCALARS else _number_or_json(value)
        for key, value in values.items()
        if not key.startswith(_RESERVED)
    }


def _number_or_json(value: Any) -> Any:
    is_finite = type(value) is float and value - value == 0.0
    return value if is_finite else encode(value)
