"""A recorded error as the exception of the library that is asked now."""

from __future__ import annotations

import importlib
from typing import Any

from tracetape.cassettes.file.model import RecordedError

__all__ = ["httpx_error", "requests_error", "urllib3_error"]

# The first part of a name that fits; each library's names for the same accidents.
_HTTPX = (
    ("ConnectTimeout", "ConnectTimeout"),
    ("Timeout", "ReadTimeout"),
    ("Chunked", "RemoteProtocolError"),
    ("Protocol", "RemoteProtocolError"),
    ("Incomplete", "RemoteProtocolError"),
    ("Proxy", "ProxyError"),
    ("Decod", "DecodingError"),
    ("Connect", "ConnectError"),
    ("SSL", "ConnectError"),
    ("", "TransportError"),
)
_REQUESTS = (
    ("ConnectTimeout", "ConnectTimeout"),
    ("PoolTimeout", "ConnectTimeout"),
    ("Timeout", "ReadTimeout"),
    ("Proxy", "ProxyError"),
    ("SSL", "SSLError"),
    ("Decod", "ContentDecodingError"),
    ("", "ConnectionError"),
)


def httpx_error(library: Any, error: RecordedError, request: Any) -> Exception:
    """An exception of httpx or httpx2."""
    cls = _found(library, error.type, library.RequestError, _HTTPX)
    exception: Exception = cls(error.message, request=request)
    return exception


def requests_error(error: RecordedError, request: Any) -> Exception:
    """An exception of requests, for a request that had no answer."""
    exceptions = importlib.import_module("requests.exceptions")
    cls = _found(exceptions, error.type, exceptions.RequestException, _REQUESTS)
    exception: Exception = cls(error.message, request=request)
    return exception


def urllib3_error(error: RecordedError) -> Exception:
    """An exception of urllib3 in the midst of a body: requests makes its own of it."""
    exceptions = importlib.import_module("urllib3.exceptions")
    exception: Exception
    if "Timeout" in error.type:
        exception = exceptions.ReadTimeoutError(None, None, error.message)
    elif "Decod" in error.type:
        exception = exceptions.DecodeError(error.message)
    else:
        exception = exceptions.ProtocolError(error.message)
    return exception


def _found(
    library: Any, name: str, base: type[Exception], table: tuple[tuple[str, str], ...]
) -> Any:
    cls = getattr(library, name, None)
    if isinstance(cls, type) and issubclass(cls, base):
        return cls
    return getattr(library, next(ours for part, ours in table if part in name))
