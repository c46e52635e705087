"""The pytest plugin, as a project uses it that has installed us."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

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
    """A missing cassette is an error there, unless the command line says otherwise."""
    monkeypatch.setenv("URL", server)
    monkeypatch.setenv("CI", "1")
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*CassetteError: there is no cassette *test_get.yaml*"])
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
    """And parametrised tests have a tape each."""
    monkeypatch.setenv("URL", server)
    (project.path / "tests" / "test_web.py").write_text(
        """
import os, httpx, pytest

@pytest.mark.cassette("shared/names", ignore=["query.t"])
def test_named():
    assert httpx.get(os.environ["URL"] + "x?t=1").text == "/x?t=1"

class TestGroup:
    @pytest.mark.cassette
    @pytest.mark.parametrize("path", ["a", "b c"])
    def test_each(self, path):
        httpx.get(os.environ["URL"] + path)
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=3)
    tapes = sorted(
        str(path.relative_to(project.path / "cassettes"))
        for path in (project.path / "cassettes").rglob("*.yaml")
    )
    assert tapes == [
        "shared/names.yaml",
        "test_web/TestGroup.test_each_a.yaml",
        "test_web/TestGroup.test_each_b_c.yaml",
    ]
