"""Clients that are made before any tape is open: on import, and in fixtures of a wide scope."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tracetape.testing.usage import tapes_below

if TYPE_CHECKING:
    from tracetape.cassettes.replay.placeholders import Placeholders

__all__ = [
    "asks_for_credentials",
    "chain",
    "load_conftests",
    "put_for_test",
    "put_placeholders",
]

# What the SDKs say, and the variables that they name.
_MISSING = re.compile(
    r"Missing credentials|api_key client option must be set|OPENAI_API_KEY|default auth"
    r"|ANTHROPIC_API_KEY|Could not resolve authentication"
    r"|DATABRICKS_(?:HOST|TOKEN)|cannot configure default credentials"
)
_ADDRESS = re.compile(rb"""\buri["']?:\s*["']?(https?://[^\s"',]+)""")


def asks_for_credentials(text: str) -> bool:
    """Whether an import failed for want of a key or a host."""
    return _MISSING.search(text) is not None


def chain(error: BaseException | None) -> str:
    """The messages of an error and of its causes."""
    said: dict[int, str] = {}
    while error is not None and id(error) not in said:
        said[id(error)] = f"{type(error).__name__}: {error}"
        error = error.__cause__ or error.__context__
    return "\n".join(said.values())


def load_conftests(
    config: pytest.Config, parser: pytest.Parser, args: list[str], before: set[Any]
) -> None:
    """Load the first conftest.py files once more; those that were loaded stay.

    Args:
        config: the run's.
        parser: the hook's.
        args: the hook's.
        before: the plugins that there were before the first attempt.
    """
    manager = config.pluginmanager
    for plugin in manager.get_plugins() - before:
        names = getattr(plugin, "pytest_plugins", None) or ()
        for name in names.split(",") if isinstance(names, str) else names:
            manager.import_plugin(name)  # does nothing for those that were
    # Only what loads them: other plugins' hooks have been called.
    others = [plugin for plugin in manager.get_plugins() if plugin is not config]
    load = manager.subset_hook_caller("pytest_load_initial_conftests", others)
    load(early_config=config, parser=parser, args=args)


def put_placeholders(config: pytest.Config, folders: Iterable[Path]) -> Placeholders | None:
    """Set what the tapes of a project need, until it is removed; None if there are no tapes."""
    return _put([file for each in {*folders, *_folders(config)} for file in tapes_below(each)])


def put_for_test(files: Iterable[Path], mode: str) -> Placeholders | None:
    """Set what the tapes of a test need that are replayed, until it is removed."""
    if mode not in ("none", "once"):
        return None
    return _put([file for file in files if file.is_file()], is_missing=mode == "none")


def _put(files: list[Path], *, is_missing: bool = False) -> Placeholders | None:
    if not files and not is_missing:
        return None
    from tracetape.cassettes import Interaction, Request
    from tracetape.cassettes.replay.placeholders import Placeholders

    found = {address for file in files for address in _addresses(file)}
    requests = [Interaction(Request("", address)) for address in sorted(found)]
    placeholders = Placeholders(requests, is_missing=not files)
    placeholders.put()
    return placeholders


def _folders(config: pytest.Config) -> Iterable[Path]:
    """Those in which the tapes of a project are."""
    name = config.getini("cassette_dir")
    yield config.rootpath / name
    if config.getini("cassette_layout") != "beside":
        return
    skipped = config.getini("norecursedirs")
    for folder, below, files in os.walk(config.rootpath):
        if "pyvenv.cfg" in files:
            below.clear()
        below[:] = [one for one in below if not any(fnmatch.fnmatch(one, p) for p in skipped)]
        if name in below:
            yield Path(folder, name)


def _addresses(file: Path) -> Iterator[str]:
    # The lines are enough: reading all tapes of a project takes too long.
    try:
        data = file.read_bytes()
    except OSError:
        return
    yield from {address.decode("ascii", "replace") for address in _ADDRESS.findall(data)}
