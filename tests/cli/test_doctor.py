"""`tracetape doctor`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import openai
import pytest
from click.testing import CliRunner, Result

from tracetape._version import __version__
from tracetape.cli import main

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Doctor = Callable[..., Result]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """The command without a look at the libraries, which takes it seconds."""
    monkeypatch.setattr("tracetape.instrument.inspection.inspect_integrations", list)

    def call(*arguments: str, **environment: str) -> Result:
        variables = {"TRACETAPE_RAISE_INTERNAL_ERRORS": None, **environment}
        done = CliRunner().invoke(main, ["doctor", *arguments], env=variables)
        assert done.exception is None or isinstance(done.exception, SystemExit)  # no traceback
        return done

    return call


def test_it_says_what_is_traced_and_where(tracetape_command: Tracetape, tmp_path: Path) -> None:
    """Libraries with their versions, the store, the environment; nothing secret."""
    done = tracetape_command("doctor", OPENAI_API_KEY="a-secret", TRACETAPE_RETENTION="30d")
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(f"tracetape {__version__} · Python ")
    assert re.search(
        rf"openai +{re.escape(openai.__version__)} +yes +OpenAI\.request, AsyncOpenAI\.request and",
        done.stdout,
    )
    assert re.search(rf"agents +{re.escape(version('openai-agents'))} +yes", done.stdout)
    assert re.search(r"store +\.tracetape/traces\.db \(made with the first trace\)", done.stdout)
    assert "TRACETAPE_RETENTION=30d" in done.stdout
    assert "OPENAI_API_KEY is set" in done.stdout
    assert "a-secret" not in done.stdout
    assert "✓ nothing is wrong" in done.stdout
    assert not (tmp_path / ".tracetape").exists()


def test_it_counts_the_traces(
    tracetape_command: Tracetape, script: Callable[[str], str], openai_call: str, doctor: Doctor
) -> None:
    """Of the store that the program wrote."""
    tracetape_command("run", script(openai_call))
    done = doctor()
    assert re.search(r"store +\.tracetape/traces\.db: 1 trace, \d+\.\d MB", done.stdout)


@pytest.mark.parametrize(
    ("environment", "wrong"),
    [
        ({"TRACETAPE_DISABLED": "1"}, "TRACETAPE_DISABLED is set"),
        ({"TRACETAPE_STORE": "mysql://x"}, "'mysql://x' is no store"),
    ],
)
def test_what_is_wrong_is_said_and_the_status_is_1(
    environment: dict[str, str], wrong: str, doctor: Doctor
) -> None:
    """Each on a line of its own, on stderr."""
    done = doctor(**environment)
    assert done.exit_code == 1
    assert f"✗ {wrong}" in done.output
    assert "nothing is wrong" not in done.stdout


def test_a_file_that_is_no_store(doctor: Doctor, tmp_path: Path) -> None:
    """It is named with a remedy, and left as it is: doctor only reads."""
    (tmp_path / "other.db").write_text("no database " * 100)
    done = doctor("--store", "other.db")
    assert done.exit_code == 1
    assert "other.db cannot be read: file is not a database. Name another store" in done.output
    assert (tmp_path / "other.db").read_text() == "no database " * 100


def test_a_method_that_is_not_there_is_named(tracetape_command: Tracetape, tmp_path: Path) -> None:
    """Its calls are not traced; the rest is. A package that cannot be imported is said too."""
    package = tmp_path / "fake" / "openai"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class Stream: pass\nclass AsyncStream: pass\nclass OpenAI: pass\nclass AsyncOpenAI: pass\n"
    )
    broken = tmp_path / "fake" / "anthropic"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('half installed')\n")
    done = tracetape_command("doctor", PYTHONPATH=str(tmp_path / "fake"))
    assert done.returncode == 1
    assert "has no OpenAI.request: its calls there are not traced" in done.stderr
    assert "anthropic cannot be imported: RuntimeError: half installed" in done.stderr


@pytest.mark.parametrize("value", ["file/x.db", "folder/", "folder", "~no-such-user/x.db"])
def test_a_store_that_cannot_be_made(value: str, doctor: Doctor, tmp_path: Path) -> None:
    """It is named, and is not promised with the first trace."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    done = doctor(TRACETAPE_STORE=value)
    assert done.exit_code == 1
    assert "made with the first trace" not in done.stdout
    assert f"{value.rstrip('/')} " in done.output.replace("/ ", " ")
