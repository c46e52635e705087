"""Times in MLflow's JSON: RFC 3339 with "Z", as protobuf writes them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from tracetape.exceptions import InvalidValueError

__all__ = ["milliseconds_of", "rfc3339"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY = 24 * 60 * 60
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-]\d\d):?(\d\d))"
)


@lru_cache(maxsize=64)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()[:10]


def rfc3339(milliseconds: int) -> str:
    """Milliseconds since the epoch as text; whole seconds without a fraction."""
    seconds, rest = divmod(int(milliseconds), 1000)
    days, seconds = divmod(seconds, _DAY)
    minutes, seconds = divmod(seconds, 60)
    text = f"{_date(days)}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def milliseconds_of(text: str) -> int:
    """Milliseconds since the epoch; what is finer is cut off.

    Raises:
        InvalidValueError: `text` is not a time.
    """
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidValueError(f"Not a time as RFC 3339 has it: {text!r}")
    date, clock, fraction, hours, minutes = match.groups()
    try:
        # Python 3.10's fromisoformat takes neither "Z" nor other fractions than 3 or 6 digits.
        moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
    except ValueError as error:
        raise InvalidValueError(f"Not a time as RFC 3339 has it: {text!r}: {error}") from None
    offset = timedelta(hours=int(hours or 0))
    offset += timedelta(minutes=int(minutes or 0)) * (-1 if (hours or "").startswith("-") else 1)
    whole = (moment - offset - _EPOCH) // timedelta(seconds=1)
    return whole * 1000 + int((fraction or "0").ljust(9, "0")[:3])
