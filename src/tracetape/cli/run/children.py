"""How the Python processes that a program starts come to be traced: by the environment."""

from __future__ import annotations

import os
from pathlib import Path

from tracetape.instrument.registry import packages
from tracetape.store import open_store, writer_url

__all__ = ["trace_children"]

_BOOTSTRAP = str(Path(__file__).parents[2] / "bootstrap")


def trace_children() -> None:
    """Make processes started from now on write to our store and find our `sitecustomize`."""
    os.environ["TRACETAPE_STORE"] = open_store(writer_url()).url  # absolute: they may move
    os.environ["TRACETAPE_AUTOLOG"] = ",".join(sorted({"tracetape", *packages()}))
    before = os.environ.get("PYTHONPATH", "")
    kept = [path for path in before.split(os.pathsep) if path != _BOOTSTRAP] if before else []
    os.environ["PYTHONPATH"] = os.pathsep.join([_BOOTSTRAP, *kept])
