"""An open span, its trace in the making, and the span that is not recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from tracetape._lazy import loading
from tracetape._system import lasting_lock, perf_counter_ns, wall_clock_ns
from tracetape.capture import decode, encode
from tracetape.diagnostics import internal_error, logger
from tracetape.entities.constants import SpanStatusCode, SpanType
from tracetape.entities.event import SpanEvent
from tracetape.entities.log_level import EXCEPTION, SpanLogLevel, level_of
from tracetape.entities.span import Span
from tracetape.entities.status import OK, UNSET, SpanStatus, status_from
from tracetape.exceptions import InvalidTypeError, TracetapeException
from tracetape.formats.names import (
    LINKS,
    LOG_LEVEL,
    NAME_OF_FIELD,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TRACE_ID,
    UNREAD,
)
from tracetape.live.live_trace import LiveTrace
from tracetape.media.policy import may_hold_media
from tracetape.privacy.levels import checked_level

if TYPE_CHECKING:
    from tracetape.entities.attachment import Attachment
    from tracetape.entities.link import Link

__all__ = ["NOT_BEGUN", "NO_OP_TRACE_ID", "LiveSpan", "NoOpSpan"]

NOT_BEGUN = 0  # the end of a span that has no beginning: setters treat it as an ended one

NO_OP_TRACE_ID = "MLFLOW_NO_OP_SPAN_TRACE_ID"  # MLflow's own, which programs compare with
_PAGE = 10  # bits: what a span holds is reported to the recorder by the kilobyte
_ITEM_BYTES = 220  # of an event, an attribute or a link, without its text
_SHORT = 100  # characters of an attribute's text that these bytes have room for
_IN_PAGE = (1 << _PAGE) - 1
_SCALARS = frozenset({str, int, bool, type(None)})
_reading = lasting_lock()


class Unread(Protocol):
    """Parts of a span that nobody has read yet."""

    def read(self, span: LiveSpan, fields: dict[str, Any]) -> dict[str, Any]:
        """Read them into `span`, and give its fields; `fields` are those that it has."""

    def look(self, span: LiveSpan) -> dict[str, Any]:
        """Inputs, attributes and fields of an open span, which stays as it is."""


class LiveSpan(Span):
    """A span that is still open: every setter takes any value and none raises for its content.

    Values are recorded as they are at the moment of the call.
    """

    __slots__ = ("_previous", "_size", "_trace")

    _trace: LiveTrace
    # What was current before this span (see tracing/current.py).
    _previous: Any
    # Bytes of its contents, about.
    _size: int

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
        self._status = UNSET
        self._size = 0
        self._end = None
        self._start = trace.clock + now

    def set_inputs(self, inputs: Any) -> None:
        """Record what goes in."""
        if self._end is not None:
            self._is_open("set_inputs")  # it is not, and says so
            return
        try:
            self._keep_inputs(encode(inputs))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording inputs")

    def set_outputs(self, outputs: Any) -> None:
        """Record what came out."""
        if self._end is not None:
            self._is_open("set_outputs")  # it is not, and says so
            return
        try:
            self._keep_outputs(encode(outputs))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording outputs")

    def set_span_type(self, span_type: str) -> None:
        """Change the span's type."""
        if self._is_open("set_span_type"):
            self._type = span_type

    def set_log_level(self, level: SpanLogLevel | str) -> None:
        """Say how important the span is.

        Raises:
            InvalidValueError: no level has this name.
            InvalidTypeError: `level` is neither a level nor a name.
        """
        if self._is_open("set_log_level"):
            self.set_fields({LOG_LEVEL: int(SpanLogLevel.from_value(level))})

    def set_description(self, description: str) -> None:
        """Say what the span is about, for readers."""
        if self._is_open("set_description"):
            data = encode(description)
            self.set_fields({"description": decode(data)})
            self._grow(len(data))

    def set_capture(self, level: str) -> None:
        """Say how much of the span is kept: ``full``, ``metadata`` or ``none``.

        Of what is configured for all spans and of this the stricter one holds.

        Raises:
            InvalidValueError: it is not one of these.
        """
        if self._is_open("set_capture"):
            self.set_fields({"capture": checked_level(level)})

    def add_link(self, link: Link) -> None:
        """Record that a span of another trace has to do with this one.

        Raises:
            InvalidTypeError: it is not a `Link`.
            InvalidValueError: its ids are none.
        """
        if self._is_open("add_link"):
            with loading:
                from tracetape.entities.link import checked_link

            links = (self._fields or {}).get(LINKS, [])
            self.set_fields({LINKS: [*links, checked_link(link)]})
            self._grow(_ITEM_BYTES)

    def set_attribute(self, key: str, value: Any) -> None:
        """Record one attribute; a key that is not a string is skipped with a warning."""
        if self._end is not None:
            self._is_open("set_attribute")  # it is not, and says so
            return
        if type(key) is not str and not isinstance(key, str):
            logger.warning("Attribute key must be a string, but got %s: skipped.", key)
            return
        try:
            if key[:7] == "mlflow.":
                self._set_reserved(key, value)
                return
            kind = type(value)
            attributes = self._attributes
            if attributes is None:
                attributes = self._attributes = {}
            # The difference is 0 for all numbers but NaN and infinity.
            if kind not in _SCALARS and (kind is not float or value - value != 0.0):
                self._keep_attribute(key, encode(value))
            elif key in attributes or (kind is str and len(value) > _SHORT):
                self._keep_attribute(key, value)
            else:  # the hot way
                attributes[key] = value
                self._size = size = self._size + _ITEM_BYTES
                if size & _IN_PAGE < _ITEM_BYTES:  # a page is full
                    self._trace.sink.grown(self, 1 << _PAGE)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording an attribute")

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        """Record several attributes; anything but a dictionary is skipped with a warning."""
        if not isinstance(attributes, Mapping):
            logger.warning("Attributes must be a dictionary, but got %s: skipped.", attributes)
            return
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_fields(self, fields: dict[str, Any]) -> None:
        """Internal, for integrations: neutral fields (`names.py`), fresh values of tracetape."""
        if self._is_open("set_fields"):
            self._fields = {**self._fields, **fields} if self._fields else fields

    def set_unread(self, unread: Unread) -> None:
        """Internal, for integrations: `unread` reads more of the span when somebody asks for it.

        It may find that the answer is an error (`_answer_failed`), though the span has ended.
        """
        if self._is_open("set_unread"):
            self._fields = {**(self._fields or {}), UNREAD: unread}

    def _read(self) -> None:
        """Read what is unread: on the span's own thread, or after its end."""
        with _reading:  # a reader's thread and the writing one may both need it
            fields = self._fields or {}
            if UNREAD in fields:
                kept = {key: value for key, value in fields.items() if key != UNREAD}
                self._fields = fields[UNREAD].read(self, kept)

    def add_event(self, event: SpanEvent) -> None:
        """Record an event."""
        if self._is_open("add_event"):
            if self._events is None:
                self._events = []
            name, at = event.name, _time_from(event.timestamp, "an event")
            try:
                at = wall_clock_ns() if at is None else at
                data = encode(event.attributes)
                self._events.append((name, at, data))
                if self._fields and LOG_LEVEL in self._fields and name == EXCEPTION:
                    self._raise_level()
                self._grow(_ITEM_BYTES + _length(name) + len(data))
            except Exception:  # noqa: BLE001 - the guard
                internal_error("recording an event")

    def record_exception(self, exception: BaseException | str) -> None:
        """Record an exception as an event and mark the span ERROR.

        Raises:
            InvalidTypeError: `exception` is neither an exception nor a string.
        """
        if isinstance(exception, str):
            self._failed(Exception(exception))
        elif isinstance(exception, BaseException):
            try:
                self._failed(exception)
            except Exception:  # noqa: BLE001 - the guard
                internal_error("recording an exception")
        elif self._is_open("record_exception"):
            raise InvalidTypeError(
                "The `exception` parameter must be an Exception instance or a string. "
                f"Got: {type(exception)}"
            )

    def set_status(self, status: SpanStatus | SpanStatusCode | str) -> None:
        """Set the outcome; as in OpenTelemetry OK is final.

        Raises:
            InvalidValueError: `status` names no status code.
        """
        if self._is_open("set_status"):
            new = status_from(status)
            # OpenTelemetry's rules: OK is final, and UNSET takes nothing back.
            if (
                self._status.status_code is not SpanStatusCode.OK
                and new.status_code is not SpanStatusCode.UNSET
            ):
                self._status = new
                if new.description:
                    self._grow(_length(new.description))

    def end(
        self,
        outputs: Any | None = None,
        attributes: dict[str, Any] | None = None,
        status: SpanStatus | SpanStatusCode | str | None = None,
        end_time_ns: int | None = None,
    ) -> None:
        """End the span; never raises, and a second end does nothing.

        Args:
            outputs: what came out, if anything is to be recorded.
            attributes: more attributes.
            status: the outcome; OK if nothing was ever said.
            end_time_ns: nanoseconds since the epoch; now, if not given.
        """
        if self._end is not None:
            return
        try:
            if outputs is not None:
                self.set_outputs(outputs)
            if attributes is not None:
                self.set_attributes(attributes)
            if status is not None:
                self.set_status(status)
        except TracetapeException as error:
            logger.warning("Span %s ended with a bad value: %s", self._name, error)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("ending a span")
        self._finish(_time_from(end_time_ns, "the end of a span"))

    @property
    def inputs(self) -> Any:
        """The inputs, as JSON values; references represent base64 media."""
        return decode(self._without_media(self._inputs))

    @property
    def outputs(self) -> Any:
        """The outputs, as JSON values; references represent base64 media."""
        return decode(self._without_media(self._outputs))

    def _without_media(
        self, data: bytes | None, found: dict[str, Attachment] | None = None
    ) -> bytes | None:
        if data is None or not may_hold_media(data):
            return data
        with loading:
            from tracetape.media.extraction import take_media

        return take_media(data, self.trace_id, found)

    def to_immutable_span(self, attachments: dict[str, Attachment] | None = None) -> Span:
        """A read-only copy of the span as it is now.

        Args:
            attachments: takes the media of its inputs and outputs, by id.
        """
        if self._end is not None and self._fields and UNREAD in self._fields:
            self._read()
        shown = _protection()(self)
        return Span(
            trace_id=self._trace_id,
            span_id=self._span_id,
            parent_id=self._parent_id,
            name=shown._name,
            span_type=self._type,
            start_time_ns=self._start,
            # A time that the caller gave may lie before the other one, which is of our clock.
            end_time_ns=self._end and max(self._end, self._start),
            inputs=self._without_media(shown._inputs, attachments),
            outputs=self._without_media(shown._outputs, attachments),
            attributes=dict(shown._attributes) if shown._attributes else None,
            fields=self._with_level(shown._fields),
            events=list(shown._events) if shown._events else None,
            status=shown._status,
        )

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
        return int(level_of(self._type, (event[0] for event in self._events or ())))

    def _with_level(self, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        level = self._level()
        if level is None:
            return dict(fields) if fields else None
        return {**(fields or {}), LOG_LEVEL: level}

    def _raise_level(self) -> None:
        """An exception makes the level that the program said an ERROR, if it was lower."""
        said = (self._fields or {}).get(LOG_LEVEL)
        if isinstance(said, int) and said < SpanLogLevel.ERROR:
            self.set_fields({LOG_LEVEL: int(SpanLogLevel.ERROR)})

    def _named_values(self, large: bool = True) -> dict[str, Any]:
        merged = super()._named_values(large)
        level = self._level()
        if level is not None:
            merged[NAME_OF_FIELD[LOG_LEVEL]] = level
        return merged

    def _failed(self, exception: BaseException) -> None:
        """Record an exception that passes the span."""
        event = SpanEvent.from_exception(exception)
        self.add_event(event)
        kind, text = event.attributes["exception.type"], event.attributes["exception.message"]
        self.set_status(SpanStatus(SpanStatusCode.ERROR, f"{kind}: {text}"))

    def _answer_failed(self, why: str, kind: str) -> None:
        """Record that the answer is an error; it may be read after the span's end."""
        said = {"exception.type": kind, "exception.message": why}
        event = (EXCEPTION, self._end or wall_clock_ns(), encode(said))
        self._events = [*(self._events or ()), event]
        self._status = SpanStatus(SpanStatusCode.ERROR, why)

    def _finish(self, end_time_ns: int | None = None) -> None:
        """The hot end of every span."""
        if self._status is UNSET or self._status.status_code is SpanStatusCode.UNSET:
            self._status = OK
        trace = self._trace
        end = end_time_ns or trace.clock + perf_counter_ns()
        sink = trace.sink
        try:
            if sink.before is not None:
                self._read()
                sink.before(self)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("processing a span")
        self._end = end
        try:
            sink.ended(self)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("queueing a span")

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
        change = _ITEM_BYTES + _length(value)
        if key in attributes:
            change = _length(value) - _length(attributes[key])
        attributes[key] = value
        self._grow(change)

    def _grow(self, size: int) -> None:
        """Count what the span holds; the recorder is told by the kilobyte."""
        if self._end is not None:
            return  # what is queued is counted
        before = self._size
        after = self._size = max(0, before + size)
        pages = (after >> _PAGE) - (before >> _PAGE)
        if pages:
            self._trace.sink.grown(self, pages << _PAGE)

    def _counted(self) -> int:
        """How many bytes the recorder was told of."""
        return self._size >> _PAGE << _PAGE

    def _empty(self) -> None:
        """Let go of all contents: the trace is dropped."""
        self._inputs = self._outputs = self._attributes = self._fields = self._events = None
        self._size = 0

    def _is_open(self, method: str) -> bool:
        if self._end is None:
            return True
        logger.warning("%s() on the ended span %r is ignored.", method, self._name)
        return False

    def _set_reserved(self, key: str, value: Any) -> None:
        """An attribute under one of MLflow's reserved names is the field it represents."""
        if key == SPAN_INPUTS:
            self.set_inputs(value)
        elif key == SPAN_OUTPUTS:
            self.set_outputs(value)
        elif key == SPAN_TYPE:
            self.set_span_type(str(value))
        elif key == TRACE_ID:
            if value != self.trace_id:
                logger.warning("%s is the trace's id, which cannot be set: skipped.", TRACE_ID)
        else:
            with loading:
                from tracetape.formats.mlflow_json import as_field

            data = encode(value)
            value = decode(data)
            field = as_field(key, value)
            if field is not None:
                self.set_fields({field: value})
                self._grow(len(data))
                return
            self._keep_attribute(key, data)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes)) else 0


def _time_from(value: Any, what: str) -> int | None:
    """Nanoseconds since the epoch; None, with a warning, for what no clock can show."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and 0 <= value < 1 << 63:  # also false for NaN
        return int(value)
    logger.warning("The time of %s must be nanoseconds since the epoch: taken as now.", what)
    return None


class NoOpSpan(LiveSpan):
    """The span that is not recorded: all methods do nothing, ids, name and times are None."""

    __slots__ = ()

    def __init__(self) -> None:
        """A span that records nothing."""
        self._trace_id = self._span_id = self._start = self._size = 0
        self._parent_id = self._end = self._inputs = self._outputs = None
        self._attributes = self._fields = self._events = None
        self._name, self._type, self._status = "", SpanType.UNKNOWN, UNSET

    trace_id = property(lambda self: NO_OP_TRACE_ID)
    span_id = property(lambda self: None)
    name = property(lambda self: None)
    start_time_ns = property(lambda self: None)

    def set_inputs(self, inputs: Any) -> None:
        """Nothing."""

    def set_outputs(self, outputs: Any) -> None:
        """Nothing."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing."""

    def _grow(self, size: int) -> None:
        return

    def _is_open(self, method: str) -> bool:
        return False

    def _finish(self, end_time_ns: int | None = None) -> None:
        return

    attributes = property(lambda self: {})

    def get_attribute(self, key: str) -> None:
        """None: it has none."""

    def to_dict(self) -> dict[str, Any]:
        """An empty dictionary."""
        return {}

    def to_immutable_span(self, attachments: dict[str, Attachment] | None = None) -> Span:
        """Itself: there is nothing to copy."""
        return self

    def __reduce__(self) -> Any:
        return NoOpSpan, ()

    def __repr__(self) -> str:
        return "NoOpSpan()"


@cache  # an import statement takes longer at each call
def _protection() -> Callable[[Any], Any]:
    with loading:
        from tracetape.live.protection import protected

    return protected
