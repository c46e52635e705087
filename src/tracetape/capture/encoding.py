"""The fast path: one pass of orjson; what it alters or refuses goes through the safe walker."""

from __future__ import annotations

from typing import Any

import orjson

from tracetape.capture.conversion import UnencodableError, convert
from tracetape.capture.walker import encode_safely, holds_odd_float

__all__ = ["decode", "encode"]

# Dataclasses: orjson skips fields with a leading underscore. Datetimes: MLflow gives `str(v)`.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def encode(value: Any) -> bytes:
    """The JSON text (UTF-8) of `value` as it is now; never raises an `Exception`.

    pydantic models and dataclasses become objects, SDK sentinels such as ``NOT_GIVEN`` are left
    out, anything else that JSON has no form for becomes ``str(value)``; values with cycles or
    with keys that JSON cannot hold become the JSON string of their ``repr``, as in MLflow.
    """
    try:
        data = orjson.dumps(value, convert, _OPTIONS)
        # orjson writes NaN and infinities as null; only then is a walk worth its price.
        odd = b"null" in data and holds_odd_float(value)
    except (TypeError, ValueError, RecursionError, UnencodableError):
        return encode_safely(value)
    except Exception:  # noqa: BLE001 - a subclass of str or dict may run any code of the user
        return encode_safely(value)
    return encode_safely(value) if odd else data


def decode(data: bytes | None) -> Any:
    """The Python value of JSON made by `encode`; None for None."""
    return None if data is None else orjson.loads(data)
