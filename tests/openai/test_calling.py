"""What we wrap is pickled, looked at and called wrongly as without us, without a word of ours."""

from __future__ import annotations

import inspect
import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import openai
import pytest
from far_end import ASK, VERSION, FarEnd

import tracetape
from tracetape.instrument import registry
from tracetape.testing import capture


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every word of ours would be seen."""
    caplog.set_level(logging.DEBUG, logger="tracetape")
    with capture():
        tracetape.autolog()
        yield
    tracetape.autolog(disable=True)
    assert [record.message for record in caplog.records if record.name == "tracetape"] == []


def wrapped() -> list[Any]:
    """Every function that is wrapped now."""
    __import__("openai.resources.realtime.realtime" if VERSION >= (1, 100) else "openai")
    found = []
    for name in registry.names():
        for patch in registry.patches(name):
            if patch.is_installed():
                found.append((patch._owner, patch.target.method))
    return found


def test_what_is_wrapped_can_be_pickled() -> None:
    """By its place, where another process finds it too."""
    assert (openai.OpenAI, "request") in wrapped()
    for owner, method in wrapped():
        function = getattr(owner, method)
        assert pickle.loads(pickle.dumps(function)) is function, function


def test_without_arguments_the_words_are_those_without_us() -> None:
    """The error names what the user called, and what he left out."""
    for owner, method in wrapped():
        function = getattr(owner, method)
        original = inspect.unwrap(function)
        place = getattr(owner, "__module__", owner.__name__)  # a module has no other name
        if place.startswith("openai") and not inspect.iscoroutinefunction(original):
            assert outcome(function) == outcome(original)


def test_what_is_wrapped_looks_as_before() -> None:
    """Its signature, its name, and what kind of function it is."""
    for owner, method in wrapped():
        function, original = getattr(owner, method), inspect.unwrap(getattr(owner, method))
        assert function is not original
        assert inspect.signature(function) == inspect.signature(original)
        assert function.__name__ == original.__name__
        assert function.__doc__ == original.__doc__
        assert inspect.iscoroutinefunction(function) == inspect.iscoroutinefunction(original)


class Odd:
    """An argument that is none."""

    url = None
    method = 3


def calls(client: Any) -> dict[str, Callable[[], Any]]:
    """Wrong calls of `request`."""
    options = openai._models.FinalRequestOptions
    good = options(method="post", url="/chat/completions", json_data=dict(ASK))
    return {
        "nothing": lambda: client.request(),
        "no options": lambda: client.request(dict),
        "None": lambda: client.request(dict, None),
        "a dictionary": lambda: client.request(dict, {"method": "post", "url": "/x"}),
        "an odd object": lambda: client.request(dict, Odd()),
        "a mock": lambda: client.request(dict, MagicMock()),
        "too many": lambda: client.request(dict, good, True, None, 5),
        "unknown": lambda: client.request(dict, good, unknown=1),
        "options twice": lambda: client.request(dict, good, options=good),
        "no type": lambda: client.request(options=good),
        "nobody's": lambda: type(client).request(None, dict, good),
        "a mock's": lambda: type(client).request(MagicMock(), dict, good),
        "tools that are none": lambda: client.post(
            "/chat/completions", cast_to=dict, body={**ASK, "tools": 5}
        ),
        "a body that is none": lambda: client.post("/chat/completions", cast_to=dict, body=[1]),
        "odd headers": lambda: client.post(
            "/chat/completions", cast_to=dict, body=dict(ASK), options={"headers": {"a": None}}
        ),
        "odd extra": lambda: client.chat.completions.create(**ASK, extra_body=[1]),
    }


NAMES = list(calls(None))


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return type(call()).__name__
    except Exception as error:  # noqa: BLE001 - what the user would see
        return type(error), str(error).partition(" at 0x")[0].partition("id='")[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_call_is_refused_as_without_us(name: str) -> None:
    """With the same error, sync and async."""
    seen = []
    for on in (True, False):
        tracetape.autolog(disable=not on)
        client = FarEnd().client(max_retries=0)
        seen.append(outcome(calls(client)[name]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "a mock's"])
async def test_a_wrong_async_call_is_refused_as_without_us(name: str) -> None:
    """As the sync one."""
    seen = []
    for on in (True, False):
        tracetape.autolog(disable=not on)
        client = FarEnd().async_client()

        async def call(client: Any = client) -> Any:
            return await calls(client)[name]()

        try:
            seen.append(type(await call()))
        except Exception as error:  # noqa: BLE001 - what the user would see
            seen.append((type(error), str(error).partition(" at 0x")[0].partition("id='")[0]))
    assert seen[0] == seen[1]


# -- stand-ins for connections ---------------------------------------------------------------------


class Slotted:
    """A stand-in that nothing can be put on."""

    __slots__ = ("_connection",)

    def __init__(self) -> None:
        self._connection = None


class Wire:
    """What a connection sends to, and what comes from there."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[Any] = []

    def send(self, data: Any) -> None:
        self.sent.append(data)

    def recv(self, decode: bool = False) -> Any:
        return self.answers.pop(0)

    def close(self, **options: Any) -> None:
        self.sent.append("closed")


needs_realtime = pytest.mark.skipif(VERSION < (1, 107), reason="no openai.resources.realtime")
ANSWERS: list[Any] = [
    b"no json",
    b"[1]",
    b'"text"',
    b'{"type": 5}',
    b'{"type": "response.created", "response": 5}',
    b'{"type": "response.created", "response": {"id": [1]}}',
    b'{"type": "response.done", "response_id": {}}',
    b'{"type": "error"}',
]


@needs_realtime
def test_stand_ins_for_connections_are_no_trouble() -> None:
    """Whatever they are, send and receive; nothing is put on them."""
    from openai.resources.realtime.realtime import RealtimeConnection

    sent: list[Any] = [
        {"type": "response.create"},
        {"type": "response.create", "response": 5},
        {"type": "conversation.item.create", "item": 7},
        {"type": "conversation.item.create", "item": {"content": [{"audio": "no base64 ä"}]}},
        [1],
        "text",
        5,
    ]
    seen = []
    for on in (True, False):
        tracetape.autolog(disable=not on)
        wire = Wire(*ANSWERS)
        connection = RealtimeConnection(wire)  # type: ignore[arg-type]
        before = set(vars(connection))
        happened = [outcome(lambda: connection.send())]  # type: ignore[call-arg]  # noqa: B023
        happened += [outcome(lambda: connection.send(event=one)) for one in sent]  # noqa: B023
        happened += [outcome(lambda: connection.recv_bytes()) for _ in ANSWERS]  # noqa: B023
        happened.append(outcome(lambda: connection.recv_bytes()))  # noqa: B023
        happened.append(outcome(lambda: connection.close(code=1000, reason="r")))  # noqa: B023
        for strange in (Slotted(), MagicMock(), None, 5):
            happened.append(outcome(lambda: RealtimeConnection.close(strange)))  # noqa: B023
            happened.append(outcome(lambda: RealtimeConnection.recv_bytes(strange)))  # noqa: B023
        assert set(vars(connection)) == before
        seen.append((happened, wire.sent))
    assert seen[0] == seen[1]
