"""The pytest plugin: the marker `cassette`, the fixtures `cassette` and `traces`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tracetape.testing.unused import Usage

if TYPE_CHECKING:  # pytest loads this file in every project: what is heavy comes on first use
    from tracetape.testing.capturing import CapturedTraces

_RENAMES = pytest.StashKey[dict[str, str]]()
_USAGE = pytest.StashKey[Usage]()
_WORKER_OUTPUT = "tracetape_cassettes"
_LONG = 100  # characters of a test's name in the name of a file
_SUFFIXES = (".yaml", ".yml", ".json")
# A name that its file can have, but for the brackets; of others something is lost in it.
_PLAIN = re.compile(r"[A-Za-z0-9_.]+(?:\[[A-Za-z0-9_.-]+\])?")
_FAILED = pytest.StashKey[bool]()
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
    parser.getgroup("tracetape").addoption(
        "--cassette-unused",
        action="store_true",
        help="report recordings that no test played, and cassettes that belong to no test; "
        "meant for runs of all tests",
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
        "cassette(*names, mode=None, **options): replay HTTP from "
        "cassettes/<test module>/<test name>.yaml, or from others; record the first if missing",
    )
    config.stash[_USAGE] = Usage()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which cassettes the tests have."""
    for item in items:
        marker = item.get_closest_marker("cassette")
        for path in () if marker is None else _paths(item, marker.args):
            config.stash[_USAGE].claim(path)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what was used to the process that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_OUTPUT] = session.config.stash[_USAGE].to_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take it from a worker of pytest-xdist; one that crashed has sent nothing."""
    sent = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT)
    if sent is not None:
        node.config.stash[_USAGE].add(sent)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Report what was not used, if asked to."""
    if not config.getoption("--cassette-unused"):
        return
    lines = [*config.stash[_USAGE].lines(config.rootpath / config.getini("cassette_dir"))]
    terminalreporter.section("cassettes")
    for line in lines or ["all recordings and all cassettes were used"]:
        terminalreporter.line(line.replace(f"{config.rootpath}{os.sep}", ""))


@pytest.fixture(scope="session")
def cassette_config() -> dict[str, Any]:
    """Options of `tracetape.cassette` for all marked tests; a conftest.py may have its own."""
    return {}


@pytest.fixture(autouse=True)
def _tracetape_cassette(request: pytest.FixtureRequest) -> Iterator[Any]:
    marker = request.node.get_closest_marker("cassette")
    if marker is None:
        yield None
        return
    from tracetape.cassettes import cassette

    options = {
        "rename_hosts": request.config.stash[_RENAMES],
        **request.getfixturevalue("cassette_config"),
        **marker.kwargs,
    }
    # The command line wins over the marker, that over the folder's, and that over where we are.
    mode = request.config.getoption("--cassette-mode") or options.pop("mode", None)
    mode = mode or ("none" if os.environ.get("CI") else "once")
    path, *others = _paths(request.node, marker.args)
    with ExitStack() as stack:
        tapes = [
            stack.enter_context(cassette(other, **{**options, "mode": "none"})) for other in others
        ]
        # The innermost is asked first, and takes what is recorded.
        tapes.append(stack.enter_context(cassette(path, **{**options, "mode": mode})))
        yield tapes[-1]
        if request.node.stash.get(_FAILED, False):
            tapes[-1].cut_short()
        for tape in tapes:
            if tape.replays:
                left = tape.unplayed
                request.config.stash[_USAGE].played(tape.file, len(tape.interactions), left)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note that a test failed: what it recorded is not all that it would have asked for."""
    if call.when == "call" and call.excinfo is not None:
        item.stash[_FAILED] = True


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


def _paths(item: pytest.Item, names: tuple[str | None, ...]) -> list[Path]:
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
