"""An open tape: answers requests from it, takes new ones onto it, and writes it."""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tracetape._system import lasting_lock
from tracetape.cassettes.advice import IN_PROGRAM, Advice
from tracetape.cassettes.file.bodies import broken_event, broken_json
from tracetape.cassettes.file.filenames import beside, check_length, check_new, check_twin
from tracetape.cassettes.file.model import Interaction, Request, Response
from tracetape.cassettes.file.save import Draft, Tape, load, save
from tracetape.cassettes.foreign_options import unknown_mode
from tracetape.cassettes.matching import Matcher
from tracetape.cassettes.miss import (
    elsewhere_message,
    miss_message,
    missing_message,
    printable,
    unrecorded_message,
)
from tracetape.cassettes.options import hosts, names, renamed
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.record.scrub import (
    cleaned_request,
    cleaned_response,
    cleaned_text,
    credentials,
    is_credential,
)
from tracetape.cassettes.record.secrets import findings
from tracetape.cassettes.replay.faults import Altering
from tracetape.cassettes.replay.placeholders import is_placeholder
from tracetape.cassettes.replay.renames import Renames
from tracetape.exceptions import CassetteError, CassetteMissError, InvalidValueError
from tracetape.privacy.values import Secrets

__all__ = ["MODES", "BeforeRecord", "Player", "Scrub"]

MODES = ("none", "once", "new_episodes", "all")
Scrub = Callable[[Interaction], Any]
BeforeRecord = Callable[[Interaction], Interaction | None]
_REFUSALS, _FAULTS = 400, 500  # the first status of each
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_NO_ENTRY = {401, 403, 407, 429}  # a wrong key, no right, no credit
_log = logging.getLogger("tracetape")


class Player:
    """The object that a `with cassette(...)` block gives.

    Attributes:
        path: the file, as it was given.
        file: the same, absolute.
        mode: one of `MODES`.
        speed: 0 replays at once, 1 at the recorded speed.
        interactions: what is on the tape.
        play_counts: how often each was played, by its number counted from 0.
        played: how many interactions were answered from the tape.
        recorded: how many were taken onto it.
        dropped: how many ``before_record`` did not let on it.
        misses: what was asked for in vain.
        refused: connections that were refused, each text once.
        unrecorded: what reached the network while the tape recorded, and is not on it, with how
            often: requests of other libraries, connections of other kinds, and of children.
        records: whether requests that are not on the tape are recorded.
        is_missing: the mode is ``none`` and there is no file; each request is a miss.
        is_miss_told: a miss has left the block as an exception.
        allow_misses: a test may pass although something was missed.
        rejected: how many interactions could not be written, for a secret in them perhaps.
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
        self.played = self.recorded = self.dropped = self.rejected = 0
        self.play_counts: Counter[int] = Counter()
        self.misses: list[CassetteMissError] = []
        self.refused: dict[str, None] = {}
        self.unrecorded: Counter[str] = Counter()
        self.is_open = False
        self.is_missing = self.is_miss_told = False
        self.allow_misses = allow_misses is True
        self._matcher = matcher
        self._scrub, self._before_record = scrub, before_record
        self._repeats = allow_playback_repeats
        self._kept = {name.lower() for name in names("keep_headers", keep_headers, "x-mine")}
        for name in self._kept:
            if is_credential(name):
                raise InvalidValueError(
                    f"keep_headers: {name} may hold a credential, and is never recorded"
                )
        self._passed = hosts("allow_hosts", allow_hosts) | hosts("ignore_hosts", ignore_hosts)
        self._renames = Renames(renamed({} if rename_hosts is None else rename_hosts))
        self._lock = lasting_lock()
        self._process = os.getpid()
        self._problems: list[str] = []
        self._altering = Altering(rechunk, cut_after)
        # A good tape is replaced only when the new one has come to a good end.
        check_length(path)
        self._replaces = mode == "all" and self.file.exists()
        new = beside(self.file, "", ".new")
        self._draft = Draft(new if self._replaces else self.file)
        self._told: set[int] = set()
        tape = self._loaded()
        self.interactions = tape.interactions
        self.records = mode in ("new_episodes", "all") or (mode == "once" and tape.incomplete)
        if self.records and not self.file.exists():
            check_new(path)
        else:
            check_twin(path)
        self._is_incomplete = tape.incomplete
        self._is_cut_short = False
        # Cleaned like what will be looked for: other people's tapes have other placeholders.
        self._keys = [matcher.key(cleaned_request(one.request)) for one in self.interactions]
        self._waiting: dict[Any, deque[int]] = {}
        for number, key in enumerate(self._keys):
            self._waiting.setdefault(key, deque()).append(number)
        self._unplayed = set(range(len(self._keys)))
        self._under_way: dict[Recording, tuple[int, Secrets]] = {}
        self._begun = 0
        self._places = [-1] * len(self._keys)  # where each stands when its beginning counts

    @property
    def replays(self) -> bool:
        """Whether nothing is ever recorded."""
        return not self.records

    @property
    def unused(self) -> list[Interaction]:
        """Recordings that were not played."""
        with self._lock:
            return [self.interactions[number] for number in sorted(self._unplayed)]

    @property
    def unplayed(self) -> list[int]:
        """The numbers of those in `interactions`, counted from 0."""
        with self._lock:
            return sorted(self._unplayed)

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

    def play(self, request: Request) -> Interaction | None:
        """The next recording of a request, claimed; None if there is none left."""
        normal = self._normal(request)
        with self._lock:
            number = self._claimed(normal)
            if number is None:
                return None
            self._unplayed.discard(number)
            self.played += 1
            self.play_counts[number] += 1
            found = self.interactions[number]
            is_new = number not in self._told
            self._told.add(number)
        problem = _broken_json(found.response) if is_new else None
        if problem is not None:
            _log.warning("tracetape: %s", self._broken(number, problem))
        return self._altering.altered(found)

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

    def _claimed(self, normal: Request) -> int | None:
        """The number of the recording to play; the last one stays if it may be repeated."""
        for doubtful in (False, True):
            request = cleaned_request(normal, doubtful=True) if doubtful else normal
            waiting = self._waiting.get(self._matcher.key(request), deque())
            number = self._matcher.first(request, waiting, self._recorded_request)
            if number is None:
                continue
            others = (one for one in waiting if one != number)
            if (
                not self._repeats
                or self._matcher.first(request, others, self._recorded_request) is not None
            ):
                waiting.remove(number)
            return number
        return None

    def _recorded_request(self, number: int) -> Request:
        return self.interactions[number].request

    def record(self, request: Request) -> Recording:
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
        if is_placeholder(request.headers):
            raise CassetteError(
                f"{request.method} {request.url} is not on the cassette {self.path}, and cannot be "
                "recorded: no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, DATABRICKS_TOKEN), so "
                "the client uses a placeholder that only works in replay"
            )
        recording = Recording(self._normal(request), self._finished)
        with self._lock:
            self._under_way[recording] = (self._begun, credentials(request))
            self._begun += 1
        return recording

    def missed(self, request: Request) -> CassetteMissError:
        """The error for a request that is not on the tape; it shows the nearest recording."""
        request = self._normal(request)
        with self._lock:
            recorded = [interaction.request for interaction in self.interactions]
            keys = [*self._keys]
        error = CassetteMissError(
            missing_message(self.path, request, self.advice)
            if self.is_missing
            else miss_message(self.path, self._matcher, request, recorded, keys, self.advice)
        )
        self.misses.append(error)
        return error

    def missed_elsewhere(self, method: str, url: str, library: str) -> CassetteMissError:
        """The error for a request of a library whose requests are on no tape."""
        error = CassetteMissError(
            elsewhere_message(self.path, self._normal(Request(method, url)), library, self.advice)
        )
        self.misses.append(error)
        return error

    def refuse_connection(self, text: str) -> CassetteMissError:
        """The error for a connection that is to leave this machine."""
        self.refused[text] = None
        return CassetteMissError(text)

    def not_recorded(self, method: str, url: str, library: str) -> None:
        """A request passes that cannot be recorded; the end of the recording names it."""
        request = self._normal(Request(method, url))
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
            self._problems.append(problem)

    def cut_short(self) -> None:
        """Mark the recording as cut short; a later ``once`` continues it."""
        self._is_cut_short = True

    def close(self, *, complete: bool) -> None:
        """Write what was recorded; bodies that are still being read count as cut here.

        Args:
            complete: the recording came to its end; else a later ``once`` continues it.

        Raises:
            CassetteError: it cannot be written, or something was not recorded.
        """
        if os.getpid() != self._process:
            return
        for recording in [*self._under_way]:
            recording.end(exhausted=False)
        if self.unrecorded:
            _log.warning(
                "tracetape: %s", unrecorded_message(self.path, self.unrecorded, self.advice)
            )
        incomplete = not complete or self._is_cut_short or bool(self._problems)
        continued = self.mode != "all" and self._is_incomplete and self.file.exists()
        if self.recorded or (continued and not incomplete):
            order = sorted(range(len(self._places)), key=self._places.__getitem__)
            self.interactions = [self.interactions[number] for number in order]
            try:
                self._write(incomplete=incomplete)
            except CassetteError as error:
                self._problems.append(str(error))
        if not self._problems:
            return
        message = f"{self.path}: some interactions were not recorded:\n  " + "\n  ".join(
            self._problems
        )
        if complete:
            raise CassetteError(message)
        _log.error("tracetape: %s", message)  # the exception that ended the block counts for more

    def _write(self, *, incomplete: bool) -> None:
        tape = Tape(self.interactions, incomplete=incomplete)
        reason = "the new recording did not finish" if incomplete else None
        if self._replaces and reason is None and not _is_answered(tape) and self._was_answered():
            reason = "the service did not answer any of the new requests"
        if self._replaces and reason is not None:
            save(self._draft.path, tape)
            _log.warning(
                "tracetape: the cassette %s was not changed: %s; the new recording is in %s",
                *(self.path, reason, self._draft.path),
            )
            return
        save(self.file, tape)
        if self._replaces:
            self._draft.remove()

    def _was_answered(self) -> bool:
        try:
            return _is_answered(load(self.file))
        except CassetteError:
            return False  # a file that nobody can read is not a loss

    def _loaded(self) -> Tape:
        if self.mode != "all" and self.file.exists():
            tape = load(self.path)
            return _to_continue(tape) if self.mode == "once" and tape.incomplete else tape
        # In mode none a missing file is an empty tape: the first request names it.
        self.is_missing = self.mode == "none"
        return Tape([], incomplete=True)

    def _finished(self, recording: Recording) -> None:
        """Take what ended onto the tape; the call that ended must not fail for it."""
        interaction = recording.interaction
        where = f"{interaction.request.method} {interaction.request.url}"
        with self._lock:
            place, secrets = self._under_way.pop(recording)
            if interaction.response is None and interaction.error is None:
                return
            try:
                self._keep(interaction, place, secrets)
            except Exception as error:  # noqa: BLE001 - a scrubber's, a full disk's: told at the end
                self.rejected += 1
                self._problems.append(f"{where}: {type(error).__name__}: {error}")

    def _keep(self, interaction: Interaction, place: int, secrets: Secrets) -> None:
        if interaction.response is not None:
            renamed = self._renames.response(interaction.response)
            interaction.response = cleaned_response(renamed, secrets, self._kept)
        if interaction.error is not None:
            message = self._renames.text(cleaned_text(interaction.error.message, secrets))
            interaction.error = replace(interaction.error, message=message)
        if self._scrub is not None:
            self._scrub(interaction)
        if self._before_record is not None:
            kept = self._before_record(interaction)
            if kept is None:
                self.dropped += 1
                return
            interaction = kept
        found = findings(interaction)
        if found:
            what = "; ".join(f"{kind} in {where}" for kind, where in found)
            raise CassetteError(f"there is {what}: {self.advice.scrub}")
        self.interactions.append(interaction)
        self._keys.append(self._matcher.key(cleaned_request(interaction.request)))
        self._places.append(place)
        self.recorded += 1
        self._draft.add(self.interactions)

    def _normal(self, request: Request) -> Request:
        return cleaned_request(self._renames.request(request), keep=self._kept)


def _to_continue(tape: Tape) -> Tape:
    """Without what broke, or was refused, at the end of the recording: it is recorded again."""
    kept = [one for one in tape.interactions if one.response is None or not one.response.cut]
    while kept and (kept[-1].error is not None or _is_refused(kept[-1])):
        kept.pop()
    return Tape(kept, incomplete=True)


def _broken_json(response: Response | None) -> str | None:
    if response is None or response.cut:
        return None
    return broken_json(response.body, response.header("content-type"))


def _broken_event(response: Response | None) -> str | None:
    if response is None or response.cut or not response.is_event_stream:
        return None
    return broken_event(response.body)


def _is_refused(one: Interaction) -> bool:
    return one.response is not None and one.response.status >= _REFUSALS


def _is_answered(tape: Tape) -> bool:
    """Whether the service answered at all: it was there, and let the program in."""
    statuses = [one.response.status for one in tape.interactions if one.response is not None]
    return any(status < _FAULTS and status not in _NO_ENTRY for status in statuses)
