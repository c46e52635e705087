"""Text in the shape of a tree, however deep, as rich prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    Layout = Callable[[Console, int], Sequence[Text]]

__all__ = ["Branch", "cut", "folded", "joined", "stacked"]

# How a branch begins that others follow, that is the last; what is below each.
_GUIDES = ("├── ", "└── ", "│   ", "    ")
_ASCII = ("+-- ", "`-- ", "|   ", "    ")


class Branch:
    """A text with branches below it; rich's own tree fails where it is wider than the screen."""

    def __init__(self, layout: Layout) -> None:
        """A branch with none below it yet.

        Args:
            layout: gives the text's lines for a width; see `cut`, `folded`, `joined`, `stacked`.
        """
        self._layout = layout
        self._branches: list[Branch] = []

    def add(self, branch: Branch) -> None:
        """Put a branch below this one, after the others."""
        self._branches.append(branch)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        width = options.max_width
        for guides, branch in self._walk(_ASCII if options.ascii_only else _GUIDES):
            # Half of the width is kept for the text.
            first, rest = (_shortened(guide, width // 2) for guide in guides)
            for line in branch._layout(console, max(1, width - len(first))):
                yield Text.assemble((first, "dim"), line, "\n", no_wrap=True, end="")
                first = rest

    def _walk(self, guides: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], Branch]]:
        """Every branch with what comes before its first line and before its others."""
        follows, last, beside, below = guides
        waiting = [("", "", self)]
        while waiting:
            first, rest, branch = waiting.pop()
            yield (first, rest), branch
            for number, one in enumerate(reversed(branch._branches)):
                guide, under = (follows, beside) if number else (last, below)
                waiting.append((rest + guide, rest + under, one))


def cut(text: Text) -> Layout:
    """One line; what does not fit is left out."""

    def lines(console: Console, width: int) -> Sequence[Text]:
        short = text.copy()
        short.truncate(width, overflow="ellipsis")
        return [short]

    return lines


def folded(text: Text) -> Layout:
    """All of a text of many lines, those that are too long broken."""

    def lines(console: Console, width: int) -> Sequence[Text]:
        return [
            part
            for line in text.split("\n", allow_blank=True)
            for part in line.wrap(console, width, overflow="fold") or [line]
        ]

    return lines


def joined(parts: Sequence[Text]) -> Layout:
    """Parts side by side; those that do not fit on the next line."""

    def lines(console: Console, width: int) -> Sequence[Text]:
        from rich.text import Text

        rows: list[list[Text]] = [[]]
        room = width
        for part in parts:
            if rows[-1] and part.cell_len > room:
                rows.append([])
                room = width
            rows[-1].append(part)
            room -= part.cell_len + 2
        texts = [Text("  ").join(row) for row in rows]
        for text in texts:
            text.truncate(width, overflow="ellipsis")
        return texts

    return lines


def stacked(*layouts: Layout) -> Layout:
    """One below the other."""

    def lines(console: Console, width: int) -> Sequence[Text]:
        return [line for layout in layouts for line in layout(console, width)]

    return lines


def _shortened(guide: str, width: int) -> str:
    return guide if len(guide) <= width else f"…{guide[len(guide) - width + 1 :]}"
