"""Nothing secret comes onto a tape: what is left out, what is refused, what is found afterwards."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tracetape.cassettes import Tape, cassette, check, load, save
from tracetape.cassettes.rewrite import scrub
from tracetape.exceptions import CassetteError, CassetteMissError

httpx2 = pytest.importorskip("httpx2")

SECRETS = {
    "an OpenAI key": "sk-proj-" + "Ab1_" * 10,
    "an Anthropic key": "sk-ant-api03-" + "Ab1_" * 10,
    "a Databricks token": "dapi" + "0123456789abcdef" * 2,
    "an AWS key id": "AKIA" + "ABCDEFGH12345678",
    "an AWS secret key": "aws_secret_access_key = " + "Ab1/" * 10,
    "a Google key": "AIza" + "Ab1_-" * 7,
    "a GitHub token": "ghp_" + "Ab12" * 9,
    "an Azure key": "AccountKey=" + "Ab1+" * 20,
    "a JSON Web Token": "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
    "a bearer token": "Bearer abcdefghij0123456789",
}


@pytest.fixture
def ask(server: Any) -> Iterator[Any]:
    """A request with a JSON body: what the server says to it."""
    client = httpx2.Client(trust_env=False, verify=False)

    def ask(body: Any, path: Any = "/a", **options: Any) -> Any:
        return client.post(server.url + path, json=body, **options)

    yield ask
    client.close()


def test_only_listed_headers_are_kept(server: Any, tape: Path, ask: Callable[..., Any]) -> None:
    """Neither credentials nor cookies, organisations, or what nobody has thought of."""
    server.routes["/a"] = lambda handler: handler.plain(
        {},
        headers=[
            ("Set-Cookie", "session=abc"),
            ("OpenAI-Organization", "org-1"),
            ("X-Something-New", "secret"),
            ("X-Request-Id", "req-1"),
        ],
    )
    headers = {
        "Authorization": "Bearer abcdefghij0123456789",
        "Cookie": "a=b",
        "api-key": "k",
        "X-Api-Key": "k",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj-1",
    }
    with cassette(tape):
        ask({}, headers=headers)
    (kept,) = load(tape).interactions
    assert {name for name, _ in kept.request.headers} == {"accept", "content-type"}
    assert {name for name, _ in kept.response.headers} == {"content-type", "x-request-id"}
    assert check([tape]) == []


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items(), ids=SECRETS)
def test_a_secret_in_a_request_is_refused_by_name(
    tape: Path, ask: Callable[..., Any], kind: Any, secret: Any
) -> None:
    """The live call has its answer; the tape's end names the kind and place, not the secret."""
    with pytest.raises(CassetteError) as caught:
        with cassette(tape):
            assert ask({"text": f"use {secret} please"}).status_code == 200
    assert f"there is {kind} in the request's body" in str(caught.value)
    assert "scrub=" in str(caught.value)
    assert secret not in str(caught.value)
    assert not tape.exists()


def test_a_secret_in_an_answer_is_refused_and_the_rest_is_kept(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """The tape counts as incomplete, so that `once` records what is missing."""
    server.routes["/a"] = lambda handler: handler.plain({"key": SECRETS["a GitHub token"]})

    @cassette(tape)
    def program() -> None:
        ask({})
        ask({}, "/b")

    with pytest.raises(CassetteError, match="there is a GitHub token in the response's body"):
        program()
    assert [one.request.url[-2:] for one in load(tape).interactions] == ["/b"]
    assert load(tape).incomplete


def test_the_programs_own_error_counts_for_more_than_a_refusal(
    tape: Path, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is not replaced; the refusal is logged."""

    @cassette(tape)
    def program() -> None:
        ask({"text": SECRETS["an OpenAI key"]})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program()
    assert "there is an OpenAI key in the request's body" in caplog.text


def test_a_scrubber_sees_both_sides_and_may_change_them(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """What it has removed is no reason to refuse; the program has the true answer."""
    secret = SECRETS["a Databricks token"]
    server.routes["/a"] = lambda handler: handler.plain({"echo": secret})

    def scrub(interaction: Any) -> None:
        interaction.request.body = b'{"text": "scrubbed"}'
        body = json.loads(interaction.response.body)
        interaction.response.body = json.dumps({**body, "echo": "TOKEN"}).encode()

    with cassette(tape, scrub=scrub):
        assert ask({"text": secret}).json() == {"echo": secret}
    server.stop()
    assert secret not in tape.read_text()
    with cassette(tape, mode="none", ignore=["body.text"]):
        assert ask({"text": "other"}).json() == {"echo": "TOKEN"}


def test_credentials_in_a_url_become_placeholders_and_still_match(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """The key may be another one when the tape is replayed, and need not look like one."""
    secrets = {"key": "AQ1b2c3d4e5f6g7h8", "client_secret": "hunter-two", "password": "word-word"}
    with cassette(tape):
        ask({}, f"/a?{urlencode(secrets)}&v=2")
    assert not [value for value in secrets.values() if f"={value}" in tape.read_text()]
    server.stop()
    with cassette(tape, mode="none"):
        dummies = urlencode(dict.fromkeys(secrets, "dummy"))
        assert ask({}, f"/a?{dummies}&v=2").status_code == 200


def test_a_key_that_is_no_credential_is_matched_like_any_parameter(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """As `?key=price`, `?code=de` or `?token=page-2`: the value tells."""
    with cassette(tape):
        recorded = [ask({}, f"/a?key={word}").json() for word in ("price", "weight")]
    server.stop()
    with cassette(tape, mode="none"):
        replayed = [ask({}, f"/a?key={word}").json() for word in ("weight", "price")]
        assert replayed == recorded[::-1]
        with pytest.raises(CassetteMissError):
            ask({}, "/a?key=colour")


def test_credentials_in_a_url_are_left_out_of_an_errors_message(tape: Path) -> None:
    """As requests puts it there; on tapes that have it `check` finds it and `scrub` takes it."""
    secret = "supersecretvalue1"
    requests = pytest.importorskip("requests")
    with cassette(tape), pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:9/x?sig={secret}&key=price", timeout=5)
    assert secret not in tape.read_text()
    assert "key=price" in tape.read_text()
    (one,) = load(tape).interactions
    one.error.message += f" for http://a/x?sig={secret}"
    save(tape, Tape([one]))
    assert [finding.place for finding in check([tape])] == ["the error's message"]
    assert scrub(tape, {})
    assert check([tape]) == []


def test_a_secret_in_a_packed_body_is_found(server: Any, tape: Path) -> None:
    """The request's, which stays as it was sent."""
    body = gzip.compress(json.dumps({"text": SECRETS["an OpenAI key"]}).encode())
    with (
        pytest.raises(CassetteError, match="an OpenAI key in the request's body"),
        cassette(tape),
        httpx2.Client(trust_env=False, verify=False) as client,
    ):
        client.post(f"{server.url}/a", content=body, headers={"content-encoding": "gzip"})


def test_user_and_password_in_a_url_are_left_out(server: Any, tape: Path) -> None:
    """They are no part of what is matched."""
    url = server.url.replace("http://", "http://user:secret@")
    with cassette(tape), httpx2.Client(trust_env=False, verify=False) as client:
        client.get(f"{url}/a")
    server.stop()
    assert "secret" not in tape.read_text()
    with cassette(tape, mode="none"), httpx2.Client(trust_env=False, verify=False) as client:
        assert client.get(f"{server.url}/a").status_code == 200


def test_the_answers_of_token_endpoints_hold_placeholder_tokens(server: Any, tape: Path) -> None:
    """Secrets of the request too; the program that records has the true token."""
    server.routes["/oidc/v1/token"] = lambda handler: handler.plain(
        {"access_token": "true-token", "refresh_token": "true-refresh", "expires_in": 3600}
    )
    form = {"grant_type": "password", "client_secret": "true-secret", "password": "true-word"}
    with httpx2.Client(trust_env=False, verify=False) as client:
        with cassette(tape):
            answer = client.post(f"{server.url}/oidc/v1/token", data=form)
            assert answer.json()["access_token"] == "true-token"
        server.stop()
        assert "true-" not in tape.read_text()
        with cassette(tape, mode="none"):
            form["client_secret"] = "another"
            answer = client.post(f"{server.url}/oidc/v1/token", data=form)
    assert answer.json() == {
        "access_token": "REDACTED",
        "refresh_token": "REDACTED",
        "expires_in": 3600,
    }


@pytest.mark.parametrize(
    "text",
    [
        "a task-management-system-for-everyone-of-us",
        "sk-learn-is-a-library-for-machine-learning",
        "sk-short1",
        "the bearer of this certificate-of-authenticity-from-the-state",
        "the hash d41d8cd98f00b204e9800998ecf8427e",
        "dapi is the beginning of a token",
    ],
)
def test_ordinary_text_is_not_taken_for_a_secret(
    tape: Path, ask: Callable[..., Any], text: Any
) -> None:
    """A false alarm would make people switch the alarm off."""
    with cassette(tape):
        ask({"text": text})
    assert check([tape]) == []


def test_check_finds_what_other_tools_have_left_on_a_tape(tmp_path: Path) -> None:
    """Keys, credential headers and URL parameters, each with file, number and place."""
    path = tmp_path / "theirs.yaml"
    path.write_text(
        """
version: 1
interactions:
- request:
    method: GET
    uri: https://x.test/?api_key=abc123&v=1
    headers: {Authorization: [Bearer 12345-not-so-long], Cookie: ['REDACTED']}
    body: null
  response:
    status: {code: 200, message: OK}
    headers: {Set-Cookie: ['id=42']}
    body: {string: 'key: AKIAABCDEFGH12345678'}
"""
    )
    found = check([path])
    assert check(path) == check(str(path)) == check(tmp_path) == check([tmp_path]) == found
    assert [str(finding) for finding in found] == [
        f"{path}: interaction 1: an AWS key id in the response's body",
        f"{path}: interaction 1: a credential in the URL's parameter api_key",
        f"{path}: interaction 1: a credential in the request's header authorization",
        f"{path}: interaction 1: a credential in the response's header set-cookie",
    ]
    assert (found[0].path, found[0].interaction) == (path, 1)


def test_check_counts_a_credential_once(tmp_path: Path) -> None:
    """By its name and by its shape it is one; the same key elsewhere is another finding."""
    key = SECRETS["an OpenAI key"]
    request = {
        "method": "POST",
        "uri": f"https://x.test/v1?api_key={key}",
        "headers": {"Content-Type": ["application/json"]},
        "body": json.dumps({"api_key": key, "password": "swordfish", "note": f"it is {key}"}),
    }
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"Content-Type": ["application/json"]},
        "body": {"string": json.dumps({"access_token": key, "args": ["--password", "abc"]})},
    }
    file = tmp_path / "other.json"
    interactions = [{"request": request, "response": response}]
    file.write_text(json.dumps({"version": 1, "interactions": interactions}))

    assert sorted(str(one).partition("interaction 1: ")[2] for one in check(file)) == [
        "a credential in the request's body, field password",
        "a credential in the response's body, field args[1]",
        "an OpenAI key in the URL's parameter api_key",
        "an OpenAI key in the request's body",
        "an OpenAI key in the request's body, field api_key",
        "an OpenAI key in the response's body, field access_token",
    ]
