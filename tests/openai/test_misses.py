"""A request that is on no tape, through the SDK of any version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tracetape.cassettes import cassette
from tracetape.exceptions import CassetteMissError


def ask() -> Any:
    return openai.OpenAI(max_retries=5).chat.completions.create(model="m", messages=[])


def ask_async() -> Any:
    client = openai.AsyncOpenAI(max_retries=5)
    return asyncio.run(client.chat.completions.create(model="m", messages=[]))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [ask, ask_async])
def test_a_miss_is_not_tried_again(tmp_path: Path, asked: Callable[[], Any]) -> None:
    """It comes out as what it is, after one attempt, and the SDK is left as it was."""
    before = openai._base_client.BaseClient.__dict__.get("_calculate_retry_timeout")
    for _ in range(2):
        with cassette(tmp_path / "t.yaml", mode="none") as tape:
            with pytest.raises(CassetteMissError, match="does not exist"):
                asked()
            assert len(tape.misses) == 1
    assert openai._base_client.BaseClient.__dict__.get("_calculate_retry_timeout") is before
