"""Any value, as it is at the moment of the call, to bounded JSON; it cannot fail."""

import tracetape._interpreter  # noqa: F401 - refuses where nothing below would load
from tracetape.capture.encoding import decode, encode

__all__ = ["decode", "encode"]
