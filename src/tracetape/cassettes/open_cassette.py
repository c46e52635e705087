"""An open cassette: answers requests from its recordings, and records others."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tracetape._system import lasting_lock
from tracetape.cassettes.advice import IN_PROGRAM, Advice
from tracetape.cassettes.file.bodies import broken_event, broken_json
from tracetape.cassettes.file.filenames import check_length, check_new, check_twin
from tracetape.cassettes.file.model import Interaction, Request, Response
from tracetape.cassettes.file.save import Tape, load
from tracetape.cassettes.foreign_options import unknown_mode
from tracetape.cassettes.matching import Matcher
from tracetape.cassettes.miss import (
    cancelled_message,
    elsewhere_message,
    miss_message,
    missing_message,
    printable,
    unrecorded_message,
)
from tracetape.cassettes.options import hosts, names, renamed
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.record.writer import BeforeRecord, Scrub, Writer, to_continue
from tracetape.cassettes.renames import Renames
from tracetape.cassettes.replay.faults import Faults
from tracetape.cassettes.replay.placeholders import KEY
from tracetape.cassettes.replay.playback import Playback
from tracetape.cassettes.scrub import Sent, is_credential
from tracetape.exceptions import CassetteError, CassetteMissError, InvalidValueError

__all__ = ["MODES", "OpenCassette"]

MODES = ("none", "once", "new_episodes", "all")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_log = logging.getLogger("tracetape")


class OpenCassette:
    """The object that a `with cassette(...)` block gives.

    Attributes:
        path: the file, as it was given.
        file: the same, absolute.
        mode: one of `MODES`.
        speed: 0 replays at once, 1 at the recorded speed.
        interactions: what is on the tape.
        played: how many interactions were answered from the tape.
        misses: what was asked for in vain.
        refused: connections that were refused, each text once.
        unrecorded: what reached the network while the tape recorded, and is not on it, with how
            often: requests of other libraries, connections of other kinds, and of children.
        records: whether requests that are not on the tape are recorded.
        is_missing: the mode is ``none`` and there is no file; each request is a miss.
        is_miss_told: a miss has left the block as an exception.
        allow_misses: a test may pass although something was missed.
        advice: how the user gives the options that messages name.
    """

    def __init__(
        self,
        path: Path,
        mode: str,
        matcher: Matcher,
        *,
        scrub: Scrub | None = None,
        speed: float = 0.0,
        allow_hosts: Collection[str] = (),
        ignore_hosts: Collection[str] = (),
        rename_hosts: Mapping[str, str] | None = None,
        rechunk: int | None = None,
        cut_after: int | None = None,
        allow_misses: bool | None = None,
        before_record: BeforeRecord | None = None,
        keep_headers: Collection[str] = (),
        allow_playback_repeats: bool = False,
        advice: Advice = IN_PROGRAM,
    ) -> None:
        """Read the tape, unless it is to be recorded again.

        Raises:
            CassetteError: the file cannot be read.
            InvalidValueError: an argument has no meaning.
        """
        if mode not in MODES:
            raise InvalidValueError(unknown_mode(mode, MODES))
        self.path = path
        self.file = path.absolute()  # the program may go elsewhere
        self.mode = mode
        self.speed = speed
        self.advice = advice
        self.played = 0
        self.misses: list[CassetteMissError] = []
        self.refused: dict[str, None] = {}
        self.unrecorded: Counter[str] = Counter()
        self.is_open = False
        self.is_missing = self.is_miss_told = False
        self.allow_misses = allow_misses is True
        self._kept = {name.lower() for name in names("keep_headers", keep_headers, "x-mine")}
        for name in self._kept:
            if is_credential(name):
                raise InvalidValueError(
                    f"keep_headers: {name} may hold a credential, and is never recorded"
                )
        self._passed = hosts("allow_hosts", allow_hosts) | hosts("ignore_hosts", ignore_hosts)
        renames = renamed({} if rename_hosts is None else rename_hosts)
        self._renames = Renames(renames) if renames else None
        self._lock = lasting_lock()
        self._process = os.getpid()
        has_faults = rechunk is not None or cut_after is not None
        self._faults = Faults(rechunk, cut_after) if has_faults else None
        check_length(path)
        tape = self._loaded()
        self.interactions = tape.interactions
        self.records = mode in ("new_episodes", "all") or (mode == "once" and tape.incomplete)
        if self.records and not self.file.exists():
            check_new(path)
        else:
            check_twin(path)
        self._matcher = matcher
        self._playback = Playback(tape.interactions, matcher, repeats=allow_playback_repeats)
        self._plays = bool(tape.interactions)
        self._told: set[int] = set()
        self._writer = Writer(
            path,
            self.file,
            tape,
            replaces=mode == "all" and self.file.exists(),
            continues=mode != "all" and self.records and tape.incomplete,
            renames=self._renames,
            keep=self._kept,
            scrub=scrub,
            before_record=before_record,
            advice=advice,
        )

    @property
    def replays(self) -> bool:
        """Whether nothing is ever recorded."""
        return not self.records

    @property
    def unused(self) -> list[Interaction]:
        """Recordings that were not played."""
        return [self.interactions[number] for number in self.unplayed]

    @property
    def unplayed(self) -> list[int]:
        """The numbers of those in `interactions`, counted from 0."""
        with self._lock:
            return sorted(self._playback.unplayed)

    @property
    def play_counts(self) -> Counter[int]:
        """How often each of `interactions` was played, by its number counted from 0."""
        return self._playback.play_counts

    @property
    def recorded(self) -> int:
        """How many interactions were taken onto the tape."""
        return self._writer.recorded

    @property
    def dropped(self) -> int:
        """How many ``before_record`` did not let on the tape."""
        return self._writer.dropped

    @property
    def rejected(self) -> int:
        """How many interactions could not be written, for a secret in them perhaps."""
        return self._writer.rejected

    @property
    def cancelled(self) -> Counter[str]:
        """Requests that the program gave up before anything came, with how often."""
        return self._writer.cancelled

    @property
    def play_count(self) -> int:
        """How many requests were answered from the tape."""
        return self.played

    @property
    def all_played(self) -> bool:
        """Whether nothing is left of what was on the tape."""
        return not self.unplayed

    @property
    def requests(self) -> list[Request]:
        """Those of `interactions`."""
        return [one.request for one in self.interactions]

    @property
    def responses(self) -> list[Response | None]:
        """Those of `interactions`."""
        return [one.response for one in self.interactions]

    def __repr__(self) -> str:
        return (
            f"<cassette {self.path}: mode {self.mode}, {self.played} played, "
            f"{self.recorded} recorded, {len(self.misses)} missed>"
        )

    def __len__(self) -> int:
        return len(self.interactions)

    def __bool__(self) -> bool:
        return True  # an empty tape is one, too

    def passes(self, url: str) -> bool:
        """Whether a request goes to the network, tape or not."""
        if not self._passed:
            return False
        parts = urlsplit(url)
        name = (parts.hostname or "").lower()
        place = parts.netloc.rpartition("@")[2].lower()
        if parts.port is None:
            place = f"{place}:{_PORTS.get(parts.scheme)}"
        return name in self._passed or place in self._passed

    @property
    def passed_hosts(self) -> set[str]:
        """Hosts that are reached for real, each with a port or without."""
        return self._passed

    def sent(self, request: Request) -> Sent:
        """A request as this tape sees it, for the methods below."""
        return Sent(
            request if self._renames is None else self._renames.request(request), self._kept
        )

    def play(self, sent: Sent) -> Interaction | None:
        """The next recording of a request, claimed; None if there is none left."""
        if not self._plays:
            return None
        with self._lock:
            number = self._playback.claim(sent)
            if number is None:
                return None
            self.played += 1
            found = self.interactions[number]
            is_new = number not in self._told
            self._told.add(number)
        problem = _broken_json(found.response) if is_new else None
        if problem is not None:
            _log.warning("tracetape: %s", self._broken(number, problem))
        return found if self._faults is None else self._faults.altered(found)

    def broken(self) -> list[str]:
        """A line for each response that was played though there is broken JSON in it."""
        with self._lock:
            played = [(number, self.interactions[number]) for number in sorted(self._told)]
        found = []
        for number, one in played:
            problem = _broken_json(one.response) or _broken_event(one.response)
            if problem is not None:
                found.append(self._broken(number, problem))
        return found

    def explain(self, error: BaseException) -> None:
        """Add to an error of the program's what of this tape may have caused it."""
        notes = getattr(error, "__notes__", ())
        for line in self.broken() if isinstance(error, Exception) else ():
            if hasattr(error, "add_note") and (note := f"tracetape: {line}") not in notes:
                error.add_note(note)  # before Python 3.11 the log has to do

    def _broken(self, number: int, problem: str) -> str:
        request = self.interactions[number].request
        return printable(
            f"the cassette {self.path}: the response of interaction {number + 1}, "
            f"{request.method} {request.url}, is replayed as recorded, but its JSON is broken: "
            f"{problem}"
        )

    def record(self, sent: Sent) -> Recording:
        """Begin to record what will come of a request.

        Raises:
            CassetteError: this is a child of the process that has opened the tape, or the request
                has a placeholder for a key.
        """
        if os.getpid() != self._process:
            raise CassetteError(
                f"the cassette {self.path} is held by the process {self._process} that started "
                "this one: give the child a cassette of its own"
            )
        request = sent.request
        if any(KEY in value for _, value in request.headers):
            raise CassetteError(
                f"{request.method} {request.url} is not on the cassette {self.path}, and cannot be "
                "recorded: no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, DATABRICKS_TOKEN), so "
                "the client uses a placeholder that only works in replay"
            )
        return self._writer.begin(sent)

    def missed(self, sent: Sent) -> CassetteMissError:
        """The error for a request that is not on the tape; it shows the nearest recording."""
        request = sent.scrubbed
        with self._lock:
            recorded = [interaction.request for interaction in self.interactions]
            keys = self._playback.keys()
        error = CassetteMissError(
            missing_message(self.path, request, self.advice)
            if self.is_missing
            else miss_message(
                self.path,
                self._matcher,
                request,
                sent.key or self._matcher.key(request),
                recorded,
                keys,
                self.advice,
            )
        )
        self.misses.append(error)
        return error

    def missed_elsewhere(self, method: str, url: str, library: str) -> CassetteMissError:
        """The error for a request of a library whose requests are on no tape."""
        request = self.sent(Request(method, url)).scrubbed
        error = CassetteMissError(elsewhere_message(self.path, request, library, self.advice))
        self.misses.append(error)
        return error

    def refuse_connection(self, text: str) -> CassetteMissError:
        """The error for a connection that is to leave this machine."""
        self.refused[text] = None
        return CassetteMissError(text)

    def not_recorded(self, method: str, url: str, library: str) -> None:
        """A request passes that cannot be recorded; the end of the recording names it."""
        request = self.sent(Request(method, url)).scrubbed
        with self._lock:
            self.unrecorded[printable(f"{method} {request.url} ({library})")] += 1

    def not_recorded_connection(self, place: str, *, by_child: bool = False) -> None:
        """A connection is made that belongs to no request that is seen."""
        by = " by a child process" if by_child else ""
        with self._lock:
            self.unrecorded[printable(f"a connection to {place}{by}")] += 1

    def refuse(self, problem: str) -> None:
        """Something that a tape cannot hold: its end says so, and it counts as incomplete."""
        with self._lock:
            self._writer.problems.append(problem)

    def cut_short(self) -> None:
        """Mark the recording as cut short; a later ``once`` continues it."""
        self._writer.is_cut_short = True

    def close(self, *, complete: bool) -> None:
        """Write what was recorded; bodies that are still being read count as cut here.

        Args:
            complete: the recording came to its end; else a later ``once`` continues it.

        Raises:
            CassetteError: it cannot be written, or something was not recorded.
        """
        if os.getpid() != self._process:
            return
        self._writer.end_all()
        if self.unrecorded:
            _log.warning(
                "tracetape: %s", unrecorded_message(self.path, self.unrecorded, self.advice)
            )
        if self.cancelled:
            _log.warning("tracetape: %s", cancelled_message(self.path, self.cancelled))
        self._writer.close(complete=complete)

    def _loaded(self) -> Tape:
        if self.mode != "all" and self.file.exists():
            tape = load(self.path)
            return to_continue(tape) if self.mode == "once" and tape.incomplete else tape
        # In mode none a missing file is an empty tape: the first request names it.
        self.is_missing = self.mode == "none"
        return Tape([], incomplete=True)


def _broken_json(response: Response | None) -> str | None:
    if response is None or response.cut:
        return None
    return broken_json(response.body, response.header("content-type"))


def _broken_event(response: Response | None) -> str | None:
    if response is None or response.cut or not response.is_event_stream:
        return None
    return broken_event(response.body)
