"""Runs of pytest that a test starts: as of a project that has installed us, with little else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

Owned = Callable[[Any], Any]
PATIENCE = 300.0  # seconds; only a run that hangs takes so long


@pytest.fixture
def pytester(
    pytester: pytest.Pytester, owned: Owned, few_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """Its runs lead process groups, which are killed when the test ends or a run hangs."""
    start = pytester.popen
    limited = functools.partial(pytester.runpytest_subprocess, timeout=PATIENCE)
    monkeypatch.setattr(
        pytester, "popen", lambda *a, **k: owned(start(*a, start_new_session=True, **k))
    )
    monkeypatch.setattr(pytester, "runpytest_subprocess", limited)
    return pytester
