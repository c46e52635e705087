"""The files of a test's cassettes, by its names and those of its module."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

__all__ = ["paths_of"]

_LONG = 100  # characters of a test's name in the name of a file
_SUFFIXES = (".yaml", ".yml", ".json")
# A name that its file can have, but for the brackets; of others something is lost in it.
_PLAIN = re.compile(r"[A-Za-z0-9_.]+(?:\[[A-Za-z0-9_.-]+\])?")


def paths_of(item: pytest.Item, names: tuple[str | None, ...]) -> list[Path]:
    """The files of a test's cassettes, the one to record first."""
    folder: Path = item.config.rootpath / item.config.getini("cassette_dir")
    return [
        _of_test(item, folder)
        if name is None
        else folder / (name if name.removesuffix(".gz").endswith(_SUFFIXES) else f"{name}.yaml")
        for name in names or (None,)
    ]


def _of_test(item: pytest.Item, folder: Path) -> Path:
    config = item.config
    module: Path = item.path.with_suffix("")
    roots = [os.path.abspath(config.rootpath / path) for path in config.getini("testpaths")]
    for root in [*([os.path.commonpath(roots)] if roots else []), config.rootpath]:
        if module.is_relative_to(root):
            module = module.relative_to(root)
            break
    else:
        module = Path(module.name)
    test = ".".join(_names(item))
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", test).strip("_")
    if len(name) > _LONG or not _PLAIN.fullmatch(test):
        # The whole name decides, so that none is taken for another.
        name = f"{name[:_LONG]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
    return folder / module / f"{name}.yaml"


def _names(item: pytest.Item) -> list[str]:
    owner = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return [*owner, item.name]
