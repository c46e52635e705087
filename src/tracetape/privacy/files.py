"""Files that hold content of traces: their owner's alone."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["open_private", "private_mode", "replacing", "write_private"]

_MODE = 0o600
_DRAFT = re.compile(r"\.tracetape-draft-[0-9a-f]{8}\.part")
_ABANDONED_SECONDS = 60.0  # without a write


def open_private(path: Path) -> BinaryIO:
    """Open a file to write it again; one that is there keeps its mode, a new one has 0600."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, _MODE)

    return cast("BinaryIO", open(path, "wb", opener=opener))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write what takes the place of `path` at the end of the block, if all went well.

    Until then it lies next to `path`, locked; drafts that a killed process left there are removed.
    A device or pipe is written directly, and so is a file in a folder that takes no other.
    """
    real = Path(os.path.realpath(path))
    opened = None if _is_special(path) or _is_special(real) else _open_draft(real)
    if opened is None:
        with open_private(path) as file:
            yield file
        return
    draft, file = opened
    with _locked(file):
        try:
            _remove_abandoned(real.parent, os.fstat(file.fileno()).st_mtime)
            with file:
                yield file
            draft.chmod(private_mode(real))
            draft.replace(real)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise


def _open_draft(path: Path) -> tuple[Path, BinaryIO] | None:
    draft = path.with_name(f".tracetape-draft-{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and path.exists():
            return None
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None
    return draft, cast("BinaryIO", open(descriptor, "wb"))


@contextlib.contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    """Hold a lock that ends with this process, where the system has such; also after the close."""
    if fcntl is None:
        yield
        return
    descriptor = os.dup(file.fileno())
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path, now: float) -> None:
    """Remove the drafts of killed processes: those of this user that nobody has locked.

    Args:
        folder: where they are.
        now: by the clock of its file system.
    """
    if fcntl is None:  # Windows
        return
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _DRAFT.fullmatch(name):
                with contextlib.suppress(OSError):  # locked, or already gone
                    _remove_unlocked(folder / name, now - _ABANDONED_SECONDS)


def _remove_unlocked(draft: Path, before: float) -> None:
    descriptor = os.open(draft, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (
            stat.S_ISREG(found.st_mode)
            and found.st_uid == os.geteuid()
            and found.st_nlink == 1
            # A new one is locked a moment after it is made.
            and found.st_mtime < before
        ):
            draft.unlink()
    finally:
        os.close(descriptor)


def _is_special(path: Path) -> bool:
    """Whether it is a file that no other can take the place of, such as ``/dev/stdout``."""
    if any(path.is_relative_to(folder) for folder in ("/dev", "/proc")):
        return True
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def write_private(path: Path, data: bytes) -> None:
    """Write a file again, and the folders that it lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_private(path) as file:
        file.write(data)


def private_mode(path: Path) -> int:
    """The mode of what is put in the place of `path`: its own, or 0600 if it is not there."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        return _MODE
