"""Cassettes that a run of pytest did not use, and problems of its new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Usage", "tapes_below"]


class Usage:
    """The tapes of a run, as JSON so that pytest-xdist's workers can send it."""

    def __init__(self) -> None:
        """Begin with nothing used."""
        self._unplayed: dict[str, list[int]] = {}
        self._numbers: dict[str, int] = {}
        self._claimed: set[str] = set()
        self._folders: set[str] = set()
        self._unrecorded: dict[str, list[str]] = {}
        self._moved: dict[str, Path] = {}

    def claim(self, path: Path, folder: Path | None = None) -> None:
        """A test that was collected has this tape below `folder`, or something opened it."""
        if folder is not None:
            self._folders.add(str(folder))
        self._claimed.add(str(path))

    def was_at(self, path: Path, before: Path) -> None:
        """A test's tape does not exist, but one does that another `testpaths` names so."""
        self._moved[str(path)] = before

    def before(self, path: Path) -> Path | None:
        """Where the missing tape of a test was under another `testpaths`."""
        return self._moved.get(str(path))

    def played(self, path: Path, number: int, unplayed: Iterable[int]) -> None:
        """A test is done with a tape of `number` recordings, which it did not play all."""
        self._merge(str(path), number, unplayed)

    def lacks(self, path: Path, lines: list[str]) -> None:
        """A tape was recorded, and `lines` tell what is not on it."""
        if lines:
            self._unrecorded[str(path)] = lines

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return {
            "claimed": sorted(self._claimed),
            "folders": sorted(self._folders),
            "unrecorded": self._unrecorded,
            "tapes": [[path, self._numbers[path], left] for path, left in self._unplayed.items()],
        }

    def add(self, other: dict[str, Any]) -> None:
        """Take what another process has seen."""
        self._claimed.update(other["claimed"])
        self._folders.update(other["folders"])
        self._unrecorded.update(other["unrecorded"])
        for path, number, unplayed in other["tapes"]:
            self._merge(path, number, unplayed)

    def unclaimed(self, folder: Path) -> Iterator[Path]:
        """The tapes below `folder` that no test has."""
        for file in tapes_below(folder):
            if str(file) not in self._claimed:
                yield file

    def unrecorded(self) -> Iterator[str]:
        """A line for each thing that passed a tape while it recorded."""
        for path, lines in sorted(self._unrecorded.items()):
            yield from (f"{path}: {line}" for line in lines)

    def lines(self, folder: Path) -> Iterator[str]:
        """The report on cassettes in `folder` and in the folders of those that tests claimed."""
        for path, left in sorted(self._unplayed.items()):
            if left:
                numbers = ", ".join(str(number + 1) for number in left)
                yield f"{path}: {len(left)} of {self._numbers[path]} recordings unused: {numbers}"
        folders = sorted({folder, *map(Path, self._folders)})
        for file in dict.fromkeys(file for each in folders for file in self.unclaimed(each)):
            yield f"{file}: no collected test uses it"

    def _merge(self, path: str, number: int, unplayed: Iterable[int]) -> None:
        # Several tests may share a tape: what one of them played is used.
        left = set(unplayed)
        self._unplayed[path] = sorted(left.intersection(self._unplayed.get(path, left)))
        self._numbers[path] = number


def tapes_below(folder: Path) -> list[Path]:
    """All files that are tapes by their names, sorted."""
    from tracetape.cassettes.file.filenames import tapes_at  # not in projects that ask for none

    return tapes_at(folder) if folder.is_dir() else []
