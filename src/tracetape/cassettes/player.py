"""An open tape: answers requests from it, takes new ones onto it, and writes it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tracetape.cassettes.interaction import (
    Chunk,
    Headers,
    Interaction,
    RecordedError,
    Request,
    Response,
)
from tracetape.cassettes.matching import Matcher
from tracetape.cassettes.secrets import cleaned_request, cleaned_response, findings
from tracetape.cassettes.tape import Tape, load, save
from tracetape.exceptions import CassetteError, CassetteMissError, InvalidValueError

__all__ = ["MODES", "Player", "Recording"]

MODES = ("none", "once", "new_episodes", "all")
_NEAREST = 200  # recordings that are looked at for the nearest one
_SAVE_SECONDS = 1.0  # how much of a recording a killed program may lose

Scrub = Callable[[Interaction], Any]


class Player:
    """What a `with cassette(...)` block gives.

    Attributes:
        path: the file.
        mode: one of `MODES`.
        speed: 0 replays at once, 1 at the recorded speed.
        played: interactions answered from the tape.
        recorded: interactions taken onto it.
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
    ) -> None:
        """Read the tape, unless it is to be recorded anew.

        Raises:
            CassetteError: the mode is ``none`` and there is no file, or it cannot be read.
            InvalidValueError: the mode is unknown.
        """
        if mode not in MODES:
            raise InvalidValueError(f"{mode!r} is no mode: choose from {', '.join(MODES)}")
        self.path = path
        self.mode = mode
        self.speed = speed
        self.played = self.recorded = 0
        self.is_open = False
        self._matcher = matcher
        self._scrub = scrub
        self._passed = {host.lower() for host in (*allow_hosts, *ignore_hosts)}
        self._renames = dict(rename_hosts or {})
        self._lock = threading.RLock()
        self._refused: list[str] = []
        self._saved = 0.0
        self._dirty = False
        exists = path.exists()
        if not exists and mode == "none":
            raise CassetteError(
                f"there is no cassette {path}: record it first, with mode 'once' and the real "
                "service's key"
            )
        tape = load(path) if exists and mode != "all" else Tape([], incomplete=True)
        self.interactions = tape.interactions
        self.records = mode in ("new_episodes", "all") or (mode == "once" and tape.incomplete)
        self._waiting: dict[Any, deque[int]] = {}
        self._unplayed = set(range(len(self.interactions)))
        for number, interaction in enumerate(self.interactions):
            self._waiting.setdefault(self._key(interaction.request), deque()).append(number)

    @property
    def replays(self) -> bool:
        """Whether nothing is ever recorded."""
        return not self.records

    @property
    def unused(self) -> list[Interaction]:
        """What was on the tape and not played."""
        return [self.interactions[number] for number in sorted(self._unplayed)]

    def passes(self, url: str) -> bool:
        """Whether a request goes to the network, tape or not."""
        return (urlsplit(url).hostname or "").lower() in self._passed

    def play(self, request: Request) -> Interaction | None:
        """The next recording of a request, claimed; None if there is none left."""
        with self._lock:
            waiting = self._waiting.get(self._key(self._normal(request)))
            if not waiting:
                return None
            number = waiting.popleft()
            self._unplayed.discard(number)
            self.played += 1
            return self.interactions[number]

    def record(self, request: Request) -> Recording:
        """Begin to record what will come of a request."""
        return Recording(self, self._normal(request))

    def keep(self, interaction: Interaction) -> None:
        """Take a finished interaction onto the tape, without its secrets."""
        if interaction.response is not None:
            response = self._renamed_response(interaction.response)
            interaction = replace(interaction, response=cleaned_response(response))
        if self._scrub is not None:
            self._scrub(interaction)
        found = findings(interaction)
        with self._lock:
            if found:
                where = f"{interaction.request.method} {interaction.request.url}"
                self._refused += [f"{where}: {finding}" for finding in found]
                return
            self.interactions.append(interaction)
            self.recorded += 1
            self._dirty = True
            if time.monotonic() - self._saved > _SAVE_SECONDS:
                self._write(incomplete=True)

    def close(self, *, complete: bool) -> None:
        """Write what was recorded.

        Args:
            complete: the recording came to its end; else a later ``once`` continues it.

        Raises:
            CassetteError: it cannot be written, or held secrets.
        """
        with self._lock:
            if self._dirty:
                self._write(incomplete=not complete)
        if self._refused and complete:
            raise CassetteError(
                f"{self.path}: not recorded, for there are secrets in it. Remove them by "
                "cassette(scrub=…), or do not send them:\n  " + "\n  ".join(self._refused)
            )

    def miss(self, request: Request) -> CassetteMissError:
        """The error for a request that is not on the tape; it shows the nearest recording."""
        request = self._normal(request)
        lines = [f"{request.method} {request.url} is not on the cassette {self.path}."]
        if any(self._key(i.request) == self._key(request) for i in self.interactions):
            lines.append("It is recorded, but was replayed already as often as it was recorded.")
        elif not self.interactions:
            lines.append("The cassette has no recordings.")
        else:
            near = self.interactions[-_NEAREST:]
            nearest = min(near, key=lambda i: self._matcher.distance(request, i.request)).request
            lines.append(f"The nearest recording, {nearest.method} {nearest.url}, differs in")
            lines += [f"  {line}" for line in self._matcher.differences(request, nearest)]
        lines.append(
            "Record it with mode 'new_episodes', record all anew with mode 'all', or declare what "
            "varies by cassette(ignore=[…])."
        )
        return CassetteMissError("\n".join(lines))

    def _write(self, *, incomplete: bool) -> None:
        save(self.path, Tape(self.interactions, incomplete=incomplete))
        self._saved = time.monotonic()

    def _key(self, request: Request) -> Any:
        return self._matcher.key(request)

    def _normal(self, request: Request) -> Request:
        return cleaned_request(replace(request, url=self._renamed(request.url)))

    def _renamed(self, text: str) -> str:
        for real, shown in self._renames.items():
            if text.startswith(real):
                return shown + text[len(real) :]
        return text

    def _renamed_response(self, response: Response) -> Response:
        chunks = response.chunks
        for real, shown in self._renames.items():
            if real.encode() in response.body:
                chunks = [Chunk(response.body.replace(real.encode(), shown.encode()))]
                response = replace(response, chunks=chunks)
        return response


class Recording:
    """One interaction while it happens; each end but the first does nothing."""

    def __init__(self, player: Player, request: Request) -> None:
        """Record what will come of `request`."""
        self._player = player
        self._interaction = Interaction(request)
        self._ended = False
        self._last = time.monotonic()

    def head(self, status: int, reason: str, headers: Headers, encoding: Headers) -> None:
        """The response's head came."""
        self._interaction.response = Response(status, reason, headers, [], encoding)
        self._last = time.monotonic()

    def chunk(self, data: bytes) -> None:
        """A part of the body came."""
        now = time.monotonic()
        response = self._interaction.response
        if response is not None and not self._ended:
            response.chunks.append(Chunk(data, now - self._last))
        self._last = now

    def failed(self, error: BaseException) -> None:
        """The request, or the body, ended with an exception."""
        self._interaction.error = RecordedError(type(error).__name__, str(error))
        self.end(cut=self._interaction.response is not None)

    def end(self, *, cut: bool, body: bytes | None = None) -> None:
        """The body is over.

        Args:
            cut: the reader left before its end.
            body: the decoded body, if the parts that came were encoded.
        """
        if self._ended:
            return
        self._ended = True
        response = self._interaction.response
        if response is not None:
            response.cut = cut
            if body is not None:
                response.chunks = [Chunk(body)] if body else []
        self._player.keep(self._interaction)
