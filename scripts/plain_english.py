"""Refuse phrases that readers stumble over, in code and docs: `make check` runs it.

CONTRIBUTING.md has the rule: name the actor, active verb, present tense, one fact per sentence.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


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
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        for rule in rules:
            if rule.phrase.search(line) and not ALLOWED.search(line):
                where = f"{file.relative_to(ROOT)}:{number}"
                found.append(f"{where}: {line.strip()[:80]!r}: write {rule.instead}")
    return found


if __name__ == "__main__":
    sys.exit(main())
