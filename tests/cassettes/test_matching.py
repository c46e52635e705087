"""Which requests are the same, and what is said of those that are not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape._policy import Policy, policy
from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, cassette, save
from tracetape.exceptions import CassetteMissError, InvalidValueError

httpx2 = pytest.importorskip("httpx2")

URL = "https://api.openai.com/v1/chat/completions"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def ask(tape: Path) -> Callable[..., Any]:
    """Whether a tape with one recorded request answers another: `ask(recorded, sent, **options)`.

    A request is `(url, body)`, or `(url, body, headers)`, or `(url, body, headers, method)`.
    """

    def asked(recorded: Callable[..., Any], sent: Any, **options: Any) -> bool:
        url, body, headers, method = (*recorded, *(JSON, "POST")[len(recorded) - 2 :])
        request = Request(method, url, list(headers.items()), body)
        save(tape, Tape([Interaction(request, Response(200, "OK", [], [Chunk(b"{}")]))]))
        url, body, headers, method = (*sent, *(JSON, "POST")[len(sent) - 2 :])
        with cassette(tape, mode="none", **options), httpx2.Client(verify=False) as client:
            return client.request(method, url, content=body, headers=headers).status_code == 200

    return asked


MULTIPART = "multipart/form-data; boundary"
PART = b'--%b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n--%b--\r\n'
SAME = {
    "keys of JSON in another order": ((URL, b'{"a":1,"b":2}'), (URL, b'{ "b": 2, "a": 1 }')),
    "parameters in another order": ((URL + "?a=1&b=2", b""), (URL + "?b=2&a=1", b"")),
    "the default port": ((URL.replace(".com", ".com:443"), b""), (URL, b"")),
    "the host in capitals": ((URL.replace("api", "API"), b""), (URL, b"")),
    "fields of a form in another order": ((URL, b"a=1&b=2", FORM), (URL, b"b=2&a=1", FORM)),
    "another boundary": (
        (URL, PART % (b"one", b"f", b"x", b"one"), {"content-type": f"{MULTIPART}=one"}),
        (URL, PART % (b"2", b"f", b"x", b"2"), {"content-type": f'{MULTIPART}="2"'}),
    ),
    "other headers": ((URL, b"{}", {**JSON, "x-a": "1"}), (URL, b"{}", {**JSON, "x-a": "2"})),
}


@pytest.mark.parametrize(("recorded", "sent"), SAME.values(), ids=SAME)
def test_what_means_the_same_matches(
    ask: Callable[..., Any], recorded: Callable[..., Any], sent: Any
) -> None:
    """Order, ports and boundaries carry no meaning, and headers are not compared."""
    assert ask(recorded, sent)


DIFFERENT = {
    "method": ((URL, b"{}"), (URL, b"{}", JSON, "PUT"), 'method: sent "PUT", recorded "POST"'),
    "scheme": ((URL, b""), (URL.replace("https", "http"), b""), 'scheme: sent "http", recorded'),
    "host": ((URL, b""), (URL.replace("api.", ""), b""), 'host: sent "openai.com", recorded'),
    "port": ((URL, b""), (URL.replace(".com", ".com:8443"), b""), "port: sent 8443, recorded 443"),
    "path": ((URL, b""), (URL + "/x", b""), 'path: sent "/v1/chat/completions/x", recorded'),
    "query": ((URL, b""), (URL + "?a=1", b""), 'query: sent [["a","1"]], recorded []'),
    "a value": (
        (URL, b'{"a":[1,{"b":2}]}'),
        (URL, b'{"a":[1,{"b":3}]}'),
        "body.a[1].b: sent 3, recorded 2",
    ),
    "a missing field": ((URL, b'{"a":1}'), (URL, b"{}"), "body.a: sent (absent), recorded 1"),
    "a new field": ((URL, b"{}"), (URL, b'{"a":null}'), "body.a: sent null, recorded (absent)"),
    "an item": ((URL, b"[1]"), (URL, b"[1,2]"), "body[1]: sent 2, recorded (absent)"),
    "a type": ((URL, b'{"a":1}'), (URL, b'{"a":true}'), "body.a: sent true, recorded 1"),
    "text": ((URL, b"one"), (URL, b"two"), "body: sent 'two', recorded 'one'"),
    "nothing": ((URL, b"one"), (URL, b""), "body: sent (empty), recorded 'one'"),
    "an upload": (
        (URL, PART % (b"1", b"f", b"x", b"1"), {"content-type": f"{MULTIPART}=1"}),
        (URL, PART % (b"1", b"f", b"y", b"1"), {"content-type": f"{MULTIPART}=1"}),
        "body: sent",
    ),
}


@pytest.mark.parametrize(("recorded", "sent", "line"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_is_said_a_line_a_field(
    ask: Callable[..., Any], recorded: Callable[..., Any], sent: Any, line: Any
) -> None:
    """A miss shows the nearest recording, and what was sent instead."""
    with pytest.raises(CassetteMissError) as caught:
        ask(recorded, sent)
    assert any(shown.startswith(f"  {line}") for shown in str(caught.value).splitlines())


def test_the_message_of_a_miss(ask: Callable[..., Any], tape: Path) -> None:
    """Request, tape, nearest recording, differences, remedy: under pytest, its options."""
    with pytest.raises(CassetteMissError) as caught:
        ask((URL, b'{"model":"a","n":1}'), (URL, b'{"model":"b","n":1}'))
    assert str(caught.value) == (
        f"POST {URL} is not on the cassette {tape}.\n"
        f"The nearest recording, POST {URL}, differs in:\n"
        '  body.model: sent "b", recorded "a"\n'
        "Record it with --cassette-mode=new_episodes, record the whole cassette again with "
        "--cassette-mode=all, or name the fields that vary with cassette(ignore=[…])."
    )


def test_the_remedies_fit_the_place_and_what_happened(tape: Path) -> None:
    """A program has modes, and what was replayed already may answer again."""
    request = Request("GET", URL, [], b"")
    save(tape, Tape([Interaction(request, Response(200, "OK", [], [Chunk(b"{}")]))]))
    with policy(Policy()), cassette(tape, allow_misses=True) as played:
        httpx2.get(URL, verify=False)
        with pytest.raises(CassetteMissError) as caught:
            httpx2.get(URL, verify=False)
    assert str(caught.value).splitlines()[-1] == (
        "Record it with mode 'new_episodes', record the whole cassette again with mode 'all', or "
        "let the last recording answer again with cassette(allow_playback_repeats=True)."
    )
    assert repr(played) == f"<cassette {tape}: mode once, 1 played, 0 recorded, 1 missed>"


@pytest.mark.parametrize(
    ("here", "given", "says"),
    [
        (Policy("none", reason="CI is set"), None, "The mode is none, because CI is set. "),
        (Policy("once", reason="x"), "none", ""),
        (Policy(forced="none", reason="y"), "none", "The mode is none, because y. "),
    ],
    ids=["of the run", "of the block", "forced"],
)
def test_without_a_tape_a_miss_says_who_chose_the_mode(
    tmp_path: Path, here: Any, given: Any, says: Any
) -> None:
    """And how a run of pytest records it."""
    path = tmp_path / "absent.yaml"
    with policy(here), pytest.raises(CassetteMissError) as caught, cassette(path, mode=given):
        httpx2.get("http://127.0.0.1:9/")
    assert str(caught.value).endswith(
        f"the cassette {path} does not exist. {says}Record it first, with --cassette-mode=once "
        "and a key for the real service."
    )


def test_a_miss_by_its_host_says_how_to_replace_it(ask: Callable[..., Any]) -> None:
    """A base URL of one's own is the usual reason."""
    with pytest.raises(CassetteMissError) as caught:
        ask((URL, b"{}"), ("http://127.0.0.1:8091/v1/chat/completions", b"{}"))
    assert "Unset the variable that names the host (OPENAI_BASE_URL, DATABRICKS_HOST)" in str(
        caught.value
    )
    remedy = {"http://127.0.0.1:8091": "https://api.openai.com"}
    assert f"rename_hosts={remedy}" in str(caught.value)
    assert ask(
        (URL, b"{}"), ("http://127.0.0.1:8091/v1/chat/completions", b"{}"), rename_hosts=remedy
    )


@pytest.mark.parametrize(
    ("ignore", "recorded", "sent"),
    [
        (["body.user"], b'{"user":"a","n":1}', b'{"user":"b","n":1}'),
        (["body.user"], b'{"user":"a","n":1}', b'{"n":1}'),
        (["body.metadata.run"], b'{"metadata":{"run":1,"x":2}}', b'{"metadata":{"run":2,"x":2}}'),
        (["body.messages.id"], b'{"messages":[{"id":1},{"id":2}]}', b'{"messages":[{"id":3},{}]}'),
        (["body.a", "body.b.c"], b'{"a":1,"b":3}', b'{"a":2,"b":3}'),
    ],
)
def test_declared_fields_may_vary(
    ask: Callable[..., Any], ignore: Any, recorded: Callable[..., Any], sent: Any
) -> None:
    """By path, through lists item by item; a path that leads nowhere does no harm."""
    assert ask((URL, recorded), (URL, sent), ignore=ignore)


def test_declared_parameters_and_form_fields_may_vary(ask: Callable[..., Any]) -> None:
    """In the URL by `query.NAME`, in a form by `body.NAME`."""
    assert ask((URL + "?v=1&x=1", b""), (URL + "?v=2&x=1", b""), ignore=["query.v"])
    assert ask((URL, b"v=1&x=1", FORM), (URL, b"v=2&x=1", FORM), ignore=["body.v"])


def test_declared_parts_of_an_upload_may_vary(server: Any, tape: Path) -> None:
    """Multipart forms; the files among them are compared."""

    def upload(user: Any, text: Any) -> None:
        with httpx2.Client(trust_env=False, verify=False) as client:
            client.post(f"{server.url}/up", data={"user": user}, files={"file": ("a", text)})

    with cassette(tape):
        upload("one", b"x")
    with cassette(tape, mode="none", ignore=["body.user"]):
        with pytest.raises(CassetteMissError):
            upload("one", b"y")
        upload("two", b"x")


def test_match_on_chooses_the_parts(ask: Callable[..., Any]) -> None:
    """`uri` stands for all parts of the URL, as in vcrpy."""
    assert ask((URL, b"one"), (URL, b"two"), match_on=["method", "uri"])
    with pytest.raises(CassetteMissError, match="path: "):
        ask((URL, b"one"), (URL + "/x", b"two"), match_on=["method", "uri"])
    assert ask((URL, b"{}"), ("http://other.test/x", b"{}"), match_on=["body"])


def test_long_values_are_shown_where_they_differ(ask: Callable[..., Any]) -> None:
    """Of two long prompts, the place where they part."""
    prompt = "x" * 5000
    with pytest.raises(CassetteMissError) as caught:
        ask(
            (URL, json.dumps({"p": prompt + "old"}).encode()),
            (URL, json.dumps({"p": prompt + "new"}).encode()),
        )
    message = str(caught.value)
    assert 'xxxnew" (5,005 characters)' in message
    assert 'xxxold" (5,005 characters)' in message
    assert len(message) < 1500


def test_many_differences_are_not_all_shown(ask: Callable[..., Any]) -> None:
    """The first twenty, and how many more."""
    recorded = json.dumps({f"field{n}": 1 for n in range(30)}).encode()
    with pytest.raises(CassetteMissError, match="and 10 more fields"):
        ask((URL, recorded), (URL, b"{}"))


def test_the_nearest_of_a_thousand_is_found_quickly(tape: Path) -> None:
    """By path and host first, then by the likeness of the bodies; in under 50 ms."""

    def body(number: Any) -> Any:
        return json.dumps({"model": "m", "messages": [{"content": f"question number {number}"}]})

    interactions = [
        Interaction(Request("POST", URL, [], body(n).encode()), Response(200, "OK", [], []))
        for n in range(1000)
    ]
    interactions[
        7
    ].request.body = b'{"model":"m","messages":[{"content":"what about llamas, then?"}]}'
    save(tape, Tape(interactions))
    sent = b'{"model":"m","messages":[{"content":"what about llamas?"}]}'
    with cassette(tape, mode="none") as opened:
        began = time.thread_time()  # other programs have the machine, too
        error = opened.missed(opened.sent(Request("POST", URL, [], sent)))
        took = time.thread_time() - began
    assert 'recorded "what about llamas, then?"' in str(error)
    assert took < 0.5  # 0.05 on an idle machine; the benchmark measures it


def test_matching_on_nothing_is_refused(tmp_path: Path) -> None:
    """Any request would get the next recording."""
    with pytest.raises(InvalidValueError, match="match_on is empty"):
        cassette(tmp_path / "tape.yaml", match_on=[])
