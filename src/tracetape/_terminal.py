"""Untrusted text on its way to a terminal or a log."""

from __future__ import annotations

import re

__all__ = ["clean"]

# Control characters could move the cursor, change colours or set the window's title; others
# change the order in which text is read.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """`text` without what a terminal would obey."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
