"""Retries of SDKs: no wait before a recorded answer, no second attempt after a miss."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

from tracetape.cassettes.context import is_answered_by_tape
from tracetape.cassettes.patches import Patches
from tracetape.exceptions import CassetteError

__all__ = ["undo", "watch"]

# SDKs of one generator (OpenAI's, Anthropic's and their kin) ask here how long to wait before
# the next attempt, and sleep here between two looks at something that takes its time.
_CLIENTS, _RESOURCES = "._base_client", "._resource"
_ASKED, _SLEEP = "_calculate_retry_timeout", "_sleep"
_CLOCK, _SERVICES = "databricks.sdk.clock", "databricks.sdk.service."

_patches = Patches()
_looked = 0  # how many modules there were at the last look for those of SDKs
_known: list[str] = []
_changed = 0  # and at the last change of these
_seen: set[str] = set()


def watch() -> None:
    """Change the SDKs; called before they get an answer or a miss: by then they are imported."""
    global _looked, _known, _changed
    number = len(sys.modules)
    if number == _changed:
        return
    if number != _looked:
        _looked = number
        _known = [name for name in [*sys.modules] if _is_known(name)]
    _changed = number
    for name in _known:
        module = sys.modules.get(name)
        if name not in _seen and isinstance(module, ModuleType) and _change(name, module):
            _seen.add(name)


def undo() -> None:
    """Put the originals back."""
    global _changed
    _changed = 0
    _seen.clear()
    _patches.undo()


def _is_known(name: str) -> bool:
    return name.endswith((_CLIENTS, _RESOURCES)) or name == _CLOCK or name.startswith(_SERVICES)


def _change(name: str, module: ModuleType) -> bool:
    """Change a module; whether there was something to change."""
    if name.endswith(_CLIENTS):
        for cls in _with_own(getattr(module, "BaseClient", None), _ASKED):
            _patches.wrap(cls, _ASKED, _asked)
    elif name.endswith(_RESOURCES):
        for kind in ("SyncAPIResource", "AsyncAPIResource"):
            for cls in _with_own(getattr(module, kind, None), _SLEEP):
                _patches.wrap(cls, _SLEEP, _slept)
    elif name == _CLOCK:
        if hasattr(module, "RealClock"):
            _patches.wrap(module.RealClock, "sleep", _slept)
    elif isinstance(vars(module).get("time"), ModuleType):
        _patches.put(module, "time", _Time(module.time))
    else:
        return False
    return True


def _with_own(cls: Any, name: str) -> Iterator[type]:
    """A class and those below it that have a method of their own: tracing may have put it there."""
    if isinstance(cls, type):
        if name in vars(cls):
            yield cls
        kinds: list[type] = cls.__subclasses__()
        for below in kinds:
            yield from _with_own(below, name)


def _asked(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def calculate(*args: Any, **kwargs: Any) -> Any:
        error = sys.exc_info()[1]
        if isinstance(error, CassetteError):  # openai 1 and 2 try again whatever failed
            raise error
        wait = original(*args, **kwargs)  # tracing notes it
        return 0.0 if is_answered_by_tape() else wait

    return calculate


def _slept(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def sleep(self: Any, seconds: float) -> Any:
        return original(self, 0 if is_answered_by_tape() else seconds)

    return sleep


class _Time:
    """The module `time` for a service of Databricks, which looks again at what is not ready."""

    def __init__(self, real: ModuleType) -> None:
        self._real = real

    def sleep(self, seconds: float) -> None:
        """Not at all between two recorded answers."""
        self._real.sleep(0 if is_answered_by_tape() else seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
