"""The decision on one request: replay, record, or pass it through."""

from __future__ import annotations

from dataclasses import dataclass

from tracetape.cassettes.context import answered, open_here
from tracetape.cassettes.file.model import Interaction, Request
from tracetape.cassettes.open_cassette import OpenCassette
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.transports import retries
from tracetape.exceptions import CassetteError

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


def concerned(url: str, *, is_mocked: bool = False) -> tuple[OpenCassette, ...]:
    """The tapes to ask about a request, innermost first; none: it goes its way."""
    tapes = open_here()
    if is_mocked or any(tape.passes(url) for tape in tapes):
        answered(by_tape=False)
        return ()
    return tapes


def decide(tapes: tuple[OpenCassette, ...], request: Request) -> Played | Recording:
    """Ask each tape in turn; the first that records takes what none has.

    Raises:
        CassetteError: the tape that records cannot take the request.
        CassetteMissError: no tape has the request, and none records.
    """
    asked = []
    for tape in tapes:
        sent = tape.sent(request)
        found = tape.play(sent)
        if found is not None:
            retries.watch()
            answered(by_tape=True)
            return Played(found, tape.speed)
        asked.append((tape, sent))
    answered(by_tape=False)
    try:
        for tape, sent in asked:
            if tape.records:
                return tape.record(sent)
        tape, sent = asked[0]
        raise tape.missed(sent)
    except CassetteError:
        retries.watch()  # an SDK would try again
        raise
