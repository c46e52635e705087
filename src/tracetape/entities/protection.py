"""What is left of a span when something of it is to be hidden."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tracetape.capture import decode, encode
from tracetape.entities.privacy import CAPTURE, LEVELS, Privacy, policy
from tracetape.entities.status import SpanStatus

if TYPE_CHECKING:
    from tracetape.entities.redaction import Redactor

__all__ = ["protect"]

# Of what an exception says, only this is no content.
_EXCEPTION_TYPE = "exception.type"
_CONTENT_FIELDS = frozenset({"tools", "description", "function_name", "links"})


def protect(span: Any) -> Any:
    """What of a live span may leave it.

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


def _stricter(one: str, other: Any) -> str:
    # A level that is none, from an attribute, must not show more than was meant.
    level: str = other if other in LEVELS else "none"
    return min(one, level, key=LEVELS.index)


def _view(span: Any, **changed: Any) -> Any:
    view = {
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
    attributes = {
        key: redactor.value(value, "attributes", key)
        for key, value in list((span._attributes or {}).items())
    }
    fields = {
        key: redactor.plain(value, "attributes", key) if key in _CONTENT_FIELDS else value
        for key, value in list((span._fields or {}).items())
    }
    events = [
        (name, at, redactor.json(data, "events", name))
        for name, at, data in list(span._events or ())
    ]
    status = span._status
    if status.description:
        text = redactor.plain(status.description, "status")
        status = SpanStatus(status.status_code, text if isinstance(text, str) else "")
    return _view(
        span,
        inputs=redactor.json(span._inputs, "inputs"),
        outputs=redactor.json(span._outputs, "outputs"),
        attributes=attributes,
        fields=fields,
        events=events,
        status=status,
    )
