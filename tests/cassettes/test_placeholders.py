"""Environment variables that replay supplies, and takes away again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import Interaction, Request, Response, Tape, cassette, save

NAMES = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABRICKS_HOST", "DATABRICKS_TOKEN"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
)
KEY = "placeholder-of-tracetape-for-replay"
WORKSPACE = {"DATABRICKS_HOST": "https://w.cloud.databricks.com", "DATABRICKS_TOKEN": KEY}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    """A tape for replay, with requests to these URLs."""

    def open_tape(*urls: Any, **options: Any) -> Any:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        requests = [Request("POST", url) for url in urls]
        save(path, Tape([Interaction(request, Response(200)) for request in requests]))
        return cassette(path, **{"mode": "none", **options})

    return open_tape


def found() -> dict[str, Any]:
    return {name: os.environ[name] for name in NAMES if name in os.environ}


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ([], {}),
        (["https://example.com/"], {}),
        (["https://huggingface.co/api/models/m"], {}),
        (["https://api.openai.com/v1/chat/completions"], {"OPENAI_API_KEY": KEY}),
        (["https://api.openai.com/v1/vector_stores"], {"OPENAI_API_KEY": KEY}),
        (
            ["http://127.0.0.1:8091/v1/chat/completions", "http://127.0.0.1:8091/v1/models"],
            {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:8091/v1"},
        ),
        (
            ["https://api.openai.com/v1/responses", "https://other.test/v1/responses"],
            {"OPENAI_API_KEY": KEY},
        ),
        (["https://w.cloud.databricks.com/.well-known/databricks-config"], WORKSPACE),
        (["https://w.cloud.databricks.com/serving-endpoints/chat/completions"], WORKSPACE),
        (["https://w.cloud.databricks.com/api/2.0/clusters/list"], WORKSPACE),
        (["https://api.anthropic.com/v1/messages"], {"ANTHROPIC_API_KEY": KEY}),
        (
            ["https://w.cloud.databricks.com/serving-endpoints/anthropic/v1/messages"],
            {
                **WORKSPACE,
                "ANTHROPIC_API_KEY": KEY,
                "ANTHROPIC_BASE_URL": "https://w.cloud.databricks.com/serving-endpoints/anthropic",
            },
        ),
        (["https://a.openai.azure.com/openai/deployments/d/chat/completions?api-version=1"], {}),
    ],
)
def test_what_is_supplied_follows_from_the_tape(
    opened: Callable[..., Any], urls: Any, expected: Any
) -> None:
    """A key for the services that are on it, and a host where it is not the usual one."""
    with opened(*urls):
        assert found() == expected
    assert found() == {}


def test_the_users_own_variables_stay(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set is neither replaced nor removed."""
    monkeypatch.setenv("OPENAI_API_KEY", "mine")
    monkeypatch.setenv("DATABRICKS_HOST", "https://mine.test")
    with opened("https://api.openai.com/v1/responses", "https://w.test/api/2.0/jobs/list"):
        assert found() == {
            "OPENAI_API_KEY": "mine",
            "DATABRICKS_HOST": "https://mine.test",
            "DATABRICKS_TOKEN": KEY,
        }
    assert found() == {"OPENAI_API_KEY": "mine", "DATABRICKS_HOST": "https://mine.test"}


def test_a_variable_that_the_program_sets_itself_stays(opened: Callable[..., Any]) -> None:
    """As it would without a tape."""
    try:
        with opened("https://api.openai.com/v1/responses"):
            os.environ["OPENAI_API_KEY"] = "set by the program"
        assert found() == {"OPENAI_API_KEY": "set by the program"}
    finally:
        os.environ.pop("OPENAI_API_KEY")


def test_another_way_to_log_in_is_not_disturbed(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways at once are an error of the Databricks SDK's."""
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "mine")
    with opened("https://w.test/api/2.0/jobs/list"):
        assert found() == {"DATABRICKS_HOST": "https://w.test"}
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "mine")
    with opened("https://api.anthropic.com/v1/messages"):
        assert found() == {}


def test_nested_tapes_supply_the_innermost_host(opened: Callable[..., Any]) -> None:
    """And the outer one's again afterwards."""
    outer = opened("http://one.test/v1/responses")
    inner = opened("http://two.test/v1/responses")
    with outer:
        with inner:
            assert found()["OPENAI_BASE_URL"] == "http://two.test/v1"
        assert found()["OPENAI_BASE_URL"] == "http://one.test/v1"
    assert found() == {}


def test_overlapping_tapes_keep_what_the_other_needs(opened: Callable[..., Any]) -> None:
    """The first to close does not take the key away from the second."""
    tapes = [opened("https://api.openai.com/v1/responses") for _ in range(2)]
    begun, done = threading.Event(), threading.Event()
    kept = []

    def second() -> None:
        with tapes[1]:
            begun.set()
            done.wait(60)
            kept.append(found())

    thread = threading.Thread(target=second)
    with tapes[0]:
        thread.start()
        begun.wait(60)
    done.set()
    thread.join()
    assert kept == [{"OPENAI_API_KEY": KEY}]
    assert found() == {}


def test_a_recording_supplies_nothing(opened: Callable[..., Any]) -> None:
    """It needs the real key, and says so by the client's own error."""
    with opened("https://api.openai.com/v1/responses", mode="new_episodes"):
        assert found() == {}


@pytest.mark.parametrize(
    "path", ["serving-endpoints", "ai-gateway/mlflow/v1", "ai-gateway/openai/v1"]
)
def test_each_base_of_databricks_gives_its_client_a_host(
    opened: Callable[..., Any], path: Any
) -> None:
    """A tape of calls of the gateway alone is one of Databricks, too."""
    with opened(f"https://dbc.test/{path}/chat/completions"):
        assert found() == {"DATABRICKS_HOST": "https://dbc.test", "DATABRICKS_TOKEN": KEY}
