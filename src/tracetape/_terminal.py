"""Untrusted text on its way to a terminal or a log."""

from __future__ import annotations

import re

__all__ = ["clean", "plural", "visible", "visible_json", "visible_line"]

# Control characters could move the cursor, change colours or set the window's title; others
# change the order in which text is read.
_OTHERS = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROL = rf"[\x00-\x08\x0b-\x1f{_OTHERS}]"
# Also what no encoding has: of file names that are not in UTF-8.
_UNSEEN = rf"[\x00-\x08\x0b-\x1f{_OTHERS}\ud800-\udfff]"
_UNSEEN_OR_BREAK = rf"[\x00-\x1f{_OTHERS}\ud800-\udfff]"
_IN_JSON = rf"[{_OTHERS}\ud800-\udfff]"  # which escapes all others itself


def clean(text: str) -> str:
    """`text` without what a terminal would obey."""
    return re.sub(_CONTROL, "", text.replace("\r\n", "\n").replace("\r", "\n"))


def visible(text: str) -> str:
    """`text` with escapes for what a terminal would obey or cannot print; lines stay lines."""
    return re.sub(_UNSEEN, _escape, text.replace("\r\n", "\n"))


def visible_line(text: object) -> str:
    """A path, or another name, on one line: a line break in it is an escape, too."""
    return re.sub(_UNSEEN_OR_BREAK, _escape, str(text))


def visible_json(text: str) -> str:
    """The same JSON, in which no string has what a terminal would obey."""
    return re.sub(_IN_JSON, lambda found: f"\\u{ord(found[0]):04x}", text)


def plural(count: int, noun: str) -> str:
    """Such as ``1 trace`` and ``2,000 traces``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
