"""Whether the process that makes a running trace still lives.

A trace of which something is written while it is open says by whom, and when that was last alive.
"""

from __future__ import annotations

import os
import re
import socket
from functools import lru_cache
from pathlib import Path

from tracetape._system import wall_clock_ns
from tracetape.entities.constants import TraceState
from tracetape.entities.trace_info import TraceInfo

__all__ = ["PROCESS", "SEEN", "is_gone", "is_unfinished", "last_seen_ms", "signs_of_life"]

PROCESS = "tracetape.process"
SEEN = "tracetape.seen"
_NUMBER = re.compile(r"[0-9]{1,15}")  # tracetape writes nothing else there
_SILENCE_MS = 60_000  # of a process on another machine, of which nothing else is known


def signs_of_life() -> dict[str, str]:
    """Metadata of a trace that this process makes."""
    return {PROCESS: _this_process(os.getpid()), SEEN: str(wall_clock_ns() // 1_000_000)}


def is_unfinished(info: TraceInfo) -> bool:
    """Whether a trace that has no end will get none, its process being gone."""
    process = info.trace_metadata.get(PROCESS, "")
    if info.state is not TraceState.IN_PROGRESS or process.count("/") != 2:
        return False
    if process.split("/")[0] != _host():
        seen = last_seen_ms(info)
        return seen is not None and wall_clock_ns() / 1e6 - seen > _SILENCE_MS
    return is_gone(process)


def is_gone(process: str) -> bool:
    """Whether `PROCESS` of a trace names a process of this machine that has ended."""
    if process.count("/") != 2:
        return False
    host, pid, start = process.split("/")
    return host == _host() and (not _NUMBER.fullmatch(pid) or _start_of(int(pid)) != start)


def last_seen_ms(info: TraceInfo) -> int | None:
    """When its process was last alive, in milliseconds since the epoch; None if unknown."""
    seen = info.trace_metadata.get(SEEN, "")
    return int(seen) if _NUMBER.fullmatch(seen) else None


@lru_cache(maxsize=2)  # a fork has another pid
def _this_process(pid: int) -> str:
    return f"{_host()}/{pid}/{_start_of(pid)}"


@lru_cache(maxsize=1)
def _host() -> str:
    return socket.gethostname().replace("/", "-")


def _start_of(pid: int) -> str | None:
    """A mark that tells a process from a later one with the same id; None: no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()  # the name may hold anything
        except OSError:
            return None
        # A zombie does nothing any more. Fields by proc_pid_stat(5): the state, and the start.
        return None if fields[0] == "Z" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except (OSError, OverflowError):
        pass  # it is somebody else's
    return ""
