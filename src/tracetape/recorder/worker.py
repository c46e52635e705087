"""The thread that writes: one of the system's, also where a program's own are green."""

from __future__ import annotations

from collections.abc import Callable

from tracetape._system import Bell, is_green, start_thread, this_thread

__all__ = ["Worker"]


class Worker:
    """A thread that runs `work` once, from its making on."""

    __slots__ = ("_ended", "_ident", "_is_known", "_thread", "_work")

    def __init__(self, work: Callable[[], None], name: str = "tracetape-recorder") -> None:
        """Start it."""
        self._work = work
        self._ended = Bell()
        self._ident: int | None = None
        self._is_known = not is_green()  # to the module threading
        self._thread = start_thread(self._run, name)

    def _run(self) -> None:
        self._ident = this_thread()
        try:
            self._work()
        finally:
            self._ended.ring()
            if self._is_known and is_green():
                # Green since: threading would look for it under an id that it does not have.
                Bell().wait()

    def is_here(self) -> bool:
        """Whether the thread that asks is this one."""
        return self._ident == this_thread()

    def join(self, timeout: float) -> bool:
        """Whether it ended, at the latest after so many seconds; not asked for a second time."""
        if self.is_here() or not self._ended.wait(timeout):
            return False
        if self._thread is not None and not is_green():
            self._thread.join(timeout)  # so that `threading.enumerate` has it no more
        return True
