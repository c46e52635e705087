"""Interactions that were recorded, on their way to the file of their cassette."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracetape._system import lasting_lock
from tracetape.cassettes.advice import Advice
from tracetape.cassettes.file.model import Interaction
from tracetape.cassettes.file.save import Draft, RecordingLock, Tape, beside, load, save
from tracetape.cassettes.miss import printable
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.record.secrets import findings
from tracetape.cassettes.renames import Renames
from tracetape.cassettes.scrub import Sent, scrubbed_response, scrubbed_text
from tracetape.exceptions import CassetteError
from tracetape.privacy.values import Secrets

__all__ = ["BeforeRecord", "Scrub", "Writer", "to_continue"]

Scrub = Callable[[Interaction], Any]
BeforeRecord = Callable[[Interaction], Interaction | None]
_REFUSALS, _FAULTS = 400, 500  # the first status of each
_NO_ENTRY = {401, 403, 407, 429}  # a wrong key, no right, no credit
_log = logging.getLogger("tracetape")


class Writer:
    """Takes each interaction that ends onto a cassette, and writes the file.

    A good file is replaced only when the new recording has come to a good end.

    Attributes:
        recorded: how many interactions were taken.
        dropped: how many ``before_record`` did not let on the cassette.
        rejected: how many could not be written, for a secret in them perhaps.
        cancelled: requests that the program gave up before anything came, with how often: there
            is nothing to replay.
        problems: what the end of the recording has to say; it counts as incomplete then.
        is_cut_short: a later ``once`` continues the recording.
    """

    def __init__(
        self,
        path: Path,
        file: Path,
        tape: Tape,
        *,
        replaces: bool,
        continues: bool,
        renames: Renames | None,
        keep: Collection[str],
        scrub: Scrub | None,
        before_record: BeforeRecord | None,
        advice: Advice,
    ) -> None:
        """Write nothing yet.

        Args:
            path: the file, as the user gave it.
            file: the same, absolute.
            tape: what is on it; interactions are added to it.
            replaces: the file is there, and all of it is recorded again.
            continues: the file may be there, and what it lacks is recorded.
            renames: hosts as they appear on the cassette.
            keep: names of headers to record that are else left out.
            scrub: changes each interaction.
            before_record: gives the interaction to write, or None.
            advice: how the user gives the options that messages name.
        """
        self.recorded = self.dropped = self.rejected = 0
        self.cancelled: Counter[str] = Counter()
        self.problems: list[str] = []
        self.is_cut_short = False
        self._path, self._file, self._advice = path, file, advice
        self._interactions = tape.interactions
        self._replaces, self._continues = replaces, continues
        self._renames, self._keep = renames, keep
        self._scrub, self._before_record = scrub, before_record
        self._draft = Draft(beside(file, "", ".new") if replaces else file)
        self._lock = lasting_lock()
        self._file_lock = RecordingLock(file)
        self._under_way: dict[Recording, tuple[int, Secrets]] = {}
        self._begun = 0
        self._places = [-1] * len(self._interactions)  # each is where its request began

    def begin(self, sent: Sent) -> Recording:
        """Begin to record what will come of a request.

        Raises:
            CassetteError: another process records the file.
        """
        recording = Recording(sent.scrubbed, self._finished)
        with self._lock:
            self._file_lock.acquire()
            self._under_way[recording] = (self._begun, sent.secrets)
            self._begun += 1
        return recording

    def end_all(self) -> None:
        """End what is under way: bodies that are still being read count as cut here."""
        for recording in [*self._under_way]:
            recording.end(exhausted=False)

    def close(self, *, complete: bool) -> None:
        """Write what was recorded.

        Args:
            complete: the recording came to its end.

        Raises:
            CassetteError: it cannot be written, or something was not recorded.
        """
        try:
            self._close(complete=complete)
        finally:
            self._file_lock.release()

    def _close(self, *, complete: bool) -> None:
        incomplete = not complete or self.is_cut_short or bool(self.problems)
        continued = self._continues and self._file.exists()
        if self.recorded or (continued and not incomplete):
            order = sorted(range(len(self._places)), key=self._places.__getitem__)
            self._interactions[:] = [self._interactions[number] for number in order]
            try:
                self._write(incomplete=incomplete)
            except CassetteError as error:
                self.problems.append(str(error))
        if not self.problems:
            return
        message = f"{self._path}: some interactions were not recorded:\n  " + "\n  ".join(
            self.problems
        )
        if complete:
            raise CassetteError(message)
        _log.error("tracetape: %s", message)  # the exception that ended the block counts for more

    def _finished(self, recording: Recording) -> None:
        """Take what ended onto the cassette; the call that ended must not fail for it."""
        interaction = recording.interaction
        where = f"{interaction.request.method} {interaction.request.url}"
        with self._lock:
            place, secrets = self._under_way.pop(recording)
            if interaction.response is None and interaction.error is None:
                self.cancelled[printable(where)] += 1
                return
            try:
                self._take(interaction, place, secrets)
            except Exception as error:  # noqa: BLE001 - a scrubber's, a full disk's: reported at the end
                self.rejected += 1
                self.problems.append(f"{where}: {type(error).__name__}: {error}")

    def _take(self, interaction: Interaction, place: int, secrets: Secrets) -> None:
        if interaction.response is not None:
            response = interaction.response
            if self._renames is not None:
                response = self._renames.response(response)
            interaction.response = scrubbed_response(response, secrets, self._keep)
        if interaction.error is not None:
            message = scrubbed_text(interaction.error.message, secrets)
            if self._renames is not None:
                message = self._renames.text(message)
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
            raise CassetteError(f"there is {what}: {self._advice.scrub}")
        self._interactions.append(interaction)
        self._places.append(place)
        self.recorded += 1
        self._draft.add(self._interactions)

    def _write(self, *, incomplete: bool) -> None:
        tape = Tape(self._interactions, incomplete=incomplete)
        reason = "the new recording did not finish" if incomplete else None
        if self._replaces and reason is None and not _is_answered(tape) and self._was_answered():
            reason = "the service did not answer any of the new requests"
        if self._replaces and reason is not None:
            save(self._draft.path, tape)
            _log.warning(
                "tracetape: the cassette %s was not changed: %s; the new recording is in %s",
                *(self._path, reason, self._draft.path),
            )
            return
        save(self._file, tape)
        if self._replaces:
            self._draft.remove()

    def _was_answered(self) -> bool:
        try:
            return _is_answered(load(self._file))
        except CassetteError:
            return False  # a file that nobody can read is not a loss


def to_continue(tape: Tape) -> Tape:
    """Without what broke, or was refused, at the end of the recording: it is recorded again."""
    kept = [one for one in tape.interactions if one.response is None or not one.response.cut]
    while kept and (kept[-1].error is not None or _is_refused(kept[-1])):
        kept.pop()
    return Tape(kept, incomplete=True)


def _is_refused(one: Interaction) -> bool:
    return one.response is not None and one.response.status >= _REFUSALS


def _is_answered(tape: Tape) -> bool:
    """Whether the service answered at all: it was there, and let the program in."""
    statuses = [one.response.status for one in tape.interactions if one.response is not None]
    return any(status < _FAULTS and status not in _NO_ENTRY for status in statuses)
