"""A live span: the setters that users call, and the span that is not recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracetape._lazy import loading
from tracetape._system import wall_clock_ns
from tracetape.capture import decode, encode
from tracetape.capture.conversion import names_are_kept_by
from tracetape.diagnostics import internal_error, logger
from tracetape.entities.constants import SpanStatusCode, SpanType
from tracetape.entities.event import SpanEvent
from tracetape.entities.log_level import EXCEPTION, SpanLogLevel
from tracetape.entities.span import Span
from tracetape.entities.span_record import SpanRecord
from tracetape.entities.status import UNSET, SpanStatus, status_from
from tracetape.exceptions import InvalidTypeError, TracetapeException
from tracetape.formats.names import LOG_LEVEL, SPAN_INPUTS, SPAN_OUTPUTS, SPAN_TYPE, TRACE_ID
from tracetape.live.running_span import ITEM_BYTES, RunningSpan, Unread, length_of
from tracetape.privacy.levels import checked_level
from tracetape.privacy.names import is_credential

if TYPE_CHECKING:
    from tracetape.entities.attachment import Attachment
    from tracetape.entities.link import Link

__all__ = ["NO_OP_TRACE_ID", "LiveSpan", "NoOpSpan", "ended_copy"]

NO_OP_TRACE_ID = "MLFLOW_NO_OP_SPAN_TRACE_ID"  # MLflow's own, which programs compare with
_SHORT = 100  # characters of an attribute's text that these bytes have room for
_PAGE_BYTES = 1 << 10
_IN_PAGE = _PAGE_BYTES - 1
_SCALARS = frozenset({str, int, bool, type(None)})

names_are_kept_by(is_credential)  # the vocabulary is of a room above the capture


class LiveSpan(RunningSpan):
    """A span that is still open: every setter takes any value and none raises for its content.

    Values are recorded as they are at the moment of the call.
    """

    __slots__ = ()

    def set_inputs(self, inputs: Any) -> None:
        """Record what goes in."""
        if self._end is not None:
            self._is_open("set_inputs")  # it is not, and says so
            return
        try:
            data = encode(inputs)
            if self._inputs is None and len(data) < _PAGE_BYTES:
                self._inputs = data  # the hot way
            else:
                self._keep_inputs(data)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording inputs")

    def set_outputs(self, outputs: Any) -> None:
        """Record what came out."""
        if self._end is not None:
            self._is_open("set_outputs")  # it is not, and says so
            return
        try:
            data = encode(outputs)
            if self._outputs is None and len(data) < _PAGE_BYTES:
                self._outputs = data  # the hot way
            else:
                self._keep_outputs(data)
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
            InvalidValueError: its ids are invalid.
        """
        if self._is_open("add_link"):
            with loading:
                from tracetape.entities.link import checked_link

            self._links = [*(self._links or ()), checked_link(link)]
            self._grow(ITEM_BYTES)

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
                self._size = size = self._size + ITEM_BYTES
                if size & _IN_PAGE < ITEM_BYTES:  # a page is full
                    self._trace.sink.grown(self, _PAGE_BYTES)
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
            self._unread = unread

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
                self._grow(ITEM_BYTES + length_of(name) + len(data))
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
                    self._grow(length_of(new.description))

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
            status: the outcome; OK if it was never set.
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

    def _raise_level(self) -> None:
        """An exception makes the level that the program gave an ERROR, if it was lower."""
        said = (self._fields or {}).get(LOG_LEVEL)
        if isinstance(said, int) and said < SpanLogLevel.ERROR:
            self.set_fields({LOG_LEVEL: int(SpanLogLevel.ERROR)})

    def _failed(self, exception: BaseException) -> None:
        """Record an exception that passes the span."""
        event = SpanEvent.from_exception(exception)
        self.add_event(event)
        kind, text = event.attributes["exception.type"], event.attributes["exception.message"]
        self.set_status(SpanStatus(SpanStatusCode.ERROR, f"{kind}: {text}"))

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


def _time_from(value: Any, what: str) -> int | None:
    """Nanoseconds since the epoch; None, with a warning, for what no clock can show."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and 0 <= value < 1 << 63:  # also false for NaN
        return int(value)
    logger.warning("The time of %s must be nanoseconds since the epoch: taken as now.", what)
    return None


def ended_copy(record: SpanRecord, parent: LiveSpan) -> LiveSpan:
    """Record a finished span again, below `parent`: its trace's id is that of the parent's."""
    span, trace = LiveSpan(record.name, record.span_type), parent._trace
    span._begin(trace, record.span_id, parent._span_id, parent, 0)
    trace.add(span)
    span._start = record.start_time_ns
    span._inputs, span._outputs = record.inputs, record.outputs
    span._attributes, span._fields = record.attributes, record.fields
    span._events, span._links = record.events, record.links
    span._status = record.status
    texts = [span._inputs, span._outputs, *(data for _, _, data in span._events or ())]
    texts += [value for value in (span._attributes or {}).values() if isinstance(value, bytes)]
    span._grow(sum(len(text) for text in texts if text))
    span._finish(record.end_time_ns)
    return span


class NoOpSpan(LiveSpan):
    """The span that is not recorded: all methods do nothing, ids, name and times are None."""

    __slots__ = ()

    def __init__(self) -> None:
        """A span that records nothing."""
        self._trace_id = self._span_id = self._start = self._size = 0
        self._parent_id = self._end = self._inputs = self._outputs = None
        self._attributes = self._fields = self._events = self._links = self._unread = None
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
