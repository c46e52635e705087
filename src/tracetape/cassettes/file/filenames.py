"""Names of tapes that every file system keeps apart, and can have."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tracetape.exceptions import CassetteError, InvalidValueError

__all__ = [
    "LONGEST",
    "check_length",
    "check_new",
    "check_twin",
    "folded",
    "is_reserved",
    "is_tape",
    "tapes_at",
]

LONGEST = 255  # bytes of a name
_DEVICES = frozenset(
    (
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{device}{number}" for device in ("com", "lpt") for number in "123456789¹²³"),
    )
)
_SUFFIXES = (".yaml", ".yml", ".json")
_IGNORES_CASE = sys.platform in ("win32", "darwin")


def is_tape(path: Path) -> bool:
    """Whether a file is a tape by its name."""
    return path.name.removesuffix(".gz").endswith(_SUFFIXES)


def tapes_at(path: Path) -> list[Path]:
    """The file `path` itself; or if it is a folder, the tapes below it, sorted."""
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if is_tape(one) and one.is_file())


def folded(name: str) -> str:
    """Equal for names that are one file where case, or the form of letters, does not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_reserved(name: str) -> bool:
    """Whether Windows has a device of that name, whatever its suffix."""
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES


def check_length(path: Path) -> None:
    """Refuse what no file system can have.

    Raises:
        InvalidValueError: the name is too long, or has a NUL or half a character in it.
    """
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"the name of the cassette {str(path)!a} has half a character (a surrogate) in it: "
            "choose another name"
        ) from None
    length = len(os.fsencode(path.name))
    if length > LONGEST or "\0" in str(path):
        what = "a NUL in it" if length <= LONGEST else f"{length:,} bytes"
        raise InvalidValueError(
            f"the name of the cassette {path.name[:60]!r}… has {what}: the limit is {LONGEST} "
            "bytes, and NUL is not allowed"
        )


def check_new(path: Path) -> None:
    """Refuse to make a file that somebody else's system cannot have, or takes for another.

    Raises:
        InvalidValueError: Windows has a device of that name, or drops its last letters.
        CassetteError: there is a file whose name differs only by case, or by the form of letters.
    """
    parts = path.parts if not path.is_absolute() else (path.name,)
    for part in parts:
        if part in (".", ".."):
            continue
        if is_reserved(part):
            raise InvalidValueError(
                f"the cassette {path}: Windows has a device named {part!r}: choose another name"
            )
        if part != part.rstrip(". "):
            raise InvalidValueError(
                f"the cassette {path}: Windows drops what {part!r} ends with: choose another name"
            )
    check_twin(path, everywhere=True)


def check_twin(path: Path, *, everywhere: bool = False) -> None:
    """Refuse a name that means the file of another.

    Args:
        path: of the tape.
        everywhere: ask also where the file system itself tells them apart.

    Raises:
        CassetteError: there is a file whose name differs only by case, or by the form of letters.
    """
    if not (everywhere or _IGNORES_CASE):
        return
    twin = next(_twins(path), None)
    if twin is not None:
        raise CassetteError(
            f"the cassette {path} would be the same file as {twin!a} on systems that ignore case "
            "or the form of letters (macOS, Windows): choose another name"
        )


def _twins(path: Path) -> Iterator[str]:
    try:
        names = os.listdir(path.parent)
    except OSError:
        return
    if path.name not in names:
        ours = folded(path.name)
        yield from (name for name in names if folded(name) == ours)
