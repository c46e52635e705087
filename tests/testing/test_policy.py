"""One policy for all cassettes of a run of pytest, and reports that name them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tracetape.cassettes import cassette

pytest_plugins = ["pytester"]


class _Echo(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.path.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Answers with the path, and knows what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, whose URL is in the environment."""
    monkeypatch.delenv("CI", raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        monkeypatch.setenv("URL", running.url)
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty project, whose tests have a function `get`."""
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(
        app="""
        import os, httpx
        def get(path):
            with httpx.Client(trust_env=False) as client:
                return client.get(os.environ["URL"] + path).text
        def get_or_none(path):
            try:
                return get(path)
            except Exception:
                return None
        """
    )
    pytester.syspathinsert()
    return pytester


def recorded(path: Path, url: str, *asked: str) -> None:
    """Write a tape."""
    with cassette(path, mode="once"), httpx.Client(trust_env=False) as client:
        for one in asked:
            client.get(url + one)


MARKED = """
import pytest
from app import get

pytestmark = pytest.mark.cassette

def test_asks():
    assert get("a") == "/a"

def test_asks_nothing():
    pass

def test_skips():
    pytest.skip("not here")

class TestOfAClass:
    @pytest.mark.parametrize("number", [1, 2])
    def test_each(self, number):
        assert get(f"b{number}") == f"/b{number}"

    def test_asks_nothing(self):
        pass
"""


def test_marked_tests_without_a_request_pass_where_ci_is_set(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules and classes are marked as a whole; no tape is missing where nothing is asked.

    Several processes record; one replays. `test_uses.py` has it the other way round.
    """
    project.makepyfile(test_it=MARKED)
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=5, skipped=1)
    monkeypatch.setenv("CI", "true")
    number = len(server.asked)
    project.runpytest_subprocess().assert_outcomes(passed=5, skipped=1)
    assert len(server.asked) == number


BLOCKS = """
import pytest
from app import get
from tracetape import cassette as tape

def test_block():
    with tape("tapes/block.yaml"):
        get("a")

@tape("tapes/function.yaml")
def decorated():
    get("b")

def test_decorated():
    decorated()

@pytest.fixture(scope="session")
def session():
    with tape("tapes/session.yaml") as opened:
        yield opened

def test_session(session):
    get("c")

@pytest.mark.asyncio
async def test_async_block():
    async with tape("tapes/async.yaml"):
        get("d")
"""


@pytest.mark.parametrize(
    ("arguments", "environment"), [((), "true"), (("--cassette-mode=none",), "")]
)
def test_blocks_decorators_and_fixtures_record_nothing_where_the_run_does_not(
    project: pytest.Pytester,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environment: str,
) -> None:
    """The variable CI and the command line count for all of them."""
    project.makepyfile(test_it=BLOCKS)
    monkeypatch.setenv("CI", environment)
    project.runpytest_subprocess(*arguments).assert_outcomes(failed=4)
    assert server.asked == []
    assert not (project.path / "tapes").exists()


def test_the_command_line_records_blocks_anew_and_where_ci_is_set(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts for more than the environment, the block and the folder."""
    project.makepyfile(test_it=BLOCKS)
    project.runpytest_subprocess().assert_outcomes(passed=4)
    assert len(server.asked) == 4
    monkeypatch.setenv("CI", "true")
    project.runpytest_subprocess("--cassette-mode=all").assert_outcomes(passed=4)
    assert len(server.asked) == 8


def test_the_configuration_of_a_folder_counts_for_blocks(
    project: pytest.Pytester, server: Server
) -> None:
    """What a block names itself counts for more."""
    project.makeconftest(
        """
        import pytest
        @pytest.fixture(scope="module")
        def cassette_config():
            return {"ignore": ["query.t"], "mode": "none"}
        """
    )
    recorded(project.path / "t.yaml", server.url, "a?t=1")
    project.makepyfile(
        test_it="""
        import pytest, tracetape
        from app import get
        def test_of_the_folder():
            with tracetape.cassette("t.yaml"):
                assert get("a?t=2") == "/a?t=1"
            with pytest.raises(tracetape.exceptions.CassetteMissError):
                with tracetape.cassette("t.yaml"):
                    get("b")
        def test_of_its_own():
            with tracetape.cassette("new.yaml", mode="once"):
                get("c")
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)
    assert server.asked == ["/a?t=1", "/c"]


def test_the_ini_option_is_the_mode_of_those_that_name_none(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where CI is set; a mode that does not exist is refused at once."""
    project.makeini("[pytest]\ncassette_mode = once\n")
    project.makepyfile(test_it=BLOCKS)
    monkeypatch.setenv("CI", "true")
    project.runpytest_subprocess().assert_outcomes(passed=4)
    project.makeini("[pytest]\ncassette_mode = sometimes\n")
    outcome = project.runpytest_subprocess()
    outcome.stderr.fnmatch_lines(["*cassette_mode: choose from none, once*'sometimes'*"])


SWALLOWING = """
import pytest
from app import get, get_or_none
from tracetape import cassette as tape
from tracetape.exceptions import CassetteMissError

@pytest.mark.cassette
def test_marked():
    assert get_or_none("a") is None

def test_block():
    with tape("tapes/block.yaml"):
        assert get_or_none("b") is None

@pytest.fixture(scope="session")
def session():
    with tape("tapes/session.yaml") as opened:
        yield opened

def test_session(session):
    assert get_or_none("c") is None

def test_after_session(session):
    pass

@pytest.mark.cassette(allow_misses=True)
def test_allowed():
    assert get_or_none("d") is None

def test_expected():
    with pytest.raises(CassetteMissError), tape("tapes/block.yaml"):
        get("e")
"""


def test_a_miss_that_the_program_swallows_fails_the_test(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its end, by marker, block and wider fixture, and only the test in which it happened."""
    monkeypatch.setenv("CI", "true")
    project.makepyfile(test_it=SWALLOWING)
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(passed=6, errors=3)
    outcome.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_marked*",
            "*The program ignored that requests are not on the cassettes:*",
            "*GET http://*/a has no answer: the cassette *test_marked.yaml does not exist.*",
            "*- cassettes -*",
            "cassettes/test_it/test_marked.yaml: mode none, 0 played, 0 recorded, 1 missed",
        ]
    )
    project.makeini("[pytest]\ncassette_allow_misses = true\n")
    project.runpytest_subprocess().assert_outcomes(passed=6)


FAILING = """
import pytest
from app import get
from tracetape import cassette as tape

@pytest.mark.cassette
def test_it():
    with tape("block.yaml"):
        assert get("b") == "/b"
    assert get("a") == "good"
"""


def test_the_report_of_a_failing_test_names_its_tapes(
    project: pytest.Pytester, server: Server
) -> None:
    """Whether the answers came from a file, and from which."""
    recorded(project.path / "block.yaml", server.url, "b")
    project.makepyfile(test_it=FAILING)
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(
        [
            "cassettes/test_it/test_it.yaml: mode once, 0 played, 1 recorded, 0 missed",
            "block.yaml: mode once, 1 played, 0 recorded, 0 missed",
            "*The answers come from this file, not from a service.",
        ]
    )


def test_a_tape_that_a_renamed_test_has_left_is_named(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a test got parameters; the tape of another test is no orphan."""
    folder = project.path / "cassettes" / "test_it"
    for name in ("test_answers", "test_country", "test_kept"):
        recorded(folder / f"{name}.yaml", server.url, "a")
    monkeypatch.setenv("CI", "true")
    project.makepyfile(
        test_it="""
        import pytest
        from app import get
        pytestmark = pytest.mark.cassette
        def test_kept():
            get("a")
        def test_answer():
            get("a")
        @pytest.mark.parametrize("where", ["France"])
        def test_country(where):
            get("a")
        """
    )
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(passed=1, failed=2)
    outcome.stdout.fnmatch_lines(
        [
            "cassettes/test_it/test_answer.yaml: mode none,*",
            "*The file does not exist: it was to be replayed.",
            "*cassettes/test_it/test_answers.yaml has a similar name*",
            "cassettes/test_it/test_country_France.yaml: mode none,*",
            "*cassettes/test_it/test_country.yaml has a similar name*",
        ]
    )


def test_a_tape_that_other_testpaths_name_is_named_and_left_alone(
    project: pytest.Pytester, server: Server
) -> None:
    """Whether the run misses it or records anew; the tape of another module is no such tape."""
    project.makeini("[pytest]\ntestpaths = tests\n")
    for name in ("test_it", "unit/test_it"):  # the second has its tape at another's old name
        file = project.path / "tests" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(
            "import pytest\nfrom app import get\npytestmark = pytest.mark.cassette\n"
            "def test_a():\n    get('a')\n"
        )
    old = project.path / "cassettes" / "tests" / "test_it" / "test_a.yaml"
    recorded(old, server.url, "a")
    before = old.read_bytes()
    missed = project.runpytest_subprocess("--cassette-mode=none")
    missed.assert_outcomes(failed=2)
    named = "cassettes/tests/test_it/test_a.yaml has a similar name, and no test has it*"
    missed.stdout.fnmatch_lines(["cassettes/test_it/test_a.yaml: mode none*", f"*{named}"])
    assert missed.stdout.str().count("has a similar name") == 1
    anew = project.runpytest_subprocess()
    anew.assert_outcomes(passed=2)
    anew.stdout.fnmatch_lines([f"cassettes/test_it/test_a.yaml: recorded again. {named}"])
    assert old.read_bytes() == before


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_tapes_that_blocks_have_opened_are_used(
    project: pytest.Pytester, server: Server, workers: tuple[str, ...]
) -> None:
    """Decorators and fixtures, too; their recordings count."""
    project.makepyfile(test_it=BLOCKS.replace("tapes/", "cassettes/"))
    for name, asked in (("block", "a"), ("function", "b"), ("session", "c"), ("async", "d")):
        recorded(project.path / "cassettes" / f"{name}.yaml", server.url, asked, "more")
    (project.path / "cassettes" / "old.yaml").write_text("version: 1\ninteractions: []\n")
    outcome = project.runpytest_subprocess("--cassette-unused", *workers)
    outcome.assert_outcomes(passed=4)
    assert [line for line in outcome.outlines if line.startswith("cassettes/")] == [
        "cassettes/async.yaml: 1 of 2 recordings unused: 2",
        "cassettes/block.yaml: 1 of 2 recordings unused: 2",
        "cassettes/function.yaml: 1 of 2 recordings unused: 2",
        "cassettes/session.yaml: 1 of 2 recordings unused: 2",
        "cassettes/old.yaml: no collected test uses it",
    ]


REFUSED = """
import socket, urllib.request
import pytest
from app import get
from tracetape import cassette as tape

OUTSIDE = "192.0.2.1"  # nobody answers

@pytest.mark.cassette
def test_connection():
    try:
        socket.create_connection((OUTSIDE, 5432), timeout=1)
    except Exception:
        pass
    assert get("a") == "of a service"

def test_request():
    with tape("block.yaml"):
        try:
            urllib.request.urlopen(f"http://{OUTSIDE}/x", timeout=1)
        except Exception:
            pass
"""


def test_refused_connections_are_in_the_report(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is a miss, though no tape has those of its library; a bare connection is none."""
    for name in ("block.yaml", "cassettes/test_it/test_connection.yaml"):
        recorded(project.path / name, server.url, "a")
    monkeypatch.setenv("CI", "true")
    project.makepyfile(test_it=REFUSED)
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(passed=1, failed=1, errors=1)
    outcome.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_request*",
            "*GET http://192.0.2.1/x: a connection to 192.0.2.1 was refused*",
            "cassettes/test_it/test_connection.yaml: mode none, 1 played, 0 recorded, 0 missed",
            "  a connection to 192.0.2.1 was refused: *",
        ]
    )


UNRECORDED = """
import os, urllib.request
import pytest
from app import get

@pytest.mark.cassette
@pytest.mark.parametrize("number", [1, 2])
def test_it(number):
    assert get("a") == "/a"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(os.environ["URL"] + f"by-urllib-{number}").read()
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_what_could_not_be_recorded_is_named_at_the_end_of_the_run(
    project: pytest.Pytester, server: Server, workers: tuple[str, ...]
) -> None:
    """Though its test passes; the next run replays, and has nothing to say."""
    project.makepyfile(test_it=UNRECORDED)
    outcome = project.runpytest_subprocess(*workers)
    outcome.assert_outcomes(passed=2)
    told = [line for line in outcome.outlines if line.startswith("cassettes/")]
    assert told == [
        f"cassettes/test_it/test_it_{number}.yaml: not recorded: GET {server.url}by-urllib-{number}"
        " (urllib (http.client))"
        for number in (1, 2)
    ]
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(passed=2)
    assert "not recorded" not in outcome.stdout.str()


ALIKE = """
import pytest
from app import get

pytestmark = pytest.mark.cassette

@pytest.mark.parametrize("name", ["gpt", "GPT", "Gpt", "con"])
def test_it(name):
    assert get(name) == f"/{name}"

def test_it_gpt():
    assert get("function") == "/function"

class TestOne:
    def test_x(self):
        assert get("x") == "/x"
    def test_X(self):
        assert get("X") == "/X"
"""


def test_tests_whose_tapes_would_be_one_file_have_one_each(
    project: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By case, or by brackets; whichever of them are run, each finds its own."""
    project.makepyfile(test_it=ALIKE)
    project.runpytest_subprocess().assert_outcomes(passed=7)
    tapes = [path.name.lower() for path in (project.path / "cassettes" / "test_it").iterdir()]
    assert len({*tapes}) == 7
    assert {"test_it_gpt.yaml", "testone.test_x.yaml", "test_it_con.yaml"} <= {*tapes}
    monkeypatch.setenv("CI", "true")
    chosen = ("test_it.py::test_it[GPT]", "test_it.py::TestOne::test_X")
    project.runpytest_subprocess(*chosen).assert_outcomes(passed=2)
    project.runpytest_subprocess("test_it.py", "-k", "gpt").assert_outcomes(passed=4, deselected=3)


def test_beside_their_modules_too(project: pytest.Pytester, server: Server) -> None:
    """What pytest-recording has recorded where case counts is found all the same."""
    project.makeini("[pytest]\ncassette_layout = beside\n")
    project.makepyfile(test_it=ALIKE)
    folder = project.path / "cassettes" / "test_it"
    recorded(folder / "test_it[Gpt].yaml", server.url, "Gpt")
    project.runpytest_subprocess().assert_outcomes(passed=7)
    assert server.asked.count("/Gpt") == 1
    assert len({path.name.lower() for path in folder.iterdir()}) == 7
