"""Log handlers of the program that raise: what they do to our lines must not reach the program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_handler_that_raises_costs_our_line_only(run_python: Run) -> None:
    """On the program's threads and on the one that writes; the store is damaged here."""
    done = run_python(
        """
import logging, pathlib
import tracetape

class Forbidding(logging.Handler):
    def emit(self, record):
        raise RuntimeError(f"not allowed: {record.getMessage()}")

logging.getLogger().addHandler(Forbidding(logging.WARNING))
pathlib.Path("damaged.db").write_bytes(b"no database " * 1000)
tracetape.configure(store="damaged.db", span_processors=[lambda span: 1 / 0])

@tracetape.trace
def work():
    return 7

assert work() == 7
with tracetape.start_span("a", log_level="nonsense"):
    pass
assert tracetape.flush(20) == 0
stats = tracetape.stats()
print(stats["recorded"], stats["lost"], stats["faults"]["logging"] > 1)
"""
    )
    assert done.stdout == "2 0 True\n"
    assert "Traceback" not in done.stderr
