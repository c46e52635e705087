"""The pytest plugin: the marker `cassette`, the fixtures `cassette` and `traces`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # pytest loads this file in every project: what is heavy comes on first use
    from tracetape.testing.capturing import CapturedTraces

_RENAMES = pytest.StashKey[dict[str, str]]()
_MODES = ("none", "once", "new_episodes", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--cassette-mode`` and the ini option ``cassette_dir``."""
    parser.getgroup("tracetape").addoption(
        "--cassette-mode",
        choices=_MODES,
        default=None,
        help="how tests marked `cassette` record and replay: none, once (the default; none where "
        "the environment variable CI is set), new_episodes, all",
    )
    parser.addini(
        "cassette_dir",
        "folder of the cassettes, below the root directory",
        default="cassettes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker, and read how hosts are to stand on new tapes."""
    pairs = os.environ.get("TRACETAPE_CASSETTE_RENAME", "")
    config.stash[_RENAMES] = dict(pair.split("=", 1) for pair in pairs.split(",") if pair)
    config.addinivalue_line(
        "markers",
        "cassette(name=None, *, mode=None, **options): replay HTTP from "
        "cassettes/<test module>/<test name>.yaml, or from another name; record it if missing",
    )


@pytest.fixture(autouse=True)
def _tracetape_cassette(request: pytest.FixtureRequest) -> Iterator[Any]:
    marker = request.node.get_closest_marker("cassette")
    if marker is None:
        yield None
        return
    from tracetape.cassettes import cassette

    def arguments(name: str | None = None, **options: Any) -> tuple[str | None, dict[str, Any]]:
        return name, options

    name, options = arguments(*marker.args, **marker.kwargs)
    options.setdefault("rename_hosts", request.config.stash[_RENAMES])
    # The command line wins over the marker, and that over where we are.
    mode = request.config.getoption("--cassette-mode") or options.pop("mode", None)
    options["mode"] = mode or ("none" if os.environ.get("CI") else "once")
    with cassette(_path(request, name), **options) as tape:
        yield tape


@pytest.fixture
def cassette(_tracetape_cassette: Any) -> Any:
    """The open tape of a test marked `cassette`."""
    if _tracetape_cassette is None:
        raise pytest.UsageError("the fixture `cassette` needs the marker: @pytest.mark.cassette")
    return _tracetape_cassette


@pytest.fixture
def traces() -> Iterator[CapturedTraces]:
    """The traces of this test so far, as a list; every integration is on meanwhile."""
    from tracetape.instrument.registry import active, autolog
    from tracetape.testing.capturing import capture

    before = active()
    autolog()
    with capture() as captured:
        yield captured
    autolog(disable=True, exclude=before)


def _path(request: pytest.FixtureRequest, name: str | None) -> Path:
    config = request.config
    folder: Path = config.rootpath / config.getini("cassette_dir")
    if name is not None:
        return folder / (name if name.endswith((".yaml", ".yml", ".json")) else f"{name}.yaml")
    module: Path = request.node.path.with_suffix("")
    for root in [*(config.rootpath / path for path in config.getini("testpaths")), config.rootpath]:
        if module.is_relative_to(root):
            module = module.relative_to(root)
            break
    else:
        module = Path(module.name)
    test = ".".join(_names(request.node))
    return folder / module / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', test).strip('_')}.yaml"


def _names(item: pytest.Item) -> list[str]:
    owner = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return [*owner, item.name]
