"""The way of every span on the writing thread: a list of steps, each a plain function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tracetape.diagnostics import internal_error
from tracetape.entities.attachment import Attachment
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.formats.names import ROOT_INPUTS, ROOT_OUTPUTS
from tracetape.live.live_trace import LiveTrace, TraceDetails
from tracetape.live.liveness import PROCESS, SEEN, signs_of_life
from tracetape.live.preview import preview, root_texts
from tracetape.live.protection import concealed_values, protected, secrets_of_trace
from tracetape.live.running_span import RunningSpan, frozen, read_ended, trace_of
from tracetape.live.summary import has_failed, state_of
from tracetape.media.extraction import without_media
from tracetape.recorder.inherited import Inherited
from tracetape.recorder.sums import new_sums
from tracetape.recorder.surroundings import whereabouts
from tracetape.store import TraceUpdate

__all__ = ["RECORD_STEPS", "STEPS", "Passage", "frozen_record", "update_of"]


class Passage:
    """The spans of one trace that are written together.

    Attributes:
        trace: the trace.
        spans: live spans, the ended ones first.
        ended: how many of them have ended; an open one counts when it comes out of the queue.
        frozen: their records, with all that they hold.
        records: what of that may be written.
        attachments: the media that are kept, by id; None: none are.
        update: what the store is given.
    """

    __slots__ = ("attachments", "ended", "frozen", "records", "spans", "trace", "update")

    def __init__(
        self,
        spans: Sequence[RunningSpan],
        ended: int = 0,
        attachments: dict[str, Attachment] | None = None,
    ) -> None:
        """Begin with live spans."""
        self.trace: LiveTrace = trace_of(spans[0])
        self.spans = spans
        self.ended = ended
        self.frozen: list[SpanRecord] = []
        self.records: list[SpanRecord] = []
        self.attachments = attachments
        self.update: TraceUpdate | None = None


def resolve(passage: Passage) -> None:
    """Read what the caller's thread put off, of spans that have ended: requests and answers."""
    for span in passage.spans:
        read_ended(span)


def freeze(passage: Passage) -> None:
    """Take the record of each span: what follows sees nothing that may still change."""
    passage.records = passage.frozen = [frozen(span) for span in passage.spans]


def protect(passage: Passage) -> None:
    """Remove credentials, and what the user's levels and rules hide."""
    trace = passage.trace
    passage.records = [protected(record, trace) for record in passage.records]


def extract_media(passage: Passage) -> None:
    """Put references in the place of base64 media."""
    found = passage.attachments
    passage.records = [without_media(record, found) for record in passage.records]


def summarise(passage: Passage) -> None:
    """Make the update of the trace: the records, and what they say of the whole."""
    trace, records = passage.trace, passage.records
    ended = records[: passage.ended]
    details = _concealed(trace)
    update = passage.update = TraceUpdate(
        trace_id=trace.trace_id,
        start_ns=min(record.start_time_ns for record in records),
        spans=records,
        span_count=len(ended),
        error_count=sum(map(has_failed, ended)),
        attachments=passage.attachments or {},
        # As they were frozen: tokens count, whatever else of a span is hidden.
        sums=new_sums(trace, passage.spans[: passage.ended], passage.frozen),
        details=None if trace.details is None else details,
        request_preview=details.request_preview,
        response_preview=details.response_preview,
        is_part=True,
    )
    root = trace.root
    if root is not None:
        at = passage.spans.index(root) if root in passage.spans else len(records)
        is_here = at < len(records)
        update.is_part = (passage.frozen[at] if is_here else record_of(root)).parent_id is not None
        shown = records[at] if is_here else _shown(root, trace)
        if shown is not None:
            update.name = shown.name
            if at < passage.ended:
                _summarise_ended(update, shown, details, trace)
                return
            update.request_preview = details.request_preview or preview(shown.inputs)
    if len(records) > len(ended) and not isinstance(trace.sink, Inherited):
        trace.shown = True
        metadata = {**whereabouts(), **details.metadata, **signs_of_life()}
        update.details = _with_metadata(details, metadata)


def _shown(root: RunningSpan, trace: LiveTrace) -> SpanRecord | None:
    """The protected record of a root that is not among the spans; None: it cannot be read."""
    try:
        return protected(frozen(root), trace)
    except Exception:  # noqa: BLE001 - the spans below it are not to be lost with it
        internal_error("reading a trace's root")
        return None


def _summarise_ended(
    update: TraceUpdate, root: SpanRecord, details: TraceDetails, trace: LiveTrace
) -> None:
    update.state = details.state or state_of(root)
    update.end_ns = root.end_time_ns
    request, inputs = root_texts(root.inputs)
    response, outputs = root_texts(root.outputs, "assistant")
    update.request_preview = details.request_preview or request
    update.response_preview = details.response_preview or response
    metadata: dict[str, str | None] = {
        **whereabouts(),
        ROOT_INPUTS: inputs,
        ROOT_OUTPUTS: outputs,
        **details.metadata,
    }
    if trace.shown:
        metadata.update({PROCESS: None, SEEN: None})
    update.details = _with_metadata(details, metadata)


def _with_metadata(details: TraceDetails, metadata: dict[str, str | None]) -> TraceDetails:
    new = TraceDetails.__new__(TraceDetails)
    new.__dict__.update(vars(details), metadata=metadata)  # `replace` takes ten times as long
    return new


def _concealed(trace: LiveTrace) -> TraceDetails:
    """Details of a trace without secrets that became known after they were set."""
    details = trace.details or TraceDetails()
    secrets = secrets_of_trace(trace)
    if not secrets:
        return details
    said = vars(details)
    hidden = concealed_values(said, secrets)
    if hidden is said:
        return details
    if trace.shown:  # a name that was written before it was known to hold one goes
        for name in ("tags", "metadata"):
            gone = dict.fromkeys(said[name].keys() - hidden[name].keys())
            hidden[name] = {**gone, **hidden[name]}
    return TraceDetails(**hidden)


RECORD_STEPS: tuple[Callable[[Passage], None], ...] = (resolve, freeze, protect, extract_media)
STEPS = (*RECORD_STEPS, summarise)


def frozen_record(
    span: RunningSpan, attachments: dict[str, Attachment] | None = None
) -> SpanRecord:
    """The record of one span as it would be written now; `attachments` takes its media, by id."""
    passage = Passage([span], attachments=attachments)
    for step in RECORD_STEPS:
        step(passage)
    return passage.records[0]


def update_of(ended: Sequence[RunningSpan], opened: Sequence[RunningSpan] = ()) -> TraceUpdate:
    """The update that writes spans of one trace."""
    passage = Passage([*ended, *opened], len(ended), {})
    for step in STEPS:
        step(passage)
    assert passage.update is not None
    return passage.update
