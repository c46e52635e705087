"""Traces of other people's recordings become tapes that give the same spans again.

The recordings stand beside the project (see tests/cassettes/test_recordings.py), if at all.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import Interaction, Tape, cassette, load, save
from tracetape.cassettes.rewrite import write
from tracetape.entities import Span
from tracetape.exceptions import CassetteError, InvalidValueError
from tracetape.exchange.from_trace import calls_of, interactions_of
from tracetape.instrument import autolog
from tracetape.testing import capture, replay_calls
from tracetape.tracing.runtime import runtime

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
INDEX = DATA / "index.json"
ENDPOINTS = ("chat", "completions", "embeddings", "responses")
ROWS = [
    row
    for row in (json.loads(INDEX.read_bytes()) if INDEX.exists() else [])
    if row["endpoint"] in ENDPOINTS and row["uri"].startswith("http") and row["method"] != "GET"
    if row["stream"] or row["features"]  # of the others one is like the next
]
pytestmark = pytest.mark.skipif(not ROWS, reason="the recordings are not on this machine")


def spans_of(tape: Path) -> tuple[list[Span], list[Interaction]]:
    """The spans of all calls on a tape, and the tape that is made of them."""
    found = []
    with capture() as traces:
        with cassette(tape, mode="none", match_on=["method", "path", "body"]) as player:
            replay_calls(player)
        spans = [span for trace in traces for span in calls_of(trace)]
        for span in spans:
            found += interactions_of(span, runtime.recorder.store.get_attachment)
    return spans, found


def content(value: Any) -> Any:
    """References to media name their trace."""
    return json.loads(re.sub(r"tr-[0-9a-f]{32}", "tr-", json.dumps(value)))


@pytest.mark.parametrize("row", ROWS, ids=[f"{Path(row['file']).stem}-{row['i']}" for row in ROWS])
def test_a_traced_recording_becomes_a_tape_with_the_same_answer(
    row: dict[str, Any], tmp_path: Path
) -> None:
    """Inputs, outputs, status, and what is known of the model and its usage."""
    one = load(DATA / row["file"]).interactions[row["i"]]
    if not one.request.url.startswith("http"):  # LangChain blanks addresses
        one.request.url = str(row["uri"])
    one.request.url = one.request.url.partition("#")[0]  # how a vcrpy user told streams apart
    save(tmp_path / "one.yaml", Tape([one]))
    autolog(vectors=True)
    try:
        first, made = spans_of(tmp_path / "one.yaml")
        write(tmp_path / "made.yaml", made)
        second, _ = spans_of(tmp_path / "made.yaml")
    except (InvalidValueError, CassetteError) as error:
        if not re.search("ended with JSONDecodeError|there is a", str(error)):
            raise
        return  # an answer that is none, or a key on the tape: refused, and said why
    finally:
        autolog(disable=True)
    assert len(first) == len(second) == 1
    ours, theirs = second[0], first[0]
    assert content(ours.inputs) == content(theirs.inputs)
    assert content(ours.outputs) == content(theirs.outputs)
    assert ours.status == theirs.status
    assert (ours.model_name, ours.token_usage) == (theirs.model_name, theirs.token_usage)
