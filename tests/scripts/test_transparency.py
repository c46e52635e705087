"""`make transparency` on a small suite: it sees what differs, and only that."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "transparency.py"
# The script itself says so: the tests of some SDKs need it.
needs_python_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs Python 3.11")
Trial = Callable[[str], bool]
Fetch = Callable[[str, str, Path | None], Path]

SAME = """
import openai, pytest, socket, types
def test_call():
    http = pytest.importorskip("httpx2") if openai.VERSION >= "3" else pytest.importorskip("httpx")
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
    assert client.chat.completions.create(model="m", messages=[]).id == "1"
def test_that_fails():
    assert openai is None
@pytest.mark.skip
def test_that_is_skipped(): ...
def test_no_network():
    for reach in (lambda: socket.create_connection(("192.0.2.1", 80), 60),
                  lambda: socket.create_connection(("example.com", 80), 60)):
        with pytest.raises(OSError, match="unreachable|not known"):
            reach()
def test_a_librarys_module_is_not_hidden_by_one_of_our_scripts():
    import packaging.version
"""
DIFFERENT = """
import pathlib
from concurrent.futures import ThreadPoolExecutor
from tracetape.diagnostics import internal_error
seen = pathlib.Path(__file__).with_name("seen")
def is_on():
    return hasattr(ThreadPoolExecutor.submit, "__wrapped__")
def test_nobody_is_there():
    assert not is_on()
def test_the_error():
    raise KeyError if is_on() else ValueError
def test_unsteady():
    first = is_on() and not seen.exists()
    if first:
        seen.touch()
    assert not first
def test_with_a_fault():
    if is_on():
        try:
            1 / 0
        except ZeroDivisionError:
            internal_error("dividing")
"""


@pytest.fixture
def script(tmp_path: Path, few_plugins: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, whose one suite is the test's own, run by this interpreter."""
    spec = importlib.util.spec_from_file_location("transparency", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "transparency", module)
    spec.loader.exec_module(module)
    folder = tmp_path / "suite-1.0"
    (folder / "tests").mkdir(parents=True)
    monkeypatch.setattr(module, "FOLDER", tmp_path / "work")
    monkeypatch.setattr(module, "SUITES", {"suite": module.Suite()})
    monkeypatch.setattr(module, "LIMIT", [])
    monkeypatch.setattr(module, "own_fetch", module.fetch, raising=False)
    monkeypatch.setattr(module, "fetch", lambda name, version, checkouts: folder)
    monkeypatch.setattr(module, "environment", lambda name, folder: Path(sys.executable))
    (tmp_path / "work").mkdir()
    return module


@pytest.fixture
def trial(script: ModuleType, tmp_path: Path) -> Trial:
    """Write a suite of one file, and try it."""

    def run(source: str) -> bool:
        (tmp_path / "suite-1.0" / "tests" / "test_it.py").write_text(source, "utf-8")
        same: bool = script.trial("suite", "", workers=0)
        return same

    return run


def test_a_suite_that_sees_no_difference(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    """Failing and skipped tests are the same on both sides; the network is off; a span is made."""
    assert trial(SAME)
    assert capsys.readouterr().out == (
        "suite-1.0: 5 tests, 3 passed without us; 1 spans; "
        "0 differ (0 unsteady), 0 internal errors\n"
    )


def test_what_differs_is_listed(
    script: ModuleType,
    trial: Trial,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another outcome, another error, an error of ours; not a test that is only unsteady."""
    monkeypatch.setattr(script, "AGAIN", 1)
    assert not trial(DIFFERENT)
    assert capsys.readouterr().out.splitlines() == [
        "suite-1.0: 4 tests, 3 passed without us; 0 spans; 2 differ (1 unsteady), "
        "1 internal errors",
        "  tests/test_it.py::test_nobody_is_there",
        "    off: ['passed']",
        "    on:  ['failed assert']",
        "  tests/test_it.py::test_the_error",
        "    off: ['failed ValueError']",
        "    on:  ['failed KeyError']",
        "  internal error while dividing: 1 times",
    ]


@needs_python_3_11
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "broke off: pytest's exit status is 5"),
        ("import pytest\ndef test_it(): ...\ndef test_end(): pytest.exit('enough')", "status is 2"),
        ("import os\ndef test_it(): ...\ndef test_end(): os._exit(7)", "status is 7"),
        ("import nothing_of_that_name", "no test of its suite passes without us"),
    ],
    ids=["empty", "interrupted", "crashed", "not collected"],
)
def test_a_suite_that_does_not_run_is_none(
    script: ModuleType,
    tmp_path: Path,
    source: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing was compared, or not all of it: that is no success, however alike both sides are."""
    (tmp_path / "suite-1.0" / "tests" / "test_it.py").write_text(source, "utf-8")
    monkeypatch.setattr(sys, "argv", ["transparency.py", "--workers", "0"])
    assert script.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert said in lines[0]
    assert lines[-1] == "nothing is known of suite"


@needs_python_3_11
def test_a_package_whose_tests_cannot_be_had_is_no_success(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An sdist without tests, and no way to the repository: the others do not hide it."""

    def fetch(name: str, version: str, checkouts: Path | None) -> Path:
        raise script.NotRunError("its sdist has no tests")

    monkeypatch.setattr(script, "fetch", fetch)
    monkeypatch.setattr(sys, "argv", ["transparency.py"])
    assert script.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "suite: not run, its sdist has no tests",
        "nothing is known of suite",
    ]


def test_tests_of_a_checkout(script: ModuleType, fetch: Fetch, tmp_path: Path) -> None:
    """A folder that you name gives the tests which an sdist lacks."""
    there = tmp_path / "checkouts" / "suite" / "tests"
    there.mkdir(parents=True)
    (there / "test_it.py").write_text(SAME, "utf-8")
    with pytest.raises(script.NotRunError, match="its sdist has no tests"):
        fetch("suite", "1.0", None)
    with pytest.raises(script.NotRunError, match="its sdist has no tests"):
        fetch("suite", "1.0", tmp_path / "nothing")
    folder = fetch("suite", "1.0", tmp_path / "checkouts")
    assert (folder / "tests" / "test_it.py").read_text("utf-8") == SAME


@pytest.fixture
def fetch(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """The script's own, where pip has downloaded an sdist without tests."""
    sdists = tmp_path / "work" / "sdists" / "suite"
    sdists.mkdir(parents=True)
    with tarfile.open(sdists / "suite-1.0.tar.gz", "w:gz") as tar:
        tar.add(SCRIPT, "suite-1.0/pyproject.toml")
    monkeypatch.setattr(
        script.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0)
    )
    own: Fetch = script.own_fetch
    return own
