"""Updates of a trace apart from its spans, while it runs and afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracetape.capture.conversion import text_of
from tracetape.diagnostics import logger
from tracetape.entities import TraceState
from tracetape.exceptions import InvalidTypeError, InvalidValueError, TracetapeException
from tracetape.formats.names import MODEL_ID, SESSION, USER
from tracetape.privacy.levels import Privacy, policy, protected_value
from tracetape.privacy.values import known
from tracetape.tracing.current import current_span
from tracetape.tracing.reading import number_of, one_id
from tracetape.tracing.runtime import runtime

__all__ = ["delete_trace_tag", "set_trace_tag", "update_current_trace"]


# A value that has a keyword of its own goes by that for rules, too.
_RULE_NAMES = {SESSION: "session", USER: "user"}


def update_current_trace(
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    client_request_id: str | None = None,
    request_preview: str | None = None,
    response_preview: str | None = None,
    state: TraceState | str | None = None,
    model_id: str | None = None,
    session_id: str | None = None,
    user: str | None = None,
) -> None:
    """Say something of the trace in progress; the last word wins.

    Without an active span there is a warning and nothing else. After
    ``mlflow.update_current_trace``.

    Args:
        tags: tags to set; values that are not strings become strings, with a warning.
        metadata: metadata to set, likewise.
        client_request_id: the id that the caller's own system has for the request.
        request_preview: shown in lists in place of the root's inputs.
        response_preview: shown in lists in place of the root's outputs.
        state: the trace's state whatever its root's status will be: OK or ERROR.
        model_id: kept as metadata ``mlflow.modelId``.
        session_id: kept as metadata ``mlflow.trace.session``.
        user: kept as metadata ``mlflow.trace.user``.

    Raises:
        InvalidTypeError: a preview is not a string.
        InvalidValueError: `state` is neither OK nor ERROR.
    """
    span = current_span()
    if span is None:
        logger.warning("No active trace found: call update_current_trace() inside of a span.")
        return
    for name, preview in (("request", request_preview), ("response", response_preview)):
        if preview is not None and not isinstance(preview, str):
            raise InvalidTypeError(
                f"The `{name}_preview` parameter must be a string, got {type(preview).__name__}."
            )
    if state is not None and state not in (TraceState.OK, TraceState.ERROR):
        raise InvalidValueError(f"State must be either 'OK' or 'ERROR', but got '{state}'.")
    named = {MODEL_ID: model_id, SESSION: session_id, USER: user}
    begun, of = span._trace.privacy, span.trace_id
    if client_request_id is not None:
        client_request_id = text_of(client_request_id)
        client_request_id = _text(protected_value(client_request_id, "id", begun=begun, of=of))
    told = _strings("metadata", {**(metadata or {}), **_said(named)})
    span._trace.describe(
        _texts("tags", _strings("tags", tags), of, begun),
        _texts("metadata", told, of, begun),
        client_request_id=client_request_id,
        request_preview=_protected(request_preview, "inputs", begun, of),
        response_preview=_protected(response_preview, "outputs", begun, of),
        state=None if state is None else TraceState(state),
    )


def _protected(preview: str | None, part: str, begun: Privacy | None, of: str) -> str | None:
    """Redact a preview by the privacy when the trace began and by that of now."""
    for privacy in (begun, policy.now):
        if privacy is None or preview is None:
            continue
        if privacy.capture != "full":
            return None
        if privacy.redactor is not None:
            hidden = privacy.redactor.plain(preview, part, of=f"trace {of}")
            preview = hidden if isinstance(hidden, str) else None
    secrets = known()
    return preview if preview is None else secrets.text(preview)


def _texts(
    what: str, texts: dict[str, str], of: str, begun: Privacy | None = None
) -> dict[str, str]:
    """Redact tags or metadata; rules name them by their keys."""
    return {
        key: _text(protected_value(text, what, _RULE_NAMES.get(key, key), begun=begun, of=of))
        for key, text in texts.items()
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else text_of(value)


def set_trace_tag(
    trace_id: str | None = None,
    key: str | None = None,
    value: str | None = None,
    request_id: str | None = None,
) -> None:
    """Set a tag of a running or finished trace.

    Args:
        trace_id: the trace.
        key: the tag's name.
        value: its value; made a string.
        request_id: deprecated, an older name of `trace_id`.

    Raises:
        ValueError: both ids are given.
        TracetapeException: there is no such trace.
    """
    _change_tag(one_id(trace_id, request_id), text_of(key), text_of(value))


def delete_trace_tag(
    trace_id: str | None = None, key: str | None = None, request_id: str | None = None
) -> None:
    """Remove a tag of a running or finished trace.

    Args:
        trace_id: the trace.
        key: the tag's name.
        request_id: deprecated, an older name of `trace_id`.

    Raises:
        ValueError: both ids are given.
        TracetapeException: there is no such trace, or it has no such tag.
    """
    name = one_id(trace_id, request_id)
    number = number_of(name)
    trace = None if number is None else runtime.recorder.read(number)
    if trace is not None and key not in trace.info.tags:
        raise TracetapeException(f"No trace tag with key {key!r} for trace with ID {name!r}.")
    _change_tag(name, text_of(key), None)


def _change_tag(name: str, key: str, value: str | None) -> None:
    number = number_of(name)
    if number is None or runtime.recorder.read(number) is None:
        raise TracetapeException(f"Trace with ID {name!r} not found.")
    tags = {key: None} if value is None else _texts("tags", {key: value}, name)
    runtime.recorder.tag(number, dict(tags))


def _said(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}


def _strings(what: str, values: Mapping[str, Any] | None) -> dict[str, str]:
    odd = [
        f"{text_of(key)} ({type(value).__name__})"
        for key, value in (values or {}).items()
        if not isinstance(value, str)
    ]
    if odd:  # the values themselves are nothing for a log
        names = ", ".join(odd)
        logger.warning("Values of %s must be strings; these are made strings: %s", what, names)
    return {text_of(key): text_of(value) for key, value in (values or {}).items()}
