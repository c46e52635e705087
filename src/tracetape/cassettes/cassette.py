"""`cassette`: a block of code, or a function, whose HTTP requests a tape answers."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from tracetape.cassettes import network, transports
from tracetape.cassettes.context import close_player, open_player
from tracetape.cassettes.matching import Matcher
from tracetape.cassettes.placeholders import Placeholders
from tracetape.cassettes.player import Player, Scrub

__all__ = ["Cassette", "cassette"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_lock = threading.Lock()


def cassette(
    path: str | PathLike[str],
    *,
    mode: str = "once",
    match_on: Sequence[str] | None = None,
    ignore: Collection[str] = (),
    scrub: Scrub | None = None,
    speed: float = 0.0,
    allow_hosts: Collection[str] = (),
    ignore_hosts: Collection[str] = (),
    rename_hosts: Mapping[str, str] | None = None,
) -> Cassette:
    """Record the HTTP requests of a block once, and replay them ever after.

    Sync and async context manager, and decorator of plain and async functions. Requests of
    httpx2, httpx and requests are seen; in replay no other connection leaves this machine.
    Modes and file format are vcrpy's.

    Args:
        path: the file, YAML.
        mode: ``none`` only replays; ``once`` records if there is no file, or continues one whose
            recording was cut short; ``new_episodes`` replays and records what is new; ``all``
            records everything anew.
        match_on: what must be equal, out of ``method``, ``scheme``, ``host``, ``port``, ``path``,
            ``query``, ``body``; all, if not given. JSON bodies are compared as JSON.
        ignore: fields that vary, such as ``body.user`` or ``query.api-version``.
        scrub: called with each `Interaction` before it is written; may change it.
        speed: 0 replays streams at once, 1 at the recorded speed, 2 twice as fast.
        allow_hosts: hosts that are reached for real, also in replay.
        ignore_hosts: hosts whose requests are reached for real and never recorded.
        rename_hosts: beginnings of URLs as they are to stand on the tape, by the real ones.

    Raises:
        InvalidValueError: an argument has no meaning.
        CassetteError: on entering, there is no tape to replay; on leaving, it cannot be written,
            or held secrets.
    """
    return Cassette(
        Path(path),
        mode,
        Matcher(match_on, ignore),
        {
            "scrub": scrub,
            "speed": speed,
            "allow_hosts": allow_hosts,
            "ignore_hosts": ignore_hosts,
            "rename_hosts": rename_hosts,
        },
    )


class Cassette:
    """A tape that can be opened, any number of times."""

    def __init__(self, path: Path, mode: str, matcher: Matcher, options: Mapping[str, Any]) -> None:
        """Nothing is read yet."""
        self._path = path
        self._mode = mode
        self._matcher = matcher
        self._options = options
        self._opened: list[tuple[Player, Placeholders | None]] = []

    def __enter__(self) -> Player:
        player = Player(self._path, self._mode, self._matcher, **self._options)
        placeholders = Placeholders(player.interactions) if player.replays else None
        with _lock:
            if open_player(player):
                transports.install()
                network.block()
        player.is_open = True
        if placeholders is not None:
            placeholders.put()
        self._opened.append((player, placeholders))
        return player

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        player, placeholders = self._opened.pop()
        player.is_open = False
        if placeholders is not None:
            placeholders.remove()
        with _lock:
            if close_player(player):
                network.unblock()
                transports.uninstall()
        # An exit by `sys.exit()` is an end like any other.
        ended = exc is None or (isinstance(exc, SystemExit) and not exc.code)
        player.close(complete=ended)

    async def __aenter__(self) -> Player:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """The function, each call of it inside the tape."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def taped_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return cast("Callable[_P, _R]", taped_async)

        @functools.wraps(function)
        def taped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self:
                return function(*args, **kwargs)

        return taped
