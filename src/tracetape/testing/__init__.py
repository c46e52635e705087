"""For tests: traces in memory, snapshots of their trees, and the pytest plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names

if TYPE_CHECKING:
    from tracetape.testing.captured_traces import CapturedTrace, CapturedTraces, capture
    from tracetape.testing.replayed_calls import replay_calls
    from tracetape.testing.snapshots import assert_snapshot

__all__ = ["CapturedTrace", "CapturedTraces", "assert_snapshot", "capture", "replay_calls"]

# pytest loads this package in every project, for the plugin in it.
__getattr__ = lazy_names(
    "tracetape.testing",
    {
        "CapturedTrace": "tracetape.testing.captured_traces",
        "CapturedTraces": "tracetape.testing.captured_traces",
        "assert_snapshot": "tracetape.testing.snapshots",
        "capture": "tracetape.testing.captured_traces",
        "replay_calls": "tracetape.testing.replayed_calls",
    },
)
