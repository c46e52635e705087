"""Code of the user's program, run so that it ends as it would in a Python of its own."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from types import CodeType, ModuleType, TracebackType
from typing import Any

from tracetape.cli.shared.ends import INTERRUPTED
from tracetape.diagnostics import told_missing

__all__ = ["execute", "guarded"]


def execute(code: CodeType, **names: Any) -> None:
    """Run `code` as `__main__`.

    Args:
        code: the program.
        names: what Python puts into the module beforehand.
    """
    main = ModuleType("__main__")
    main.__dict__.update(
        {"__annotations__": {}, "__builtins__": builtins, "__cached__": None, **names}
    )
    # It stays: threads and exit handlers of the program may need it after its last line.
    sys.modules["__main__"] = main
    exec(code, main.__dict__)  # noqa: S102 - the user's own program


def guarded(body: Callable[[], None]) -> int:
    """Call `body` and give the exit status; errors are shown as Python shows them."""
    try:
        body()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
        return 1
    except BaseException as error:  # noqa: BLE001 - this is the end of the user's program
        traceback = _without_ours(error.__traceback__)
        package = told_missing(error)
        if package is not None:  # the log says how to mend it, and where matters only to the SDK
            traceback = _until(package, traceback)
        _show(error.with_traceback(traceback), traceback)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _show(error: BaseException, traceback: TracebackType | None) -> None:
    try:
        sys.excepthook(type(error), error, traceback)
    except Exception:  # noqa: BLE001 - the program's own hook
        sys.__excepthook__(type(error), error, traceback)


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and _is_ours(traceback.tb_frame.f_globals.get("__name__")):
        traceback = traceback.tb_next
    return traceback


def _until(package: str, traceback: TracebackType | None) -> TracebackType | None:
    """The frames of `traceback` before the first that runs code of `package`."""
    if traceback is None:
        return None
    module = str(traceback.tb_frame.f_globals.get("__name__"))
    if f"{module}.".startswith(f"{package}."):
        return None
    rest = _until(package, traceback.tb_next)
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


def _is_ours(module: str | None) -> bool:
    return module is not None and module.startswith(("tracetape.cli", "importlib"))
