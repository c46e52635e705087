"""Every error that tracetape raises to its user.

The tree::

    Exception
    └── TracetapeException            str() is its message, as with MlflowException
        ├── InvalidValueError         a bad argument; also a ValueError
        ├── InvalidTypeError          an argument of a wrong type; also a TypeError
        ├── IntegrationMissingError   an integration was asked for by name and its package is absent
        ├── StoreError                the store cannot be opened, read or written
        └── CassetteError             a tape cannot be read, written or matched
            ├── CassetteFormatError   the file is not a tape that we can read
            ├── CassetteMissError     the request is not on the tape
            └── NetworkBlockedError   the test may not reach the network; also a RuntimeError
"""

from __future__ import annotations

__all__ = [
    "CassetteError",
    "CassetteFormatError",
    "CassetteMissError",
    "ExportError",
    "IntegrationMissingError",
    "InvalidTypeError",
    "InvalidValueError",
    "MlflowException",
    "NetworkBlockedError",
    "StoreError",
    "TracetapeException",
]


class TracetapeException(Exception):  # noqa: N818 - named after MlflowException, whose place it takes
    """The root of all errors of tracetape."""

    @property
    def message(self) -> str:
        """The same as `str` of the error; MLflow has this name."""
        return str(self)


MlflowException = TracetapeException  # the name that programs know it by


class InvalidValueError(TracetapeException, ValueError):
    """An argument has a value that cannot be used."""


class InvalidTypeError(TracetapeException, TypeError):
    """An argument has a type that cannot be used."""


class IntegrationMissingError(TracetapeException, ImportError):
    """An integration was asked for by name, and the package that it instruments is absent."""


class StoreError(TracetapeException):
    """The store cannot be opened, read or written.

    Attributes:
        is_locked: because another process has it locked.
    """

    is_locked = False


class ExportError(TracetapeException):
    """Traces were sent, and did not arrive."""


class CassetteError(TracetapeException):
    """A tape cannot be read, written or matched."""


class CassetteFormatError(CassetteError):
    """The file is not a tape that we can read: not YAML or JSON, of another version, or unsafe."""


class CassetteMissError(CassetteError):
    """In replay, a request is not on the tape."""


class NetworkBlockedError(CassetteError, RuntimeError):
    """A test that must not reach the network tries to; pytest-recording raises a RuntimeError."""
