"""What PyInstaller is told: each module that the code imports by a string."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracetape import __pyinstaller as hooks
from tracetape._modules import is_installed

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
# Packages of others that the hook leaves alone: without an import of the program's own there is
# nothing to do with them, or only the command line uses them (pyarrow).
LEFT_OUT = {
    "aiohttp",
    "anyio",
    "databricks",
    "dbruntime",
    "httpx",
    "httpx2",
    "pyarrow",
    "requests",
    "urllib3",
    "websockets",
}
# What we wait for, and never import: SDKs, mocks, and those who make the standard library green.
AWAITED = {"agents", "anthropic", "concurrent", "databricks", "mlflow", "openai", "threading"}
AWAITED |= {"eventlet", "gevent", "respx"}
MODULE = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*")


def sources() -> Iterator[tuple[str, Path]]:
    """Each module of ours, with its file."""
    for package in hooks.PACKAGES:
        folder = ROOT / ("src" if package == "tracetape" else "integrations")
        for file in (folder / package).rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            if file.stem.isidentifier():
                yield ".".join(parts).removesuffix(".__init__"), file


OURS = dict(sources())


def strings(file: Path) -> set[str]:
    """The strings of a module that may name one: "a.b", or "a.b:Class"."""
    tree = ast.parse(file.read_text("utf-8"))
    found = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text.partition(":")[0] for text in found if MODULE.fullmatch(text.partition(":")[0])}


def imported_by_string(file: Path) -> set[str]:
    """What a module gives to a function that imports: literal, or out of its tables."""
    text = file.read_text("utf-8")
    if not re.search(r"\bimport_module\b|\b_module\(|\b_library\(|\blazy_names\(", text):
        return set()
    return {name for name in strings(file) if "." in name or name in hooks.OPTIONAL}


def test_the_packages_are_those_of_the_wheel() -> None:
    """A new integration must be packaged as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(Path(one).name for one in wheel) == sorted(hooks.PACKAGES)
    (entry,) = project["project"]["entry-points"]["pyinstaller40"].values()
    assert entry == f"{hooks.__name__}:{hooks.hook_dirs.__name__}"


def test_pyinstaller_finds_the_hooks() -> None:
    """By the entry point of the installed distribution."""
    points = importlib.metadata.entry_points(group="pyinstaller40")
    found = [point for point in points if point.value.startswith("tracetape.")]
    if not found:
        pytest.skip("installed before the entry point was there")
    (folder,) = found[0].load()()
    assert {file.name for file in Path(folder).glob("hook-*.py")} == {
        "hook-tracetape.py",
        "hook-tracetape.cli.py",
    }


def test_each_module_of_ours_that_a_string_names_is_packaged() -> None:
    """Tables of integrations, extractors and lazily loaded names are strings that nobody sees."""
    packaged = [file for name, file in OURS.items() if hooks.is_wanted(name)]
    named = {name for file in packaged for name in strings(file) if name in OURS}
    assert {"tracetape_databricks", "tracetape_openai.chat", "tracetape.instrument"} <= named
    assert not {name for name in named if not hooks.is_wanted(name)}


def test_modules_that_are_named_in_pieces_are_packaged() -> None:
    """`import_module(f"tracetape_openai.{module}")`: whole packages are, so each is."""
    assert all(hooks.is_wanted(name) for name in OURS if name.startswith("tracetape_"))
    assert hooks.is_wanted("tracetape.store.sqlite")
    assert hooks.is_wanted("tracetape.testing.captured_traces")
    assert not hooks.is_wanted("tracetape.cli.main")


def test_each_module_of_others_that_a_string_names_is_known() -> None:
    """Whoever adds an import by string decides whether the hook packages it."""
    unknown = {
        name
        for module, file in OURS.items()
        if hooks.is_wanted(module)
        for name in imported_by_string(file)
        if name.partition(".")[0] not in LEFT_OUT | AWAITED | set(hooks.PACKAGES)
        and name not in hooks.OPTIONAL
        and is_module(name)
    }
    assert not unknown


def is_module(name: str) -> bool:
    """Whether a dotted string names a module of an installed package, not a field or a tag."""
    return name.partition(".")[0] not in sys.stdlib_module_names and is_installed(name)


def imports(file: Path, package: str) -> bool:
    """Whether a module imports a package in plain sight."""
    return any(
        node.module == package
        if isinstance(node, ast.ImportFrom)
        else isinstance(node, ast.Import) and package in {one.name for one in node.names}
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
    )


def test_what_the_command_line_alone_needs_stays_out() -> None:
    """No program gets pytest because tracetape is in it."""
    with_pytest = {name for name, file in OURS.items() if imports(file, "pytest")}
    assert with_pytest
    assert not {name for name in with_pytest if hooks.is_wanted(name)}
