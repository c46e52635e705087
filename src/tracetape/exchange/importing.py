"""Traces from elsewhere: MLflow's trace JSON and JSONL, and how they get into a store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from tracetape.entities import Trace, TraceData, TraceState
from tracetape.entities.attachment import Attachment
from tracetape.entities.span import record_of
from tracetape.exceptions import InvalidValueError, StoreError, TracetapeException
from tracetape.exchange.new_traces import (
    ATTACHMENT,
    ATTACHMENT_ID,
    RECOMPUTED,
    amounts,
    new_trace,
)
from tracetape.formats.ids import parse_trace_id
from tracetape.formats.names import TRACE_NAME
from tracetape.live.live_trace import TraceDetails
from tracetape.live.summary import has_failed, summarise
from tracetape.store.protocol import SPAN_BYTES, TraceUpdate
from tracetape.store.rows import NewTrace
from tracetape.store.sqlite import SQLiteStore

__all__ = [
    "Imported",
    "import_traces",
    "number_for",
    "read_new_traces",
    "read_traces",
    "update_of",
]

_BOM = b"\xef\xbb\xbf"  # which some editors put before UTF-8
_BATCH, _BATCH_BYTES = 500, 2_000_000  # traces in one transaction, and about how much of them
_REASONS = 20  # that are kept
_REASON = 300  # characters
_T = TypeVar("_T")


@dataclass
class Imported:
    """Counts of the traces so far.

    Attributes:
        added: now in the store.
        known: were there already, and stay as they are.
        refused: how many could not be read.
        reasons: why, of the first ones.
        missing: attachments to which traces refer, and whose content is not there.
    """

    added: int = 0
    known: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)
    missing: int = 0

    def refuse(self, reason: str) -> None:
        """One could not be read."""
        self.refused += 1
        if len(self.reasons) < _REASONS:
            self.reasons.append(reason if len(reason) <= _REASON else f"{reason[:_REASON]}…")


def import_traces(
    store: SQLiteStore,
    traces: Iterable[Trace | NewTrace | TracetapeException],
    attachment: Callable[[str], Attachment | None] = lambda _: None,
) -> Iterator[Imported]:
    """Write traces that are not there yet; yields the counts after each batch, and at the end.

    Args:
        store: where to.
        traces: what was read; errors are counted.
        attachment: gives the media to which the traces refer, by id.
    """
    counts = Imported()
    batch: list[tuple[int, Trace | NewTrace]] = []
    size = 0
    for trace in traces:
        if isinstance(trace, TracetapeException):
            counts.refuse(str(trace))
            continue
        if isinstance(trace, NewTrace):
            batch.append((trace.number, trace))
            size += trace.size
        else:
            batch.append((number_for(trace), trace))
            size += _size(trace)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            _write(store, batch, counts, attachment)
            yield counts
            batch, size = [], 0
    _write(store, batch, counts, attachment)
    yield counts


def _write(
    store: SQLiteStore,
    batch: list[tuple[int, Trace | NewTrace]],
    counts: Imported,
    attachment: Callable[[str], Attachment | None],
) -> None:
    new: dict[int, Trace | NewTrace] = {}
    known = store.known([number for number, _ in batch])
    for number, trace in batch:
        if number in new or number in known:
            counts.known += 1
        else:
            new[number] = trace
    updates = [
        trace if isinstance(trace, NewTrace) else update_of(trace, number)
        for number, trace in new.items()
    ]
    for trace, update in zip(new.values(), updates, strict=True):
        for name in trace.references if isinstance(trace, NewTrace) else _references(trace):
            found = attachment(name)
            if found is None:
                counts.missing += 1
            else:
                update.attachments[name] = found
    try:
        others = store.add(updates)
        counts.known += len(others)  # another process has just written them
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - one of them is to blame
        others = _added_singly(store, updates, new, counts)
    for number, trace in new.items():
        if number in others:
            continue
        counts.added += 1
        if isinstance(trace, Trace) and trace.info.assessments:
            for index, one in enumerate(trace.info.assessments):
                one.assessment_id = one.assessment_id or f"a-{number:032x}-{index}"
            store.assess(number, trace.info.assessments)


def _added_singly(
    store: SQLiteStore,
    updates: list[NewTrace | TraceUpdate],
    new: dict[int, Trace | NewTrace],
    counts: Imported,
) -> set[int]:
    """One that no store can take must not take the others along; those that were not added."""
    others = set()
    for update, (number, trace) in zip(updates, new.items(), strict=True):
        try:
            known = store.add([update])
            counts.known += len(known)
            others |= known
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a strange trace leads to
            name = f"tr-{trace.row[0]}" if isinstance(trace, NewTrace) else trace.info.trace_id
            counts.refuse(f"{name}: {type(error).__name__}: {error}")
            others.add(number)
    return others


def _size(trace: Trace) -> int:
    records = map(record_of, trace.data.spans)
    return sum(SPAN_BYTES + len(one.inputs or b"") + len(one.outputs or b"") for one in records)


def _references(trace: Trace) -> list[str]:
    """The ids of the attachments to which a trace's inputs and outputs refer."""
    found: dict[str, None] = {}
    for record in map(record_of, trace.data.spans):
        for data in (record.inputs, record.outputs):
            if data is not None and ATTACHMENT in data:
                found.update(dict.fromkeys(name.decode() for name in ATTACHMENT_ID.findall(data)))
    return list(found)


def number_for(trace: Trace) -> int:
    """The 128-bit id under which a trace is kept: its own, or one made of MLflow 2's."""
    try:
        return parse_trace_id(trace.info.trace_id)
    except ValueError:
        digest = hashlib.blake2b(trace.info.trace_id.encode(), digest_size=16).digest()
        return int.from_bytes(digest, "big")


def update_of(trace: Trace, number: int) -> TraceUpdate:
    """The update that writes a finished trace."""
    info, spans = trace.info, [record_of(span) for span in trace.data.spans]
    root = next((span for span in spans if span.parent_id is None), None)
    start = min((span.start_time_ns for span in spans), default=info.request_time * 1_000_000)
    end = None if root is None else root.end_time_ns
    if end is None and info.execution_duration is not None:
        end = start + info.execution_duration * 1_000_000
    name = info.name if root is None else root.name
    running = info.state is TraceState.IN_PROGRESS
    tags = {k: v for k, v in info.tags.items() if (k, v) != (TRACE_NAME, name)}
    return TraceUpdate(
        number,
        start,
        spans,
        state=info.state,
        name=name,
        end_ns=None if running else end,
        request_preview=info.request_preview,
        response_preview=info.response_preview,
        span_count=len(spans),
        error_count=sum(map(has_failed, spans)),
        sums={**amounts(info.token_usage or {}), **amounts(info.cost or {})},
        details=TraceDetails(
            tags=dict(tags),
            metadata={k: v for k, v in info.trace_metadata.items() if k not in RECOMPUTED},
            client_request_id=info.client_request_id,
            experiment_id=info.experiment_id,
        ),
    )


def read_traces(path: Path) -> Iterator[Trace | TracetapeException]:
    """The traces of a file, one by one; what is not one comes as the error that says so.

    A JSONL file has a trace a line; a JSON file one trace, a list of them, an object with
    ``traces``, or the spans alone, as in MLflow's ``traces.json``.

    Raises:
        InvalidValueError: the file is not one of these.
        OSError: it cannot be read.
    """
    return _read(path, _trace)


def read_new_traces(path: Path) -> Iterator[NewTrace | Trace | TracetapeException]:
    """The same, for `import_traces`: most traces come as rows, which takes less time."""
    return _read(path, _rows)


def _read(
    path: Path, make: Callable[[Any, str], _T | InvalidValueError]
) -> Iterator[_T | InvalidValueError]:
    data = path.read_bytes() if path.suffix != ".jsonl" else None
    if data is not None:
        try:
            value = orjson.loads(data.removeprefix(_BOM))
        except orjson.JSONDecodeError:
            data = None  # a trace a line, whatever the file is called
        else:
            many = value.get("traces") if isinstance(value, dict) else value
            for number, one in enumerate(many if isinstance(many, list) else [value], 1):
                yield make(one, f"{path}, trace {number}")
            return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = line.removeprefix(_BOM) if number == 1 else line
            if not text.strip():
                continue
            where = f"{path}, line {number}"
            try:
                value = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                yield InvalidValueError(f"{where}: {error}")
            else:
                yield make(value, where)


def _rows(value: Any, where: str) -> NewTrace | Trace | InvalidValueError:
    try:
        return new_trace(value)
    except Exception:  # noqa: BLE001 - whatever is odd, or missing: the entities tell
        return _trace(value, where)


def _trace(value: Any, where: str) -> Trace | InvalidValueError:
    try:
        if isinstance(value, dict) and "spans" in value and "info" not in value:
            data = TraceData.from_dict(value)
            if not data.spans:
                raise InvalidValueError("there are no spans")
            records = [record_of(span) for span in data.spans]
            return Trace(summarise(records[0].trace_id, records), data)
        trace = Trace.from_dict(value)
        if not isinstance(trace.info.trace_id, str):
            raise InvalidValueError(f"its trace_id is {trace.info.trace_id!r}, not a string")
        return trace
    except TracetapeException as error:
        return InvalidValueError(f"{where}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever is in a damaged line
        return InvalidValueError(f"{where}: {type(error).__name__}: {error}")
