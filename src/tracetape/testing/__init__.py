"""For tests: traces in memory, and the pytest plugin."""

from tracetape.testing.capturing import CapturedTraces, capture

__all__ = ["CapturedTraces", "capture"]
