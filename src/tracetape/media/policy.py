"""Whether a span's JSON may hold media, and what is to be done with them."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = ["MediaPolicy", "may_hold_media", "policy"]

_SHORTEST = 24  # bytes of JSON that can hold a data URI
# How the strings begin that such JSON has. An expression that begins with a quote skips from quote
# to quote: prose is passed over ten times as fast as by a look for each of the words.
_MARKS = (
    rb'"(?:data:|(?:b64_json|base64|bytes|image_generation_call|inline_data|inlineData'
    rb'|[\w.]{0,40}audio)")'
)


class MediaPolicy(NamedTuple):
    """The policy for base64 media.

    Attributes:
        extract: whether they are taken out at all.
        max_bytes: larger ones are named by their reference only, and not kept; None: no bound.
    """

    extract: bool = True
    max_bytes: int | None = None


class _Policy:
    """The policy that holds now.

    Attributes:
        now: part of the configuration, put here with it.
    """

    now = MediaPolicy()


policy = _Policy()


def may_hold_media(data: bytes | None) -> bool:
    """Whether a closer look at this JSON is worth its price; most has nothing that hints at it."""
    if data is None or len(data) < _SHORTEST or not policy.now.extract:
        return False
    return _marks().search(data) is not None


@cache
def _marks() -> re.Pattern[bytes]:
    return re.compile(_MARKS)
