"""When a tape is recorded, replayed, or continued; what is kept of a recording that ends badly."""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import (
    Interaction,
    Request,
    Response,
    Tape,
    cassette,
    load,
    save,
)
from tracetape.exceptions import (
    CassetteError,
    CassetteMissError,
    InvalidTypeError,
    InvalidValueError,
)

httpx2 = pytest.importorskip("httpx2")


@pytest.fixture
def get(server: Any) -> Iterator[Any]:
    """A request for a path of the server: the server's running number, or the taped one."""
    client = httpx2.Client(trust_env=False, verify=False)
    yield lambda path: client.get(server.url + path).json()["asked"]
    client.close()


def test_once_records_and_then_only_replays(
    server: Any, tape: Path, get: Callable[..., Any]
) -> None:
    """A request that is new afterwards is a miss, though the server is there."""
    with cassette(tape):
        assert get("/a") == 1
    with cassette(tape):
        assert get("/a") == 1
        with pytest.raises(CassetteMissError):
            get("/b")
    assert len(server.asked) == 1


def test_new_episodes_adds_what_is_new(server: Any, tape: Path, get: Callable[..., Any]) -> None:
    """What is on the tape is replayed, the rest is recorded behind it."""
    with cassette(tape):
        get("/a")
    with cassette(tape, mode="new_episodes") as both:
        assert (get("/a"), get("/b")) == (1, 2)
    assert (both.played, both.recorded) == (1, 1)
    assert [one.request.url for one in load(tape).interactions] == [
        f"{server.url}/a",
        f"{server.url}/b",
    ]


def test_all_records_anew(server: Any, tape: Path, get: Callable[..., Any]) -> None:
    """Nothing is replayed, and the old recordings are gone."""
    with cassette(tape):
        get("/a")
        get("/b")
    with cassette(tape, mode="all"):
        assert get("/a") == 3
    assert len(load(tape).interactions) == 1


def test_all_without_a_request_keeps_the_old_tape(tape: Path, get: Callable[..., Any]) -> None:
    """A run that asks nothing does not destroy what was there."""
    with cassette(tape):
        get("/a")
    with cassette(tape, mode="all"):
        pass
    assert len(load(tape).interactions) == 1


def test_none_without_a_file_says_how_to_record(tape: Path, get: Callable[..., Any]) -> None:
    """It is an empty tape; the first request names the file, and what to do."""
    with cassette(tape, mode="none") as opened:
        assert opened.interactions == []
    with pytest.raises(
        CassetteMissError, match=r"the cassette .*tape.yaml does not exist. Record it first"
    ):
        with cassette(tape, mode="none"):
            get("/a")
    assert not tape.exists()


@pytest.fixture
def crashing(tape: Path, get: Callable[..., Any]) -> Callable[..., Any]:
    """A program that records one request and then fails with an error of its own."""

    def program(error: Any) -> None:
        with cassette(tape):
            get("/a")
            raise error

    return program


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "sometimes"}, "unknown mode 'sometimes': choose from none, once"),
        ({"scope": "galaxy"}, "unknown scope 'galaxy': choose from context, process"),
        ({"speed": -1}, "speed must be a number of 0 or more, not -1"),
        ({"rechunk": True}, "rechunk must be a whole number of 0 or more, not True"),
        ({"cut_after": -1}, "cut_after must be a whole number of 0 or more, not -1"),
        ({"match_on": ["header"]}, "cannot match on 'header': choose from method"),
        ({"match_on": "body"}, "a list of names"),
        ({"ignore": ["user"]}, "cannot ignore 'user': name a field as body.NAME"),
        ({"ignore": ["body."]}, "cannot ignore 'body.'"),
        ({"ignore": [7]}, "ignore takes a list of names, but 7 is not a string"),
        ({"ignore": "body.user"}, "ignore takes a list of names, not 'body.user'"),
        ({"match_on": 7}, "match_on takes a list of names, not 7"),
        ({"allow_hosts": "localhost"}, "allow_hosts takes a list of names, not 'localhost'"),
        ({"allow_hosts": ["http://x.test:81/v1"]}, "not supported: write for example 'x.test:81'"),
        ({"allow_hosts": ["*"]}, r"allow_hosts takes host names.*not '\*'"),
        ({"allow_hosts": ["*.x.test"]}, "allow_hosts takes host names"),
        ({"allow_hosts": [r"x\\.test"]}, "allow_hosts takes host names"),
        ({"allow_hosts": ["10.0.0.0/8"]}, "allow_hosts takes host names"),
        ({"allow_hosts": [""]}, "allow_hosts takes host names"),
        ({"ignore_hosts": ["x.test/v1"]}, "ignore_hosts takes host names"),
        ({"ignore_hosts": [None]}, "ignore_hosts takes a list of names, but None is not a string"),
        ({"rename_hosts": ["http://x.test"]}, "rename_hosts takes a dictionary"),
        (
            {"rename_hosts": {"x.test": "https://y.test"}},
            "rename_hosts takes the beginnings of URLs, not 'x.test'",
        ),
        (
            {"rename_hosts": {"http://x.test": "y.test"}},
            "rename_hosts takes the beginnings of URLs, not 'y.test'",
        ),
        ({"scrub": "keys"}, "scrub must be a function"),
        ({"speed": "fast"}, "speed must be a number of 0 or more, not 'fast'"),
    ],
)
def test_an_argument_without_meaning_is_refused(tape: Path, options: Any, message: Any) -> None:
    """The error names the value and the choices."""
    with pytest.raises(InvalidValueError, match=message):
        with cassette(tape, **options):
            pass


def test_a_recording_that_an_error_ends_is_continued_by_once(
    tape: Path, get: Callable[..., Any], crashing: Callable[..., Any]
) -> None:
    """What was recorded up to the error stays, and the next run records the rest."""
    with pytest.raises(ZeroDivisionError):
        crashing(ZeroDivisionError())
    assert load(tape).incomplete

    with cassette(tape):
        assert (get("/a"), get("/b")) == (1, 2)
    assert not load(tape).incomplete
    assert len(load(tape).interactions) == 2


def test_replay_does_not_end_a_recording_that_was_cut_short(
    tape: Path, get: Callable[..., Any], crashing: Callable[..., Any]
) -> None:
    """In mode none the file stays as it is, byte for byte."""
    with pytest.raises(ZeroDivisionError):
        crashing(ZeroDivisionError())
    before = tape.read_bytes()
    with cassette(tape, mode="none"):
        get("/a")
    assert tape.read_bytes() == before


def test_a_continued_recording_with_nothing_new_is_complete(
    tape: Path, get: Callable[..., Any], crashing: Callable[..., Any]
) -> None:
    """The second run came to its end: the tape is whole."""
    with pytest.raises(ZeroDivisionError):
        crashing(ZeroDivisionError())
    with cassette(tape):
        get("/a")
    assert not load(tape).incomplete


@pytest.mark.parametrize(("status", "is_whole"), [(None, True), (0, True), (1, False)])
def test_leaving_by_sys_exit_may_be_an_end_like_any_other(
    tape: Path, crashing: Callable[..., Any], status: Any, is_whole: Any
) -> None:
    """A program that ends itself with status 0 has come to its end."""
    with pytest.raises(SystemExit):
        crashing(SystemExit(status))
    assert load(tape).incomplete is not is_whole


def test_a_killed_program_leaves_what_it_had(server: Any, tape: Path, start_python: Any) -> None:
    """Each interaction is in the file as soon as it ended."""
    process = start_python(
        """
        import sys, httpx2
        from tracetape.cassettes import cassette
        with cassette(sys.argv[1]), httpx2.Client(trust_env=False, verify=False) as client:
            for number in range(3):
                client.get(f"{sys.argv[2]}/{number}")
            print("recorded", flush=True)
            input()
        """,
        str(tape),
        server.url,
    )
    assert process.stdout.readline() == "recorded\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = load(tape)
    assert kept.incomplete
    assert [one.request.url[-2:] for one in kept.interactions] == ["/0", "/1", "/2"]


def test_what_a_program_was_writing_when_it_was_killed_is_left_out(
    server: Any, tape: Path, get: Callable[..., Any], tmp_path: Path
) -> None:
    """Wherever the kill cut it: an answer is on the tape whole, or not at all."""
    with cassette(tape):
        get("/a")
        first = tape.read_bytes()
        get("/b")
        second = tape.read_bytes()
    assert second.startswith(first)
    half = tmp_path / "half.yaml"
    for length in range(len(first), len(second), 3):
        half.write_bytes(second[:length])
        kept = load(half)
        assert kept.incomplete
        assert [one.request.url[-2:] for one in kept.interactions] == ["/a"], length
    half.write_bytes(second)
    assert len(load(half).interactions) == 2
    assert b"# recorded" not in tape.read_bytes()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forking beside threads
def test_a_child_process_cannot_record_on_its_parents_tape(
    server: Any, tape: Path, get: Callable[..., Any]
) -> None:
    """Two writers would destroy the file: the child gets a clear error."""
    with cassette(tape):
        get("/a")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # one that hangs fails this test
            try:
                get("/b")
            except CassetteError as error:
                os.write(write, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        message = os.read(read, 10_000).decode()
        os.close(read)
        os.close(write)
    assert "is held by the process" in message
    assert len(load(tape).interactions) == 1


def test_a_tape_that_is_being_recorded_cannot_be_opened_again(
    tape: Path, get: Callable[..., Any]
) -> None:
    """The two would overwrite each other."""
    with cassette(tape), pytest.raises(CassetteError, match="is being recorded by another block"):
        with cassette(tape):
            pass
    get_later = cassette(tape)
    with get_later:
        pass


def test_a_file_that_cannot_be_written_is_told_at_the_end(
    tmp_path: Path, get: Callable[..., Any]
) -> None:
    """The request has its answer; the error names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CassetteError, match=r"file.tape.yaml cannot be written"):
        with cassette(tmp_path / "file" / "tape.yaml"):
            assert get("/a") == 1


def test_interactions_stand_in_the_order_in_which_they_began(server: Any, tape: Path) -> None:
    """A stream that is read while other calls are made stands before them."""
    server.routes["/s"] = lambda handler: handler.stream([b"data: 1\n\n", b"data: [DONE]\n\n"])
    with cassette(tape), httpx2.Client(trust_env=False, verify=False) as client:
        with client.stream("GET", f"{server.url}/s") as stream:
            client.get(f"{server.url}/a")
            stream.read()
    assert [one.request.url[-1] for one in load(tape).interactions] == ["s", "a"]


def test_identical_requests_replay_in_the_recorded_order(
    server: Any, tape: Path, get: Callable[..., Any]
) -> None:
    """Each recording is played once; one more is a miss that says so."""
    with cassette(tape):
        assert [get("/a"), get("/a")] == [1, 2]
    with cassette(tape) as replaying:
        assert [get("/a"), get("/a")] == [1, 2]
        with pytest.raises(
            CassetteMissError, match=r"recorded 2 times, and each recording has been replayed"
        ):
            get("/a")
    assert len(replaying.misses) == 1


def test_a_cassette_decorates_plain_functions(tape: Path, get: Callable[..., Any]) -> None:
    """Each call is a session of its own; name and signature stay."""

    @cassette(tape)
    def question(path: str) -> int:
        """Ask."""
        return get(path)

    assert [question("/a"), question("/a")] == [1, 1]
    assert (question.__name__, question.__doc__) == ("question", "Ask.")
    assert list(inspect.signature(question).parameters) == ["path"]


async def test_a_cassette_decorates_async_functions(server: Any, tape: Path) -> None:
    """Overlapping calls have each a session of their own."""
    import asyncio

    async def ask() -> int:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            return (await client.get(f"{server.url}/a")).json()["asked"]

    asked = cassette(tape)(ask)
    assert inspect.iscoroutinefunction(asked)
    assert await asked() == 1
    assert await asyncio.gather(asked(), asked(), asked()) == [1, 1, 1]


def test_the_body_of_a_decorated_function_runs_once_per_call(tape: Path) -> None:
    """An error in it is the caller's, unchanged."""

    @cassette(tape)
    def fails() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fails()


def test_a_generator_cannot_be_decorated(tape: Path) -> None:
    """The tape would be closed before the first step."""

    def steps() -> Iterator[Any]:
        yield 1

    with pytest.raises(InvalidTypeError, match="cannot decorate the generator steps"):
        cassette(tape)(steps)


def test_relative_paths_hold_where_the_tape_was_opened(
    server: Any,
    tape: Path,
    get: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A program that changes its folder does not lose its tape."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with cassette("relative.yaml"):
        get("/a")
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert (tmp_path / "relative.yaml").exists()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_saving_leaves_no_drafts(tmp_path: Path) -> None:
    """A file is replaced in one step."""
    save(tmp_path / "deep" / "tape.yaml", Tape([]))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["tape.yaml"]
    assert load(tmp_path / "deep" / "tape.yaml").interactions == []


def test_what_a_killed_process_has_left_goes_with_the_next_recording(tmp_path: Path) -> None:
    """Nobody's drafts, but none that another process may just be writing, and no other files."""
    left = [f".tape.yaml.{process}.140636089076608" for process in (1, 22)]
    others = [".tape.yaml.bak", ".tape.yaml.1.2.orig", ".other.yaml.1.2", "tape.yaml.new"]
    for name in (*left, *others):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".tape.yaml.3.3").write_text("x")
    save(tmp_path / "tape.yaml", Tape([]))
    assert sorted(os.listdir(tmp_path)) == sorted([*others, ".tape.yaml.3.3", "tape.yaml"])


def test_a_link_to_a_tape_stays_a_link(
    server: Any, tape: Path, get: Callable[..., Any], tmp_path: Path
) -> None:
    """What is recorded goes where it points, also where nothing is yet; also by mode all."""
    shared = tmp_path / "shared"
    shared.mkdir()
    tape.symlink_to(shared / "real.yaml")
    for mode in ("once", "all", "new_episodes"):
        with cassette(tape, mode=mode) as recording:
            get(f"/{mode}")
        assert recording.recorded == 1
        assert tape.is_symlink()
        assert len(load(tape).interactions) == len(load(shared / "real.yaml").interactions)
    assert sorted(os.listdir(shared)) == ["real.yaml"]
    assert sorted(one for one in os.listdir(tmp_path) if "tape" in one) == ["tape.yaml"]


def test_an_error_that_a_miss_has_caused_becomes_the_miss(
    tape: Path, get: Callable[..., Any]
) -> None:
    """Some SDKs (openai before 3) make their own error of it: the block shows the true one."""
    save(tape, Tape([]))

    @cassette(tape, mode="none")
    def program() -> None:
        try:
            get("/a")
        except CassetteMissError as error:
            raise ConnectionError("Connection error.") from error

    with pytest.raises(CassetteMissError, match="The cassette has no recordings"):
        program()


def test_an_error_that_no_miss_has_caused_is_left_alone(
    tape: Path, get: Callable[..., Any]
) -> None:
    """A program may handle a miss, and fail of something else."""
    save(tape, Tape([]))

    @cassette(tape, mode="none")
    def program() -> None:
        try:
            get("/a")
        except CassetteMissError:
            pass
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        program()


def test_what_a_crash_broke_is_recorded_anew(
    server: Any, tape: Path, get: Callable[..., Any]
) -> None:
    """A stream that was read by half, or a server that was gone: else `once` would repeat it."""
    server.routes["/stream"] = lambda handler: handler.stream([b"data: 1\n\n", b"data: 2\n\n"])

    def half() -> Any:
        with (
            httpx2.Client(trust_env=False, verify=False) as client,
            client.stream("GET", f"{server.url}/stream") as response,
        ):
            return next(response.iter_raw())

    def refused() -> None:
        with httpx2.Client(trust_env=False, verify=False) as client:
            client.get("http://127.0.0.1:9/")

    def program() -> None:
        with cassette(tape):
            get("/a")
            half()
            refused()

    with pytest.raises(httpx2.ConnectError):
        program()
    assert len(load(tape).interactions) == 3
    with cassette(tape) as continued:
        assert get("/a") == 1
        with httpx2.Client(trust_env=False, verify=False) as client:
            assert client.get(f"{server.url}/stream").text == "data: 1\n\ndata: 2\n\n"
    assert (continued.played, continued.recorded) == (1, 1)
    assert not load(tape).incomplete


def test_a_recording_can_be_given_up(tape: Path, get: Callable[..., Any]) -> None:
    """As pytest's fixture does for a test that fails: a later `once` continues it."""
    with cassette(tape) as recording:
        get("/a")
        recording.cut_short()
    assert load(tape).incomplete


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "::1", "LOCALHOST:80", "a_b.test", "x-1.test"]
)
def test_a_host_has_a_name_or_an_address_and_perhaps_a_port(tape: Path, host: Any) -> None:
    """These are known; they are no patterns."""
    with cassette(tape, allow_hosts=[host], ignore_hosts={host}):
        pass


def test_the_usual_port_may_be_named(tape: Path) -> None:
    """A URL that does not say its port has the one of its scheme."""
    with cassette(tape, ignore_hosts=["x.test:443"]) as player:
        assert player.passes("https://x.test/v1")
        assert not player.passes("http://x.test/v1")


def test_a_good_tape_stays_where_its_new_recording_fails(
    server: Any, tape: Path, get: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Mode all with a program that fails half-way: the old file stays, the new one is beside it."""
    with cassette(tape):
        get("/a")
    good = tape.read_bytes()

    def program() -> None:
        with cassette(tape, mode="all"):
            get("/b")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program()
    assert tape.read_bytes() == good
    new = tape.with_name("tape.yaml.new")
    assert [one.request.url for one in load(new).interactions] == [f"{server.url}/b"]
    assert f"{tape} was not changed" in caplog.text
    assert str(new) in caplog.text
    with cassette(tape, mode="all"):
        get("/c")
    assert [one.request.url for one in load(tape).interactions] == [f"{server.url}/c"]
    assert not new.exists()


@pytest.mark.parametrize("status", [None, 401, 429, 503])
def test_a_good_tape_stays_where_the_service_is_away(
    tape: Path, server: Any, status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Mode all, and a program that makes do without an answer: a tape of refusals replaces none."""

    def ask(url: Any) -> Any:
        try:
            return httpx2.get(url, trust_env=False).status_code
        except httpx2.ConnectError:
            return None

    with cassette(tape):
        assert ask(f"{server.url}/a") == 200
    good = tape.read_bytes()
    if status is None:
        with cassette(tape, mode="all", rename_hosts={"http://127.0.0.1:1": server.url}):
            assert ask("http://127.0.0.1:1/a") is None
    else:
        server.routes["/a"] = lambda handler: handler.plain({}, status=status)
        with cassette(tape, mode="all"):
            assert ask(f"{server.url}/a") == status
    assert tape.read_bytes() == good
    assert "the service did not answer any of the new requests" in caplog.text


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_refusal_at_the_end_of_a_broken_recording_is_recorded_anew(
    server: Any, tape: Path, status: Any
) -> None:
    """A wrong key in the first run is no answer for ever."""
    answers = [200, status, 200]
    server.routes["/a"] = lambda handler: handler.plain({}, status=answers.pop(0))

    def program() -> None:
        for _ in range(2):
            httpx2.get(f"{server.url}/a", trust_env=False).raise_for_status()

    with pytest.raises(httpx2.HTTPStatusError), cassette(tape):
        program()
    with cassette(tape) as second:
        program()
    assert (second.played, second.recorded) == (1, 1)
    assert [one.response.status for one in load(tape).interactions] == [200, 200]


def test_broken_json_is_replayed_and_its_file_is_named(
    tape: Path, server: Any, get: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The error of the program's own parser does not know where the text came from."""
    with cassette(tape):
        get("/a")
    tape.write_text(tape.read_text().replace('"asked": 1', '"asked": <<<'))
    with cassette(tape), pytest.raises(ValueError):
        get("/a")
    assert f"{tape}: the response of interaction 1" in caplog.text


def test_a_miss_shows_no_control_characters(tape: Path) -> None:
    """They would steer the terminal that shows it."""
    one = Interaction(Request("POST", "http://x.test/", [], b"a"), Response(200))
    save(tape, Tape([one]))
    body = "\x1b[2J \x9b \u202e".encode()
    with cassette(tape, mode="none"), pytest.raises(CassetteMissError) as miss:
        httpx2.post("http://x.test/", content=body, headers={"content-type": "text/plain"})
    with cassette(tape, mode="none"), pytest.raises(CassetteMissError) as other:
        httpx2.post("http://x.test/", json={"\x1b[2J": "\x9b\u202e"})
    for error in (miss, other):
        assert str(error.value).replace("\n", "").isprintable()
