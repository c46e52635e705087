"""The policy for every cassette that opens in this process; the pytest plugin sets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Policy", "policy", "policy_of_here"]


@dataclass(frozen=True)
class Policy:
    """Answers for what a cassette does not say.

    Attributes:
        mode: of cassettes that name none.
        forced: the mode of all cassettes, whatever they name; None leaves it to them.
        options: of `tracetape.cassette`, where a cassette has none of its own.
        disabled: cassettes neither record nor replay.
        opened: called with each tape that opens.
        reason: why `forced`, or else `mode`, is what it is; empty outside of pytest.
    """

    mode: str = "once"
    forced: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    disabled: bool = False
    opened: Callable[[Any], None] | None = None
    reason: str = ""

    def with_options(self, options: Mapping[str, Any]) -> Policy:
        """The same, and `options` where they say more."""
        return replace(self, options={**self.options, **options})


_policies: list[Policy] = []


def policy_of_here() -> Policy:
    """The one that was set last, or what holds outside of pytest."""
    return _policies[-1] if _policies else Policy()


@contextmanager
def policy(new: Policy) -> Iterator[None]:
    """Set it for a block; blocks may end in another order than they began."""
    _policies.append(new)
    try:
        yield
    finally:
        # By identity: two blocks may set equal ones.
        _policies[:] = [one for one in _policies if one is not new]
