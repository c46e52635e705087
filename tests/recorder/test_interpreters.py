"""Sub-interpreters."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

SOURCE = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters

program = '''
import tracetape

try:
    with tracetape.start_span("work"):
        pass
except ImportError as error:
    print(error, flush=True)
'''
run = getattr(interpreters, "exec", None) or interpreters.run_string
run(interpreters.create(), program)
import tracetape
with tracetape.start_span("work"):
    pass
print(tracetape.flush())
"""


def test_a_sub_interpreter_is_refused(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """With the remedy; the main one traces as ever."""
    lines = run_python(SOURCE).stdout.splitlines()
    assert lines[0].startswith("tracetape does not run in a sub-interpreter: trace in the main one")
    assert lines[1:] == ["0"]
