"""What a terminal would obey never comes from us, whoever said it."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

from tracetape.cli import main
from tracetape.cli.report import _say
from tracetape.cli.session import Session
from tracetape.diagnostics import logger
from tracetape.exceptions import TracetapeException

_EVIL = "x\x1b]0;title\x07\x9b31m\u202ey"


def _is_clean(text: str) -> bool:
    return not set("\x1b\x07\x9b\u202e") & set(text) and "title" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [_EVIL],
        [f"--{_EVIL}"],
        ["ls", f"--{_EVIL}"],
        ["ls", "--limit", _EVIL],
        ["ls", _EVIL],
        ["run", "--cassette-mode", _EVIL, "a.py"],
        ["ls", "--store", f"mysql://{_EVIL}"],
        ["ls", "--store", f"./{_EVIL}"],
    ],
)
def test_arguments_that_an_error_repeats(arguments: list[str]) -> None:
    """Unknown commands, options, values and stores are named without their control characters."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code in (1, 2)
    assert _is_clean(done.output)


def test_what_run_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Its lines after a run, and an error of its tape, may carry paths."""

    def fails() -> None:
        raise TracetapeException(_EVIL)

    _say(_EVIL)
    assert _is_clean(capsys.readouterr().err)
    assert not Session(None, None, show=False)._told(fails)
    assert _is_clean(capsys.readouterr().err)


def test_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Messages and tracebacks alike."""
    with caplog.at_level(logging.WARNING, "tracetape"):
        try:
            raise ValueError(_EVIL)
        except ValueError:
            logger.warning("the path %s", _EVIL, exc_info=True)
    assert _is_clean(caplog.records[0].getMessage())
    assert _is_clean(caplog.text)
