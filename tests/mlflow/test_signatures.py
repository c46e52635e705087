"""Whatever a program says to a function of MLflow's tracing API can be said to ours."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

HERE = Path(__file__).parent
MLFLOWS: dict[str, list[list[str]]] = json.loads((HERE / "data/signatures_3.17.2.json").read_text())

# The table of differences in docs/mlflow.md gives the reasons.
ABSENT = {
    "tracing.disable_notebook_display",
    "tracing.enable_notebook_display",
    "tracing.get_bridged_tracer_provider",
}
# Its parameters are named only: ours come first, and nobody counts eleven switches.
NAMED_ONLY = {"autolog"}


def differences(theirs: list[list[str]], ours: list[list[str]] | None, places: bool) -> list[str]:
    """What can be said to the one function and not, or not with the same meaning, to the other.

    Args:
        theirs, ours: name, kind and default of each parameter.
        places: whether positions count.
    """
    if ours is None:
        return ["absent"]
    mine = {name: (kind, default) for name, kind, default in ours}
    takes_any = any(kind == "VAR_KEYWORD" for kind, _ in mine.values())
    found = []
    for name, kind, default in theirs:
        if name not in mine:
            if not (takes_any or kind.startswith("VAR")):
                found.append(f"no {name}")
        elif places and mine[name][0] != kind:
            found.append(f"{name} is {mine[name][0]}")
        elif default not in ("", mine[name][1]):
            found.append(f"{name} is {mine[name][1]} by default")
    wanted = [name for name, kind, _ in theirs if kind.startswith("POSITIONAL")]
    order = [name for name in mine if name in wanted]
    if places and order != wanted:
        found.append(f"order {order}")
    named = {name for name, _, _ in theirs}
    for name, (kind, default) in mine.items():
        if name not in named and default == "" and not kind.startswith("VAR"):
            found.append(f"{name} must be given")
    return found


def test_our_parameters_take_what_mlflows_take() -> None:
    """The same names, in the same order, with the same defaults; ours on top are optional."""
    spec = importlib.util.spec_from_file_location("signatures", HERE / "signatures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ours = module.signatures("tracetape")
    found = {
        name: differences(theirs, ours[name], places=name not in NAMED_ONLY)
        for name, theirs in MLFLOWS.items()
    }
    assert {name: each for name, each in found.items() if each} == {
        name: ["absent"] for name in ABSENT
    }
