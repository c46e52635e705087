"""The tape file: YAML in vcrpy's version-1 shape, read and written whole or bit by bit."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tracetape.cassettes.file import yaml_text
from tracetape.cassettes.file.bodies import to_stored
from tracetape.cassettes.file.cache import cached, keep
from tracetape.cassettes.file.filenames import LONGEST
from tracetape.cassettes.file.load import parsed
from tracetape.cassettes.file.model import END, OURS, WHOLE, Interaction
from tracetape.cassettes.file.timing import sizes
from tracetape.exceptions import CassetteError, CassetteFormatError
from tracetape.privacy.files import open_private, private_mode

try:
    import fcntl
except ImportError:  # Windows has none: two processes are not kept apart there
    fcntl = None  # type: ignore[assignment]

__all__ = ["Draft", "RecordingLock", "Tape", "beside", "load", "rendered", "save"]


_LEFT_SECONDS = 60.0  # after which a draft belongs to nobody: to write one takes less than one


class Tape:
    """The contents of a file."""

    def __init__(self, interactions: list[Interaction], *, incomplete: bool = False) -> None:
        """Hold `interactions`; `incomplete`: the recording did not come to its end."""
        self.interactions = interactions
        self.incomplete = incomplete


def load(path: str | os.PathLike[str]) -> Tape:
    """Read a tape: YAML or JSON, plain or packed by gzip, ours, vcrpy's or one of its kin's.

    Nothing in it is executed: tags that make objects are refused, and so are bombs. Large ones are
    kept in the user's cache as they were parsed; ``TRACETAPE_CACHE`` names another folder, and an
    empty one keeps nothing.

    Raises:
        CassetteFormatError: it is not a tape that we can read.
        CassetteError: it cannot be read at all.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # it might never end
            raise CassetteError(f"the cassette {path} is a device: name a file")
        data = Path(path).read_bytes()
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be read: {error}") from error
    found = cached(data)
    if found is None:
        try:
            found = parsed(data)
        except CassetteFormatError as error:
            raise CassetteFormatError(f"{path} is not a usable cassette: {error}") from error
        keep(data, found)
    interactions, incomplete = found
    return Tape(interactions, incomplete=incomplete)


def save(path: str | os.PathLike[str], tape: Tape, *, ends: bool = True) -> None:
    """Write a tape; a reader sees the old file or the new one, never half of it.

    Args:
        path: the file.
        tape: its contents.
        ends: nothing is put behind it: its last line says that nothing is missing.

    Raises:
        CassetteError: it cannot be written.
    """
    _write(Path(path), rendered(tape, ends=ends))


def _write(path: Path, text: str) -> None:
    if path.is_symlink():  # it stays one
        path = Path(os.path.realpath(path))
    draft = beside(path, ".", f".{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open_private(draft) as file:
                file.write(text.encode())
            draft.chmod(private_mode(path))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _remove_left(path)
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be written: {error}") from error


def _remove_left(path: Path) -> None:
    """Remove what processes that were killed while they wrote this file have left next to it."""
    name = re.compile(re.escape(beside(path, ".", "").name) + r"\.\d+\.\d+")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if name.fullmatch(entry.name) and entry.stat().st_mtime < time.time() - _LEFT_SECONDS:
                os.unlink(entry)


def rendered(tape: Tape, *, ends: bool = True) -> str:
    """The text of a tape's file; `ends` as of `save`."""
    head = "version: 1\n"
    ours = ["end"] * ends + ["incomplete"] * tape.incomplete
    if ours:
        head += f"{OURS}:\n" + "".join(f"  {name}: true\n" for name in ours)
    text = "".join([head, "interactions:", "\n" if tape.interactions else " []\n"])
    text += "".join(_text(one) for one in tape.interactions)
    return f"{text}{END}: true\n" if ends else text


class Draft:
    """The file while it is being recorded: what ended is in it, come what may.

    Attributes:
        path: the file.

    Each interaction is put behind those that are there; only the last `save` sorts them. A line
    behind each says that it is whole: who is killed while writing leaves a part of the next.
    """

    def __init__(self, path: Path) -> None:
        """Write no file yet."""
        self.path = path
        self._begun = False

    def add(self, interactions: list[Interaction]) -> None:
        """Write the last of `interactions`, or all if the file is not there yet.

        Raises:
            CassetteError: it cannot be written.
        """
        if not self._begun or not self.path.exists():
            tape = Tape(interactions, incomplete=True)
            _write(self.path, f"{rendered(tape, ends=False)}{WHOLE}\n")
            self._begun = True
            return
        try:
            with self.path.open("ab", buffering=0) as file:
                end = file.tell()
                try:
                    data = f"{_text(interactions[-1])}{WHOLE}\n".encode()
                    while data:
                        data = data[file.write(data) :]
                except OSError:
                    file.truncate(end)  # a full disk must not cost what is there
                    raise
        except OSError as error:
            raise CassetteError(f"the cassette {self.path} cannot be written: {error}") from error

    def remove(self) -> None:
        """Take the file away, where one was written."""
        with suppress(OSError):
            self.path.unlink()


class RecordingLock:
    """Held by one process at a time: the recordings of another one would be lost.

    It is held from the first recorded request to the end of the recording, or of the process. It is
    a file in the system's folder for temporary ones: nothing appears next to the cassette.
    """

    def __init__(self, path: Path) -> None:
        """Note what the file is now; nothing is locked yet."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
        self._path = path
        self._name = f"tracetape-{name}.lock"
        self._file: Path | None = None
        self._descriptor: int | None = None
        self._is_held = False
        self._before = _stamp(path)

    def acquire(self) -> None:
        """Take the lock, unless this process has it.

        Raises:
            CassetteError: another process records the file, or has recorded it meanwhile.
        """
        if self._is_held:
            return
        self._is_held = True
        if fcntl is None:
            return
        try:
            holder = self._take()
        except OSError:  # no such folder, a full one, or one without locks: go on as before
            self._close()
            return
        if holder is not None and holder != str(os.getpid()):
            self._is_held = False
            raise CassetteError(
                f"process {holder or 'unknown'} is recording {self._path}, too: give each "
                "process a cassette of its own, or record one after the other"
            )
        if self._descriptor is not None and _stamp(self._path) != self._before:
            self.release()
            raise CassetteError(
                f"another process has recorded {self._path} since this one opened it: "
                "run this one again"
            )

    def _take(self) -> str | None:
        """Lock the file; the id of the process that has it locked, if it is another's."""
        file = Path(tempfile.gettempdir(), f"{os.getuid()}-{self._name}")
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self._descriptor = descriptor
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 20).decode("ascii", "replace")
                self._close()
                return holder
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(file)):
                    break
            self._close()  # who had it has removed it meanwhile
        self._file = file
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return None

    def release(self) -> None:
        """Let others record."""
        self._is_held = False
        if self._file is not None and self._descriptor is not None:
            with suppress(OSError):
                self._file.unlink()  # as long as it is locked: nobody else takes it by its name
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # also for children that inherited it
        self._file = None
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def beside(path: Path, prefix: str, suffix: str) -> Path:
    """A name in the same folder for something that belongs to `path`, short enough."""
    name = f"{prefix}{path.name}{suffix}"
    if len(os.fsencode(name)) > LONGEST:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        name = f"{prefix}{digest}{suffix}"
    return path.with_name(name)


def _text(one: Interaction) -> str:
    lines = [*yaml_text.lines(_stored(one), 2)]
    lines[0] = "-" + lines[0][1:]
    return "\n".join(lines) + "\n"


def _stored(one: Interaction) -> dict[str, Any]:
    request, response, error = one.request, one.response, one.error
    ours: dict[str, Any] = {}
    stored: dict[str, Any] = {
        "request": {
            "method": request.method,
            "uri": request.url,
            "headers": _grouped(request.headers),
            "body": to_stored(request.body, request.header("content-type")) or None,
        },
        "response": None,
    }
    if response is not None:
        body = to_stored(response.body, response.header("content-type"))
        stored["response"] = {
            "status": {"code": response.status, "message": response.reason},
            "headers": _grouped(response.headers),
            "body": {"string": body},
        }
        verbatim = body if isinstance(body, bytes) else body.encode()
        # A pretty-printed body has no parts to speak of, and one part says nothing.
        if verbatim == response.body and (len(response.chunks) > 1 or response.is_event_stream):
            ours["chunks"] = sizes(response.chunks)
        if response.encoding:
            ours["encoding"] = dict(sorted(response.encoding))
        if response.cut:
            ours["cut"] = True
    if error is not None:
        ours["error"] = {"type": error.type, "message": error.message}
    if ours:
        stored[OURS] = ours
    return stored


def _grouped(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in sorted(headers, key=lambda pair: pair[0]):
        grouped.setdefault(name, []).append(value)
    return grouped
