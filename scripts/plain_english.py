"""Refuse phrases that readers stumble over, in code and docs: `make check` runs it.

CONTRIBUTING.md has the rule: name the actor, active verb, present tense, one fact per sentence.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_WITH_DOCSTRINGS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


class Rule(NamedTuple):
    """A phrase to refuse.

    Attributes:
        phrase: finds it in a line.
        instead: what to write.
    """

    phrase: re.Pattern[str]
    instead: str


def _rule(phrase: str, instead: str) -> Rule:
    return Rule(re.compile(phrase), instead)


EVERYWHERE = (
    _rule(r"(?<!here )\b(is|are) no (?!longer|more\b|one\b|part\b)[a-zA-Z`]", "is not a …"),
    _rule(r"\banew\b(?!\s*[:=]|=|\})", "again"),
    _rule(r"\b(?<!\.)of ours\b", "of tracetape, our …"),
    _rule(r"\ball the same\b", "anyway, still"),
    _rule(r"\bby itself\b", "on its own"),
    _rule(r"\bas ever\b", "as before"),
)
CODE = (
    *EVERYWHERE,
    _rule(r'"""(What|Nothing(?= )|Who|Whoever)\b', "a docstring begins with a verb or a noun"),
)
# In comments and docstrings; names in the code, and texts of SQL, may have these words.
PROSE = (
    _rule(r"\b[Ss]tands?\b(?!-)|\bstood\b", "is, comes, represents"),
    _rule(r"\b[Bb]eside\b", "next to, with, in addition to"),
    _rule(r"\b[Ii]s none of\b", "is not one of"),
    _rule(r"\b([Ss]aid|[Tt]old)\b", "name who says it, and what: gives, reports, names"),
    _rule(r"\b(it|that) is none\b", "is not one, is invalid"),
)
DOCS = (*EVERYWHERE, _rule(r"\b[Bb]eside\b(?!`)", "next to, with, in addition to"))
# Names in the code, and options whose values are such words.
ALLOWED = re.compile(
    r"^beside us|advice\.anew|cassette_layout = beside|inside of ours|true of ours"
)


def main() -> int:
    """Print each line with such a phrase; the exit status is 1 if there is any."""
    problems = [problem for file in _files() for problem in _problems(file)]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def _files() -> list[Path]:
    command = ["git", "ls-files", "src", "integrations", "docs", "README.md", "CONTRIBUTING.md"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [
        path for path in paths if path.suffix in (".py", ".md") and "decisions" not in path.parts
    ]


def _problems(file: Path) -> list[str]:
    rules = CODE if file.suffix == ".py" else DOCS
    found = []
    text = file.read_text(encoding="utf-8")
    prose = _prose(text) if file.suffix == ".py" else {}
    for number, line in enumerate(text.splitlines(), 1):
        refused = [rule for rule in rules if rule.phrase.search(line)]
        refused += [rule for rule in PROSE if rule.phrase.search(prose.get(number, ""))]
        for rule in () if ALLOWED.search(line) else refused:
            where = f"{file.relative_to(ROOT)}:{number}"
            found.append(f"{where}: {line.strip()[:80]!r}: write {rule.instead}")
    return found


def _prose(text: str) -> dict[int, str]:
    """Comments and lines of docstrings, by the number of their line."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            found[token.start[0]] = token.string
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _WITH_DOCSTRINGS) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            numbers = range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1)
            found.update((number, lines[number - 1]) for number in numbers)
    return found


if __name__ == "__main__":
    sys.exit(main())
