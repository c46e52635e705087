"""A running span: its values, its beginning and end, and its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from tracetape._lazy import loading
from tracetape._system import lasting_lock, perf_counter_ns, wall_clock_ns
from tracetape.capture import decode, encode
from tracetape.diagnostics import internal_error, logger
from tracetape.entities.constants import SpanStatusCode
from tracetape.entities.log_level import EXCEPTION, level_of
from tracetape.entities.span import Span
from tracetape.entities.span_record import SpanRecord
from tracetape.entities.status import OK, UNSET, SpanStatus
from tracetape.formats.ids import span_id_text, trace_id_text
from tracetape.formats.names import LOG_LEVEL
from tracetape.live.live_trace import LiveTrace
from tracetape.media.policy import may_hold_media

if TYPE_CHECKING:
    from tracetape.entities.attachment import Attachment

__all__ = [
    "ITEM_BYTES",
    "NOT_BEGUN",
    "RunningSpan",
    "Unread",
    "began_before",
    "frozen",
    "id_of",
    "ids_above",
    "is_open",
    "length_of",
    "parent_id_of",
    "read_ended",
    "read_late",
    "trace_of",
]

NOT_BEGUN = 0  # the end of a span that has no beginning: setters treat it as an ended one
ITEM_BYTES = 220  # of an event, an attribute or a link, without its text
_PAGE = 10  # bits: what a span holds is reported to the recorder by the kilobyte
_reading = lasting_lock()


class Unread(Protocol):
    """Parts of a span that nobody has read yet."""

    def read(self, span: Any, fields: dict[str, Any]) -> dict[str, Any]:
        """Read them into a live span, and give its fields; `fields` are those that it has."""

    def look(self, record: SpanRecord) -> SpanRecord:
        """The record of an open span with what is known of them; they stay unread."""


class RunningSpan(Span):
    """A span in the making: slots of its own, so that nothing is made for it but itself.

    `LiveSpan` adds what users call.
    """

    __slots__ = (
        "_attributes",
        "_end",
        "_events",
        "_fields",
        "_inputs",
        "_links",
        "_name",
        "_outputs",
        "_parent_id",
        "_previous",
        "_size",
        "_span_id",
        "_start",
        "_status",
        "_trace",
        "_trace_id",
        "_type",
        "_unread",
    )

    # As the values of a `SpanRecord`; but dictionaries and lists may grow.
    _trace_id: int
    _span_id: int
    _parent_id: int | None
    _name: str
    _type: str
    _start: int
    _end: int | None
    _inputs: bytes | None
    _outputs: bytes | None
    _attributes: dict[str, Any] | None
    _fields: dict[str, Any] | None
    _events: list[tuple[str, int, bytes]] | None
    _status: SpanStatus
    _links: list[dict[str, Any]] | None
    _trace: LiveTrace
    # What was current before this span (see tracing/current.py).
    _previous: Any
    # Bytes of its contents, about.
    _size: int
    # What of it is to be read later; None: nothing is.
    _unread: Unread | None

    def __init__(self, name: str, span_type: str) -> None:
        """Internal: `tracetape.start_span` makes live spans; nothing begins yet."""
        self._name = name
        self._type = span_type
        self._end = NOT_BEGUN

    def _begin(
        self,
        trace: LiveTrace,
        span_id: int,
        parent_id: int | None,
        previous: Any,
        now: int,
    ) -> None:
        """The hot beginning of every span; `now` by the monotonic clock."""
        self._trace = trace
        self._trace_id = trace.trace_id
        self._span_id = span_id
        self._parent_id = parent_id
        self._previous = previous
        self._inputs = None
        self._outputs = None
        self._attributes = None
        self._fields = None
        self._events = None
        self._links = None
        self._unread = None
        self._status = UNSET
        self._size = 0
        self._end = None
        self._start = trace.clock + now

    def _finish(self, end_time_ns: int | None = None) -> None:
        """The hot end of every span."""
        if self._status is UNSET or self._status.status_code is SpanStatusCode.UNSET:
            self._status = OK
        trace = self._trace
        end = end_time_ns or trace.clock + perf_counter_ns()
        sink = trace.sink
        try:
            if sink.before is not None:
                read_late(self)
                sink.before(self)  # type: ignore[arg-type]  # each one is a LiveSpan
        except Exception:  # noqa: BLE001 - the guard
            internal_error("processing a span")
        self._end = end
        try:
            sink.ended(self)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - the guard
            internal_error("queueing a span")

    # -- its record -------------------------------------------------------------------------

    @property
    def _record(self) -> SpanRecord:  # type: ignore[override]
        """The span as it is now: the one place where a live span is frozen."""
        end, fields, level = self._end, self._fields, self._level()
        if level is not None:
            fields = {**(fields or {}), LOG_LEVEL: level}
        return SpanRecord(
            trace_id=self._trace_id,
            span_id=self._span_id,
            parent_id=self._parent_id,
            name=self._name,
            span_type=self._type,
            start_time_ns=self._start,
            # A time that the caller gave may lie before the other one, which is of our clock.
            end_time_ns=end and max(end, self._start),
            inputs=self._inputs,
            outputs=self._outputs,
            # Copies: another thread may be adding to them.
            attributes=dict(self._attributes) if self._attributes else None,
            fields=dict(fields) if fields else None,
            events=list(self._events) if self._events else None,
            status=self._status,
            links=self._links,
        )

    def to_immutable_span(self, attachments: dict[str, Attachment] | None = None) -> Span:
        """A read-only copy of the span as it is now.

        Args:
            attachments: takes the media of its inputs and outputs, by id.
        """
        return Span(self._trace.sink.frozen(self, attachments))

    # Programs ask for these while the span runs: without a record.

    @property
    def trace_id(self) -> str:
        """Id of the trace: ``tr-`` and 32 hexadecimal digits."""
        return trace_id_text(self._trace_id)

    @property
    def span_id(self) -> str:
        """Id of the span: 16 hexadecimal digits."""
        return span_id_text(self._span_id)

    @property
    def name(self) -> str:
        """The span's name."""
        return self._name

    @property
    def inputs(self) -> Any:
        """The inputs, as JSON values, with references in the place of base64 media."""
        return decode(self._without_media(self._inputs))

    @property
    def outputs(self) -> Any:
        """The outputs, as JSON values, with references in the place of base64 media."""
        return decode(self._without_media(self._outputs))

    def _without_media(self, data: bytes | None) -> bytes | None:
        if data is None or not may_hold_media(data):
            return data
        with loading:
            from tracetape.media.extraction import take_media

        return take_media(data, self.trace_id)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NoReturn:
        """Not for live spans: `Span.from_dict`."""
        raise NotImplementedError("The `from_dict` method is not supported for the LiveSpan class.")

    def __reduce__(self) -> Any:
        raise TypeError(
            "'LiveSpan' cannot be pickled while active, nor copied. "
            "Call `span.to_immutable_span()` to get a span that can."
        )

    # A span that changes is equal to itself only.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _level(self) -> Any:
        said = (self._fields or {}).get(LOG_LEVEL)
        if said is not None or not self._end:
            return said
        return int(level_of(self._type, [event[0] for event in self._events or ()]))

    # -- what it holds ----------------------------------------------------------------------

    def _keep_inputs(self, data: bytes) -> None:
        before, self._inputs = self._inputs, data
        if before is not None or len(data) >> _PAGE:
            self._grow(len(data) - (0 if before is None else len(before)))

    def _keep_outputs(self, data: bytes) -> None:
        before, self._outputs = self._outputs, data
        if before is not None or len(data) >> _PAGE:
            self._grow(len(data) - (0 if before is None else len(before)))

    def _keep_attribute(self, key: str, value: Any) -> None:
        attributes = self._attributes
        if attributes is None:
            attributes = self._attributes = {}
        change = ITEM_BYTES + length_of(value)
        if key in attributes:
            change = length_of(value) - length_of(attributes[key])
        attributes[key] = value
        self._grow(change)

    def _answer_failed(self, why: str, kind: str) -> None:
        """Record that the answer is an error; it may be read after the span's end."""
        said = {"exception.type": kind, "exception.message": why}
        event = (EXCEPTION, self._end or wall_clock_ns(), encode(said))
        self._events = [*(self._events or ()), event]
        self._status = SpanStatus(SpanStatusCode.ERROR, why)

    def _grow(self, size: int) -> None:
        """Count what the span holds; the recorder hears of it by the kilobyte."""
        if self._end is not None:
            return  # what is queued is counted
        before = self._size
        after = self._size = max(0, before + size)
        pages = (after >> _PAGE) - (before >> _PAGE)
        if pages:
            self._trace.sink.grown(self, pages << _PAGE)  # type: ignore[arg-type]

    def _counted(self) -> int:
        """How many bytes the recorder knows of."""
        return self._size >> _PAGE << _PAGE

    def _empty(self) -> None:
        """Let go of all contents: the trace is dropped."""
        self._inputs = self._outputs = self._attributes = self._fields = self._events = None
        self._links = self._unread = None
        self._size = 0

    def _is_open(self, method: str) -> bool:
        if self._end is None:
            return True
        logger.warning("%s() on the ended span %r is ignored.", method, self._name)
        return False


def read_late(span: RunningSpan) -> None:
    """Read what is unread: on the span's own thread, or after its end."""
    if span._unread is None:
        return
    with _reading:  # a reader's thread and the writing one may both need it
        if span._unread is not None:
            span._fields = span._unread.read(span, span._fields or {})
            span._unread = None


def read_ended(span: RunningSpan) -> None:
    """Read what is unread of a span that has ended; an open one stays as it is."""
    if span._end is not None:
        read_late(span)


def frozen(span: RunningSpan) -> SpanRecord:
    """The record of a span; of an open one with what is known of its unread parts."""
    unread, record = span._unread, span._record  # in this order: another thread may read it
    if unread is None:
        return record
    if record.end_time_ns is None:
        return unread.look(record)
    read_late(span)  # it has just ended
    return span._record


def id_of(span: RunningSpan) -> int:
    """The span's 64-bit id."""
    return span._span_id


def parent_id_of(span: RunningSpan) -> int | None:
    """The 64-bit id of the span above it; None: it is a root."""
    return span._parent_id


def began_before(span: RunningSpan, time_ns: int) -> bool:
    """Whether the span began before this time, in ns since the epoch."""
    return span._start < time_ns


def is_open(span: RunningSpan) -> bool:
    """Whether the span has begun and not ended."""
    return span._end is None


def trace_of(span: RunningSpan) -> LiveTrace:
    """The trace that the span belongs to."""
    return span._trace


def ids_above(span: RunningSpan) -> tuple[int, ...]:
    """Ids of the spans of this process in which the span began, the nearest first."""
    ids = []
    above = span._previous
    while above is not None:
        if isinstance(above, RunningSpan):  # and no scope
            ids.append(above._span_id)
        above = above._previous
    return tuple(ids)


def length_of(value: Any) -> int:
    """The length of a text or of JSON; 0 of anything else."""
    return len(value) if isinstance(value, (str, bytes)) else 0
