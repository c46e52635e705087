"""How commands end that cannot go on: Ctrl-C, and an output that takes nothing."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys

__all__ = ["INTERRUPTED", "notice_closed_output", "of_output"]

INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended
_FULL = (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT)


class _Closed(io.TextIOBase):
    """Standard output that is closed (`>&-`): Python has None there, and writes nothing."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    @property
    def buffer(self) -> _Closed:
        return self


def notice_closed_output() -> None:
    """Have the first write to a closed standard output fail, rather than nothing be written."""
    if sys.stdout is None:
        sys.stdout = _Closed()


def of_output(error: OSError) -> bool:
    """Whether standard output takes nothing; it is let go of then, so that exit does not fail."""
    if error.filename is not None or error.errno not in _FULL:
        return False
    if not isinstance(sys.stdout, _Closed):
        null = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError, ValueError):  # a stand-in has no descriptor
            os.dup2(null, sys.stdout.fileno())
        os.close(null)
    return True
