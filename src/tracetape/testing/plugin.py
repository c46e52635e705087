"""The pytest plugin: the marker `cassette`, the fixtures `cassette` and `traces`."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tracetape.testing.cassette_files import (
    LAYOUTS,
    WrongNameError,
    folder_of,
    mark_of,
    moved,
    note,
    paths_of,
)
from tracetape.testing.network_block import add_options, blocked
from tracetape.testing.open_cassettes import OpenCassettes
from tracetape.testing.usage import Usage

if TYPE_CHECKING:  # pytest loads this file in every project: what is heavy comes on first use
    from tracetape.testing.captured_traces import CapturedTraces

_RENAMES = pytest.StashKey[dict[str, str]]()
_USAGE = pytest.StashKey[Usage]()
_WATCH = pytest.StashKey[OpenCassettes]()
_POLICY = pytest.StashKey[Any]()
_IMPORTED_AGAIN = pytest.StashKey[bool]()
_END = pytest.StashKey[ExitStack]()
_WORKER_OUTPUT = "tracetape_cassettes"
_FAILED = pytest.StashKey[bool]()
_MODES = ("none", "once", "new_episodes", "all")


def _has_pytest_recording(manager: pytest.PytestPluginManager) -> bool:
    """Whether it takes part in this run: installed, and not switched off by `-p no:recording`."""
    if manager.has_plugin("pytest_recording.plugin"):
        return True
    return find_spec("pytest_recording") is not None and not manager.is_blocked("recording")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add ``--cassette-mode`` and the ini option ``cassette_dir``."""
    parser.getgroup("tracetape").addoption(
        "--cassette-mode",
        choices=_MODES,
        default=None,
        help="how all cassettes record and replay: none, once (the default; none where the "
        "environment variable CI is set), new_episodes, all",
    )
    parser.getgroup("tracetape").addoption(
        "--cassette-unused",
        action="store_true",
        help="report recordings that no test played, and cassettes that belong to no test; "
        "meant for runs of all tests",
    )
    if not _has_pytest_recording(pluginmanager):  # its option of that name counts for us too
        parser.getgroup("tracetape").addoption(
            "--disable-recording",
            action="store_true",
            help="open no cassettes: requests go to the network, and nothing is recorded",
        )
        add_options(parser.getgroup("tracetape"))
    parser.addini(
        "cassette_layout",
        f"where the cassettes are: {LAYOUTS[0]} (below the root directory) or {LAYOUTS[1]} (in a "
        "folder of each test module's own folder, named as pytest-recording names them)",
        default=LAYOUTS[0],
    )
    parser.addini(
        "cassette_dir",
        "folder of the cassettes, below the root directory",
        default="cassettes",
    )
    parser.addini(
        "cassette_mode",
        "the mode of cassettes that name none, also where CI is set",
        default="",
    )
    parser.addini(
        "cassette_allow_misses",
        "whether a test passes although a request was on no cassette, and the program ignored it",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker, and read how hosts appear on new tapes."""
    pairs = os.environ.get("TRACETAPE_CASSETTE_RENAME", "")
    config.stash[_RENAMES] = dict(pair.split("=", 1) for pair in pairs.split(",") if pair)
    config.addinivalue_line(
        "markers",
        "cassette(*names, mode=None, **options): replay HTTP from "
        "cassettes/<test module>/<test name>.yaml, or from others; record the first if missing",
    )
    if not _has_pytest_recording(config.pluginmanager):  # else it blocks the network itself
        config.addinivalue_line(
            "markers",
            "block_network(allowed_hosts=None): let the test reach this machine only, and these "
            "hosts; cassettes record anyway",
        )
    config.stash[_USAGE] = Usage()
    config.stash[_WATCH] = OpenCassettes(config.stash[_USAGE], config.rootpath)
    _set_policy(config)


def _set_policy(config: pytest.Config) -> None:
    """One for marker, fixture, block and decorator."""
    from tracetape._policy import Policy, policy

    mode = _mode_of_run(config)
    if mode not in _MODES:
        ours = ", which is 'all' here" if mode == "rewrite" else ""
        raise pytest.UsageError(
            f"cassette_mode: choose from {', '.join(_MODES)}, not {mode!r}{ours}"
        )
    config.stash[_POLICY] = Policy(
        mode=mode,
        forced=config.getoption("--cassette-mode"),
        options={
            "rename_hosts": config.stash[_RENAMES] or None,
            "allow_misses": config.getini("cassette_allow_misses"),
        },
        disabled=config.getoption("--disable-recording", default=False),
        opened=config.stash[_WATCH].opened,
        reason=_reason(config),
    )
    stack = config.stash.setdefault(_END, ExitStack())
    stack.enter_context(policy(config.stash[_POLICY]))


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the process as it was."""
    if _END in config.stash:
        config.stash[_END].close()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """A conftest.py that makes its client on import is imported again, with a key."""
    before = early_config.pluginmanager.get_plugins()
    given = early_config.known_args_namespace
    mode = given.cassette_mode or _mode_of_run(early_config)
    try:
        return (yield)
    except Exception as error:
        from tracetape.testing.early_clients import asks_for_credentials, chain

        disabled = getattr(given, "disable_recording", False)
        if disabled or not (_replays(mode) and asks_for_credentials(chain(error))):
            raise
        if not _put_placeholders(early_config):
            raise
    from tracetape.testing.early_clients import load_conftests

    load_conftests(early_config, parser, args, before)
    return None


def _mode_of_run(config: pytest.Config) -> str:
    return config.getini("cassette_mode") or ("none" if _is_ci() else "once")


def _reason(config: pytest.Config) -> str:
    """Why the mode of the run is what it is."""
    if config.getoption("--cassette-mode"):
        return "the command line says so"
    if config.getini("cassette_mode"):
        return "the ini option cassette_mode says so"
    return "the environment variable CI is set" if _is_ci() else "it is the default"


def _replays(mode: str) -> bool:
    """Whether a run in this mode answers from the tapes that are there."""
    return mode in ("none", "once")


def _put_placeholders(config: pytest.Config, *folders: Path) -> bool:
    """Set what the tapes need, until the run ends; whether there are tapes. Once is enough."""
    from tracetape.testing.early_clients import put_placeholders

    placeholders = put_placeholders(config, folders)
    if placeholders is None:
        return False
    config.stash.setdefault(_END, ExitStack()).callback(placeholders.remove)
    config.stash[_IMPORTED_AGAIN] = True
    return True


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note all tests; a module that makes its client on import is imported again, with a key.

    So is a conftest.py of a folder, which is loaded when the folder is collected.
    """
    report = yield
    config = collector.config
    note(config, report.result or ())
    policy = config.stash[_POLICY]
    if (
        not report.failed
        or config.stash.get(_IMPORTED_AGAIN, False)
        or policy.disabled
        or not _replays(policy.forced or policy.mode)
        or not isinstance(collector, (pytest.Module, pytest.Directory))
    ):
        return report
    from tracetape.testing.early_clients import asks_for_credentials

    if not asks_for_credentials(str(report.longrepr)):
        return report
    if not _put_placeholders(config, collector.path.parent / config.getini("cassette_dir")):
        return report
    again: pytest.CollectReport = collector.ihook.pytest_make_collect_report(collector=collector)
    return again


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which cassettes the tests have."""
    for item in items:
        marker = mark_of(item)
        with suppress(WrongNameError):  # a wrong name is an error of its test, when that runs
            for path in () if marker is None else paths_of(item, marker.args):
                config.stash[_USAGE].claim(path, folder_of(item))
                if not path.exists() and (before := moved(item)) and before.name == path.name:
                    config.stash[_USAGE].was_at(path, before)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what was used to the process that reports."""
    session.config.stash[_WATCH].finish()
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
    """Report what could not be recorded, and, if asked to, what was not used."""
    usage = config.stash[_USAGE]
    lines = [*usage.unrecorded()]
    if config.getoption("--cassette-unused"):
        unused = [*usage.lines(config.rootpath / config.getini("cassette_dir"))]
        lines += unused or ["all recordings and all cassettes were used"]
    if not lines:
        return
    terminalreporter.section("cassettes")
    for line in lines:
        terminalreporter.line(line.replace(f"{config.rootpath}{os.sep}", ""))


@pytest.fixture(scope="session")
def cassette_config() -> dict[str, Any]:
    """Options of `tracetape.cassette` for all marked tests; a conftest.py may have its own."""
    return {}


@pytest.fixture(autouse=True)
def _tracetape_cassette(
    request: pytest.FixtureRequest, cassette_config: dict[str, Any]
) -> Iterator[Any]:
    from tracetape._policy import policy

    here = request.config.stash[_POLICY].with_options(cassette_config)
    marker = mark_of(request.node)
    with ExitStack() as stack:
        stack.enter_context(policy(here))
        watch, manager = request.config.stash[_WATCH], request.config.pluginmanager
        if not (_has_pytest_recording(manager) or (here.disabled and marker is not None)):
            watch.block = stack.enter_context(blocked(request.node))
        if marker is None:
            yield None
            return
        from tracetape.cassettes import cassette

        path, *others = paths_of(request.node, marker.args)
        others_only = "only the first cassette of a test is recorded, and this is another"
        with policy(replace(here, forced="none", reason=others_only)):
            for other in others:
                stack.enter_context(cassette(other, **marker.kwargs))
        # The innermost is asked first, and takes what is recorded.
        tape = stack.enter_context(cassette(path, **marker.kwargs))
        yield tape
        if request.node.stash.get(_FAILED, False):
            tape.cut_short()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Forget what earlier tests did.

    A client that a fixture of a wider scope makes is made before the test's tape opens, and needs
    the tape's placeholders too.
    """
    item.config.stash[_WATCH].begin()
    with ExitStack() as stack:
        marker = mark_of(item)
        policy = item.config.stash[_POLICY]
        if marker is not None and not policy.disabled:
            from tracetape.testing.early_clients import put_for_test

            mode = policy.forced or marker.kwargs.get("mode") or policy.mode
            placeholders = None
            with suppress(WrongNameError):  # the test's fixture raises it
                placeholders = put_for_test(paths_of(item, marker.args), mode)
            if placeholders is not None:
                stack.callback(placeholders.remove)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """A miss that the program swallowed fails the test."""
    yield
    swallowed = item.config.stash[_WATCH].swallowed()
    if swallowed and not item.stash.get(_FAILED, False):
        pytest.fail(
            "The program ignored that requests are not on the cassettes:\n"
            + "\n".join(swallowed)
            + "\nIf that is intended, use cassette(allow_misses=True) or the ini option "
            "cassette_allow_misses.",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note that a test failed, since what it recorded is not all; its report names its tapes."""
    if call.excinfo is not None and call.when != "teardown":
        item.stash[_FAILED] = True
        item.config.stash[_WATCH].explain(call.excinfo.value)
    report = yield
    if report.failed and (section := item.config.stash[_WATCH].section()):
        report.sections.append(("cassettes", section))
    return report


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
    from tracetape.testing.captured_traces import capture

    before = active()
    autolog()
    with capture() as captured:
        yield captured
    autolog(disable=True, exclude=before)
