"""The words of vcrpy and pytest-recording that are not ours, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from tracetape.exceptions import InvalidTypeError

__all__ = ["INSTEAD", "named_options", "unknown_mode", "unknown_option"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_SCRUB = "to leave it out of the comparison, and scrub=function to take it off the tape"
_BEFORE = "before_record=function, which gets the whole interaction and returns it, or None"
_NOTHING = "nothing: it is needless here"
_NAMES = "the names of tapes in the mark"
# Of vcrpy's options that no project can go on with; the shim for pytest-recording reads it, too.
INSTEAD = {
    "filter_query_parameters": f"ignore=['query.NAME'] {_SCRUB}",
    "filter_post_data_parameters": f"ignore=['body.NAME'] {_SCRUB}",
    "filter_nested_post_data_parameters": f"ignore=['body.A.B'] {_SCRUB}",
    "filter_sensitive_data": "scrub=function",
    "before_record": _BEFORE,
    "before_record_request": _BEFORE,
    "before_record_response": _BEFORE,
    "before_save_interaction": _BEFORE,
    "after_load_interaction": "`tracetape cassette scrub --replace NAME=OTHER`, or edit the file",
    "path_transformer": _NAMES,
    "func_path_generator": _NAMES,
    "allowed_hosts": "allow_hosts=['HOST'], with names and no patterns",
    "drop_unused_requests": "`--cassette-unused`, which reports them",
    "serializer": "YAML, which is always written; JSON is read",
}
# These the shim translates or leaves out; who calls `cassette` writes ours.
_TRANSLATED = {
    "record_mode": "mode='none', 'once', 'new_episodes' or 'all'",
    "filter_headers": "nothing: headers are left out unless keep_headers=['NAME'] names them",
    "decode_compressed_response": "nothing: bodies are stored decoded",
    "additional_matchers": "match_on=['method', 'uri', function]",
    "ignore_localhost": "ignore_hosts=['localhost', '127.0.0.1']",
    "record_on_exception": "nothing: the tape of a failing test is recorded again",
    "cassette_library_dir": "the folder in the path, or the ini option cassette_dir",
    "custom_patches": _NOTHING,
    "skip_patchers": _NOTHING,
    "inject_cassette": _NOTHING,
}


def unknown_option(name: str, known: Iterable[str]) -> str:
    """The message about an unknown option of a cassette."""
    instead = INSTEAD.get(name) or _TRANSLATED.get(name)
    if instead is not None:
        return f"unknown option {name!r} of a cassette, which is vcrpy's: use {instead}"
    alike = difflib.get_close_matches(name, known := [*known], 1)
    if alike:
        return f"unknown option {name!r} of a cassette: did you mean {alike[0]!r}?"
    return f"unknown option {name!r} of a cassette: choose from {', '.join(known)}"


def unknown_mode(name: object, known: Iterable[str]) -> str:
    """The message about an unknown mode."""
    if name == "rewrite":
        return "unknown mode 'rewrite', which is pytest-recording's: use 'all'"
    return f"unknown mode {name!r}: choose from {', '.join(known)}"


def named_options(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function`, whose unknown arguments are an error that says what to write."""
    known = [*signature(function).parameters]

    @wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name in kwargs:
            if name not in known:
                raise InvalidTypeError(unknown_option(name, known[1:]))
        return function(*args, **kwargs)

    return checked
