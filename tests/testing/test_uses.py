"""How test suites use the plugin: what three public ones do, in one project that runs thrice."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("respx")
pytest.importorskip("responses")
pytest_plugins = ["pytester"]


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
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    """A server that answers with the path; stopped by the test itself."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


CONFTEST = """
import os, httpx, pytest, requests
import tracetape

URL = os.environ["URL"]
client = httpx.Client(trust_env=False)  # made on import, before any tape
session = requests.Session()
session.trust_env = False

def get(path):
    return client.get(URL + path).text

@pytest.fixture(scope="session")
def whole_session():
    with tracetape.cassette("cassettes/session.yaml") as tape:
        yield tape

@pytest.fixture(scope="class")
def whole_class(request):
    with tracetape.cassette(f"cassettes/{request.cls.__name__}.yaml"):
        yield get("of-the-class")

@pytest.fixture
def own():
    with tracetape.cassette("cassettes/fixture.yaml"):
        yield get("of-the-fixture")

@pytest.fixture(scope="module")
def cassette_config():
    return {"ignore": ["query.t"]}
"""

TESTS = """
import time, unittest
import httpx, pytest, respx, responses, tracetape
from conftest import URL, get, session

pytestmark = [pytest.mark.cassette, pytest.mark.filterwarnings("ignore::UserWarning")]

def test_asks_nothing():
    pass

def test_skips_after_a_request():
    get("before-the-skip")
    pytest.skip("not here")

@pytest.mark.parametrize("text", ["a/b", "ü", "", "../up", "x" * 200, "A", "a", "con", " "])
def test_odd_names(text):
    assert get("odd") == "/odd"

@pytest.mark.cassette(ignore=["query.u"])
@pytest.mark.cassette("named")
@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.cassette("of_param"))])
def test_all_marks_count(number, cassette):
    assert get(f"named?u={time.time()}").startswith("/named?u=")
    assert cassette.path.name == "of_param.yaml"

def test_a_block_inside(cassette):
    with tracetape.cassette("cassettes/block.yaml") as inner:
        assert get(f"block?t={time.time()}").startswith("/block")
    assert get("after") == "/after"
    assert (inner.played + inner.recorded, cassette.played + cassette.recorded) == (1, 1)

def test_a_fixture_that_opens_a_tape(own, cassette):
    assert (own, get("in-the-test")) == ("/of-the-fixture", "/in-the-test")

def test_of_the_session(whole_session, cassette):
    assert get("first") == "/first"

class TestClass:
    def test_one(self, whole_class):
        assert (whole_class, get("one")) == ("/of-the-class", "/one")

    def test_two(self, whole_class):
        assert get("two") == "/two"

class TestUnit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tracetape.cassette("cassettes/set-up.yaml"):
            cls.first = get("set-up-class")

    def setUp(self):
        self.second = get("set-up")

    def test_it(self):
        self.assertEqual((self.first, self.second), ("/set-up-class", "/set-up"))
        with self.subTest("more"):
            self.assertEqual(get("it"), "/it")

def test_what_respx_lets_through(cassette):
    with respx.mock(assert_all_called=False) as mock:
        mock.get("https://mocked.example/").respond(text="mocked")
        mock.route(host="127.0.0.1").pass_through()
        assert httpx.get("https://mocked.example/").text == "mocked"
        assert get("through") == "/through"
    assert cassette.played + cassette.recorded == 1

def test_what_responses_lets_through(cassette):
    with responses.RequestsMock() as mock:
        mock.get("https://mocked.example/", body="mocked")
        mock.add_passthru(URL)
        assert session.get("https://mocked.example/").text == "mocked"
        assert session.get(URL + "through").text == "/through"
    assert cassette.played + cassette.recorded == 1

@pytest.mark.asyncio
async def test_with_asyncio():
    async with httpx.AsyncClient(trust_env=False) as one:
        assert (await one.get(URL + "asyncio")).text == "/asyncio"

@pytest.fixture
def fails():
    get("before-the-failure")
    raise RuntimeError("in the set-up")

@pytest.mark.xfail(raises=RuntimeError, strict=True)
def test_that_fails_in_its_set_up(fails):
    pass

@pytest.mark.xfail(strict=True)
def test_that_fails():
    assert get("fails") == "else"
"""


def test_a_suite_records_replays_and_replays_in_several_processes(
    pytester: pytest.Pytester,
    server: http.server.ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is no server any more, all that passed passes, and nothing is left on a tape."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("URL", f"http://127.0.0.1:{server.server_port}/")
    pytester.makeini("[pytest]\nasyncio_mode = strict\n")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TESTS)
    expected = {"passed": 20, "skipped": 1, "xfailed": 2}
    pytester.runpytest_subprocess().assert_outcomes(**expected)
    server.socket.close()  # who connects now is refused

    monkeypatch.setenv("CI", "true")
    outcome = pytester.runpytest_subprocess("--cassette-unused")
    outcome.assert_outcomes(**expected)
    outcome.stdout.fnmatch_lines(["all recordings and all cassettes were used"])
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(**expected)
