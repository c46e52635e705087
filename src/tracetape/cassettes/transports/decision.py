"""What becomes of one request: a recording is played, a new one made, or it goes its way."""

from __future__ import annotations

from dataclasses import dataclass

from tracetape.cassettes.context import players
from tracetape.cassettes.interaction import Interaction, Request
from tracetape.cassettes.player import Player, Recording

__all__ = ["Decision", "concerned", "decide"]


@dataclass
class Decision:
    """At most one of both is set; neither: the request goes its way.

    Attributes:
        play: the recording to answer with.
        speed: at which share of the recorded times; 0 is at once.
        record: where to put what comes.
    """

    play: Interaction | None = None
    speed: float = 0.0
    record: Recording | None = None


def concerned(url: str) -> tuple[Player, ...]:
    """The tapes to ask about a request, innermost first; none: it goes its way."""
    tapes = players()
    return () if any(tape.passes(url) for tape in tapes) else tapes


def decide(tapes: tuple[Player, ...], request: Request) -> Decision:
    """Ask each tape in turn; the first that records takes what none has.

    Raises:
        CassetteMissError: no tape has the request, and none records.
    """
    for tape in tapes:
        found = tape.play(request)
        if found is not None:
            return Decision(play=found, speed=tape.speed)
    for tape in tapes:
        if tape.records:
            return Decision(record=tape.record(request))
    raise tapes[0].miss(request)
