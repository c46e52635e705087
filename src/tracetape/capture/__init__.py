"""Any value, as it is at the moment of the call, to bounded JSON; it cannot fail."""

from tracetape.capture.encoding import decode, encode

__all__ = ["decode", "encode"]
