"""Which span is current: one context variable, set and set back, never reset by a token."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple, TypeAlias

from tracetape.live.live_span import LiveSpan

__all__ = ["EXPERIMENT", "Place", "Remote", "Scope", "current", "current_span", "place", "settings"]


# The key by which the metadata of a scope names an experiment: a trace's location, not metadata.
EXPERIMENT = "\0experiment_id"


class Remote(NamedTuple):
    """A parent span in another process."""

    trace_id: int
    span_id: int


class Scope:
    """A scope between spans: settings for spans that begin inside, or a remote parent."""

    __slots__ = (
        "_end",
        "_previous",
        "dropped",
        "enabled",
        "metadata",
        "remote",
        "tags",
    )

    def __init__(
        self,
        previous: Current,
        *,
        enabled: bool | None = None,
        metadata: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        remote: Remote | None = None,
        dropped: bool = False,
    ) -> None:
        """Begin inside of `previous`.

        Args:
            previous: what was current before.
            enabled: whether spans are recorded inside; None leaves it as it is.
            metadata: metadata of the traces that begin inside.
            tags: tags of the traces that begin inside.
            remote: the parent of the spans that begin inside.
            dropped: the root here was not sampled, and so are the spans below it.
        """
        self._previous = previous
        self._end = None
        self.enabled = enabled
        self.metadata = metadata
        self.tags = tags
        self.remote = remote
        self.dropped = dropped


Current: TypeAlias = LiveSpan | Scope | None

# The innermost span or scope entered in this context. A span may have ended meanwhile, in
# another task or thread: readers go on to the nearest open span above it.
current: ContextVar[Current] = ContextVar("tracetape_current_span", default=None)


class Place:
    """Where a new span would be in the tree.

    Attributes:
        recorded: whether it would be recorded at all.
        parent: the open span above it in this process.
        remote: else the one in another process.
        metadata, tags: of the trace, if it would begin one.
    """

    def __init__(self) -> None:
        """Nowhere yet."""
        self.recorded = True
        self.parent: LiveSpan | None = None
        self.remote: Remote | None = None
        self.metadata: dict[str, str] = {}
        self.tags: dict[str, str] = {}


def current_span() -> LiveSpan | None:
    """The innermost open span of this context; None below a remote or a dropped parent."""
    at = current.get()
    while at is not None:
        if isinstance(at, Scope):
            if at.dropped or at.remote is not None:
                return None
        elif at._end is None:
            return at
        at = at._previous
    return None


def place() -> Place:
    """Where a span that begins now would be in the tree; inner scopes win over outer ones."""
    found = Place()
    enabled: bool | None = None
    at = current.get()
    while at is not None:
        if isinstance(at, Scope):
            if enabled is None:
                enabled = at.enabled
            found.recorded = found.recorded and not at.dropped
            found.metadata = {**(at.metadata or {}), **found.metadata}
            found.tags = {**(at.tags or {}), **found.tags}
            if found.remote is None:
                found.remote = at.remote
        elif at._end is None:
            if found.remote is None:
                found.parent = at
            break
        at = at._previous
    found.recorded = found.recorded and enabled is not False
    return found


def settings() -> Place:
    """The settings of all scopes here, whatever spans are between; of a new root next to them."""
    found = Place()
    enabled: bool | None = None
    at = current.get()
    while at is not None:
        if isinstance(at, Scope):
            if enabled is None:
                enabled = at.enabled
            found.metadata = {**(at.metadata or {}), **found.metadata}
            found.tags = {**(at.tags or {}), **found.tags}
        at = at._previous
    found.recorded = enabled is not False
    return found
