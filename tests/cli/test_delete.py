"""`tracetape delete` and `tracetape.delete_traces`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.tracing.runtime import runtime


@pytest.fixture
def ids() -> list[str]:
    """Of three traces in the store: a secret one, and two others."""
    made = []
    for name in ("secret", "b", "c"):
        with tracetape.start_span(name) as span:
            span.set_inputs("MARK of " + name)
        made.append(span.trace_id)
    tracetape.flush()
    return made


def test_nothing_is_deleted_unless_someone_says_so(ids: list[str], store_path: Path) -> None:
    """Without a terminal and --yes it shows what would go, and refuses; a filter is required."""
    for arguments, status in (([ids[0]], 2), ([], 2), (["--filter", "name = 'x'"], 0)):
        result = CliRunner().invoke(main, ["delete", *arguments, "--store", str(store_path)])
        assert result.exit_code == status, result.output
    assert len(tracetape.search_traces(return_type="list")) == 3


def test_it_deletes_for_good_and_says_how_many(ids: list[str], store_path: Path) -> None:
    """By a filter, or by the beginning of an id; the bytes are gone, though a program runs."""
    arguments = ["delete", "--filter", "name = 'secret'", "--yes", "--store", str(store_path)]
    result = CliRunner().invoke(main, arguments)
    assert "1 trace deleted" in result.output
    runtime.recorder.close()
    for path in store_path.parent.glob(f"{store_path.name}*"):
        assert b"MARK of secret" not in path.read_bytes()
    arguments = ["delete", ids[1][:20], "--yes", "--store", str(store_path)]
    result = CliRunner().invoke(main, arguments)
    assert "1 trace deleted" in result.output
    left = tracetape.search_traces(return_type="list")
    assert [trace.trace_id for trace in left] == [ids[2]]


def test_a_program_deletes_its_traces(ids: list[str]) -> None:
    """As MLflow's client does."""
    assert tracetape.delete_traces("0", trace_ids=ids[:2]) == 2
    assert [one.trace_id for one in tracetape.search_traces(return_type="list")] == [ids[2]]
