"""The reader that MLflow's side and ours share."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.entities import Trace

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of traces that real MLflows made."""
    return HERE / "data"


@pytest.fixture(scope="session")
def reading() -> Path:
    """The program that reads traces with MLflow."""
    return HERE / "reading.py"


@pytest.fixture(scope="session")
def plain(reading: Path) -> Callable[[Trace], dict[str, Any]]:
    """The values of a trace as JSON has them, through the names that MLflow has too."""
    spec = importlib.util.spec_from_file_location("reading", reading)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda trace: json.loads(json.dumps(module.plain(trace)))
