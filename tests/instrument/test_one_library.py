"""One library alone: `tracetape.openai.autolog()` and its like."""

from __future__ import annotations

from types import ModuleType

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
