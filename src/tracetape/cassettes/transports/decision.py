"""The decision on one request: replay, record, or pass it through."""

from __future__ import annotations

from dataclasses import dataclass

from tracetape.cassettes.context import players
from tracetape.cassettes.file.model import Interaction, Request
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.session import Player
from tracetape.cassettes.transports import retries

__all__ = ["Played", "concerned", "decide"]


@dataclass
class Played:
    """The recording to answer with.

    Attributes:
        interaction: what was recorded.
        speed: at which factor of the recorded speed; 0 is at once.
    """

    interaction: Interaction
    speed: float


def concerned(url: str, *, is_mocked: bool = False) -> tuple[Player, ...]:
    """The tapes to ask about a request, innermost first; none: it goes its way."""
    tapes = players()
    if is_mocked or any(tape.passes(url) for tape in tapes):
        retries.answered(by_tape=False)
        return ()
    return tapes


def decide(tapes: tuple[Player, ...], request: Request) -> Played | Recording:
    """Ask each tape in turn; the first that records takes what none has.

    Raises:
        CassetteError: the tape that records cannot take the request.
        CassetteMissError: no tape has the request, and none records.
    """
    retries.watch()
    for tape in tapes:
        found = tape.play(request)
        if found is not None:
            retries.answered(by_tape=True)
            return Played(found, tape.speed)
    retries.answered(by_tape=False)
    for tape in tapes:
        if tape.records:
            return tape.record(request)
    raise tapes[0].missed(request)
