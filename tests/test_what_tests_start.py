"""What a test starts ends with it, also where it fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Eventually = Callable[[Callable[[], object]], object]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
# Its child has none of its pipes, and would live for a minute; its parent does what is asked.
LEAVES_A_CHILD = """
import subprocess, sys, time
nowhere = subprocess.DEVNULL
child = [sys.executable, "-c", "import time; time.sleep(60)"]
pid = subprocess.Popen(child, stdin=nowhere, stdout=nowhere, stderr=nowhere).pid
open("child", "w").write(str(pid))
print("started", flush=True)
"""


@pytest.fixture
def is_running(run_command: Run) -> Callable[[int], bool]:
    """Whether a process lives; one that has ended and that nobody has asked about does not."""

    def ask(pid: int) -> bool:
        state = run_command(["ps", "-o", "stat=", "-p", str(pid)]).stdout
        return bool(state.strip()) and not state.startswith("Z")

    return ask


@pytest.mark.skipif(os.name != "posix", reason="process groups")
@pytest.mark.parametrize("end", ["", "sys.exit(1)", "time.sleep(60)"])
def test_children_of_a_program_end_with_it(
    end: str,
    run_python: Callable[..., object],
    eventually: Eventually,
    is_running: Callable[[int], bool],
    tmp_path: Path,
) -> None:
    """Whether it passes, fails or takes too long."""
    if end.startswith("time"):
        with pytest.raises(subprocess.TimeoutExpired):
            run_python(LEAVES_A_CHILD + end, timeout=5)
    else:
        run_python(LEAVES_A_CHILD + end, check=False)
    pid = int((tmp_path / "child").read_text())
    eventually(lambda: not is_running(pid))
