"""Cassettes: HTTP interactions recorded once and replayed instead of the network."""

from tracetape.cassettes.cassette import Cassette, cassette
from tracetape.cassettes.context import bypass
from tracetape.cassettes.file.model import Chunk, Interaction, RecordedError, Request, Response
from tracetape.cassettes.file.save import Tape, load, save
from tracetape.cassettes.open_cassette import MODES, OpenCassette
from tracetape.cassettes.record.secrets import Finding, check

__all__ = [
    "MODES",
    "Cassette",
    "Chunk",
    "Finding",
    "Interaction",
    "OpenCassette",
    "RecordedError",
    "Request",
    "Response",
    "Tape",
    "bypass",
    "cassette",
    "check",
    "load",
    "save",
]
