"""What looks like a credential, by the shapes that their issuers gave them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

__all__ = ["kinds_of_secrets", "may_have_shapes", "without_secrets"]

# Shapes as their issuers and GitHub's secret scanning describe them. The words before each, in
# lower case, are looked for first: an expression alone would take milliseconds a call.
_SHAPES: dict[str, tuple[tuple[str, ...], str]] = {
    "an OpenAI key": (
        ("sk-",),
        r"\bsk-(?!ant-)(?=[\w-]*\d)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    ),
    "an Anthropic key": (("sk-ant-",), r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    "a Databricks token": (
        ("dapi", "dose", "dkea"),
        r"\b(?:dapi|dose|dkea)[0-9a-f]{32}(?:-\d)?\b",
    ),
    "an AWS key id": (("akia", "asia"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "an AWS secret key": (
        ("secret",),
        r"(?i)\baws_?secret_?(?:access_?)?key\W{1,5}(?P<value>[A-Za-z0-9/+=]{40})",
    ),
    "a Google key": (("aiza",), r"\bAIza[0-9A-Za-z_-]{35}"),
    "a Google token": (
        ("ya29.", "gocspx-"),
        r"\b(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})",
    ),
    "a GitHub token": (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    ),
    "a Hugging Face token": (("hf_",), r"\bhf_[A-Za-z0-9]{30,}\b"),
    "an Azure key": (
        ("accountkey=", "jqqj9", "q~"),
        r"(?i:\bAccountKey=)(?P<value>[A-Za-z0-9+/=]{40,})|\b[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{27}\b"
        r"|\b[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}",
    ),
    "a JSON Web Token": (
        ("eyj",),
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ),
    "a private key": (
        ("private key-----",),
        # With all that may stand in one, and its end if that is there.
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s\\:,]|-(?!----))*"
        r"(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----)?",
    ),
    "a bearer token": (
        ("bearer ",),
        r"(?i)\bbearer (?P<value>(?=[A-Za-z0-9._~+/-]*\d)[A-Za-z0-9._~+/-]{20,})",
    ),
}


@cache
def _patterns() -> list[tuple[str, tuple[str, ...], re.Pattern[str]]]:
    # Compiled when first needed: it takes some milliseconds.
    return [(kind, words, re.compile(shape)) for kind, (words, shape) in _SHAPES.items()]


_WORDS = tuple(sorted({word.encode() for words, _ in _SHAPES.values() for word in words}))


def may_have_shapes(data: bytes) -> bool:
    """A quick look at JSON in lower case: whether it may hold a credential of a known shape."""
    return any(word in data for word in _WORDS)


def without_secrets(text: str, mark: str) -> str:
    """`text` with `mark` in the place of each secret; what stands before one to name it stays."""
    lower = text.lower()
    for _, words, pattern in _patterns():
        if any(word in lower for word in words):
            text = pattern.sub(lambda found: _marked(found, mark), text)
    return text


def _marked(found: re.Match[str], mark: str) -> str:
    value = found.groupdict().get("value")
    return mark if value is None else found[0].replace(value, mark)


def kinds_of_secrets(text: str) -> Iterator[str]:
    """Which kinds of credentials there are in `text`."""
    lower = text.lower()
    for kind, words, pattern in _patterns():
        if any(word in lower for word in words) and pattern.search(text):
            yield kind
