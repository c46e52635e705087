"""Takes ended (and long-open) spans off the user's thread."""

from tracetape.recorder.loading import load_ahead
from tracetape.recorder.recorder import Recorder, RecorderStats

__all__ = ["Recorder", "RecorderStats", "load_ahead"]
