"""Redaction of a live span: credentials first, then the user's levels and rules."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import orjson

from tracetape._json import dumps
from tracetape._system import lasting_lock
from tracetape.capture import decode, encode
from tracetape.diagnostics import warn_once
from tracetape.entities.status import SpanStatus
from tracetape.formats.ids import span_id_text, trace_id_text
from tracetape.formats.json_text import json_text
from tracetape.formats.names import UNREAD
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

__all__ = ["concealed_values", "protect", "protected", "secrets_of_trace", "without_credentials"]

# Of what an exception says, only this is not content.
_EXCEPTION_TYPE = "exception.type"
_reading = lasting_lock()  # a reader's thread and the writing one may look at the same requests
_CHUNK_EVENT, _CHUNK = "mlflow.chunk.item.", "mlflow.chunk.value"  # a stream's, if they are kept
_LARGE = 16 << 10  # bytes of JSON that a quick look saves the reading of
_PATH = "path"  # the field that a call of an integration has, and nothing else
_TOO_DEEP = "[dropped: too many levels to look for credentials]"
_CONTENT_FIELDS = frozenset({"tools", "description", "function_name", "links"})


def protected(span: Any) -> Any:
    """The redacted view of a live span; the span itself, if nothing is hidden."""
    if span._fields is not None and UNREAD in span._fields:  # it is open
        span = _view(span, **span._fields[UNREAD].look(span))
    hidden = policy.now is not OPEN or span._trace.privacy is not None
    if not hidden:
        hidden = span._fields is not None and "capture" in span._fields
        hidden = hidden or (span._attributes is not None and CAPTURE in span._attributes)
    # First: a rule must not get to see a credential.
    view = without_credentials(span)
    return protect(view) if hidden else view


def protect(span: Any) -> Any:
    """Apply levels and rules to a live span.

    Of what held when its trace began, what holds now and what it says itself all is obeyed.
    """
    begun: Privacy | None = span._trace.privacy
    level = policy.now.capture
    if begun is not None:
        level = _stricter(level, begun.capture)
    if span._fields and "capture" in span._fields:
        level = _stricter(level, span._fields["capture"])
    if span._attributes and CAPTURE in span._attributes:
        level = _stricter(level, span._attributes[CAPTURE])
    if level == "none":
        status = SpanStatus(span._status.status_code)
        return _view(span, attributes=None, fields={"capture": level}, events=None, status=status)
    view = span if level == "full" else _metadata(span)
    for redactor in {policy.now.redactor, None if begun is None else begun.redactor}:
        if redactor is not None:
            view = _redacted(view, redactor)
    return view


def without_credentials(span: Any) -> Any:
    """The span itself, or what is left of it without the credentials of its trace's calls.

    Also without what is one by its name or its shape: of a call, except what users and models say.
    """
    fields = span._fields
    is_call = fields is not None and _PATH in fields
    view = _cleaned_call(span) if is_call else _cleaned_words(span)
    if span._events or span._status.description:
        view = _cleaned_errors(view)
    secrets = secrets_of_trace(span._trace)
    return _concealed(view, secrets) if secrets else view


def secrets_of_trace(trace: LiveTrace) -> Secrets:
    """Secrets of the calls of a trace, and of those before."""
    if trace.sent:
        with _reading:
            for entry in list(trace.sent):
                span, request = entry
                trace.keep_from_records(remember(secrets_of_request(*request)))
                if span._end is not None:  # else its HTTP client may yet add to it
                    trace.sent.remove(entry)
    return known(trace.secrets)


def _cleaned_call(span: Any) -> Any:
    found: list[str] = []
    changed: dict[str, Any] = {}
    for name in ("inputs", "outputs"):
        data = getattr(span, f"_{name}")
        if data is not None:
            before = decode(data)
            after = _cleaned(clean_fields, before, found, shapes=True)
            if after is not before:
                changed[name] = dumps(after)
    if span._attributes:
        attributes = dict(span._attributes)
        cleaned = {key: _cleaned_attribute(key, item, found) for key, item in attributes.items()}
        if cleaned != attributes:
            changed["attributes"] = cleaned
    fields = span._fields
    if "tools" in fields:
        tools = _cleaned(clean_fields, fields["tools"], found, shapes=True)
        if tools is not fields["tools"]:
            changed["fields"] = {**fields, "tools": tools}
    if found:
        span._trace.keep_from_records(those_that_tell(found))
    return _changed(span, changed)


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


def _cleaned_words(span: Any) -> Any:
    """Of any other span: what its program says has names, as fields of a request do."""
    found: list[str] = []
    changed: dict[str, Any] = {}
    for name in ("inputs", "outputs"):
        data = getattr(span, f"_{name}")
        if data is not None and (len(data) < _LARGE or may_hold_credentials(data)):
            before = decode(data)
            after = _cleaned(clean_said_fields, before, found)
            if after is not before:
                changed[name] = dumps(after)
    if span._attributes:
        attributes = dict(span._attributes)
        cleaned = {key: _said_attribute(key, item, found) for key, item in attributes.items()}
        if cleaned != attributes:
            changed["attributes"] = cleaned
    if found:
        span._trace.keep_from_records(those_that_tell(found))
    return _changed(span, changed)


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


def _cleaned_errors(span: Any) -> Any:
    """Events and status; an exception is known by its type."""
    changed: dict[str, Any] = {}
    status, events = span._status, list(span._events or ())
    cleaned = [(name, at, _cleaned_event(name, data)) for name, at, data in events]
    if cleaned != events:
        changed["events"] = cleaned
    said: Any = status.description  # the user may have given anything
    text = _cleaned_text(said) if isinstance(said, str) else said
    if text != said:
        changed["status"] = SpanStatus(status.status_code, text)
    return _changed(span, changed)


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


def _concealed(span: Any, secrets: Secrets) -> Any:
    span = _in_pieces(span, secrets)
    changed: dict[str, Any] = {}
    for name in ("inputs", "outputs"):
        before = getattr(span, f"_{name}")
        if before is not None and (after := secrets.data(before)) != before:
            changed[name] = after
    if (name := secrets.value(span._name)) is not span._name:
        changed["name"] = name
    if span._attributes:
        attributes = dict(span._attributes)
        if (hidden := concealed_values(attributes, secrets)) is not attributes:
            changed["attributes"] = hidden
    if span._fields:  # their names are ours
        fields = dict(span._fields)
        if (hidden := concealed_values(fields, secrets)) is not fields:
            changed["fields"] = {**span._fields, **hidden}
    if span._events:
        events = list(span._events)
        told = [(secrets.value(name), at, secrets.data(data)) for name, at, data in events]
        if told != events:
            changed["events"] = told
    status = span._status
    if status.description and (text := secrets.value(status.description)) != status.description:
        changed["status"] = SpanStatus(status.status_code, text)
    return _changed(span, changed)


def concealed_values(values: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    """`values` themselves, if none of them has any of `secrets`."""
    try:
        # However a secret is escaped, its JSON has what is looked for first: one look at all.
        data = orjson.dumps(values)
        return values if secrets.data(data) is data else secrets.value(values)
    except TypeError:  # something has no JSON
        return cast("dict[str, Any]", secrets.value(values))


def _in_pieces(span: Any, secrets: Secrets) -> Any:
    """Of a stream whose chunks are kept: without the secrets that go over their borders."""
    events = list(span._events or ())
    chunks = [n for n, (name, _, _) in enumerate(events) if _is_chunk(name)]
    fields, outputs = span._fields or {}, span._outputs
    if not chunks and "streamed" not in fields:
        return span
    changed: dict[str, Any] = {}
    is_list = outputs is not None and outputs.startswith(b"[")
    if is_list:  # the chunks once more
        values = [[one] for one in decode(outputs)]
        if conceal_pieces(values, secrets):
            changed["outputs"] = encode([value for (value,) in values])
    # An integration's outputs have the whole text, a user's reducer may leave any of it out.
    is_told = is_list or (_PATH in fields and outputs is not None)
    if len(chunks) > 1 and (not is_told or changed or secrets.data(outputs) != outputs):
        changed["events"] = _without_pieces(events, chunks, secrets)
    return _changed(span, changed)


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


def _changed(span: Any, changed: dict[str, Any]) -> Any:
    if not changed:
        return span
    return _view(span, **{"inputs": span._inputs, "outputs": span._outputs, **changed})


def _stricter(one: str, other: Any) -> str:
    # A level that is none, from an attribute, must not show more than was meant.
    level: str = other if other in LEVELS else "none"
    return min(one, level, key=LEVELS.index)


def _view(span: Any, **changed: Any) -> Any:
    view = {
        "trace": span._trace,
        "span_id": span._span_id,
        "name": span._name,
        "inputs": None,
        "outputs": None,
        "attributes": span._attributes,
        "fields": span._fields,
        "events": span._events,
        "status": span._status,
        **changed,
    }
    return SimpleNamespace(**{f"_{name}": value for name, value in view.items()})


def _metadata(span: Any) -> Any:
    """Numbers, flags, and what providers and models are called; no text of anybody's."""
    attributes = {
        key: value
        for key, value in list((span._attributes or {}).items())
        if key == CAPTURE or _is_number(value)
    }
    fields = {k: v for k, v in list((span._fields or {}).items()) if k not in _CONTENT_FIELDS}
    events = [(name, at, _numbers(data)) for name, at, data in list(span._events or ())]
    kind = (span._status.description or "").partition(":")[0]
    description = kind if kind.isidentifier() else ""  # of an exception: its type
    status = SpanStatus(span._status.status_code, description)
    return _view(span, attributes=attributes, fields=fields, events=events, status=status)


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


def _redacted(span: Any, redactor: Redactor) -> Any:
    # By its ids: what it is called may be what a rule hides.
    of = f"span {span_id_text(span._span_id)} of trace {trace_id_text(span._trace.trace_id)}"
    attributes = {
        key: redactor.value(value, "attributes", key, of=of)
        for key, value in list((span._attributes or {}).items())
    }
    fields = {
        key: redactor.plain(value, "attributes", key, of=of) if key in _CONTENT_FIELDS else value
        for key, value in list((span._fields or {}).items())
    }
    events = [
        (name, at, redactor.json(data, "events", name, of=of))
        for name, at, data in list(span._events or ())
    ]
    status = span._status
    if status.description:
        text = redactor.plain(status.description, "status", of=of)
        status = SpanStatus(status.status_code, text if isinstance(text, str) else "")
    name = redactor.plain(span._name, "name", of=of)
    return _view(
        span,
        name=name if isinstance(name, str) else "",
        inputs=redactor.json(span._inputs, "inputs", of=of),
        outputs=redactor.json(span._outputs, "outputs", of=of),
        attributes=attributes,
        fields=fields,
        events=events,
        status=status,
    )
