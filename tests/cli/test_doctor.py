"""`tracetape doctor`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracetape._version import __version__
from tracetape.cli import main

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Doctor = Callable[..., Result]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """The command without a look at the libraries."""
    monkeypatch.setattr("tracetape.instrument.inspection.find_integrations", list)

    def call(*arguments: str, **environment: str) -> Result:
        variables = {"TRACETAPE_RAISE_INTERNAL_ERRORS": None, **environment}
        done = CliRunner().invoke(main, ["doctor", *arguments], env=variables)
        assert done.exception is None or isinstance(done.exception, SystemExit)  # no traceback
        return done

    return call


@pytest.fixture
def fake_packages(tmp_path: Path) -> Callable[..., str]:
    """Write packages of these names and texts; gives the folder that has them."""

    def write(**texts: str) -> str:
        for name, text in texts.items():
            (tmp_path / "fake" / name).mkdir(parents=True)
            (tmp_path / "fake" / name / "__init__.py").write_text(text)
        return str(tmp_path / "fake")

    return write


def test_it_says_what_is_traced_and_where(
    tracetape_command: Tracetape, tmp_path: Path, fake_packages: Callable[..., str]
) -> None:
    """Libraries with their versions, the store, the environment; nothing secret, no import."""
    raising = dict.fromkeys(("openai", "anthropic", "agents"), "raise SystemExit('imported')")
    done = tracetape_command(
        "doctor",
        OPENAI_API_KEY="a-secret",
        TRACETAPE_RETENTION="30d",
        PYTHONPATH=fake_packages(**raising),
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(f"tracetape {__version__} · Python ")
    methods = r"OpenAI\.request, AsyncOpenAI\.request"
    assert re.search(
        rf"openai +{re.escape(version('openai'))} +when imported +{methods}", done.stdout
    )
    assert re.search(rf"agents +{re.escape(version('openai-agents'))} +when imported", done.stdout)
    assert re.search(r"store +\.tracetape/traces\.db \(made with the first trace\)", done.stdout)
    assert "TRACETAPE_RETENTION=30d" in done.stdout
    assert "OPENAI_API_KEY is set" in done.stdout
    assert "a-secret" not in done.stdout
    assert "✓ nothing is wrong that shows without importing the libraries" in done.stdout
    assert "`tracetape doctor --import`" in done.stdout
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
        ({"TRACETAPE_STORE": "mysql://x"}, "'mysql://x' does not name a store"),
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


def test_a_store_that_cannot_be_looked_at(doctor: Doctor, tmp_path: Path) -> None:
    """The report goes on to its end, and names the reason."""
    done = doctor("--store", str(tmp_path / ("a" * 300) / "s.db"))
    assert done.exit_code == 1
    assert "cannot be used" in done.stdout
    assert "s.db cannot be read: File name too long" in done.output.replace("\n", " ")


def test_each_method_is_looked_at_on_demand(
    tracetape_command: Tracetape, fake_packages: Callable[..., str]
) -> None:
    """Calls of one that is missing are not traced; a package that cannot be imported is said."""
    streams = "class Stream: pass\nclass AsyncStream: pass\n"
    folder = fake_packages(
        openai=f"{streams}class OpenAI: pass\nclass AsyncOpenAI: pass\n",
        anthropic=f"{streams}class Anthropic:\n    def request(self): ...\n"
        "    def post(self): ...\nclass AsyncAnthropic(Anthropic): pass\n",
        agents="raise RuntimeError('half installed')\n",
        databricks="",
    )
    done = tracetape_command("doctor", "--import", PYTHONPATH=folder)
    assert done.returncode == 1
    assert re.search(r"anthropic +\S+ +yes +Anthropic\.request", done.stdout)
    assert re.search(r"openai +\S+ +in part", done.stdout)
    assert re.search(r"databricks +– +not installed", done.stdout)
    assert "has no OpenAI.request: its calls there are not traced" in done.stderr
    assert "agents cannot be imported: RuntimeError: half installed" in done.stderr


@pytest.mark.parametrize("value", ["file/x.db", "folder/", "folder", "~no-such-user/x.db"])
def test_a_store_that_cannot_be_made(value: str, doctor: Doctor, tmp_path: Path) -> None:
    """It is named, and is not promised with the first trace."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    done = doctor(TRACETAPE_STORE=value)
    assert done.exit_code == 1
    assert "made with the first trace" not in done.stdout
    assert f"{value.rstrip('/')} " in done.output.replace("/ ", " ")


@pytest.mark.parametrize("value", ["30", "forever", "0d"])
def test_a_retention_that_is_none(value: str, doctor: Doctor) -> None:
    """It is named with a remedy, as nothing is pruned then."""
    done = doctor(TRACETAPE_RETENTION=value)
    assert done.exit_code == 1
    assert f"✗ TRACETAPE_RETENTION: '{value}'" in done.output
    assert "30d" in done.output
