"""The values of a cassette's options: what would do nothing in silence is refused."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from tracetape.exceptions import InvalidValueError

__all__ = ["check_kinds", "collection", "hosts", "is_host", "names", "renamed"]

_HOST = re.compile(r"(?:\[[\da-f:.%]+\]|\w(?:[\w.-]*[\w.])?)(?::\d{1,5})?", re.IGNORECASE)
_BEGINNING = re.compile(r"[a-z][a-z\d+.-]*://[^/?#\s]+[^?#\s]*", re.IGNORECASE)


_FLAGS = ("allow_misses", "allow_playback_repeats", "null_is_absent")
_FUNCTIONS = ("scrub", "before_record")
_NUMBERS = ("rechunk", "cut_after")


def check_kinds(options: Mapping[str, Any]) -> None:
    """See that each option which takes a switch, a number or a function has one.

    Raises:
        InvalidValueError: one has another value.
    """
    for option in _FLAGS:
        value = options[option]
        if value is not None and not isinstance(value, bool):
            raise InvalidValueError(
                f"{option} must be True or False, not {value!r}: write {option}=True"
            )
    for option in _FUNCTIONS:
        value = options[option]
        if value is not None and not callable(value):
            raise InvalidValueError(
                f"{option} must be a function that takes an interaction, not {value!r}: "
                f"write {option}=function"
            )
    for option in _NUMBERS:
        value = options[option]
        if value is not None and (type(value) is not int or value < 0):
            raise InvalidValueError(
                f"{option} must be a whole number of 0 or more, not {value!r}: write {option}=3"
            )
    speed = options["speed"]
    is_number = isinstance(speed, (int, float)) and not isinstance(speed, bool)
    if not is_number or not 0 <= speed < float("inf"):
        raise InvalidValueError(f"speed must be a number of 0 or more, not {speed!r}")


def collection(option: str, values: Any, example: str) -> list[Any]:
    """The values of an option that takes several.

    Raises:
        InvalidValueError: it is one text, or no collection.
    """
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Collection):
        raise InvalidValueError(
            f"{option} takes a list of names, not {values!r}: write [{example!r}]"
        )
    return [*values]


def names(option: str, values: Any, example: str) -> list[str]:
    """The values of an option that takes several names.

    Raises:
        InvalidValueError: it is one text, or no collection of texts.
    """
    found = collection(option, values, example)
    for value in found:
        if not isinstance(value, str):
            raise InvalidValueError(
                f"{option} takes a list of names, but {value!r} is not a string"
            )
    return found


def hosts(option: str, values: Any) -> set[str]:
    """Hosts, each with a port or without, in lower case.

    Raises:
        InvalidValueError: one is a URL, a pattern or a network, which no request would fit.
    """
    found = names(option, values, "localhost")
    for value in found:
        if not is_host(value):
            host = urlsplit(value).netloc.rpartition("@")[2] if "://" in value else ""
            hint = host if _HOST.fullmatch(host) else "localhost:8080"
            raise InvalidValueError(
                f"{option} takes host names, with or without a port, not {value!r}. URLs, "
                f"patterns and networks are not supported: write for example {hint!r}"
            )
    return {value.lower() for value in found}


def is_host(value: str) -> bool:
    """Whether a text is a host's name or address, with or without a port."""
    return _HOST.fullmatch(value) is not None or _is_address(value)


def renamed(pairs: Any) -> dict[str, str]:
    """Beginnings of URLs, by the real ones.

    Raises:
        InvalidValueError: one is not a URL.
    """
    if not isinstance(pairs, Mapping):
        raise InvalidValueError(
            f"rename_hosts takes a dictionary, not {pairs!r}: write "
            "{'http://127.0.0.1:8091/v1': 'https://api.openai.com/v1'}"
        )
    for value in (*pairs, *pairs.values()):
        if not isinstance(value, str) or not _BEGINNING.fullmatch(value):
            raise InvalidValueError(
                f"rename_hosts takes the beginnings of URLs, not {value!r}: write "
                "'https://api.openai.com' or 'https://api.openai.com/v1'"
            )
    return {**pairs}


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
