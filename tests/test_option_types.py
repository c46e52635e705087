"""Options of a wrong type are refused: a switch of `"no"` would be on, and nobody would see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
import tracetape.agents
import tracetape.anthropic
import tracetape.databricks
import tracetape.openai
from tracetape import tracing
from tracetape.cassettes import cassette
from tracetape.exceptions import TracetapeException
from tracetape.tracing.runtime import runtime


def _cassette(**options: Any) -> Any:
    return cassette(**{"path": "x.yaml", **options})


def _trace(**options: Any) -> Any:
    return tracetape.trace(**options)


_WRONG: list[tuple[Callable[..., Any], str, list[Any], str]] = [
    *[
        (tracetape.configure, name, ["no", "false", 1, []], f"write {name}=False")
        for name in ("async_logging", "keep_errors", "extract_attachments", "otel_context")
    ],
    (tracetape.configure, "sampling_ratio", ["0.1", True, [], b"1"], "write sampling_ratio=0.1"),
    (
        tracetape.configure,
        "span_processors",
        [["x"], "x", print, 5, {"a": print}, [print, lambda: None]],
        "write span_processors=[function]",
    ),
    (tracetape.configure, "store", [5, object(), ["a.db"]], 'write store="sqlite:///'),
    (tracetape.configure, "retention", [30, ["30d"]], "'30d'"),
    (tracetape.configure, "max_attachment_size", [1.5, True], "write 500MB"),
    (tracetape.configure, "capture", [5, True], "none, metadata, full"),
    *[
        (tracetape.autolog, name, ["yes", "no", 1], f"write {name}=False")
        for name in (
            "disable",
            "threads",
            "propagate",
            "stream_usage",
            "chunk_events",
            "all_requests",
            "vectors",
            "log_traces",
        )
    ],
    (tracetape.autolog, "exclude", ["openai", 5], 'write exclude=["openai"]'),
    (tracetape.autolog, "exclude_flavors", ["openai", 5], 'write exclude_flavors=["openai"]'),
    (tracetape.autolog, "text_column", [5, ["text"]], 'write text_column="text"'),
    (tracetape.autolog, "capture", [5, ["none"]], 'write capture={"openai": "metadata"}'),
    *[
        (one.autolog, name, ["no", 0], f"write {name}=False")
        for one in (
            tracetape.agents,
            tracetape.anthropic,
            tracetape.databricks,
            tracetape.openai,
        )
        for name in ("disable", "log_traces")
    ],
    (_trace, "sampling_ratio_override", ["0.5", True], "write sampling_ratio_override=0.1"),
    *[
        (_cassette, name, ["no", 1, []], f"write {name}=True")
        for name in ("null_is_absent", "allow_misses", "allow_playback_repeats")
    ],
    *[
        (_cassette, name, ["no", 5], f"write {name}=function")
        for name in ("scrub", "before_record")
    ],
    *[
        (_cassette, name, ["3", 1.5, True, -1], f"write {name}=3")
        for name in ("rechunk", "cut_after")
    ],
    (_cassette, "speed", ["1", True, None, -1, float("nan")], "must be a number of 0 or more"),
    (_cassette, "path", [5, "", None], "write 'cassettes/a.yaml'"),
]


@pytest.mark.parametrize(
    ("call", "option", "values", "remedy"),
    _WRONG,
    ids=[f"{c.__module__}-{n}" for c, n, *_ in _WRONG],
)
def test_a_value_of_a_wrong_type(
    call: Callable[..., Any], option: str, values: list[Any], remedy: str
) -> None:
    """The error names the option, the value and the remedy; nothing has changed."""
    before = tracetape.stats()["store"]
    for value in values:
        with pytest.raises(TracetapeException) as caught:
            call(**{option: value})
        message = str(caught.value)
        assert option in message, message
        assert _shown(value) in message, message
        assert remedy in message, message
    assert tracetape.stats()["store"] == before


def _shown(value: Any) -> str:
    """What of a value must stand in the message: of a list its first wrong element may do."""
    return repr(value[-1]) if isinstance(value, list) and value else repr(value)


def test_variables_of_the_environment_stay_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no other type."""
    monkeypatch.setenv("TRACETAPE_TRACE_SAMPLING_RATIO", "0.25")
    monkeypatch.setenv("TRACETAPE_ENABLE_ASYNC_TRACE_LOGGING", "no")
    tracing.reset()
    assert (runtime.sampling_ratio, runtime.config.async_logging) == (0.25, False)


def test_a_path_object_names_a_store(tmp_path: Path) -> None:
    """As a string does."""
    tracetape.configure(store=tmp_path / "x.db")
    assert tracetape.stats()["store"] == f"sqlite:///{tmp_path}/x.db"
