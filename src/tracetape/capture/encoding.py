"""The fast path: one pass of orjson; what it alters or refuses goes through the safe walker."""

from __future__ import annotations

import marshal
import re
from typing import Any

import orjson

from tracetape._lazy import loading
from tracetape._memory import ask_for_reading, ask_for_writing, memory
from tracetape.capture.conversion import NO_MEMORY, convert

__all__ = ["decode", "encode", "holds_odd_float"]

# Dataclasses: orjson skips fields with a leading underscore. Datetimes: MLflow gives `str(v)`.
_ROOMY = 32 * 1024  # bytes; orjson's shorter results hold on to up to 8 kB more than their text
# The last two of a float's bytes that is not a finite number. UTF-8 has no such pair.
_find_odd_bytes = re.compile(rb"[\xf0-\xff][\x7f\xff]").search
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def encode(value: Any, *, finite: bool = False) -> bytes:
    """The JSON text (UTF-8) of `value` as it is now; never raises an `Exception`.

    pydantic models and dataclasses become objects, SDK sentinels such as ``NOT_GIVEN`` are left
    out, anything else that JSON has no form for becomes ``str(value)``; values with cycles or
    with keys that JSON cannot hold become the JSON string of their ``repr``, as in MLflow.

    Args:
        value: anything.
        finite: it holds no NaN and no infinity, which are not looked for then.
    """
    try:
        if memory.is_bounded:
            ask_for_writing(value)
        data = orjson.dumps(value, convert, _OPTIONS)
        # orjson writes NaN and infinities as null.
        odd = not finite and b"null" in data and holds_odd_float(value)
    except MemoryError:
        return NO_MEMORY
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - a subclass of str or dict may run any code of the user
        return _encode_safely(value)
    if odd:
        return _encode_safely(value)
    return b"%b" % data if len(data) < _ROOMY else data  # a copy of the right size


# Most programs never need the walker: it is loaded when one does.
def _encode_safely(value: Any) -> bytes:
    with loading:
        from tracetape.capture.walker import encode_safely

    return encode_safely(value)


def holds_odd_float(value: Any) -> bool:
    """Whether a NaN or an infinity hides in `value`."""
    # A walk in Python takes several times as long, and is only needed where this finds something.
    try:
        plain = marshal.dumps(value)
        if not (b"\x7f" in plain or b"\xff" in plain) or not _find_odd_bytes(plain):
            return False
    except ValueError:  # it holds an object
        pass
    with loading:
        from tracetape.capture.walker import walk_for_odd_float

    return walk_for_odd_float(value)


def decode(data: bytes | None) -> Any:
    """The Python value of JSON made by `encode`; None for None; of what is not JSON, the text."""
    if data is None:
        return None
    if memory.is_bounded:
        ask_for_reading(data)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # a store holds what somebody has put there
        return data.decode(errors="replace")
