"""The calls on a tape, made again through OpenAI's SDK."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tracetape.apis import apis
from tracetape.cassettes import Interaction
from tracetape.exceptions import CassetteMissError

if TYPE_CHECKING:
    from tracetape.cassettes import OpenCassette

__all__ = ["replay_calls"]


def replay_calls(tape: OpenCassette, asynchronous: Collection[int] = ()) -> None:
    """Make each call on an open tape again, with its recorded body, one after the other.

    What the server refused then fails again, and its error is left to the trace. Streams are read
    as far as they go. It is the start of a test: put your own program in its place.

    Args:
        tape: the fixture `cassette`, or what ``with cassette(…)`` gives.
        asynchronous: numbers of the calls, counted from 0, that are made by ``AsyncOpenAI``.
    """
    for number, call in enumerate(_calls(tape.interactions)):
        try:
            if number in asynchronous:
                asyncio.run(call.ask_async())
            else:
                call.ask()
        except CassetteMissError:
            raise
        except Exception as error:  # noqa: BLE001 - what the recorded call ended with
            _raise_miss(error)


class _Call(NamedTuple):
    """A call, and how often it was made until it was answered."""

    recorded: Interaction
    attempts: int

    def ask(self) -> None:
        """Make it, by the SDK's client."""
        import openai

        with openai.OpenAI(**self._client()) as client:
            answer = client.post(**self._options(openai.Stream))
            if self._is_streamed():
                with answer:
                    for _ in itertools.islice(answer, self._read()):
                        pass

    async def ask_async(self) -> None:
        """Make it, by the SDK's asynchronous client."""
        import openai

        async with openai.AsyncOpenAI(**self._client()) as client:
            answer: Any = await client.post(**self._options(openai.AsyncStream))
            if self._is_streamed():
                async with answer:
                    number = 0
                    while number != self._read() and await anext(answer, None) is not None:
                        number += 1

    def _path(self) -> str:
        """The path of the endpoint; of one that no table has, the last part of the URL."""
        url = self.recorded.request.url
        for api in apis():
            _, path = api.split(url) or ("", "")
            if path and url.endswith(path):
                return path
        return "/" + url.rpartition("/")[2]

    def _client(self) -> dict[str, Any]:
        base_url = self.recorded.request.url.removesuffix(self._path())
        return {"base_url": base_url, "api_key": "replayed", "max_retries": self.attempts - 1}

    def _options(self, stream: Any) -> dict[str, Any]:
        said = {"path": self._path(), "body": self._body(), "cast_to": object}
        return (
            {**said, "stream": True, "stream_cls": stream[object]} if self._is_streamed() else said
        )

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.recorded.request.body)
        return body

    def _is_streamed(self) -> bool:
        return bool(self._body().get("stream"))

    def _read(self) -> int | None:
        """How many events to read: all, or as many as the one who left early."""
        response = self.recorded.response
        return len(response.chunks) if response is not None and response.cut else None


def _calls(interactions: list[Interaction]) -> Iterator[_Call]:
    at = 0
    while at < len(interactions):
        first = at
        while _is_tried_again(interactions, at):
            at += 1
        yield _Call(interactions[at], at - first + 1)
        at += 1


def _is_tried_again(interactions: list[Interaction], at: int) -> bool:
    """Whether the SDK makes an attempt once more: of one call there are only equal requests."""
    response = interactions[at].response
    failed = response is None or response.header("retry-after-ms") != ""
    following = interactions[at + 1 : at + 2]
    return failed and following != [] and following[0].request == interactions[at].request


def _raise_miss(error: BaseException | None) -> None:
    """A request that is not on the tape is not an answer of a server."""
    while error is not None:
        if isinstance(error, CassetteMissError):
            raise error
        error = error.__cause__ or error.__context__
