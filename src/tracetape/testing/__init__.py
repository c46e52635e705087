"""For tests: traces in memory, snapshots of their trees, and the pytest plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names

if TYPE_CHECKING:
    from tracetape.testing.capturing import CapturedTrace, CapturedTraces, capture
    from tracetape.testing.replaying import replay_calls
    from tracetape.testing.snapshots import assert_snapshot

__all__ = ["CapturedTrace", "CapturedTraces", "assert_snapshot", "capture", "replay_calls"]

# pytest loads this package in every project, for the plugin in it.
__getattr__ = lazy_names(
    "tracetape.testing",
    {
        "CapturedTrace": "tracetape.testing.capturing",
        "CapturedTraces": "tracetape.testing.capturing",
        "assert_snapshot": "tracetape.testing.snapshots",
        "capture": "tracetape.testing.capturing",
        "replay_calls": "tracetape.testing.replaying",
    },
)
