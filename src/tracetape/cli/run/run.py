"""One run of a program: what is set up before it, and what is reported after it."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tracetape.cli.run.children import trace_children
from tracetape.cli.run.report import Report
from tracetape.cli.shared.output import echo
from tracetape.exceptions import TracetapeException
from tracetape.store import open_store
from tracetape.tracing.runtime import runtime

if TYPE_CHECKING:
    from tracetape.cassettes import OpenCassette
    from tracetape.cli.run.programs import Program

__all__ = ["Run"]


class Run:
    """Runs a program, traced, with or without a tape."""

    def __init__(
        self, tape: AbstractContextManager[OpenCassette] | None, store: str | None, *, show: bool
    ) -> None:
        """Open nothing yet.

        Args:
            tape: what answers and records the program's requests.
            store: where traces go; None: where the environment says.
            show: print the traces afterwards.

        Raises:
            InvalidValueError: `store` is not a store.
        """
        self._report = Report()
        if store is not None:
            os.environ["TRACETAPE_STORE"] = open_store(store).url
        self._tape = tape
        self._show = show
        self._status = 0
        self._pid = os.getpid()

    def run(self, program: Program) -> int:
        """Run `program` to its end; gives its exit status.

        Raises:
            TracetapeException: the tape cannot be opened; nothing was run.
        """
        if runtime.enabled:
            trace_children()
            from tracetape.instrument import autolog

            autolog()
        self._report.tape = None if self._tape is None else self._tape.__enter__()
        # Python calls it after all threads and exit handlers of the program.
        atexit.register(self._finish)
        self._status = program.run()
        return self._status

    def _finish(self) -> None:
        if os.getpid() != self._pid:
            return  # a fork of the program
        # What the program printed comes before what we print.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        self._end_open()
        taped = self._told(self._close_tape)
        self._told(lambda: self._report.print(show=self._show))
        if not taped:
            runtime.recorder.close()
            os._exit(1)  # an exit handler has no other way to say so

    def _end_open(self) -> None:
        # Their own exit handlers may run after this one: what is open would not be in the report.
        if runtime.enabled:
            from tracetape.instrument.call import end_streams
            from tracetape.tracing.generators import end_generators

            end_streams()
            end_generators()

    def _told(self, step: Callable[[], None]) -> bool:
        """Whether `step` was done; if not, it prints why."""
        try:
            step()
        except TracetapeException as error:
            echo(f"tracetape: error: {error}", err=True)
            return False
        return True

    def _close_tape(self) -> None:
        if self._tape is None:
            return
        # A program that failed keeps its tape, but it is not taken for whole.
        failed = _ProgramFailed() if self._status else None
        self._tape.__exit__(type(failed) if failed else None, failed, None)


class _ProgramFailed(Exception):  # noqa: N818 - it is not an error of tracetape
    pass
