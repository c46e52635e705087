"""`cassette`: a block of code, or a function, whose HTTP requests a tape answers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, cast

from tracetape._policy import policy_of_here
from tracetape._system import lasting_lock
from tracetape.cassettes import children, network, transports
from tracetape.cassettes.advice import IN_PROGRAM, IN_PYTEST, Advice
from tracetape.cassettes.context import closed, is_here, opened
from tracetape.cassettes.foreign_options import named_options, unknown_mode, unknown_option
from tracetape.cassettes.matching import Comparison, Matcher
from tracetape.cassettes.open_cassette import MODES, OpenCassette
from tracetape.cassettes.options import check_kinds
from tracetape.cassettes.record.writer import BeforeRecord, Scrub
from tracetape.cassettes.replay.placeholders import Placeholders
from tracetape.exceptions import CassetteError, InvalidTypeError, InvalidValueError

__all__ = ["Cassette", "cassette"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_SCOPES = ("context", "process")
_lock = lasting_lock()
_recorded: set[Path] = set()  # files that an open tape writes


@named_options
def cassette(
    path: str | PathLike[str],
    *,
    mode: str | None = None,
    match_on: Sequence[str | Comparison] | None = None,
    ignore: Collection[str] = (),
    scrub: Scrub | None = None,
    speed: float = 0.0,
    allow_hosts: Collection[str] = (),
    ignore_hosts: Collection[str] = (),
    rename_hosts: Mapping[str, str] | None = None,
    scope: Literal["context", "process"] = "context",
    rechunk: int | None = None,
    cut_after: int | None = None,
    allow_misses: bool | None = None,
    before_record: BeforeRecord | None = None,
    keep_headers: Collection[str] = (),
    allow_playback_repeats: bool = False,
    null_is_absent: bool = False,
) -> Cassette:
    """Record the HTTP requests of a block once, and replay them ever after.

    Sync and async context manager, and decorator of plain and async functions. Requests of
    httpx2, httpx and requests are seen; in replay no other connection leaves this machine.
    Modes and file format are vcrpy's.

    Args:
        path: the file, YAML.
        mode: ``none`` only replays, and without a file each request is a miss; ``once`` (the
            default) records if there is no file, or continues one whose recording was cut short;
            ``new_episodes`` replays and records what is new; ``all`` records everything again.
            Under pytest the default is that of the run, and ``--cassette-mode`` wins.
        match_on: what must be equal, out of ``method``, ``scheme``, ``host``, ``port``, ``path``,
            ``query``, ``body``, and ``uri`` for all of the URL; everything, if not given. JSON
            bodies are compared as JSON. A function of the sent and the recorded `Request` is
            asked too; they differ where it returns False or fails by ``assert``.
        ignore: fields that vary, such as ``body.user`` or ``query.api-version``.
        scrub: called with each `Interaction` before it is written; may change it.
        speed: 0 replays streams at once, 1 at the recorded speed, 2 twice as fast.
        allow_hosts: hosts that are reached for real, also in replay, by any kind of connection.
        ignore_hosts: hosts whose requests are reached for real and never recorded.
        rename_hosts: beginnings of URLs as they appear on the tape, by the real ones.
        scope: ``context`` is for the code of this block, the tasks that it starts, and threads
            as long as no other tape is open; ``process`` for whoever has no tape of his own.
        rechunk: replay bodies in other parts, divided anywhere, also in the midst of a letter;
            the number chooses where, the same one always in the same places.
        cut_after: replay only so many events of each event stream, then break the connection; an
            event is a block with ``data``, also ``[DONE]``.
        allow_misses: under pytest, a test may pass although a request found no answer.
        before_record: called after `scrub`; returns the `Interaction` to write, or None to drop it.
        keep_headers: names of headers to record that are else left out; no credentials.
        allow_playback_repeats: the last of equal recordings answers any number of times.
        null_is_absent: in JSON bodies a field that is ``null`` equals one that is not there.

    Raises:
        InvalidValueError: an argument has no meaning.
        InvalidTypeError: there is no such argument; the error says what to write.
        CassetteError: on entering, the tape cannot be read, or another block is recording it;
            on leaving, it cannot be written, or something was refused for the secrets in it.
    """
    given = {
        "mode": mode,
        "match_on": match_on,
        "ignore": ignore,
        "scrub": scrub,
        "speed": speed,
        "allow_hosts": allow_hosts,
        "ignore_hosts": ignore_hosts,
        "rename_hosts": rename_hosts,
        "scope": scope,
        "rechunk": rechunk,
        "cut_after": cut_after,
        "allow_misses": allow_misses,
        "before_record": before_record,
        "keep_headers": keep_headers,
        "allow_playback_repeats": allow_playback_repeats,
        "null_is_absent": null_is_absent,
    }
    if not isinstance(path, (str, PathLike)) or not str(path):
        raise InvalidValueError(
            f"path names a file, and {path!r} does not: write 'cassettes/a.yaml'"
        )
    return Cassette(Path(path), {k: v for k, v in given.items() if v != _DEFAULTS[k]})


_DEFAULTS: dict[str, Any] = {
    name: parameter.default for name, parameter in inspect.signature(cassette).parameters.items()
}


class Cassette:
    """A tape that can be opened, any number of times."""

    def __init__(self, path: Path, given: Mapping[str, Any], advice: Advice = IN_PROGRAM) -> None:
        """Read no file yet; `given` are the options that differ from the defaults."""
        self._path, self._given, self._advice = path, given, advice
        self._opened: list[tuple[OpenCassette, Placeholders | None, bool]] = []
        self._settled()  # mistakes raise where they are made

    def _settled(self) -> tuple[str, Matcher, str, dict[str, Any]]:
        """The mode, the matcher, the scope and the rest, as they hold here and now."""
        here = policy_of_here()
        options = {**_DEFAULTS, **here.options, **self._given}
        unknown = [name for name in options if name not in _DEFAULTS]
        if unknown:
            raise InvalidValueError(unknown_option(unknown[0], [*_DEFAULTS][1:]))
        del options["path"]
        check_kinds(options)
        given, scope = options.pop("mode"), options.pop("scope")
        for name in (given, here.forced):
            if name is not None and name not in MODES:
                raise InvalidValueError(unknown_mode(name, MODES))
        if scope not in _SCOPES:
            raise InvalidValueError(f"unknown scope {scope!r}: choose from {', '.join(_SCOPES)}")
        matcher = Matcher(
            options.pop("match_on"),
            options.pop("ignore"),
            null_is_absent=options.pop("null_is_absent"),
        )
        options["advice"] = self._advice
        if here.reason and self._advice is IN_PROGRAM:
            is_own = given is not None and here.forced is None
            options["advice"] = replace(IN_PYTEST, reason="" if is_own else here.reason)
        return here.forced or given or here.mode, matcher, scope, options

    def __enter__(self) -> OpenCassette:
        path = self._path
        mode, matcher, scope, options = self._settled()
        here = policy_of_here()
        if here.disabled:  # an empty tape, which nobody asks
            tape = OpenCassette(path, "none", matcher, **options)
            self._opened.append((tape, None, True))
            return tape
        with _lock:
            if path.absolute() in _recorded:
                raise CassetteError(f"the cassette {path} is being recorded by another block")
            tape = OpenCassette(path, mode, matcher, **options)
            placeholders = (
                None
                if tape.records
                else Placeholders(tape.interactions, is_missing=tape.is_missing)
            )
            if tape.records:
                _recorded.add(tape.file)
            tape.is_open = True
            if opened(tape, scope):
                transports.install()
                network.watch()
            children.update()
            if placeholders is not None:
                placeholders.put()
        self._opened.append((tape, placeholders, False))
        if here.opened is not None:
            here.opened(tape)
        return tape

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Blocks of one object may overlap in several tasks: each leaves its own.
        number = next(
            (n for n in reversed(range(len(self._opened))) if is_here(self._opened[n][0])), -1
        )
        tape, placeholders, is_disabled = self._opened.pop(number)
        if is_disabled:
            return
        children.collect()
        tape.is_open = False
        # An exit by `sys.exit()` is an end like any other.
        ended = exc is None or (isinstance(exc, SystemExit) and not exc.code)
        try:
            tape.close(complete=ended)
        finally:
            with _lock:
                if placeholders is not None:
                    placeholders.remove()
                if closed(tape):
                    network.unwatch(tapes=True)
                    transports.uninstall()
                children.update()
                if tape.records:
                    _recorded.discard(tape.file)
        if exc is not None:
            tape.explain(exc)
        for miss in tape.misses:
            if exc is None or not _is_cause(miss, exc):
                continue
            tape.is_miss_told = True
            if miss is not exc:
                raise miss from exc  # some SDKs, such as openai 1, make their own error of it

    async def __aenter__(self) -> OpenCassette:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """The function, each call of it inside the tape.

        Raises:
            InvalidTypeError: it is a generator, whose body runs after the call.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            name = function.__name__
            raise InvalidTypeError(
                f"a cassette cannot decorate the generator {name}: open it inside the generator"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def taped_async(*args: Any, **kwargs: Any) -> Any:
                with Cassette(
                    self._path, self._given, self._advice
                ):  # calls may overlap, so each has its own
                    return await function(*args, **kwargs)

            return cast("Callable[_P, _R]", taped_async)

        @functools.wraps(function)
        def taped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with Cassette(self._path, self._given, self._advice):
                return function(*args, **kwargs)

        return taped


def _is_cause(miss: BaseException, error: BaseException | None) -> bool:
    """Whether one error was raised because of the other, or while it was handled."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if error is miss:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
