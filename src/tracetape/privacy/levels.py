"""How much of a span is kept: everything, what it was and cost, or that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetape._lazy import loading
from tracetape.exceptions import InvalidValueError
from tracetape.privacy.values import Secrets, known

if TYPE_CHECKING:
    from tracetape.privacy.redactor import Redactor

__all__ = [
    "CAPTURE",
    "LEVELS",
    "OPEN",
    "Privacy",
    "checked_level",
    "policy",
    "protected_value",
]

LEVELS = ("none", "metadata", "full")
CAPTURE = "tracetape.capture"  # the attribute by which a single span says it


class Privacy:
    """The privacy that is configured; it does not change.

    Attributes:
        capture: ``full``, ``metadata`` or ``none``.
        redactor: what hides parts of the content; None: nothing does.
    """

    def __init__(self, capture: str = "full", redactor: Redactor | None = None) -> None:
        """Everything is kept, unless another level is set."""
        self.capture = capture
        self.redactor = redactor


OPEN = Privacy()


class _Policy:
    """The privacy that holds now, and for each trace that begins now until it is written.

    Attributes:
        now: changed by `configure`.
    """

    now: Privacy = OPEN


policy = _Policy()


def checked_level(level: Any, name: str = "capture") -> str:
    """A level.

    Raises:
        InvalidValueError: it is not a level.
    """
    if level not in LEVELS:
        raise InvalidValueError(f"{name} must be one of {', '.join(LEVELS)}, got {level!r}")
    return str(level)


def protected_value(value: Any, *where: str, begun: Privacy | None = None, of: str = "") -> Any:
    """Redact a text or JSON values that do not belong to a span.

    Args:
        value: a tag, say.
        where: what it is, as rules name it: ``tags``, and its key.
        begun: what held when its trace began.
        of: the trace's id, for the warning if a rule fails.
    """
    secrets: Secrets = known()
    if secrets:
        value = secrets.value(value)
    if isinstance(value, (str, dict, list)) and len(where) > 1:
        with loading:
            from tracetape.privacy.fields import clean_said_fields

        value = clean_said_fields({where[-1]: value}, [])[where[-1]]
    for redactor in {policy.now.redactor, None if begun is None else begun.redactor}:
        if redactor is not None:
            value = redactor.plain(value, *where, of=of and f"trace {of}")
    return value
