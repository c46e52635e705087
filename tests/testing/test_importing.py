"""Modules that make a client when they are imported, where there is no key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, save

pytest.importorskip("openai")
pytest_plugins = ["pytester"]

ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}]}'
)
APP = """
import openai
client = openai.OpenAI()
def answer():
    done = client.chat.completions.create(model="m", messages=[])
    return done.choices[0].message.content
"""
TESTS = """
import os, pytest
{imported}

@pytest.mark.cassette
def test_answer():
    from app import answer
    assert answer() == "Hi."
"""
NEW = """
@pytest.mark.cassette
def test_new():
    from app import answer
    assert answer() == "Hi."
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """One test with its tape, and no key."""
    for name in ("CI", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(app=APP, test_it=TESTS.format(imported="from app import answer"))
    pytester.syspathinsert()
    request = Request(
        "POST",
        "https://api.openai.com/v1/chat/completions",
        [("content-type", "application/json")],
        b'{"messages":[],"model":"m"}',
    )
    headers = [("content-type", "application/json")]
    answer = Interaction(request, Response(200, "OK", headers, [Chunk(ANSWER)]))
    save(Path(pytester.path) / "cassettes" / "test_it" / "test_answer.yaml", Tape([answer]))
    return pytester


@pytest.mark.parametrize("arguments", [("--cassette-mode=none",), ("-n", "1")])
def test_a_client_that_is_made_on_import_replays_without_a_key(
    project: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """Where the run may not record (below: where it may), and in a worker process of its own."""
    project.runpytest_subprocess(*arguments).assert_outcomes(passed=1)


def test_what_is_not_on_a_tape_is_not_recorded_with_a_placeholder(
    project: pytest.Pytester,
) -> None:
    """It never leaves the machine, and the error says why."""
    file = project.path / "test_it.py"
    file.write_text(file.read_text() + NEW)
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(["*CassetteError: POST https://api.openai.com/*no key is set*"])
    assert not (project.path / "cassettes" / "test_it" / "test_new.yaml").exists()


def test_modules_that_need_no_key_have_no_placeholder(project: pytest.Pytester) -> None:
    """Tests that are skipped where there is no key stay so."""
    (project.path / "test_it.py").write_text(
        TESTS.format(imported="")
        + """
@pytest.mark.skipif(not os.environ.get("OPENAI_API_KEY"), reason="live")
def test_live():
    raise AssertionError
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=1, skipped=1)


def test_without_tapes_the_error_of_the_sdk_stays(project: pytest.Pytester) -> None:
    """A project that has no cassettes is left alone."""
    (project.path / "cassettes" / "test_it" / "test_answer.yaml").unlink()
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*OpenAIError*"])
