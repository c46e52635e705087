"""Shapes of credentials, as their issuers define them."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache, partial

__all__ = ["kinds_of_secrets", "without_secrets"]

_SHORTEST = 16  # text that holds any of the shapes


# Of documentation, RFC 7617 first: a tape with a prompt about them is not a leak.
_EXAMPLES = frozenset(
    ("aladdin:open sesame", "user:pass", "user:password", "username:password", "test:123£")
)


def _is_key(word: str) -> bool:
    return any(one.isdigit() for one in word)


def _is_web_token(word: str) -> bool:
    """Three parts, of which the first two are JSON in base64."""
    parts = word.split(".")
    return any(
        "eyJ" in first and second.startswith("eyJ") and min(len(second), len(third)) >= 8
        for first, second, third in zip(parts, parts[1:], parts[2:], strict=False)
    )


def _is_login(word: str) -> bool:
    """A user, a colon and a password in base64: ``Basic information`` is not."""
    try:
        plain = b64decode(word + "=" * (-len(word) % 4), validate=True).decode()
    except ValueError:
        return False
    return ":" in plain and plain.isprintable() and plain.lower() not in _EXAMPLES


def _any(word: str) -> bool:
    del word
    return True


# Shapes as their issuers and GitHub's secret scanning describe them. The words before each, in
# lower case, are looked for first: an expression alone would take milliseconds a call. An
# expression takes a whole run of characters, and never looks ahead: what is found is judged by a
# function, so that no text, however hostile, is gone through twice.
_SHAPES: dict[str, tuple[tuple[str, ...], str, Callable[[str], bool]]] = {
    "an OpenAI key": (
        ("sk-",),
        r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
        _is_key,
    ),
    "an Anthropic key": (("sk-ant-",), r"\bsk-ant-[A-Za-z0-9_-]{20,}", _any),
    "a Databricks token": (
        ("dapi", "dose", "dkea"),
        r"\b(?:dapi|dose|dkea)[0-9a-f]{32}(?:-\d)?\b",
        _any,
    ),
    "an AWS key id": (("akia", "asia"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", _any),
    "an AWS secret key": (
        ("secret",),
        r"(?i)\baws_?secret_?(?:access_?)?key\W{1,5}(?P<value>[A-Za-z0-9/+=]{40})",
        _any,
    ),
    "a Google key": (("aiza",), r"\bAIza[0-9A-Za-z_-]{35}", _any),
    "a Google token": (
        ("ya29.", "gocspx-"),
        r"\b(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})",
        _any,
    ),
    "a GitHub token": (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
        _any,
    ),
    "a Hugging Face token": (("hf_",), r"\bhf_[A-Za-z0-9]{30,}\b", _any),
    "a key of a model's provider": (
        ("gsk_", "pplx-", "xai-", "r8_", "tvly-", "pcsk_", "lsv2_"),
        r"\b(?:gsk_|pplx-|xai-|r8_|tvly-|pcsk_|lsv2_)[A-Za-z0-9_-]{30,}",
        _is_key,
    ),
    "a token of Slack, GitLab or Stripe": (
        ("xox", "glpat-", "k_live_"),
        r"\b(?:xox[abeoprs]-[A-Za-z0-9-]{20,}|glpat-[A-Za-z0-9_-]{20,}"
        r"|[rs]k_live_[A-Za-z0-9]{20,})",
        _is_key,
    ),
    "an Azure key": (
        ("accountkey=", "jqqj9", "q~"),
        r"(?i:\bAccountKey=)(?P<value>[A-Za-z0-9+/=]{40,})|\b[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{27}\b"
        r"|\b[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}",
        _any,
    ),
    "a JSON Web Token": (("eyj",), r"\beyJ[A-Za-z0-9_.-]{26,}", _is_web_token),
    "a private key": (
        ("private key",),
        # With all that may be in one, and its end if that is there.
        r"-----BEGIN (?:[A-Z]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        r"[A-Za-z0-9+/=\s\\:,]*(?:-(?!----)[A-Za-z0-9+/=\s\\:,]*)*"
        r"(?:-----END (?:[A-Z]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----)?",
        _any,
    ),
    "a bearer token": (
        ("bearer ",),
        r"(?i)\bbearer (?P<value>[A-Za-z0-9._~+/-]{20,})",
        _is_key,
    ),
    "a user and a password": (
        ("basic ",),
        r"(?i)\bbasic (?P<value>[A-Za-z0-9+/]{10,}={0,2})",
        _is_login,
    ),
}
_WORDS = [(word, kind) for kind, (words, _, _) in _SHAPES.items() for word in words]


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    # Compiled when first needed: all of them take some milliseconds.
    return re.compile(_SHAPES[kind][1])


def _possible(text: str) -> list[str]:
    """The kinds of which a word is in `text`."""
    if len(text) < _SHORTEST:
        return []
    lower = text.lower()
    found = [kind for word, kind in _WORDS if word in lower]
    return list(dict.fromkeys(found)) if found else found


def without_secrets(text: str, mark: str) -> str:
    """`text` with `mark` in the place of each secret; the name before one stays."""
    for kind in _possible(text):
        marked = partial(_marked, mark=mark, is_one=_SHAPES[kind][2])
        text = _pattern(kind).sub(marked, text)
    return text


def _marked(found: re.Match[str], mark: str, is_one: Callable[[str], bool]) -> str:
    named = found.groupdict().get("value")
    value = found[0] if named is None else named
    if not is_one(value):
        return found[0]
    return mark if named is None else found[0].replace(value, mark)


def kinds_of_secrets(text: str) -> Iterator[str]:
    """Which kinds of credentials there are in `text`."""
    for kind in _possible(text):
        is_one = _SHAPES[kind][2]
        for found in _pattern(kind).finditer(text):
            if is_one(found.groupdict().get("value") or found[0]):
                yield kind
                break
