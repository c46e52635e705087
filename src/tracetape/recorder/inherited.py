"""Traces of a parent process, in a child that was forked while they were being made."""

from __future__ import annotations

from collections.abc import Callable

from tracetape.entities.attachment import Attachment
from tracetape.entities.span_record import SpanRecord
from tracetape.live.live_span import LiveSpan
from tracetape.live.live_trace import LiveTrace, SpanSink
from tracetape.live.running_span import RunningSpan, id_of, parent_id_of

__all__ = ["Inherited"]


class Inherited:
    """Takes the spans that the child adds to such a trace; those of the parent are the parent's.

    A child that leaves the block it was forked in ends a copy of the parent's span, which says
    nothing of when the parent's own will end, and how.
    """

    __slots__ = ("_parents", "_root_ended", "_sink")

    def __init__(self, sink: SpanSink, trace: LiveTrace, root_ended: Callable[[], None]) -> None:
        """Spans that begin in the child from now on go to `sink`.

        Args:
            sink: the child's recorder.
            trace: the parent's.
            root_ended: called when a span has ended that has none of the child's above it.
        """
        self._sink = sink
        self._root_ended = root_ended
        self._parents = {id_of(span) for span in trace.unsettled()}

    @property
    def before(self) -> Callable[[LiveSpan], None] | None:
        """The sink's, for the child's."""
        return None if self._sink.before is None else self._process

    def _process(self, span: LiveSpan) -> None:
        if self._sink.before is not None and id_of(span) not in self._parents:
            self._sink.before(span)

    def frozen(
        self, span: RunningSpan, attachments: dict[str, Attachment] | None = None
    ) -> SpanRecord:
        """As the sink does it, of whichever span."""
        return self._sink.frozen(span, attachments)

    def grown(self, span: LiveSpan, size: int) -> None:
        """Tell the sink of it, if it is the child's."""
        if id_of(span) not in self._parents:
            self._sink.grown(span, size)

    def may_stay_open(self, span: LiveSpan) -> None:
        """Tell the sink of it, if it is the child's."""
        if id_of(span) not in self._parents:
            self._sink.may_stay_open(span)

    def forget_oldest(self) -> None:
        """The sink's."""
        self._sink.forget_oldest()

    def ended(self, span: LiveSpan) -> None:
        """Give it to the sink, if it is the child's."""
        if id_of(span) not in self._parents:
            self._sink.ended(span)
            if parent_id_of(span) in self._parents:
                self._root_ended()
