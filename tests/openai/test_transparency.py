"""The user's program cannot tell that we are there."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import endpoint_scenarios  # noqa: F401 - it adds its own to those of `scenarios`
import pytest
from far_end import VERSION, FarEnd
from scenarios import SCENARIOS, observe

import tracetape
from tracetape.testing import capture

# One span for each call of a model; none where the arguments are refused before a call is made.
SPANS = {"binary": 2, "many_at_once": 20, "models_list": 0, "wrong_argument": 0}

FAILING = {
    "bad_request",
    "bad_request_async",
    "no_connection",
    "stream_with_a_reset_connection",
    "stream_with_an_error_in_the_loop",
    "stream_with_an_error_of_the_server",
    "time_out",
    "unserialisable_argument",
    "wrong_argument",
}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every word of ours would be seen."""
    caplog.set_level(logging.DEBUG, logger="tracetape")
    tracetape.autolog(disable=True)
    yield
    tracetape.autolog(disable=True)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("options", [{}, {"stream_usage": True}, {"chunk_events": True}], ids=repr)
async def test_a_program_sees_the_same_with_and_without_us(
    name: str,
    options: dict[str, bool],
    far_end: FarEnd,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Results, types, exceptions and where they were raised, bytes on the wire, logs, warnings."""
    without = await observe(name, FarEnd())
    with capture() as traces, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        tracetape.autolog(**options)
        beside = await observe(name, far_end)
        found = list(traces)
    if options.get("stream_usage"):
        without, beside = (
            {k: v for k, v in one.items() if k != "wire"} for one in (without, beside)
        )
    assert beside == without
    if VERSION >= (3, 0):  # old versions refuse more
        assert (without["error"] is not None) == (name in FAILING), without["error"]
    assert [record.message for record in caplog.records if record.name == "tracetape"] == []
    assert [str(one.message) for one in warned if "tracetape" in one.filename] == []
    assert sum(len(trace.data.spans) for trace in found) == SPANS.get(name, 1)
    assert all(span.end_time_ns for trace in found for span in trace.data.spans)
