"""Found first by the Python processes that a `tracetape run` starts: traces them, too.

It must cost nothing where nothing is traced, so tracetape itself is imported only after a library
whose calls it knows. The user's own `sitecustomize`, whose place this one takes, is run as well.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `typing`, whose import would take longer than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Waiting:
    """Switches tracing on when one of some packages has been imported."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec: ModuleSpec | None = find(name, path, target)
                if spec is not None:
                    self._trace_after(spec.loader)
                    return spec
        return None

    def _trace_after(self, loader: object) -> None:
        execute = getattr(loader, "exec_module", None)
        if execute is None or isinstance(loader, type):  # those of built-in modules are shared
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._trace()

        loader.exec_module = exec_module  # type: ignore[attr-defined]

    def _trace(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        try:
            import tracetape

            tracetape.autolog()
        except Exception as error:  # noqa: BLE001 - a child must run whatever is wrong with us
            sys.stderr.write(f"tracetape: {sys.executable} is not traced: {error}\n")


def _run_users_own() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise  # a fault of theirs, which `site` reports as ever
        if ours is not None:
            sys.modules["sitecustomize"] = ours


_names = frozenset(filter(None, os.environ.get("TRACETAPE_AUTOLOG", "").split(",")))
_off = os.environ.get("TRACETAPE_DISABLED", "").lower() in ("1", "true", "yes", "on")
if _names and not _off:
    sys.meta_path.insert(0, _Waiting(_names))
_run_users_own()
