"""Hiding parts of what is recorded, before it leaves the process's memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from traceback import format_tb
from typing import Any, TypeAlias

import orjson

from tracetape.capture import decode, encode
from tracetape.diagnostics import logger, warn_once
from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["HIDDEN", "RedactionRule", "Redactor"]

HIDDEN = "[redacted]"
_DROPPED = "[dropped: redaction failed]"
_STEP = "\x1f"  # between the keys of a path: no key that anybody writes has it
_ROOTS = frozenset({"inputs", "outputs", "attributes", "events", "status"})

# A key path, a pattern, or a function of (path, value) for each text and number.
RedactionRule: TypeAlias = "str | re.Pattern[str] | Callable[[str, Any], Any]"


class _RuleError(Exception):
    """A rule of the user's raised something."""

    def __init__(self, rule: Callable[[str, Any], Any]) -> None:
        super().__init__(getattr(rule, "__qualname__", type(rule).__qualname__))


class Redactor:
    """Applies rules to JSON; what a rule of the user's fails at is dropped, not shown."""

    def __init__(self, rules: Iterable[RedactionRule]) -> None:
        """Sort the rules by kind.

        Raises:
            InvalidTypeError: one is neither a path, a pattern nor a function.
            InvalidValueError: a path is empty.
        """
        paths: list[str] = []
        self._patterns: list[re.Pattern[str]] = []
        self._functions: list[Callable[[str, Any], Any]] = []
        for rule in rules:
            if isinstance(rule, str):
                paths.append(_expression(rule))
            elif isinstance(rule, re.Pattern):
                if not isinstance(rule.pattern, str):
                    raise InvalidTypeError(f"a pattern of bytes cannot redact text: {rule!r}")
                self._patterns.append(rule)
            elif callable(rule):
                self._functions.append(rule)
            else:
                raise InvalidTypeError(
                    "redact takes key paths, patterns of re.compile and functions of "
                    f"(path, value), got {type(rule).__name__}: {rule!r}"
                )
        self._paths = re.compile("|".join(paths), re.IGNORECASE | re.DOTALL) if paths else None

    def json(self, data: bytes | None, *where: str, of: str = "") -> bytes | None:
        """JSON with its content redacted; `where` it is in the span, and `of` which one."""
        if data is None:
            return None
        before = decode(data)
        after = self.plain(before, *where, of=of)
        return data if after == before else encode(after)

    def value(self, value: Any, *where: str, of: str = "") -> Any:
        """An attribute: a plain value, or JSON as bytes."""
        redacted = self.json if isinstance(value, bytes) else self.plain
        return redacted(value, *where, of=of)

    def plain(self, value: Any, *where: str, of: str = "") -> Any:
        """JSON values with their content redacted."""
        try:
            path = _STEP.join(where)
            if len(where) > 1 and self._paths is not None and self._paths.fullmatch(path):
                return HIDDEN
            return self._walk(value, path)
        except Exception as error:  # noqa: BLE001 - the user's rules
            # Neither the value nor the rule's message about it: the log is kept, too.
            rule = str(error) if isinstance(error, _RuleError) else "a path or a pattern"
            cause = error.__cause__ or error
            warn_once(
                f"redaction failed: {rule}",
                "tracetape: a redaction rule failed: %s, with %s, at %s%s;"
                " what it was to hide is dropped, there and wherever it fails again",
                *(rule, type(cause).__name__, ".".join(map(str, where)), of and f" of {of}"),
            )
            logger.debug("%s failed:\n%s", rule, "".join(format_tb(cause.__traceback__)))
            return _DROPPED

    def _walk(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {
                self._key(key, path): self._inner(item, f"{path}{_STEP}{key}")
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._inner(item, f"{path}{_STEP}{n}") for n, item in enumerate(value)]
        if isinstance(value, str):
            value = self._text(self._json_text(value, path))
        return self._called(path, value)

    def _called(self, path: str, value: Any) -> Any:
        for function in self._functions:
            try:
                value = function(path.replace(_STEP, "."), value)
            except Exception as error:
                raise _RuleError(function) from error
        return value

    def _key(self, key: str, path: str) -> str:
        """Keys may be somebody's too; functions see them at the path of what they are keys of."""
        return str(self._called(path, self._text(key)))

    def _inner(self, value: Any, path: str) -> Any:
        if self._paths is not None and self._paths.fullmatch(path):
            return HIDDEN
        return self._walk(value, path)

    def _text(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text

    def _json_text(self, text: str, path: str) -> str:
        """The arguments of a tool call are JSON as text: paths lead on into it."""
        if self._paths is None or text[:1] not in ("{", "["):
            return text
        try:
            before = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        after = self._walk(before, path)
        return text if after == before else encode(after).decode()


def _expression(path: str) -> str:
    """A key path as a regular expression; without a root it may begin anywhere."""
    steps = path.split(".")
    if not all(steps):
        raise InvalidValueError(f"{path!r} is not a key path: write it as messages.*.content")
    if steps[0] not in _ROOTS and steps[0] != "**":
        steps = ["**", *steps]
    parts = []
    for step in steps[:-1]:
        one = f"[^{_STEP}]+" if step == "*" else re.escape(step)
        parts.append(f"(?:[^{_STEP}]+{_STEP})*" if step == "**" else one + _STEP)
    last = steps[-1]
    end = ".+" if last == "**" else f"[^{_STEP}]+" if last == "*" else re.escape(last)
    return "".join(parts) + end
