"""Runs of pytest that a test starts: as of a project that has installed us, with little else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

Owned = Callable[[Any], Any]
# Other plugins of the suite's environment; each run would import them for two seconds. A test that
# needs one of them asks for it: `-p anyio.pytest_plugin`.
UNUSED = ("anyio", "hypothesispytest", "recording", "respx", "time_machine", "xdist.looponfail")
PATIENCE = 300.0  # seconds; only a run that hangs takes so long


@pytest.fixture
def pytester(
    pytester: pytest.Pytester, owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """Its runs lead process groups, which are killed when the test ends or a run hangs."""
    start = pytester.popen
    limited = functools.partial(pytester.runpytest_subprocess, timeout=PATIENCE)
    monkeypatch.setattr(
        pytester, "popen", lambda *a, **k: owned(start(*a, start_new_session=True, **k))
    )
    monkeypatch.setattr(pytester, "runpytest_subprocess", limited)
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in UNUSED))
    return pytester
