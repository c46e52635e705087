"""A process whose memory is bounded (`ulimit -v`): it loses a value, never its life."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"),
    reason="this system does not say how much memory is used",
)

Run = Callable[..., subprocess.CompletedProcess[str]]

PROGRAM = """
import resource, time
from dataclasses import dataclass
import tracetape
tracetape.configure(store="memory://")
with tracetape.start_span("before") as span:
    span.set_inputs([float("nan")])  # what is loaded on first use is loaded
assert tracetape.flush(20) == 0

@dataclass
class Document:
    text: str

large = {value}
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {megabytes} * 2**20,) * 2)
time.sleep(1.1)
with tracetape.start_span("large") as span:
    span.set_inputs(large)
    span.set_outputs("small")
assert tracetape.flush(20) == 0
span = tracetape.get_trace(span.trace_id).data.spans[0]
print(len(str(span.inputs)) > 1_000_000, span.outputs)
print(span.inputs if len(str(span.inputs)) < 100 else "whole")
"""
VALUES = {
    "text": "{'a': 'x' * 20_000_000}",
    "object": "[Document('x' * 20_000_000)]",
    "odd number": "{'a': 'x' * 20_000_000, 'b': float('nan')}",
}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_for_which_the_memory_does_not_suffice_is_left_out(
    value: str, run_python: Run
) -> None:
    """The JSON encoder would end the process with a segmentation fault."""
    done = run_python(PROGRAM.format(value=VALUES[value], megabytes=60))
    assert done.stdout.splitlines() == [
        "False small",
        "<not recorded: the process has not enough memory left>",
    ]


def test_a_value_for_which_it_suffices_is_recorded(run_python: Run) -> None:
    """A bound alone takes nothing away."""
    done = run_python(PROGRAM.format(value=VALUES["text"], megabytes=2_000))
    assert done.stdout.splitlines() == ["True small", "whole"]
