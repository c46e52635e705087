"""Cassettes: HTTP interactions recorded once and replayed instead of the network."""

from tracetape.cassettes.cassette import Cassette, cassette
from tracetape.cassettes.context import bypass
from tracetape.cassettes.interaction import Chunk, Interaction, RecordedError, Request, Response
from tracetape.cassettes.player import MODES, Player
from tracetape.cassettes.secrets import Finding, check
from tracetape.cassettes.tape import Tape, load, save

__all__ = [
    "MODES",
    "Cassette",
    "Chunk",
    "Finding",
    "Interaction",
    "Player",
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
