"""The pytest plugin, as a project uses it that has installed us."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tracetape.cassettes import cassette, load

pytest_plugins = ["pytester"]

TEST = """
import os, pytest, tracetape, httpx

@pytest.mark.cassette
def test_get(traces, cassette):
    with tracetape.start_span("work"):
        assert httpx.get(os.environ.get("URL", "http://127.0.0.1:9/") + "a").text == "/a"
    assert [span.name for span in traces[0].data.spans] == ["work"]
    assert cassette.played + cassette.recorded == 1
"""


class _Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """A server that answers with the path; its URL."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one test that is marked `cassette`."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    (pytester.mkdir("tests") / "test_web.py").write_text(TEST)
    return pytester


def test_the_first_run_records_and_the_next_replays(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into cassettes/<test module>/<test name>.yaml; the second needs no server."""
    monkeypatch.setenv("URL", server)
    project.runpytest_subprocess().assert_outcomes(passed=1)
    tape = project.path / "cassettes" / "test_web" / "test_get.yaml"
    assert tape.exists()

    text = tape.read_text().replace(server, "http://gone.example/")
    tape.write_text(text)
    monkeypatch.setenv("URL", "http://gone.example/")
    project.runpytest_subprocess().assert_outcomes(passed=1)
    assert tape.read_text() == text


def test_where_ci_is_set_nothing_is_recorded(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing cassette is empty there, unless the command line says otherwise."""
    monkeypatch.setenv("URL", server)
    monkeypatch.setenv("CI", "1")
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(
        ["*CassetteMissError: *the cassette *test_get.yaml does not exist.*"]
    )
    project.runpytest_subprocess("--cassette-mode=all").assert_outcomes(passed=1)


def test_a_test_without_the_marker_is_left_alone(
    pytester: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is its own, no file is written; the fixture `cassette` says what is missing."""
    monkeypatch.setenv("URL", server)
    pytester.makepyfile(
        """
        import os, httpx
        def test_open():
            assert httpx.get(os.environ["URL"]).text == "/"
        def test_asks_for_the_tape(cassette):
            pass
        """
    )
    outcome = pytester.runpytest_subprocess()
    outcome.assert_outcomes(passed=1, errors=1)
    outcome.stdout.fnmatch_lines(["*needs the marker: @pytest.mark.cassette*"])
    assert not (pytester.path / "cassettes").exists()


def test_the_marker_takes_a_name_and_options(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And parametrised tests have a tape each, whatever letters their names have lost."""
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "test_web.py").write_text(
        """
import os, httpx, pytest

@pytest.mark.cassette("shared/names", ignore=["query.t"])
def test_named():
    assert httpx.get(os.environ["URL"] + "x?t=1").text == "/x?t=1"

class TestGroup:
    @pytest.mark.cassette
    @pytest.mark.parametrize("path", ["a", "b c", "b*c"])
    def test_each(self, path):
        httpx.get(os.environ["URL"] + path)
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=4)
    tapes = sorted(
        str(path.relative_to(project.path / "cassettes"))
        for path in (project.path / "cassettes").rglob("*.yaml")
    )
    assert [re.sub(r"-[0-9a-f]{8}", "-…", tape) for tape in tapes] == [
        "shared/names.yaml",
        "test_web/TestGroup.test_each_a.yaml",
        "test_web/TestGroup.test_each_b_c-….yaml",
        "test_web/TestGroup.test_each_b_c-….yaml",
    ]


FAILING = """
import os, httpx, pytest

@pytest.mark.cassette
def test_it():
    httpx.get(os.environ["URL"] + "a")
    assert os.environ.get("MENDED")
    httpx.get(os.environ["URL"] + "b")
"""


def test_a_test_that_failed_while_it_recorded_goes_on_when_it_is_mended(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not come to is recorded then."""
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "test_web.py").write_text(FAILING)
    project.runpytest_subprocess().assert_outcomes(failed=1)
    monkeypatch.setenv("MENDED", "1")
    project.runpytest_subprocess().assert_outcomes(passed=1)
    project.runpytest_subprocess("--cassette-mode=none").assert_outcomes(passed=1)


def test_modules_of_one_name_in_several_folders_have_tapes_of_their_own(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the folder that is above all of `testpaths`."""
    monkeypatch.setenv("URL", server)
    project.makeini("[pytest]\ntestpaths = tests/unit tests/whole\naddopts = -p no:cacheprovider\n")
    for folder in ("unit", "whole"):
        (project.path / "tests" / folder).mkdir()
        (project.path / "tests" / folder / "__init__.py").touch()
        (project.path / "tests" / folder / "test_it.py").write_text(FAILING)
    monkeypatch.setenv("MENDED", "1")
    project.runpytest_subprocess().assert_outcomes(passed=2)
    for folder in ("unit", "whole"):
        assert (project.path / "cassettes" / folder / "test_it" / "test_it.yaml").exists()


SEVERAL = """
import os, httpx, pytest

URL = os.environ["URL"]

@pytest.mark.cassette("own", "shared")
def test_own_and_shared():
    assert httpx.get(URL + "common").text == "/common"
    assert httpx.get(URL + "own").text == "/own"
"""


def test_several_tapes_are_asked_in_turn_and_the_first_is_recorded(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are only replayed."""
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "test_web.py").write_text(SEVERAL)
    shared = project.mkdir("cassettes") / "shared.yaml"
    with cassette(shared), httpx.Client(trust_env=False) as client:
        client.get(server + "common")
    before = shared.read_text()
    project.runpytest_subprocess().assert_outcomes(passed=1)
    assert [
        one.request.url for one in load(project.path / "cassettes" / "own.yaml").interactions
    ] == [server + "own"]
    assert shared.read_text() == before
    project.runpytest_subprocess("--cassette-mode=none").assert_outcomes(passed=1)


def test_a_folder_has_a_configuration_of_its_own(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its conftest.py gives options; the marker's own count for more."""
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "conftest.py").write_text(
        """
import pytest

@pytest.fixture(scope="module")
def cassette_config():
    return {"mode": "none", "ignore": ["query.t"]}
"""
    )
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*CassetteMissError: *the cassette * does not exist.*"])
    (project.path / "tests" / "test_web.py").write_text(
        """
import os, httpx, pytest, time

@pytest.mark.cassette(mode="once")
def test_time():
    httpx.get(os.environ["URL"], params={"t": time.time()})
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_long_names_of_tests_give_short_names_of_files(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in each run, and different for each test."""
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "test_web.py").write_text(
        """
import os, httpx, pytest

@pytest.mark.cassette
@pytest.mark.parametrize("text", ["x" * 300 + "1", "x" * 300 + "2"])
def test_long(text):
    httpx.get(os.environ["URL"] + text[-1])
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)
    names = [path.name for path in (project.path / "cassettes" / "test_web").iterdir()]
    assert len(set(names)) == 2
    assert all(len(name) < 120 for name in names)
    project.runpytest_subprocess("--cassette-mode=none").assert_outcomes(passed=2)


SHARED = """
import os, httpx, pytest

URL = os.environ["URL"]

@pytest.mark.cassette("both")
@pytest.mark.parametrize("path", ["a", "b"])
def test_one_each(path):
    httpx.get(URL + path)

@pytest.mark.cassette
def test_own():
    httpx.get(URL + "c")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_what_was_not_used_is_reported(
    project: pytest.Pytester, server: str, workers: tuple[str, ...]
) -> None:
    """Recordings by their numbers, used by one of several tests counts; and tapes of no test."""
    cassettes = project.mkdir("cassettes")
    with cassette(cassettes / "both.yaml"), httpx.Client(trust_env=False) as client:
        for path in "abcd":
            client.get(server + path)
    with (
        cassette(cassettes / "test_web" / "test_own.yaml"),
        httpx.Client(trust_env=False) as client,
    ):
        client.get(server + "c")
    (cassettes / "old.yaml").write_text("version: 1\ninteractions: []\n")
    (project.path / "tests" / "test_web.py").write_text(
        f"import os\nos.environ['URL'] = {server!r}\n{SHARED}"
    )
    outcome = project.runpytest_subprocess("--cassette-unused", "--cassette-mode=none", *workers)
    outcome.assert_outcomes(passed=3)
    told = [line for line in outcome.outlines if line.startswith("cassettes/")]
    assert told == [
        "cassettes/both.yaml: 2 of 4 recordings unused: 3, 4",
        "cassettes/old.yaml: no collected test uses it",
    ]


ASYNC = """
import os, asyncio, httpx, pytest, anyio

URL = os.environ["URL"]

async def ask(path):
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(URL + path)).text

@pytest.fixture
async def fetched():
    return await ask("fixture")

@pytest.mark.cassette
@pytest.mark.asyncio
async def test_with_pytest_asyncio(cassette):
    assert await asyncio.gather(ask("a"), ask("b")) == ["/a", "/b"]

@pytest.mark.cassette
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_with_anyio(cassette, anyio_backend, fetched):
    assert fetched == "/fixture"
    async with anyio.create_task_group() as group:
        group.start_soon(ask, "a")
        group.start_soon(ask, "b")
    assert cassette.played + cassette.recorded == 3
"""


def test_asynchronous_tests_find_their_tape(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pytest-asyncio and anyio, on both of its loops, in tasks and in fixtures."""
    monkeypatch.setenv("URL", server)
    project.makeini("[pytest]\ntestpaths = tests\nasyncio_mode = strict\n")
    (project.path / "tests" / "test_web.py").write_text(ASYNC)
    anyio = ("-p", "anyio.pytest_plugin")
    project.runpytest_subprocess(*anyio).assert_outcomes(passed=3)
    monkeypatch.setenv("CI", "1")
    project.runpytest_subprocess(*anyio).assert_outcomes(passed=3)


BESIDE = """
import httpx, pytest

@pytest.mark.cassette
def test_with_respx(respx_mock, cassette):
    respx_mock.get("https://mocked.example/").respond(text="mocked")
    assert httpx.get("https://mocked.example/").text == "mocked"
    assert (cassette.played, cassette.recorded) == (0, 0)

def test_without_a_tape(respx_mock):
    respx_mock.get("https://mocked.example/").respond(text="mocked")
    assert httpx.get("https://mocked.example/").text == "mocked"
"""


def test_respx_has_its_own_fixture_beside_ours(
    project: pytest.Pytester,
) -> None:
    """What its routes answer is on no tape."""
    (project.path / "tests" / "test_web.py").write_text(BESIDE)
    project.runpytest_subprocess("-p", "respx.plugin").assert_outcomes(passed=2)


RECORDING = """
import os, httpx, pytest

URL = os.environ["URL"]

@pytest.mark.vcr
def test_theirs(vcr):
    assert httpx.get(URL + "theirs").text == "/theirs"

@pytest.mark.cassette
def test_ours(cassette):
    assert httpx.get(URL + "ours").text == "/ours"
    assert cassette.played + cassette.recorded == 1
"""


def test_pytest_recording_does_its_tests_and_we_do_ours(
    project: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are installed, and each has its marker, its folder and its option."""
    pytest.importorskip("pytest_recording")
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "test_web.py").write_text(RECORDING)
    recording = ("-p", "pytest_recording.plugin")
    project.runpytest_subprocess(*recording, "--record-mode=once").assert_outcomes(passed=2)
    monkeypatch.setenv("CI", "1")
    project.runpytest_subprocess(*recording, "--record-mode=none").assert_outcomes(passed=2)
    assert (project.path / "cassettes" / "test_web" / "test_ours.yaml").exists()
    assert (project.path / "tests" / "cassettes" / "test_web" / "test_theirs.yaml").exists()


def test_a_project_without_marked_tests_pays_next_to_nothing(run_python: Any) -> None:
    """pytest loads the plugin everywhere: what it needs for a tape comes with the first one."""
    done = run_python(
        """
        import sys
        import tracetape.testing.plugin
        parts = {name.split(".")[1] for name in sys.modules if name.startswith("tracetape.")}
        print(sorted(parts - {"testing", "_absent", "_lazy", "_forks", "_system", "_version"}))
        """
    )
    assert done.stdout.strip() == "[]"
