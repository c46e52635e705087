"""The files of a test's cassettes, by its names and those of its module."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "LAYOUTS",
    "WrongNameError",
    "folder_of",
    "mark_of",
    "moved",
    "note",
    "own_name",
    "paths_of",
]

LAYOUTS = ("root", "beside")

_LONG = 100  # characters of a test's name in the name of a file
_LONGEST = 255  # bytes of a file's name, in pytest-recording's
_NAMES = pytest.StashKey[dict[tuple[Path, str], set[str]]]()
_SUFFIXES = (".yaml", ".yml", ".json")
# A name that its file can have, but for the brackets; of others something is lost in it.
_PLAIN = re.compile(r"[A-Za-z0-9_.]+(?:\[[A-Za-z0-9_.-]+\])?")


class WrongNameError(TypeError):
    """A mark names a cassette by what is not a text."""


def folder_of(item: pytest.Item) -> Path:
    """The folder of all cassettes of a test's project, or of those next to its module."""
    config = item.config
    above = item.path.parent if _is_beside(config) else config.rootpath
    folder: Path = above / config.getini("cassette_dir")
    return folder


def mark_of(item: pytest.Item) -> pytest.Mark | None:
    """One mark `cassette` for all that a test has: the nearest that names tapes, all options.

    A parameter's mark is nearer than the function's, which is nearer than the class's.
    """
    marks = [*item.iter_markers("cassette")]
    if not marks:
        return None
    call = getattr(item, "callspec", None)
    of_parameter = [mark for mark in getattr(call, "marks", ()) if mark in marks]
    marks = [*of_parameter, *(mark for mark in marks if mark not in of_parameter)]
    names = next((mark.args for mark in marks if mark.args), ())
    options = {k: v for mark in reversed(marks) for k, v in mark.kwargs.items()}
    mark: pytest.Mark = pytest.mark.cassette(*names, **options).mark
    return mark


def paths_of(item: pytest.Item, names: tuple[Any, ...]) -> list[Path]:
    """The files of a test's cassettes, the one to record first.

    Raises:
        WrongNameError: a name is not text; the error names the test.
    """
    for name in names:
        if not isinstance(name, (str, os.PathLike, type(None))):
            raise WrongNameError(
                f"{item.nodeid}: names of cassettes are texts, not {name!r}: write "
                "@pytest.mark.cassette('NAME')"
            )
    texts = [None if name is None else os.fspath(name) for name in names]
    folder = folder_of(item)
    is_beside = _is_beside(item.config)
    above = folder / item.path.stem if is_beside else folder
    own = _as_pytest_recording(item, above) if is_beside else _of_test(item, folder)
    return [
        own
        if name is None
        else above / (name if name.removesuffix(".gz").endswith(_SUFFIXES) else f"{name}.yaml")
        for name in texts or (None,)
    ]


def _is_beside(config: pytest.Config) -> bool:
    layout = config.getini("cassette_layout")
    if layout not in LAYOUTS:
        raise pytest.UsageError(
            f"cassette_layout: choose from {', '.join(LAYOUTS)}, not {layout!r}"
        )
    return bool(layout == "beside")


def note(config: pytest.Config, nodes: Iterable[Any]) -> None:
    """Tests of a module or a class, wanted or not: names of files that are one must differ."""
    names = config.stash.setdefault(_NAMES, {})
    for node in nodes:
        if isinstance(node, pytest.Item):
            test = own_name(_names(node))
            names.setdefault((node.path, f"{test.lower()}/"), set()).add(test)  # "/" is in no name
            test = ".".join(_names(node))
            if _PLAIN.fullmatch(test):  # of others the name of the file has a hash
                names.setdefault((node.path, _plain(test).lower()), set()).add(test)


def own_name(names: list[str]) -> str:
    """The name that pytest-recording makes of a test's and its classes' names."""
    return re.sub(r"""[<>?%*:|\\"'/]""", "-", ".".join(names[-2:]))


def _as_pytest_recording(item: pytest.Item, folder: Path) -> Path:
    """The name that pytest-recording gives, so that its files are found."""
    test = own_name(_names(item))
    noted = item.config.stash.get(_NAMES, {}).get((item.path, f"{test.lower()}/"), {test})
    if len(noted) > 1 and not _keeps(test, noted, folder):
        test = f"{test}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
    marker = item.get_closest_marker("default_cassette")
    if marker is not None and marker.args:
        test = str(marker.args[0]).removesuffix(".yaml")
    if len(test) + len(".yaml") > _LONGEST:
        digest = hashlib.md5(test.encode(), usedforsecurity=False).hexdigest()
        test = f"{test[: _LONGEST - len('.yaml') - len(digest) - 3]}...{digest}"
    return folder / f"{test}.yaml"


def moved(item: pytest.Item) -> Path | None:
    """The file of a test's own cassette as another `testpaths` names it; None: another test has it.

    It is looked for when a test has no file under its present name.
    """
    config = item.config
    if _is_beside(config) or not item.path.is_relative_to(config.rootpath):
        return None
    folder = folder_of(item)
    own = _of_test(item, folder)
    parts = item.path.relative_to(config.rootpath).with_suffix("").parts
    for start in range(len(parts)):
        module = Path(*parts[start:])
        file = folder / module / own.name
        if file != own and file.exists() and not _is_of_another(item, module):
            return file
    return None


def _is_of_another(item: pytest.Item, module: Path) -> bool:
    """Whether another module's tapes are in the folder that has the name of `module`."""
    places = [(root / module).with_suffix(item.path.suffix) for root in _roots(item.config)]
    return any(place != item.path and place.exists() for place in places)


def _roots(config: pytest.Config) -> list[Path]:
    """The folders below which modules are named: that above all of `testpaths`, and the root."""
    paths = [os.path.abspath(config.rootpath / path) for path in config.getini("testpaths")]
    return [*([Path(os.path.commonpath(paths))] if paths else []), config.rootpath]


def _of_test(item: pytest.Item, folder: Path) -> Path:
    config = item.config
    module: Path = item.path.with_suffix("")
    for root in _roots(config):
        if module.is_relative_to(root):
            module = module.relative_to(root)
            break
    else:
        module = Path(module.name)
    test = ".".join(_names(item))
    name = _plain(test)
    noted = config.stash.get(_NAMES, {}).get((item.path, name.lower()), {test})
    is_lossy = not _PLAIN.fullmatch(test)
    if is_lossy or len(name) > _LONG or test != _first(noted) or _is_device(name):
        # The whole name decides, so that none is taken for another.
        name = f"{name[:_LONG]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
    if _is_device(name):
        name = f"_{name}"
    return folder / module / f"{name}.yaml"


def _first(tests: set[str]) -> str:
    """Of tests whose files would be one, that which keeps its name: rather one without capitals."""
    return min(tests, key=lambda test: (test != test.lower(), test))


def _keeps(test: str, noted: set[str], folder: Path) -> bool:
    """Whether a test's file has its plain name, as one that pytest-recording has written has."""
    try:
        files = os.listdir(folder)
    except OSError:
        files = []
    own = f"{test}.yaml"
    is_free = own.lower() not in [file.lower() for file in files]
    return own in files or (is_free and test == _first(noted))


def _plain(test: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", test).strip("_")


def _is_device(name: str) -> bool:
    from tracetape.cassettes.file.filenames import is_reserved

    return is_reserved(name)


def _names(item: pytest.Item) -> list[str]:
    owner = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return [*owner, item.name]
