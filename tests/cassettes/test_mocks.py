"""Mocks that the user has set up himself, and other people's patches, beside a tape."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import cassette

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
requests = pytest.importorskip("requests")
respx = pytest.importorskip("respx")
responses = pytest.importorskip("responses")


@pytest.fixture
def taped(server: Any, tape: Path) -> Any:
    """A tape of two paths of the server, which is gone."""
    with cassette(tape), httpx.Client(trust_env=False, verify=False) as client:
        for path in ("/taped", "/both"):
            client.get(server.url + path)
    server.stop()
    return cassette(tape, mode="none")


def get_httpx(url: Any) -> Any:
    with httpx.Client(trust_env=False, verify=False) as client:
        return client.get(url).json()


def get_requests(url: Any) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url).json()


@pytest.mark.parametrize("mocked_first", [True, False])
def test_routes_of_respx_win_over_the_tape(server: Any, taped: Any, mocked_first: Any) -> None:
    """Whichever was opened first; what no route is meant for comes from the tape."""
    mock = respx.mock(assert_all_mocked=False, assert_all_called=False)
    mock.get(f"{server.url}/both").respond(json={"by": "respx"})
    first, second = (mock, taped) if mocked_first else (taped, mock)
    with first, second:
        assert get_httpx(f"{server.url}/both") == {"by": "respx"}
        assert get_httpx(f"{server.url}/taped")["path"] == "/taped"


def test_mocks_of_responses_win_over_the_tape(server: Any, taped: Any) -> None:
    """What they do not know comes from the tape."""
    with responses.RequestsMock() as mock:
        mock.get(f"{server.url}/both", json={"by": "responses"})
        with taped:
            assert get_requests(f"{server.url}/both") == {"by": "responses"}
            assert get_requests(f"{server.url}/taped")["path"] == "/taped"


def test_mocks_of_responses_inside_a_tape_answer_all(server: Any, taped: Any) -> None:
    """Their patch lies above ours while they are active; then the tape answers again."""
    with taped:
        with responses.RequestsMock() as mock:
            mock.get(f"{server.url}/both", json={"by": "responses"})
            assert get_requests(f"{server.url}/both") == {"by": "responses"}
        assert get_requests(f"{server.url}/taped")["path"] == "/taped"


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_transports_of_ones_own_are_not_touched(tape: Path, library: Any) -> None:
    """A `MockTransport` answers, and nothing is recorded."""
    transport = library.MockTransport(lambda request: library.Response(200, json={"by": "mock"}))
    with cassette(tape) as recording, library.Client(transport=transport) as client:
        assert client.get("https://x.test/").json() == {"by": "mock"}
    assert recording.recorded == 0


def test_somebody_elses_patch_above_ours_is_left_in_place(server: Any, tape: Path) -> None:
    """It may end later than the tape; what it calls of ours then lets everything through, once."""
    from unittest import mock

    original = httpx2.HTTPTransport.handle_request
    calls = []

    def counting(ours: Any) -> Callable[..., Any]:
        def handle_request(self: Any, request: Any) -> Any:
            calls.append(request.url.path)
            return ours(self, request)

        return handle_request

    tape_is_open = cassette(tape)
    tape_is_open.__enter__()
    patch = mock.patch.object(
        httpx2.HTTPTransport, "handle_request", counting(httpx2.HTTPTransport.handle_request)
    )
    patch.start()
    tape_is_open.__exit__(None, None, None)
    try:
        with httpx2.Client(trust_env=False, verify=False) as client:
            assert client.get(f"{server.url}/a").json()["asked"] == 1
            patch.stop()
            with cassette(tape) as recording:
                assert client.get(f"{server.url}/b").json()["asked"] == 2
        assert recording.recorded == 1
        assert calls == ["/a"]
    finally:
        httpx2.HTTPTransport.handle_request = original


@pytest.mark.parametrize("is_mock_outside", [False, True])
def test_what_a_mock_lets_through_is_recorded_and_replayed(
    server: Any, tape: Path, is_mock_outside: Any
) -> None:
    """A route that passes through is as good as no route, whichever was opened first."""
    respx, responses = pytest.importorskip("respx"), pytest.importorskip("responses")
    requests = pytest.importorskip("requests")

    def program(mode: Any) -> Any:
        mocks = contextlib.ExitStack()
        tapes = contextlib.ExitStack()
        first, second = (mocks, tapes) if is_mock_outside else (tapes, mocks)
        with first, second:
            if not is_mock_outside:
                player = tapes.enter_context(cassette(tape, mode=mode))
            routes = mocks.enter_context(respx.mock())  # its end asks whether all were called
            routes.get("https://mocked.test/").respond(json={"by": "respx"})
            routes.route(host="127.0.0.1").pass_through()
            others = mocks.enter_context(responses.RequestsMock())
            others.get("https://mocked.test/", json={"by": "responses"})
            others.get(f"{server.url}/c", body=None).passthrough = True
            others.add_passthru(f"{server.url}/b")
            if is_mock_outside:
                player = tapes.enter_context(cassette(tape, mode=mode))
            answers = [
                httpx.get("https://mocked.test/").json()["by"],
                requests.get("https://mocked.test/", timeout=5).json()["by"],
                httpx.get(f"{server.url}/a", trust_env=False).json()["asked"],
                requests.get(f"{server.url}/b", timeout=5).json()["asked"],
                requests.get(f"{server.url}/c", timeout=5).json()["asked"],
            ]
        return answers, player.recorded, player.played

    expected = ["respx", "responses", 1, 2, 3]
    assert program("once") == (expected, 3, 0)
    assert program("none") == (expected, 0, 3)
    assert len(server.asked) == 3
    assert "_real_send" not in vars(responses.RequestsMock)
