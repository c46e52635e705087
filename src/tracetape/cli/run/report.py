"""The report of a run: its traces, and one line that says where they are."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tracetape._system import wall_clock_ns
from tracetape._terminal import plural
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import numeric_id, print_trace, shown_place
from tracetape.diagnostics import faults
from tracetape.entities import TraceInfo
from tracetape.exceptions import StoreError
from tracetape.store import Store, open_store, writer_url
from tracetape.tracing.runtime import runtime

if TYPE_CHECKING:
    from tracetape.cassettes import OpenCassette

__all__ = ["Report"]

_MAX_TREES = 5
_FLUSH_SECONDS = 10.0


class Report:
    """Made before the run, printed after it.

    Attributes:
        tape: the tape, if there is one.
    """

    def __init__(self) -> None:
        """Remember when and where the run began."""
        self._began = wall_clock_ns() // 1_000_000
        self._folder = Path.cwd()
        self._command = _own_command(self._folder)
        self._readers = open_store(writer_url()).url  # what `ls` would read
        self._enabled = runtime.enabled
        self.tape: OpenCassette | None = None

    def print(self, *, show: bool) -> None:
        """Print the trees if wished, and on stderr the line."""
        runtime.recorder.flush(_FLUSH_SECONDS)  # a store that fails must not hold up the end
        store = self._store()
        infos = self._traces(store)
        if show and infos:
            self._print_trees(store, infos)
        if self.tape is not None:
            _say(_of_tape(self.tape))
        self._print_losses()
        self._print_place(store, infos)

    def _store(self) -> Store:
        """Where this process wrote; else where its children did."""
        if runtime.recorder.as_dict()["recorded"]:
            return runtime.recorder.store
        return open_store(writer_url(), read_only=True)

    def _traces(self, store: Store) -> list[TraceInfo]:
        """Those that began since we did, oldest first."""
        limit = 100
        try:
            infos = store.list_traces(limit)
            while len(infos) == limit and infos[-1].request_time >= self._began:
                limit *= 10
                infos = store.list_traces(limit)
        except StoreError as error:
            if runtime.recorder.as_dict()["recorded"]:
                _say(str(error))
            return []  # else no process of this run has made a store
        return [info for info in infos if info.request_time >= self._began][::-1]

    def _print_trees(self, store: Store, infos: list[TraceInfo]) -> None:
        if len(infos) > _MAX_TREES:
            echo(f"… {len(infos) - 1} earlier traces: `{self._command} ls` lists them\n")
            infos = infos[-1:]
        for info in infos:
            trace = store.get_trace(numeric_id(info))
            if trace is not None:
                print_trace(trace)
                echo()

    def _print_losses(self) -> None:
        stats = runtime.recorder.as_dict()
        lost = stats["lost"] + stats["dropped_spans"] + stats["queued"]
        if lost:
            _say(f"{plural(lost, 'span')} could not be kept")
        failures = sum(faults().values())
        if failures:
            _say(f"{plural(failures, 'internal error')}, see the log: traces may lack parts")

    def _print_place(self, store: Store, infos: list[TraceInfo]) -> None:
        if not infos:
            off = "tracing is off (TRACETAPE_DISABLED)"
            _say("no traces were recorded" if self._enabled else off)
        elif store.url == "memory://":
            _say(f"{plural(len(infos), 'trace')} in memory only, and gone now")
        else:
            place = shown_place(store.url, self._folder)
            named = "" if store.url == self._readers else f" --store {shlex.quote(place)}"
            them = "it" if len(infos) == 1 else "them"
            look = ", ".join(
                f"{self._command} {command}{named}"
                for command in (["show"] if len(infos) == 1 else ["ls", "show"])
            )
            _say(f"{plural(len(infos), 'trace')} in {place} — look at {them} with: {look}")


def _own_command(folder: Path) -> str:
    """The command for a user in `folder`: `tracetape`, or its path where PATH lacks it."""
    if shutil.which("tracetape"):
        return "tracetape"
    beside = shutil.which("tracetape", path=str(Path(sys.executable).parent))
    if beside is None:
        return shlex.join([sys.executable, "-m", "tracetape"])
    path = Path(beside)
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))


def _of_tape(tape: OpenCassette) -> str:
    played = f"replayed {plural(tape.played, 'interaction')} from {tape.path}"
    recorded = f"recorded {plural(tape.recorded, 'interaction')} to {tape.path}"
    told = []
    if tape.played and tape.recorded:
        told.append(f"{played}, and recorded {tape.recorded:,} new")
    elif tape.played or tape.recorded:
        told.append(recorded if tape.recorded else played)
    if tape.misses:
        told.append(f"{plural(len(tape.misses), 'request')} not found on {tape.path}")
    if tape.refused:
        told.append(f"{plural(len(tape.refused), 'connection')} refused")
    if tape.rejected:
        told.append(f"{plural(tape.rejected, 'interaction')} not recorded")
    return "; ".join(told) or f"the program made no request that {tape.path} could answer or record"


def _say(text: str) -> None:
    echo(f"tracetape: {text}", err=True)
