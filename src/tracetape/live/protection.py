"""Redaction of a record: credentials first, then the user's levels and rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import orjson

from tracetape._json import dumps
from tracetape._system import lasting_lock
from tracetape.capture import decode, encode
from tracetape.diagnostics import warn_once
from tracetape.entities.span_record import SpanRecord
from tracetape.entities.status import SpanStatus
from tracetape.formats.ids import span_id_text, trace_id_text
from tracetape.formats.json_text import json_text
from tracetape.formats.names import LOG_LEVEL
from tracetape.live.running_span import is_open
from tracetape.privacy.fields import clean_fields, clean_said_fields, may_hold_credentials
from tracetape.privacy.levels import CAPTURE, LEVELS, OPEN, Privacy, policy
from tracetape.privacy.names import MARK
from tracetape.privacy.pieces import conceal_pieces
from tracetape.privacy.texts import clean_said
from tracetape.privacy.values import (
    Secrets,
    known,
    remember,
    secrets_of_request,
    those_that_tell,
)

if TYPE_CHECKING:
    from tracetape.live.live_trace import LiveTrace
    from tracetape.privacy.redactor import Redactor

__all__ = ["concealed_values", "protected", "secrets_of_trace"]

# Of what an exception says, only this is not content.
_EXCEPTION_TYPE = "exception.type"
_reading = lasting_lock()  # a reader's thread and the writing one may look at the same requests
_CHUNK_EVENT, _CHUNK = "mlflow.chunk.item.", "mlflow.chunk.value"  # a stream's, if they are kept
_LARGE = 16 << 10  # bytes of JSON that a quick look saves the reading of
_PATH = "path"  # the field that a call of an integration has, and nothing else
_TOO_DEEP = "[dropped: too many levels to look for credentials]"
_CONTENT_FIELDS = frozenset({"tools", "description", "function_name"})


def protected(record: SpanRecord, trace: LiveTrace) -> SpanRecord:
    """The part of a record that may be written; the record itself, if nothing is hidden."""
    hidden = policy.now is not OPEN or trace.privacy is not None
    if not hidden:
        hidden = record.fields is not None and "capture" in record.fields
        hidden = hidden or (record.attributes is not None and CAPTURE in record.attributes)
    # First: a rule must not get to see a credential.
    record = _without_credentials(record, trace)
    return _by_level_and_rules(record, trace) if hidden else record


def _by_level_and_rules(record: SpanRecord, trace: LiveTrace) -> SpanRecord:
    """Apply levels and rules to a record.

    Of what held when its trace began, what holds now and what it says itself all is obeyed.
    """
    begun: Privacy | None = trace.privacy
    level = policy.now.capture
    if begun is not None:
        level = _stricter(level, begun.capture)
    if record.fields and "capture" in record.fields:
        level = _stricter(level, record.fields["capture"])
    if record.attributes and CAPTURE in record.attributes:
        level = _stricter(level, record.attributes[CAPTURE])
    if level == "none":
        return _nothing(record)
    if level == "metadata":
        record = _metadata(record)
    for redactor in {policy.now.redactor, None if begun is None else begun.redactor}:
        if redactor is not None:
            record = _redacted(record, redactor)
    return record


def _without_credentials(record: SpanRecord, trace: LiveTrace) -> SpanRecord:
    """The record itself, or what is left of it without the credentials of its trace's calls.

    Also without what is one by its name or its shape: of a call, except what users and models say.
    """
    found: list[str] = []
    is_call = record.fields is not None and _PATH in record.fields
    record = _cleaned_call(record, found) if is_call else _cleaned_words(record, found)
    if found:
        trace.keep_from_records(those_that_tell(found))
    if record.events or record.status.description:
        record = _cleaned_errors(record)
    secrets = secrets_of_trace(trace)
    return _concealed(record, secrets) if secrets else record


def secrets_of_trace(trace: LiveTrace) -> Secrets:
    """Secrets of the calls of a trace, and of those before."""
    if trace.sent:
        with _reading:
            for entry in list(trace.sent):
                span, request = entry
                trace.keep_from_records(remember(secrets_of_request(*request)))
                if not is_open(span):  # else its HTTP client may yet add to it
                    trace.sent.remove(entry)
    return known(trace.secrets)


def _cleaned_call(record: SpanRecord, found: list[str]) -> SpanRecord:
    changed: dict[str, Any] = {}
    for name, data in (("inputs", record.inputs), ("outputs", record.outputs)):
        if data is not None:
            before = decode(data)
            after = _cleaned(clean_fields, before, found, shapes=True)
            if after is not before:
                changed[name] = dumps(after)
    attributes, fields = record.attributes, record.fields or {}
    if attributes:
        cleaned = {key: _cleaned_attribute(key, item, found) for key, item in attributes.items()}
        if cleaned != attributes:
            changed["attributes"] = cleaned
    if "tools" in fields:
        tools = _cleaned(clean_fields, fields["tools"], found, shapes=True)
        if tools is not fields["tools"]:
            changed["fields"] = {**fields, "tools": tools}
    return _changed(record, changed)


def _cleaned(clean: Callable[..., Any], value: Any, found: list[str], **how: Any) -> Any:
    """`value` itself if `clean` finds nothing; what is too deep to look through is dropped."""
    try:
        after = clean(value, found, **how)
        return value if after is value or after == value else after
    except RecursionError:
        pass
    warn_once(
        "too deep",
        "tracetape: a value has too many levels to look for credentials in it: it is dropped,"
        " there and wherever there is another",
    )
    if not isinstance(value, dict):
        return _TOO_DEEP
    kept: dict[str, Any] = {}
    for key, item in value.items():
        try:
            kept[key] = clean({key: item}, found, **how)[key]
        except RecursionError:
            kept[key] = _TOO_DEEP
    return kept


def _cleaned_words(record: SpanRecord, found: list[str]) -> SpanRecord:
    """Of any other span: what its program says has names, as fields of a request do."""
    changed: dict[str, Any] = {}
    for name, data in (("inputs", record.inputs), ("outputs", record.outputs)):
        if data is not None and (len(data) < _LARGE or may_hold_credentials(data)):
            before = decode(data)
            after = _cleaned(clean_said_fields, before, found)
            if after is not before:
                changed[name] = dumps(after)
    attributes = record.attributes
    if attributes:
        cleaned = {key: _said_attribute(key, item, found) for key, item in attributes.items()}
        if cleaned != attributes:
            changed["attributes"] = cleaned
    return _changed(record, changed)


def _said_attribute(key: str, value: Any, found: list[str]) -> Any:
    if isinstance(value, bytes):
        before = decode(value)
        after = _cleaned(clean_said_fields, {key: before}, found)[key]
        return value if after is before else dumps(after)
    return clean_said_fields({key: value}, found)[key] if isinstance(value, str) else value


def _cleaned_attribute(key: str, value: Any, found: list[str]) -> Any:
    if isinstance(value, bytes):
        before = decode(value)
        after = _cleaned(clean_fields, {key: before}, found, shapes=True)[key]
        return value if after is before else dumps(after)
    return clean_fields({key: value}, found, shapes=True)[key]


def _cleaned_errors(record: SpanRecord) -> SpanRecord:
    """Events and status; an exception is known by its type."""
    changed: dict[str, Any] = {}
    status, events = record.status, record.events or []
    cleaned = [(name, at, _cleaned_event(name, data)) for name, at, data in events]
    if cleaned != events:
        changed["events"] = cleaned
    said: Any = status.description  # the user may have given anything
    text = _cleaned_text(said) if isinstance(said, str) else said
    if text != said:
        changed["status"] = SpanStatus(status.status_code, text)
    return _changed(record, changed)


def _cleaned_event(name: Any, data: bytes) -> bytes:
    if _is_chunk(name):  # of what a model says
        return data
    before = decode(data)
    if not isinstance(before, dict):
        return data
    if _EXCEPTION_TYPE in before:
        after = {k: _cleaned_text(v) if isinstance(v, str) else v for k, v in before.items()}
    else:
        after = _cleaned(clean_said_fields, before, [])
    return data if after is before or after == before else dumps(after)


def _cleaned_text(text: str) -> str:
    return clean_said(text, MARK)


def _concealed(record: SpanRecord, secrets: Secrets) -> SpanRecord:
    record = _in_pieces(record, secrets)
    changed: dict[str, Any] = {}
    for key, before in (("inputs", record.inputs), ("outputs", record.outputs)):
        if before is not None and (after := secrets.data(before)) != before:
            changed[key] = after
    if (name := secrets.value(record.name)) is not record.name:
        changed["name"] = name
    for key, values in (("attributes", record.attributes), ("fields", record.fields)):
        if values and (hidden := concealed_values(values, secrets)) is not values:
            changed[key] = hidden if key == "attributes" else {**values, **hidden}
    if record.links:
        links = concealed_values({"links": record.links}, secrets)["links"]
        changed.update({} if links is record.links else {"links": links})
    if record.events:
        told = [(secrets.value(name), at, secrets.data(data)) for name, at, data in record.events]
        if told != record.events:
            changed["events"] = told
    status = record.status
    if status.description and (text := secrets.value(status.description)) != status.description:
        changed["status"] = SpanStatus(status.status_code, text)
    return _changed(record, changed)


def concealed_values(values: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    """`values` themselves, if none of them has any of `secrets`."""
    try:
        # However a secret is escaped, its JSON has what is looked for first: one look at all.
        data = orjson.dumps(values)
        return values if secrets.data(data) is data else secrets.value(values)
    except TypeError:  # something has no JSON
        return cast("dict[str, Any]", secrets.value(values))


def _in_pieces(record: SpanRecord, secrets: Secrets) -> SpanRecord:
    """Of a stream whose chunks are kept: without the secrets that go over their borders."""
    events, fields, outputs = record.events or [], record.fields or {}, record.outputs
    chunks = [n for n, (name, _, _) in enumerate(events) if _is_chunk(name)]
    if not chunks and "streamed" not in fields:
        return record
    changed: dict[str, Any] = {}
    listed = outputs if outputs is not None and outputs.startswith(b"[") else None
    if listed is not None:  # the chunks once more
        values = [[one] for one in decode(listed)]
        if conceal_pieces(values, secrets):
            changed["outputs"] = encode([value for (value,) in values])
    # An integration's outputs have the whole text, a user's reducer may leave any of it out.
    whole = outputs if listed is not None or _PATH in fields else None
    if len(chunks) > 1 and (whole is None or changed or secrets.data(whole) != whole):
        changed["events"] = _without_pieces(list(events), chunks, secrets)
    return _changed(record, changed)


def _without_pieces(events: list[Any], chunks: list[int], secrets: Secrets) -> list[Any]:
    said = [decode(events[n][2]) for n in chunks]
    values = [[_json_of(one.get(_CHUNK))] for one in said]
    if conceal_pieces(values, secrets):
        for n, one, (value,) in zip(chunks, said, values, strict=True):
            one[_CHUNK] = value if isinstance(value, str) else json_text(encode(value))
            events[n] = (*events[n][:2], encode(one))
    return events


def _is_chunk(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(_CHUNK_EVENT)


def _json_of(text: Any) -> Any:
    """A chunk, parsed from JSON."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        return text


def _changed(record: SpanRecord, changed: dict[str, Any]) -> SpanRecord:
    return record.replace(**changed) if changed else record


def _stricter(one: str, other: Any) -> str:
    # A level that is invalid, from an attribute, must not show more than was meant.
    level: str = other if other in LEVELS else "none"
    return min(one, level, key=LEVELS.index)


def _nothing(record: SpanRecord) -> SpanRecord:
    """When it was, what it is called, how it ended, and how important it is."""
    fields = {k: v for k, v in (record.fields or {}).items() if k == LOG_LEVEL}
    return record.replace(
        inputs=None,
        outputs=None,
        attributes=None,
        fields={"capture": "none", **fields},
        events=None,
        links=None,
        status=SpanStatus(record.status.status_code),
    )


def _metadata(record: SpanRecord) -> SpanRecord:
    """Numbers, flags, and what providers and models are called; no text of anybody's."""
    attributes = {
        key: value
        for key, value in (record.attributes or {}).items()
        if key == CAPTURE or _is_number(value)
    }
    kind = (record.status.description or "").partition(":")[0]
    return record.replace(
        inputs=None,
        outputs=None,
        attributes=attributes or None,
        fields={k: v for k, v in (record.fields or {}).items() if k not in _CONTENT_FIELDS} or None,
        events=[(name, at, _numbers(data)) for name, at, data in record.events or ()] or None,
        links=None,
        # Of an exception: its type.
        status=SpanStatus(record.status.status_code, kind if kind.isidentifier() else ""),
    )


def _numbers(data: bytes) -> bytes:
    said = decode(data)
    return encode(
        {
            key: value
            for key, value in (said.items() if isinstance(said, dict) else ())
            if key == _EXCEPTION_TYPE or _is_number(value)
        }
    )


def _is_number(value: Any) -> bool:
    value = decode(value) if isinstance(value, bytes) else value
    return type(value) in (bool, int, float)


def _redacted(record: SpanRecord, redactor: Redactor) -> SpanRecord:
    # By its ids: what it is called may be what a rule hides.
    of = f"span {span_id_text(record.span_id)} of trace {trace_id_text(record.trace_id)}"
    attributes = {
        key: redactor.value(value, "attributes", key, of=of)
        for key, value in (record.attributes or {}).items()
    }
    fields = {
        key: redactor.plain(value, "attributes", key, of=of) if key in _CONTENT_FIELDS else value
        for key, value in (record.fields or {}).items()
    }
    links = record.links and redactor.plain(record.links, "attributes", "links", of=of)
    events = [
        (name, at, redactor.json(data, "events", name, of=of))
        for name, at, data in record.events or ()
    ]
    status = record.status
    if status.description:
        text = redactor.plain(status.description, "status", of=of)
        status = SpanStatus(status.status_code, text if isinstance(text, str) else "")
    name = redactor.plain(record.name, "name", of=of)
    return record.replace(
        name=name if isinstance(name, str) else "",
        inputs=redactor.json(record.inputs, "inputs", of=of),
        outputs=redactor.json(record.outputs, "outputs", of=of),
        attributes=attributes or None,
        fields=fields or None,
        events=events or None,
        status=status,
        links=links if isinstance(links, list) else None,
    )
