"""One library alone: `tracetape.openai.autolog()` and its like."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import tracetape
from tracetape.exceptions import IntegrationMissingError
from tracetape.instrument import registry

LIBRARIES = {
    "agents": tracetape.agents,
    "anthropic": tracetape.anthropic,
    "databricks": tracetape.databricks,
    "openai": tracetape.openai,
}


@pytest.mark.parametrize(("name", "module"), LIBRARIES.items())
def test_it_switches_on_its_own_integration_and_off_again(name: str, module: ModuleType) -> None:
    """Nothing else; but with OpenAI's SDK goes its Agents SDK."""
    tracetape.autolog(disable=True)
    module.autolog()
    assert registry.active() == {name} | ({"agents"} if name == "openai" else set())
    module.autolog(disable=True)
    assert registry.active() == frozenset()


@pytest.mark.parametrize(("name", "module"), LIBRARIES.items())
def test_a_library_that_is_not_installed_is_an_error_with_the_command(
    name: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a library wants it traced."""
    monkeypatch.setattr(registry, "is_installed", lambda _package: False)
    with pytest.raises(IntegrationMissingError, match="run `pip install"):
        module.autolog()


def test_an_integration_is_loaded_with_its_library(run_python: Callable[..., Any]) -> None:
    """A program that never imports a library pays nothing for it; one that does is traced."""
    done = run_python(
        """
import sys
import tracetape
from tracetape.instrument import registry
tracetape.autolog()
def loaded():
    return [name for name in sorted(sys.modules) if "_" in name and name.endswith(".integration")]
print(sorted(registry.active()), loaded(), "databricks" in sys.modules)
import anthropic
wrapped = lambda client: hasattr(client.request, "__wrapped__")
print(loaded(), wrapped(anthropic.Anthropic))
tracetape.autolog(disable=True)
import openai
print(sorted(registry.active()), wrapped(openai.OpenAI))
"""
    )
    assert done.stdout.splitlines() == [
        "['agents', 'anthropic', 'databricks', 'openai', 'threads'] [] False",
        "['tracetape_anthropic.integration'] True",
        "[] False",
    ]
