"""A user's program, run as Python or the shell would run it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Protocol
from zipfile import is_zipfile

from tracetape.cli.run.guard import execute, guarded
from tracetape.exceptions import InvalidValueError

__all__ = ["Command", "Program", "find_program"]


class Program(Protocol):
    """A program that `tracetape run` can run."""

    def run(self) -> int:
        """Run it to its end; gives its exit status."""


def find_program(name: str, args: Sequence[str], *, module: bool) -> Program:
    """The script, module or command that a user means.

    Raises:
        InvalidValueError: there is no such script or command.
    """
    if module:
        return Module(name, args)
    if os.path.isfile(os.path.join(name, "__main__.py")) or (
        os.path.isfile(name) and is_zipfile(name)
    ):
        return Archive(name, args)
    if _is_script(name):
        if not Path(name).is_file():
            raise InvalidValueError(f"there is no script {name!r} in {Path.cwd()}")
        return Script(name, args)
    if shutil.which(name) is None:
        raise InvalidValueError(
            f"there is no command {name!r}; to run a Python module use -m {name}"
        )
    return Command(name, args)


class _InThisProcess:
    """A program that runs as Python runs it, in this process."""

    def __init__(self, name: str, args: Sequence[str]) -> None:
        """Read and import nothing yet."""
        self._name = name
        self._args = args

    def run(self) -> int:
        """Run it to its end; gives its exit status."""
        return guarded(self._run)

    def _run(self) -> None:
        raise NotImplementedError


class Script(_InThisProcess):
    """``python script.py``."""

    def _run(self) -> None:
        path = os.path.join(os.getcwd(), self._name.removeprefix("./"))
        sys.argv = [self._name, *self._args]
        _begin_path_with(os.path.dirname(os.path.realpath(path)))
        loader = SourceFileLoader("__main__", path)
        code = loader.source_to_code(loader.get_data(path), path)
        execute(code, __file__=path, __loader__=loader)


class Archive(_InThisProcess):
    """``python folder`` or ``python app.zip`` with a ``__main__.py`` in it."""

    def _run(self) -> None:
        sys.argv = [self._name, *self._args]
        path = os.path.abspath(self._name)
        if _is_safe_path():  # in which Python looks for this one, too
            sys.path.insert(0, path)
        _begin_path_with(path)
        spec = PathFinder.find_spec("__main__", [path])
        get_code = None if spec is None else getattr(spec.loader, "get_code", None)
        if spec is None or get_code is None:
            raise SystemExit(f"tracetape: error: {self._name} has no __main__.py to run")
        execute(
            get_code("__main__"),
            __file__=spec.origin,
            __loader__=spec.loader,
            __package__="",
            __spec__=spec,
        )


class Module(_InThisProcess):
    """``python -m module``."""

    def _run(self) -> None:
        sys.argv = ["-m", *self._args]  # as long as it is being looked for
        _begin_path_with(os.getcwd())
        spec, code = self._found()
        sys.argv[0] = spec.origin or self._name
        execute(
            code,
            __file__=spec.origin,
            __loader__=spec.loader,
            __package__=spec.parent,
            __spec__=spec,
            __cached__=spec.cached,
        )

    def _found(self) -> tuple[ModuleSpec, CodeType]:
        spec = _find_spec(self._name)
        if spec.submodule_search_locations is not None:
            spec = _find_spec(f"{self._name}.__main__")
        get_code = getattr(spec.loader, "get_code", None)
        code: CodeType | None = None if get_code is None else get_code(spec.name)
        if code is None:
            raise SystemExit(f"tracetape: error: {self._name} has no Python code to run")
        return spec, code


class Command:
    """Anything else, in a process of its own."""

    def __init__(self, name: str, args: Sequence[str]) -> None:
        """Start no process yet."""
        self._command = [name, *args]

    def run(self) -> int:
        """Run it to its end; gives its exit status, as a shell counts those of signals."""
        with _leaving_ctrl_c_to_the_command():
            try:
                process = subprocess.Popen(self._command)  # noqa: S603 - the user's own
            except OSError as error:
                name = self._command[0]
                raise InvalidValueError(f"{name} cannot be run: {error.strerror}") from error
            status = process.wait()
        return status if status >= 0 else 128 - status


@contextmanager
def _leaving_ctrl_c_to_the_command() -> Iterator[None]:
    """Ignore Ctrl-C in this process, without ignoring it in the commands that start meanwhile.

    A `KeyboardInterrupt` inside `Popen.wait` can lose the exit status: the system has reported it
    by then, and reports it only once.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield  # SIGINT is ignored already, or the caller handles it
        return
    signal.signal(signal.SIGINT, lambda *_: None)  # a child starts with the default, not with this
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_script(name: str) -> bool:
    if name.endswith((".py", ".pyw")):
        return True
    if not Path(name).is_file() or (os.sep not in name and shutil.which(name) is not None):
        return False
    if not os.access(name, os.X_OK):
        return True
    with open(name, "rb") as file:
        first = file.readline(200)
    return first.startswith(b"#!") and b"python" in first


def _is_safe_path() -> bool:
    return bool(getattr(sys.flags, "safe_path", False) or sys.flags.isolated)


def _begin_path_with(folder: str) -> None:
    # Where Python runs in its safe mode, the first entry is not a program's folder.
    if not _is_safe_path():
        sys.path[0] = folder


def _find_spec(name: str) -> ModuleSpec:
    spec = None
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # not found by a package's own code
    if spec is None:
        raise SystemExit(f"tracetape: error: there is no module {name} to run")
    return spec
