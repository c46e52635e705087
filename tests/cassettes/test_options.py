"""Options that users of vcrpy know, and the counts of an open tape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape._policy import Policy, policy
from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, cassette, load, save
from tracetape.exceptions import CassetteMissError, InvalidValueError

httpx2 = pytest.importorskip("httpx2")
HEADERS = [("content-type", "application/json")]


@pytest.fixture
def recorded(tape: Path) -> Callable[..., Any]:
    """Write a tape of requests, given as pairs of URL and body; the answers are numbers."""

    def write(*pairs: Any) -> None:
        save(
            tape,
            Tape(
                [
                    Interaction(
                        Request("POST", f"https://a.example/{url}", HEADERS, body),
                        Response(200, "OK", [], [Chunk(str(number).encode())]),
                    )
                    for number, (url, body) in enumerate(pairs)
                ]
            ),
        )

    return write


def post(url: Any, body: Any = b"", **headers: Any) -> Any:
    with httpx2.Client() as client:
        return client.post(
            f"https://a.example/{url}", content=body, headers={**dict(HEADERS), **headers}
        ).text


def test_the_last_of_equal_recordings_is_repeated_if_that_is_allowed(
    tape: Path, recorded: Callable[..., Any]
) -> None:
    """After those before it; else it is played once."""
    recorded(("a", b""), ("b", b""), ("a", b""))
    with cassette(tape, mode="none", allow_playback_repeats=True) as opened:
        assert [post("a") for _ in range(4)] == ["0", "2", "2", "2"]
        assert not opened.all_played
        assert [post("b") for _ in range(2)] == ["1", "1"]
    assert opened.all_played
    assert opened.play_count == opened.played == 6
    assert opened.play_counts == {0: 1, 2: 3, 1: 2}
    assert [request.path for request in opened.requests] == ["/a", "/b", "/a"]
    assert [response.body for response in opened.responses] == [b"0", b"1", b"2"]
    assert len(opened) == 3
    with cassette(tape, mode="none"):
        assert [post("a"), post("a")] == ["0", "2"]
        with pytest.raises(CassetteMissError):
            post("a")


def test_repeats_are_not_recorded_anew(tape: Path, recorded: Callable[..., Any]) -> None:
    """In `new_episodes` the recording answers, however often it was played."""
    recorded(("a", b""))
    with cassette(tape, mode="new_episodes", allow_playback_repeats=True) as opened:
        assert [post("a"), post("a")] == ["0", "0"]
    assert opened.recorded == 0


def last_part(sent: Any, recorded: Callable[..., Any]) -> None:
    assert sent.path.rpartition("/")[2] == recorded.path.rpartition("/")[2]


def same_family(sent: Any, recorded: Callable[..., Any]) -> bool:
    return sent.host.rpartition(".")[2] == recorded.host.rpartition(".")[2]


def test_functions_say_which_requests_are_equal(tape: Path, recorded: Callable[..., Any]) -> None:
    """By `assert` or by what they return, alone or with names of parts; None is a yes."""
    recorded(("v1/x", b""), ("v1/y", b""), ("v1/x", b"b"))
    with cassette(tape, mode="none", match_on=[last_part]):
        assert [post("v2/y"), post("v2/x"), post("v3/x", b"z")] == ["1", "0", "2"]
    with cassette(tape, mode="none", match_on=["method", "body", last_part, same_family]):
        assert post("v2/x", b"b") == "2"
        with pytest.raises(CassetteMissError, match="function in match_on"):
            post("v2/z")
    with cassette(tape, mode="none", match_on=[lambda sent, kept: False]):
        with pytest.raises(CassetteMissError):
            post("v1/x")


def test_functions_and_repeats_go_together(tape: Path, recorded: Callable[..., Any]) -> None:
    """The last one that the functions take stays."""
    recorded(("v1/x", b""), ("v1/y", b""))
    with cassette(tape, mode="none", match_on=[last_part], allow_playback_repeats=True):
        assert [post("v2/x"), post("v3/x"), post("v2/y"), post("v3/y")] == ["0", "0", "1", "1"]


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        (b'{"a": 1, "b": null}', b'{"a": 1}'),
        (b'{"a": 1}', b'{"a": 1, "b": null}'),
        (b'{"m": [{"x": null, "y": 2}]}', b'{"m": [{"y": 2}]}'),
    ],
)
def test_null_equals_absent_by_option_only(
    tape: Path, recorded: Callable[..., Any], kept: Any, sent: Any
) -> None:
    """At any depth of a JSON body."""
    recorded(("a", kept))
    with cassette(tape, mode="none", null_is_absent=True):
        assert post("a", sent) == "0"
    with cassette(tape, mode="none"), pytest.raises(CassetteMissError):
        post("a", sent)


def test_null_in_a_list_has_its_place(tape: Path, recorded: Callable[..., Any]) -> None:
    """Only fields may be absent."""
    recorded(("a", b"[1, null]"))
    with cassette(tape, mode="none", null_is_absent=True), pytest.raises(CassetteMissError):
        post("a", b"[1]")


def test_a_recording_may_be_dropped_or_replaced(tape: Path, server: Any) -> None:
    """The program has its answer all the same, and what was dropped is counted."""

    def before(interaction: Any) -> Any:
        if interaction.request.path == "/b":
            return None
        interaction.response.body = b"other"
        return interaction

    with cassette(tape, mode="once", before_record=before) as opened, httpx2.Client() as client:
        for path in ("/a", "/b"):
            assert client.get(server.url + path).text != "other"
    assert (opened.recorded, opened.dropped) == (1, 1)
    found = load(tape).interactions
    assert [one.request.path for one in found] == ["/a"]
    assert found[0].response.body == b"other"


def test_headers_are_kept_by_name(tape: Path, server: Any) -> None:
    """Of requests and answers, in any case; never credentials."""
    with cassette(tape, mode="once", keep_headers=["X-Trace", "server"]):
        with httpx2.Client() as client:
            client.get(server.url + "/a", headers={"x-trace": "7", "x-other": "8"})
    (found,) = load(tape).interactions
    assert found.request.header("x-trace") == "7"
    assert found.request.header("x-other") == ""
    assert found.response.header("server") != ""
    for name in ("Authorization", "cookie", "api-key"):
        with pytest.raises(InvalidValueError, match="credential"):
            cassette(tape, keep_headers=[name]).__enter__()


THEIRS = {
    "record_mode": ("none", "use mode='none'"),
    "filter_headers": (["authorization"], "keep_headers"),
    "before_record_request": (print, "use before_record=function"),
    "filter_query_parameters": (["key"], r"use ignore=\['query.NAME'\]"),
    "serializer": ("yaml", "YAML, which is always written"),
    "ignored": ([], "did you mean 'ignore'"),
    "frobnicate": (1, "choose from mode, match_on"),
}


@pytest.mark.parametrize(("name", "value", "says"), [(k, *v) for k, v in THEIRS.items()])
def test_an_unknown_option_says_what_to_write(tape: Path, name: Any, value: Any, says: Any) -> None:
    """Those of vcrpy name ours, by call and by configuration."""
    with pytest.raises(TypeError, match=f"unknown option '{name}' of a cassette.*{says}"):
        cassette(tape, **{name: value})
    with (
        policy(Policy(options={name: value})),
        pytest.raises(ValueError, match=f"unknown option '{name}' of a cassette.*{says}"),
    ):
        cassette(tape)


def test_the_mode_of_pytest_recording_is_named_by_ours(tape: Path) -> None:
    """Its `rewrite` is our `all`."""
    with pytest.raises(ValueError, match=r"unknown mode 'rewrite'.*use 'all'"):
        cassette(tape, mode="rewrite")
