"""The configuration as one frozen value; `configure` replaces it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from tracetape._lazy import loading
from tracetape.exceptions import InvalidValueError
from tracetape.limits import from_environment, parse_bytes, parse_flag
from tracetape.media.policy import MediaPolicy
from tracetape.privacy.levels import OPEN, Privacy, checked_level

if TYPE_CHECKING:
    from tracetape.live.live_span import LiveSpan
    from tracetape.store.retention import Retention
    from tracetape.tracing.otel import OtelContext

__all__ = ["Config", "Destination", "Processor", "attachment_bytes", "checked_ratio", "is_disabled"]

_RATIO = "TRACETAPE_TRACE_SAMPLING_RATIO"
_ATTACHMENT = "TRACETAPE_TRACE_MAX_ATTACHMENT_SIZE"
_CAPTURE = "TRACETAPE_CAPTURE"
_DESTINATION = "TRACETAPE_TRACING_DESTINATION"

Processor = Callable[["LiveSpan"], Any]
_NONE: Mapping[str, Any] = MappingProxyType({})


class Destination(NamedTuple):
    """MLflow's words on where traces go, which each trace keeps.

    Attributes:
        experiment_id, experiment_name, tracking_uri: MLflow's words for it; None: not given.
        metadata: of each trace.
    """

    experiment_id: str | None = None
    experiment_name: str | None = None
    tracking_uri: str | None = None
    metadata: Mapping[str, str] = _NONE


class Config(NamedTuple):
    """All settings but the store; `configure` says what they mean.

    Attributes:
        processors: called with each span that is about to end.
        sampling_ratio: the share of traces to record.
        keep_errors: whether a trace that is not sampled is recorded if anything in it fails.
        async_logging: False: who ends a root waits until its trace is in the store.
        prices: US dollars per million tokens, by model.
        otel: the connection with OpenTelemetry's context; None: there is none.
        destination: what each new trace keeps of MLflow's words; None: nothing.
        media: what is done with base64 media.
        retention: how long traces are kept, and how much of them; None: all.
        privacy: how much of a span is kept, and what hides parts of it.
    """

    processors: tuple[Processor, ...] = ()
    sampling_ratio: float = 1.0
    keep_errors: bool = False
    async_logging: bool = True
    prices: Mapping[str, Mapping[str, float]] = _NONE
    otel: OtelContext | None = None
    destination: Destination | None = None
    media: MediaPolicy = MediaPolicy()
    retention: Retention | None = None
    privacy: Privacy = OPEN

    @classmethod
    def from_environment(cls) -> Config:
        """The defaults and the environment; a wrong variable is one warning."""
        level = from_environment(_CAPTURE, _level, "full", ("metadata", "No content is recorded."))
        return cls(
            sampling_ratio=from_environment(
                _RATIO, _ratio, 1.0, (1.0, "All traces are recorded."), os.environ.get(_RATIO)
            ),
            keep_errors=_flag("TRACETAPE_TRACE_SAMPLING_KEEP_ERRORS"),
            async_logging=_flag("TRACETAPE_ENABLE_ASYNC_TRACE_LOGGING", default=True),
            destination=from_environment(
                _DESTINATION, _destination, None, (None, "Traces keep no experiment.")
            ),
            media=MediaPolicy(
                extract=_flag("TRACETAPE_TRACE_EXTRACT_ATTACHMENTS", default=True),
                max_bytes=from_environment(
                    _ATTACHMENT, attachment_bytes, None, (None, "There is no bound.")
                ),
            ),
            retention=from_environment(
                "TRACETAPE_RETENTION", _retention, None, (None, "Nothing is pruned.")
            ),
            privacy=OPEN if level == OPEN.capture else Privacy(level),
        )


def checked_ratio(value: Any, name: str) -> float:
    """A sampling ratio.

    Raises:
        InvalidValueError: it is not a number from 0 to 1; a text is not one.
    """
    try:
        ratio = -1.0 if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise InvalidValueError(
            f"{name} must be between 0.0 and 1.0, got {value!r}: write {name}=0.1"
        )
    return ratio


def is_disabled() -> bool:
    """Whether the environment says that nothing is to be patched or recorded."""
    return _flag("TRACETAPE_DISABLED")


def _flag(name: str, default: bool = False) -> bool:
    words = "It is taken as true." if default else "It is taken as false."
    return from_environment(name, parse_flag, default, (default, words))


def attachment_bytes(value: str | int) -> int | None:
    """The bound of an attachment's size: a number of bytes, or a size such as ``10MB``.

    Raises:
        InvalidTypeError: it is neither a string nor a whole number.
        InvalidValueError: it is not a size.
    """
    return parse_bytes(value, plain=True)


def _ratio(text: str) -> float:
    try:
        return checked_ratio(float(text), _RATIO)
    except ValueError:
        raise InvalidValueError(f"the ratio must be between 0.0 and 1.0, got {text!r}") from None


def _destination(text: str) -> Destination:
    if "." in text:
        raise InvalidValueError(
            f"{text!r} names tables of Unity Catalog, which an export over OTLP fills: "
            "write the id of an experiment"
        )
    return Destination(experiment_id=text.strip() or None)


def _level(text: str) -> str:
    return checked_level(text, "the level")


def _retention(text: str) -> Retention:
    with loading:
        from tracetape.store.retention import parse_retention

    return parse_retention(text)
