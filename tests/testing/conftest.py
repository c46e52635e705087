"""Runs of pytest that a test starts: as of a project that has installed us, with little else."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm import Warm

Owned = Callable[[Any], Any]
PATIENCE = 300.0  # seconds; only a run that hangs takes so long


class _Ended:
    """What `Pytester.run` wants to know of a process, of one that has ended."""

    stdin = None

    def __init__(self, status: int) -> None:
        self._status = status

    def wait(self, timeout: float | None = None) -> int:
        return self._status


@pytest.fixture
def pytester(
    pytester: pytest.Pytester,
    owned: Owned,
    few_plugins: None,
    warm: Callable[[], Warm],
    monkeypatch: pytest.MonkeyPatch,
) -> pytest.Pytester:
    """Its runs lead process groups, which are killed when the test ends or a run hangs.

    They find pytest and the SDKs imported, which saves a second or two.
    """
    start = pytester.popen
    limited = functools.partial(pytester.runpytest_subprocess, timeout=PATIENCE)

    def popen(command: list[str], *others: Any, **options: Any) -> Any:
        files = [Path(str(getattr(options.get(name), "name", ""))) for name in ("stdout", "stderr")]
        is_run = tuple(command[:2]) == (sys.executable, "-mpytest") and all(
            map(Path.is_file, files)
        )
        if not is_run or sys.platform != "linux":
            return owned(start(command, *others, start_new_session=True, **options))
        path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path}
        arguments = tuple(str(one) for one in command[2:])
        done = warm().run("-m", "pytest", arguments, environment, Path.cwd(), PATIENCE, files)
        return _Ended(done.returncode)

    monkeypatch.setattr(pytester, "popen", popen)
    monkeypatch.setattr(pytester, "runpytest_subprocess", limited)
    return pytester
