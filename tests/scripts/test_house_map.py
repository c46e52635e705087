"""The map of the house in CONTRIBUTING.md is the one that the code draws."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
# Names of modules in texts that lead up, and why.
UPWARD = {
    # MLflow has these names in `mlflow.entities`; what is still running is higher.
    ("tracetape.entities", "tracetape.live.live_span"),
    # The integrations that come with tracetape, found by their names alone.
    ("tracetape.instrument.registry", "tracetape_agents"),
    ("tracetape.instrument.registry", "tracetape_anthropic"),
    ("tracetape.instrument.registry", "tracetape_databricks"),
    ("tracetape.instrument.registry", "tracetape_openai"),
    # Their endpoints, found in the same way.
    ("tracetape.apis", "tracetape_anthropic.api"),
    ("tracetape.apis", "tracetape_databricks.api"),
    ("tracetape.apis", "tracetape_openai.api"),
}


@pytest.fixture(scope="module")
def house_map() -> ModuleType:
    """The script that draws it."""
    spec = importlib.util.spec_from_file_location("house_map", ROOT / "scripts" / "house_map.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_map_is_the_one_that_the_code_draws(house_map: ModuleType) -> None:
    """After a change: `python scripts/house_map.py`."""
    page = house_map.PAGE.read_text(encoding="utf-8")
    assert page == house_map.with_map(page)


def test_each_room_is_on_the_map(house_map: ModuleType) -> None:
    """A folder that no rule knows would have no floor."""
    drawn = house_map.draw()
    rooms = [each.parent.name for each in (ROOT / "src" / "tracetape").glob("[a-z]*/__init__.py")]
    assert [room for room in rooms if f"/{room}/`" not in drawn] == []


def test_each_file_that_the_page_names_exists() -> None:
    """A newcomer follows them."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page[page.index("## Where a call goes") :]
    names = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)", section))
    roots = [ROOT, ROOT / "src/tracetape", ROOT / "src/tracetape/cassettes", ROOT / "integrations"]
    files = {path for root in roots for path in root.rglob("*.py")}
    assert names
    assert [name for name in names if not any(str(f).endswith(f"/{name}") for f in files)] == []


def test_imports_by_a_name_in_a_text_lead_down_too(house_map: ModuleType) -> None:
    """The checker of imports does not see `"tracetape.store.sqlite"`."""
    floors = {
        room: number
        for number, floor in enumerate(reversed(house_map._layers()))
        for room in re.split(r"\s*[|:]\s*", floor)
    }

    def floor_of(module: str) -> int | None:
        parts = module.split(".")
        return next((floors[n] for i in (2, 1) if (n := ".".join(parts[:i])) in floors), None)

    upward = set()
    for module, name in _names_in_texts():
        own, other = floor_of(module), floor_of(name)
        if own is not None and other is not None and other > own:
            upward.add((module, name))
    assert upward == UPWARD


def _names_in_texts() -> Iterator[tuple[str, str]]:
    """Each module that a text of the code names, with the module whose text it is."""
    for root in (ROOT / "src", ROOT / "integrations"):
        for file in root.rglob("*.py"):
            module = ".".join(file.relative_to(root).with_suffix("").parts)
            module = module.removesuffix(".__init__")
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found = re.fullmatch(r"(tracetape[a-z_]*(?:\.[a-z_]+)*)(?::\w+)?", node.value)
                    if found and not module.startswith("tracetape.__pyinstaller"):
                        yield module, found[1]
