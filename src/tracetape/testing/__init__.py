"""For tests: traces in memory, snapshots of their trees, and the pytest plugin."""

from tracetape.testing.capturing import CapturedTrace, CapturedTraces, capture
from tracetape.testing.replaying import replay_calls
from tracetape.testing.snapshots import assert_snapshot

__all__ = ["CapturedTrace", "CapturedTraces", "assert_snapshot", "capture", "replay_calls"]
