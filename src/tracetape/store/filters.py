"""The filter language of `search_traces`: text to conditions, by a grammar of its own.

After MLflow's search syntax (https://mlflow.org/docs/latest/genai/tracing/search-traces), with
OR, NOT and parentheses added::

    filter     = both { OR both }
    both       = one { AND one }
    one        = NOT one | "(" filter ")" | field comparison
    comparison = ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
               | [ NOT ] ( LIKE | ILIKE | RLIKE ) text
               | [ NOT ] IN "(" value { "," value } ")"
               | IS [ NOT ] NULL
    field      = name { "." name }          names with other characters are in back-ticks,
                                            or after the first dot in double quotes
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.store.fields import COMPARING, MATCHING, field_of, mistake_in
from tracetape.store.query import And, Comparison, Condition, Not, Or, Value

__all__ = ["check_text", "parse_filter"]

_TOKENS = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<name>(?:`[^`]*`|\w[\w-]*)(?:\.(?:`[^`]*`|"[^"]*"|[\w-]+))*)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])
    )""",
    re.VERBOSE,
)
_ZEROS = re.compile(r"(?<![.\d])0+(?=\d)")
_MAX_DEPTH = 50  # of parentheses
_TOKEN = 40  # characters of a token that an error shows


def parse_filter(text: str | None) -> Condition | None:
    """The condition that a filter says; None for an empty one.

    Raises:
        InvalidTypeError: it is not a string.
        InvalidValueError: it cannot be understood; the message shows where.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidTypeError(f"filter_string must be a string, got {type(text).__name__}.")
    check_text(text, "Invalid filter")
    return None if not text.strip() else _Parser(text).parse()


def check_text(text: str, what: str) -> None:
    """Check that SQLite can look for a text.

    Args:
        text: the text.
        what: begins the message.

    Raises:
        InvalidValueError: it has a NUL character or half a character in it.
    """
    if "\0" in text:
        raise InvalidValueError(f"{what}: it has a NUL character, where SQLite's texts end.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidValueError(f"{what}: {text!a} has half a character.") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0

    def parse(self) -> Condition:
        condition = self._filter()
        if self._kind() != "end":
            self._fail("expected AND, OR or the end")
        return condition

    def _split(self) -> list[tuple[str, str, int]]:
        tokens, at = [], 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKENS.match(self._text, at)
            if match is None or match.lastgroup is None:
                raise InvalidValueError(self._message("unexpected characters", at))
            kind = match.lastgroup
            tokens.append((kind, match[kind], match.start(kind)))
            at = match.end()
        return [*tokens, ("end", "", end)]

    def _filter(self) -> Condition:
        parts = [self._both()]
        while self._word("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._word("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail("too deeply nested")
        try:
            if self._word("NOT"):
                return Not(self._one())
            if self._sign("("):
                inner = self._filter()
                if not self._sign(")"):
                    self._fail("expected )")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        if self._kind() != "name":
            self._fail("expected a field, such as status, span.name or tag.key")
        at = self._next
        try:
            subject, key = field_of(self._tokens[at][1])
        except ValueError as error:
            self._fail(str(error))
        self._next += 1
        if self._word("IS"):
            operator = "IS NOT NULL" if self._word("NOT") else "IS NULL"
            if not self._word("NULL"):
                self._fail("expected NULL")
            return Comparison(subject, key, operator)
        negated = self._word("NOT")
        operator = self._operator(words_only=negated)
        if operator == "IN":
            values = self._values()
            self._check(at, subject, key, operator, values)
            return Comparison(subject, key, "NOT IN" if negated else "IN", values)
        value = self._value()
        self._check(at, subject, key, operator, (value,))
        comparison = Comparison(subject, key, operator, value)
        return Not(comparison) if negated else comparison

    def _operator(self, words_only: bool) -> str:
        kind, token, _ = self._tokens[self._next]
        if kind == "name" and token.upper() in (*MATCHING, "IN"):
            return self._take().upper()
        if kind == "sign" and not words_only:
            operator = {"==": "=", "<>": "!="}.get(token, token)
            if operator in COMPARING:
                self._next += 1
                return operator
        return self._fail(f"expected one of {', '.join((*COMPARING, *MATCHING, 'IN'))}")

    def _values(self) -> tuple[str | int | float, ...]:
        if not self._sign("("):
            self._fail("expected a list, such as ('OK', 'ERROR')")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        if not self._sign(")"):
            self._fail("expected , or )")
        return tuple(values)

    def _value(self) -> str | int | float:
        kind, token, _ = self._tokens[self._next]
        if kind == "text":
            self._next += 1
            quote = token[0]
            return token[1:-1].replace(quote * 2, quote)
        if kind == "number":
            self._next += 1
            number = float(token)
            # SQLite's integers have 64 bits; Python takes 4,300 digits, zeros in front among them.
            is_float = set(token) & set(".eE") or abs(number) >= 2**63
            return number if is_float else int(_ZEROS.sub("", token))
        return self._fail("expected a number, or a text in quotes")

    def _check(
        self, at: int, subject: str, key: str, operator: str, values: Sequence[Value]
    ) -> None:
        mistake = mistake_in(self._tokens[at][1], subject, key, operator, values)
        if mistake is not None:
            self._next = at
            self._fail(mistake)

    def _kind(self) -> str:
        return self._tokens[self._next][0]

    def _take(self) -> str:
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _word(self, word: str) -> bool:
        kind, token, _ = self._tokens[self._next]
        found = kind == "name" and token.upper() == word
        self._next += found
        return found

    def _sign(self, sign: str) -> bool:
        kind, token, _ = self._tokens[self._next]
        found = kind == "sign" and token == sign
        self._next += found
        return found

    def _fail(self, what: str) -> NoReturn:
        raise InvalidValueError(self._message(what, self._tokens[self._next][2])) from None

    def _message(self, what: str, at: int) -> str:
        text = self._text
        if at >= len(text.rstrip()):
            return f"Invalid filter: {what}, at the end of: {text}"
        at += len(text[at:]) - len(text[at:].lstrip())
        match = _TOKENS.match(text, at)
        token = match[0] if match else text[at:].split(maxsplit=1)[0]
        if len(token) > _TOKEN:
            token = f"{token[:_TOKEN]}…"
        shown = token if token[0] in "'\"" else f"'{token}'"
        return f"Invalid filter: {what}, at {shown} (character {at + 1}) of: {text}"
