"""Cassettes: HTTP interactions recorded once and replayed instead of the network."""

from tracetape.cassettes.cassette import Cassette, cassette
from tracetape.cassettes.context import bypass
from tracetape.cassettes.interaction import Interaction
from tracetape.cassettes.player import MODES, Player
from tracetape.cassettes.tape import Tape, load, save

__all__ = [
    "MODES",
    "Cassette",
    "Interaction",
    "Player",
    "Tape",
    "bypass",
    "cassette",
    "load",
    "save",
]
