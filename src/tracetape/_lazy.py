"""Loading on first use: `import tracetape` must cost next to nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tracetape._absent import Absent, AbsentModule, absent, is_half_loaded
from tracetape._forks import IMPORTS, at_fork
from tracetape._system import new_lock, pause, perf_counter, this_thread

__all__ = ["lazy_names", "loading"]

_FORK_SECONDS = 5.0


class _Loading:
    """``with loading:`` around an import on first use: a fork waits until it is done.

    The lock of a module that is being loaded is never released in a child without the thread that
    loads it. Nobody else waits: two threads may load modules that need each other.
    """

    __slots__ = ("_lock", "_under_way")

    def __init__(self) -> None:
        self._lock = new_lock()
        self._under_way: dict[int, int] = {}  # how many imports, by thread

    def __enter__(self) -> None:
        me = this_thread()
        with self._lock:
            self._under_way[me] = self._under_way.get(me, 0) + 1

    def __exit__(self, *exc: object) -> None:
        me = this_thread()
        with self._lock:
            left = self._under_way.get(me, 1) - 1
            if left:
                self._under_way[me] = left
            else:
                self._under_way.pop(me, None)

    def is_here(self) -> bool:
        """Whether the thread that asks is in the midst of an import."""
        return this_thread() in self._under_way

    def before_fork(self) -> None:
        """Wait for other threads; none begins until the fork is done."""
        deadline = perf_counter() + _FORK_SECONDS
        me = this_thread()
        self._lock.acquire()
        while self._under_way.keys() - {me} and perf_counter() < deadline:
            self._lock.release()
            pause(0.001)
            self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Others go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Only what this thread was loading is under way."""
        me = this_thread()
        self._lock = new_lock()
        self._under_way = {me: self._under_way[me]} if me in self._under_way else {}


loading = _Loading()
at_fork(
    IMPORTS,
    before=loading.before_fork,
    in_parent=loading.after_fork_in_parent,
    in_child=loading.after_fork_in_child,
)


def lazy_names(
    package: str, module_of: Mapping[str, str], modules: tuple[str, ...] = ()
) -> Callable[[str], Any]:
    """A module's ``__getattr__`` (PEP 562).

    Args:
        package: the package's own name.
        module_of: by exported name, the module that has it.
        modules: submodules that are exported themselves.
    """

    def getattr_(name: str) -> Any:
        if name not in module_of and name not in modules:
            remedy = "" if name.startswith("_") else _remedy(package, name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}{remedy}")
        try:
            value = _load(package, name, module_of.get(name))
        except Exception as error:
            instead = absent(package, name, error)
            if instead is None:
                raise
            return instead
        if not isinstance(value, (Absent, AbsentModule)):
            setattr(sys.modules[package], name, value)
        return value

    return getattr_


def _remedy(package: str, name: str) -> str:
    try:
        with loading:
            from tracetape._mlflow_names import remedy_of

        return remedy_of(package, name)
    except Exception:  # noqa: BLE001 - a signal handler may ask while it is being loaded
        return ""


def _load(package: str, name: str, module: str | None) -> Any:
    # A signal handler, in the midst of loading: what is half loaded must not be loaded again.
    if loading.is_here() and (instead := absent(package, name)) is not None:
        return instead
    with loading:
        found = import_module(module or f"{package}.{name}")
    if module is None:
        return found
    # What it has already may need what it has not yet.
    if is_half_loaded(found) and (instead := absent(package, name)) is not None:
        return instead
    return getattr(found, name)
