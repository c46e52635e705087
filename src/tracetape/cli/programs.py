"""A user's program, run as Python or the shell would run it, with its calls traced."""

from __future__ import annotations

import io
import os
import runpy
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import click

from tracetape.exceptions import InvalidValueError
from tracetape.store import writer_url

__all__ = ["Program"]

_BOOTSTRAP = Path(__file__).with_name("bootstrap")
_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


class Program:
    """A script, a module or a command, with its arguments."""

    def __init__(self, name: str, args: list[str], *, module: bool) -> None:
        """Find out which of the three it is.

        Raises:
            InvalidValueError: there is no such script or command.
        """
        self._name = name
        self._args = args
        self._run: Callable[[], int] = self._run_command
        if module:
            self._run = lambda: _guarded(self._module, "runpy.py", "<frozen runpy>")
        elif name.endswith(".py"):
            if not Path(name).is_file():
                raise InvalidValueError(f"there is no script {name!r} in {Path.cwd()}")
            self._run = lambda: _guarded(self._script)
        elif shutil.which(name) is None:
            raise InvalidValueError(
                f"there is no command {name!r}; a Python module is run with -m {name}"
            )

    def run(self) -> int:
        """Run it to its end; gives its exit status."""
        _let_children_trace()
        return self._run()

    def _run_command(self) -> int:
        try:
            command = [self._name, *self._args]
            return subprocess.run(command, check=False).returncode  # noqa: S603 - the user's own
        except KeyboardInterrupt:
            return _INTERRUPTED

    def _script(self) -> None:
        path = str(Path(self._name).absolute())
        with io.open_code(path) as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        module = types.ModuleType("__main__")
        module.__file__ = path
        module.__builtins__ = __builtins__  # type: ignore[attr-defined]
        # It stays: threads and exit handlers of the program may need it after its last line.
        sys.modules["__main__"] = module
        sys.argv = [self._name, *self._args]
        sys.path[0] = str(Path(path).parent)
        _autolog()
        exec(code, module.__dict__)  # noqa: S102 - the user's own program

    def _module(self) -> None:
        sys.argv = [self._name, *self._args]
        sys.path[0] = str(Path.cwd())
        _autolog()
        runpy.run_module(self._name, run_name="__main__", alter_sys=True)


def _autolog() -> None:
    from tracetape.instrument import autolog

    autolog()


def _let_children_trace() -> None:
    """Python processes that are started from now on find our `sitecustomize` first."""
    # Absolute: a child may run elsewhere.
    os.environ["TRACETAPE_STORE"] = writer_url()
    os.environ["TRACETAPE_AUTOLOG"] = "1"
    before = os.environ.get("PYTHONPATH")
    paths = [str(_BOOTSTRAP), *([before] if before else [])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def _guarded(body: Callable[[], None], *hidden: str) -> int:
    """Run `body` and end as Python would: exit codes, tracebacks without our frames."""
    try:
        body()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        click.echo(end.code, err=True)
        return 1
    except BaseException as error:  # noqa: BLE001 - this is the end of the user's program
        trimmed = _without_ours(error.__traceback__, {__file__, *hidden})
        sys.excepthook(type(error), error.with_traceback(trimmed), trimmed)
        return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    finally:
        sys.stdout.flush()
    return 0


def _without_ours(traceback: TracebackType | None, hidden: set[str]) -> TracebackType | None:
    while traceback is not None and (
        traceback.tb_frame.f_code.co_filename in hidden
        or os.path.basename(traceback.tb_frame.f_code.co_filename) in hidden
    ):
        traceback = traceback.tb_next
    return traceback
