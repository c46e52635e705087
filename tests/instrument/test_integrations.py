"""Integrations are tables and extractors: what is hard about a call is the seam's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "integrations").rglob("*.py"))
# Context variables, and what sets or replaces one.
VARIABLES = {"ContextVar", "calling", "current", "noticed", "suppress"}


def _seams_work(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            yield f"line {node.lineno}: try"
        elif isinstance(node, ast.Name) and node.id in VARIABLES:
            yield f"line {node.lineno}: {node.id}"
        elif isinstance(node, ast.Attribute) and node.attr in {"Thread", "reset", "suppress"}:
            yield f"line {node.lineno}: {node.attr}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_an_integration_catches_nothing_and_sets_no_context(file: Path) -> None:
    """No try/except, thread, token or context variable, as docs/integrations.md promises."""
    assert list(_seams_work(ast.parse(file.read_text(encoding="utf-8")))) == []
