"""A package that the SDK needs and does not install."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

# openai 1 and 2 need httpx themselves, and bring it; without it the SDK says so in its own words.
pytestmark = pytest.mark.skipif(
    int(version("openai").split(".")[0]) < 3, reason="this openai brings httpx"
)
Run = Callable[..., subprocess.CompletedProcess[str]]

# As in an environment that lacks httpx; the SDK imports it when the client is made.
PROGRAM = """
import importlib.abc, sys, types, warnings

class Lacking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "httpx":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

warnings.simplefilter("ignore")
import tracetape
from databricks.sdk.mixins.open_ai_client import ServingEndpointsExt
tracetape.autolog()
sys.meta_path.insert(0, Lacking())
sys.modules.pop("httpx", None)
settings = types.SimpleNamespace(host="http://127.0.0.1", authenticate=dict)
endpoints = ServingEndpointsExt(types.SimpleNamespace(_cfg=settings))
"""
ADVICE = (
    "tracetape: get_open_ai_client() of databricks-sdk needs httpx, which is not installed; "
    "install it with: pip install httpx\n"
)


def test_a_user_without_httpx_reads_how_to_install_it(run_warm: Run) -> None:
    """Once; the program's exception is the one of the SDK."""
    done = run_warm(
        f"""{PROGRAM}
for _ in range(2):
    try:
        endpoints.get_open_ai_client()
    except ImportError as error:
        print(type(error).__name__, error.name, error)
"""
    )
    assert done.stdout == "ModuleNotFoundError httpx No module named 'httpx'\n" * 2
    assert done.stderr == ADVICE


@pytest.mark.parametrize("name", ["app.py", "-m app"])
def test_the_users_own_lines_follow_and_none_of_the_sdk(
    command_warm: Run, tmp_path: Path, name: str
) -> None:
    """`tracetape run` shows the advice, and where in the program it belongs."""
    last = "def start():\n    return endpoints.get_open_ai_client()\nstart()\n"
    (tmp_path / "app.py").write_text(textwrap.dedent(PROGRAM) + last)
    done = command_warm("run", *name.split(), environment=dict(os.environ))
    assert done.returncode == 1
    advice, traceback = done.stderr.split("Traceback (most recent call last):\n")
    assert advice == ADVICE
    assert "in start\n" in traceback
    assert "ModuleNotFoundError: No module named 'httpx'\n" in traceback
    assert "databricks/sdk" not in traceback


def test_another_missing_module_is_none_of_ours(run_warm: Run) -> None:
    """Nothing is told of it, and its traceback is whole."""
    done = run_warm(
        f"""{PROGRAM}
sys.meta_path.pop(0)
import httpx

def broken(**options):
    import lacking_package

httpx.Client = broken
endpoints.get_open_ai_client()
""",
        check=False,
    )
    assert "tracetape:" not in done.stderr
    assert "open_ai_client.py" in done.stderr
    assert "No module named 'lacking_package'" in done.stderr
