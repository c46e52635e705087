"""Every test stands alone: its own store, folder and environment; nothing of ours outlives it."""

from __future__ import annotations

import contextlib
import gc
import inspect
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner
from warm import Warm

import tracetape
from tracetape.diagnostics import forget_faults
from tracetape.entities import Span, Trace
from tracetape.instrument import registry
from tracetape.privacy import values
from tracetape.tracing.current import current, current_span
from tracetape.tracing.runtime import runtime

WORKER = "tracetape-recorder"
STRICT = "TRACETAPE_RAISE_INTERNAL_ERRORS"
# A shell's background job ignores SIGINT, and nohup SIGHUP; children ignore what their parent does.
WITH_SIGNALS = """
import os, signal, sys
for one in (signal.SIGALRM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(one, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
os.execv(sys.argv[1], sys.argv[1:])
"""
# Where it is set, each of hundreds of children would compile all that it imports, and keep nothing.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Plugins of the suite's environment that a child pytest does not need: each run would import them
# for two seconds. A test that needs one of them asks for it: `-p anyio.pytest_plugin`.
UNUSED = ("anyio", "hypothesispytest", "recording", "respx", "time_machine", "xdist.looponfail")
# Plugins that shuffle: the suite may run in random order, but what a child's tests show has one.
SHUFFLING = ("randomly", "random_order")
# Seconds; only a test that fails waits so long, so they allow for a machine that is very busy.
DEADLINE = 60.0
PATIENCE = 300.0
Owned = Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]
# What an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def _our_variables() -> list[str]:
    return [name for name in os.environ if name.startswith("TRACETAPE_")]


def _workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == WORKER]


def pytest_collection_finish() -> None:
    """Tests that collect garbage need not look at the million objects of the imported modules."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test asks a server by TLS: each of the thousand HTTP clients reads one certificate, not
    the 140 of certifi's bundle, which takes 25 ms."""
    import certifi

    end = "-----END CERTIFICATE-----\n"
    text = Path(certifi.where()).read_text()
    file = tmp_path_factory.mktemp("authority") / "one.pem"
    file.write_text(text[text.index("-----BEGIN") : text.index(end)] + end)
    with pytest.MonkeyPatch.context() as patch:
        if "SSL_CERT_FILE" not in os.environ:
            patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """The file that this test's spans are written to."""
    return tmp_path / "traces.db"


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store and a working directory of its own; no fault of ours is hidden."""
    monkeypatch.chdir(tmp_path)
    for name in _our_variables():
        monkeypatch.delenv(name)
    monkeypatch.setenv(STRICT, "1")
    forget_faults()
    values.forget()
    enabled, runtime.enabled = runtime.enabled, True
    destination = runtime.config.destination
    configuration = tracetape.configure(store=f"sqlite:///{store_path}")
    assert current.get() is None, "an earlier test left a span current"

    yield

    left = current_span()
    current.set(None)
    runtime.recorder.close()
    runtime.enabled = enabled
    configuration.__exit__(None, None, None)
    runtime.change(destination=destination)  # a block of `configure` leaves it
    forget_faults()
    for name in _our_variables():
        del os.environ[name]
    traced = sorted(registry.active())
    tracetape.autolog(disable=True)
    assert left is None, f"this test left {left!r} current"
    assert not traced, f"this test left {traced} switched on"
    deadline = time.monotonic() + DEADLINE
    while _workers() and time.monotonic() < deadline:
        time.sleep(0.01)  # of a recorder that is used no more, for a span that ended late
    assert not _workers(), "this test left a recorder's thread running"


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a user's program: internal errors are logged and counted, not raised."""
    monkeypatch.delenv(STRICT)


@pytest.fixture
def runner() -> CliRunner:
    """Runs a command in this process, and keeps its two outputs apart."""
    options: dict[str, Any] = {}
    if "mix_stderr" in inspect.signature(CliRunner).parameters:  # click before 8.2
        options["mix_stderr"] = False
    return CliRunner(**options)


@pytest.fixture
def few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child pytests load what a project has that has installed us, and little else."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in UNUSED + SHUFFLING))


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a condition holds, and give its value."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + DEADLINE
        while not (value := condition()):
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.005)
        return value

    return wait


@pytest.fixture
def query(store_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Ask the database file itself, past all code of ours."""

    def ask(sql: str, *parameters: Any, path: Path = store_path) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(path, timeout=60)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    return ask


@pytest.fixture
def last_trace() -> Callable[[], Trace]:
    """The trace whose root ended last, as it stands in the store."""

    def read() -> Trace:
        trace_id = tracetape.get_last_active_trace_id()
        assert trace_id is not None
        assert tracetape.flush(DEADLINE) == 0
        trace = runtime.recorder.store.get_trace(int(trace_id[3:], 16))
        assert trace is not None
        return trace

    return read


@pytest.fixture
def last_span(last_trace: Callable[[], Trace]) -> Callable[[], Span]:
    """The only span of the trace whose root ended last, as it stands in the store."""

    def read() -> Span:
        (span,) = last_trace().data.spans
        return span

    return read


def _start(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, whose children are in it too."""
    return subprocess.Popen(command, text=True, start_new_session=True, **options)


def _end(process: subprocess.Popen[str]) -> None:
    """End a command and all that it has started, which would wait for it for ever."""
    with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def run_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in the test's folder; whatever happens, nothing that it started lives on.

    `environment` is the whole environment of the command; without it, the command has ours.
    `input` is what it reads; without it, it reads nothing.
    """

    def run(
        command: list[str],
        environment: dict[str, str] | None = None,
        timeout: float = PATIENCE,
        *,
        folder: Path = tmp_path,
        input: str = "",
    ) -> subprocess.CompletedProcess[str]:
        pipe = subprocess.PIPE
        streams = {"stdin": pipe, "stdout": pipe, "stderr": pipe}
        process = _start(command, cwd=folder, env=environment, **streams)
        try:
            output, errors = process.communicate(input, timeout)
        finally:
            _end(process)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    return run


@pytest.fixture
def run_python(
    run_command: Callable[..., subprocess.CompletedProcess[str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of its own in the test's folder, without the suite's strictness."""

    def run(
        source: str,
        *arguments: str,
        check: bool = True,
        timeout: float = PATIENCE,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        done = run_command(
            [sys.executable, "-c", textwrap.dedent(source), *arguments],
            program_environment(environment),
            timeout,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Warm]]:
    """The process that programs are forked from; it starts with the first."""
    started: list[Warm] = []

    def get() -> Warm:
        if not started:
            started.append(Warm(tmp_path_factory.mktemp("warm"), program_environment({})))
        return started[0]

    yield get
    for process in started:
        process.close()


@pytest.fixture
def run_warm(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
    warm: Callable[[], Warm],
    tmp_path: Path,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `run_python`, where the program may find the SDKs imported: that saves two seconds."""

    def run(
        source: str,
        *arguments: str,
        check: bool = True,
        timeout: float = PATIENCE,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        whole = program_environment(environment)
        done = warm().run("-c", textwrap.dedent(source), arguments, whole, tmp_path, timeout)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run if sys.platform == "linux" else run_python


@pytest.fixture
def command_warm(
    run_command: Callable[..., subprocess.CompletedProcess[str]],
    warm: Callable[[], Warm],
    tmp_path: Path,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `tracetape`, or another module, with these arguments in this environment, where it may
    find pytest and the SDKs imported."""

    def run(
        *arguments: str, environment: dict[str, str], module: str = "tracetape"
    ) -> subprocess.CompletedProcess[str]:
        if sys.platform != "linux":
            return run_command([sys.executable, "-m", module, *arguments], environment)
        return warm().run("-m", module, arguments, environment, tmp_path, PATIENCE)

    return run


@pytest.fixture
def owned() -> Iterator[Owned]:
    """Hand over a process that leads a group: when the test ends, the whole group is killed."""
    started: list[subprocess.Popen[str]] = []

    def keep(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        started.append(process)
        return process

    yield keep
    for process in started:
        _end(process)


@pytest.fixture
def start_python(tmp_path: Path, owned: Owned) -> Callable[..., subprocess.Popen[str]]:
    """Start a program in the test's folder; when the test ends, its whole group is killed."""

    def start(source: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return owned(
            _start(
                [sys.executable, "-c", textwrap.dedent(source), *arguments],
                cwd=tmp_path,
                env=program_environment(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )

    return start


@pytest.fixture
def start_group(tmp_path: Path, owned: Owned) -> Callable[..., subprocess.Popen[str]]:
    """Start a command in the test's folder, with the signals of one that a user starts; when the
    test ends, its whole group is killed."""

    def start(
        command: list[str], *, stderr: int | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACETAPE_")}
        return owned(
            _start(
                [sys.executable, "-c", WITH_SIGNALS, *command],
                cwd=tmp_path,
                env={**inherited, **environment},
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        )

    return start


def program_environment(extra: dict[str, str]) -> dict[str, str]:
    """What a program needs to find the tracetape that is under test."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACETAPE_")}
    source = str(Path(tracetape.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, inherited.get("PYTHONPATH")]))
    return {**inherited, "PYTHONPATH": path, **extra}
