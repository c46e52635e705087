"""What looks like a secret, and where it stands on a tape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tracetape.cassettes.bodies import decoded
from tracetape.cassettes.cleaning import cleaned_text, is_credential, secret_query_names
from tracetape.cassettes.interaction import Headers, Interaction
from tracetape.cassettes.tape import load

__all__ = ["Finding", "check", "findings", "without_secrets"]

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
_PATTERNS = [(kind, words, re.compile(shape)) for kind, (words, shape) in _SHAPES.items()]
# What others write in place of a secret.
_HARMLESS = re.compile(
    r"(?i)redact|filter|dummy|fake|test|placeholder|mock|scrub|hidden|x{3}|\*{3}|<[^>]*>|^\W*$"
)


@dataclass(frozen=True)
class Finding:
    """Something on a tape that looks like a secret.

    Attributes:
        path: the file.
        interaction: its number, counted from 1.
        kind: what it looks like; never the secret itself.
        place: where it stands.
    """

    path: Path
    interaction: int
    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.path}: interaction {self.interaction}: {self.kind} in {self.place}"


def check(paths: Iterable[str | PathLike[str]]) -> list[Finding]:
    """Look for secrets on tapes, one's own or other people's.

    Raises:
        CassetteError: one of them cannot be read.
    """
    found = []
    for path in map(Path, paths):
        for number, interaction in enumerate(load(path).interactions, 1):
            for kind, place in (*findings(interaction), *_credentials(interaction)):
                found.append(Finding(path, number, kind, place))
    return found


def findings(interaction: Interaction) -> list[tuple[str, str]]:
    """Which kinds of secrets stand where."""
    return [(kind, place) for place, text in _places(interaction) for kind in _kinds(text)]


def without_secrets(text: str, mark: str) -> str:
    """`text` with `mark` in the place of each secret; what stands before one to name it stays."""
    lower = text.lower()
    for _, words, pattern in _PATTERNS:
        if any(word in lower for word in words):
            text = pattern.sub(lambda found: _marked(found, mark), text)
    return text


def _marked(found: re.Match[str], mark: str) -> str:
    value = found.groupdict().get("value")
    return mark if value is None else found[0].replace(value, mark)


def _kinds(text: str) -> Iterator[str]:
    lower = text.lower()
    for kind, words, pattern in _PATTERNS:
        if any(word in lower for word in words) and pattern.search(text):
            yield kind


def _places(interaction: Interaction) -> Iterator[tuple[str, str]]:
    request, response = interaction.request, interaction.response
    yield "the URL", request.url
    body = decoded(request.body, request.header("content-encoding"))
    body = request.body if body is None else body
    yield "the request's body", body.decode("utf-8", "replace")
    yield from _headers("request", request.headers)
    if response is not None:
        yield "the response's body", response.body.decode("utf-8", "replace")
        yield from _headers("response", response.headers)
    if interaction.error is not None:
        yield "the error's message", interaction.error.message


def _headers(owner: str, headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        yield f"the {owner}'s header {name}", value


def _credentials(interaction: Interaction) -> Iterator[tuple[str, str]]:
    for name in secret_query_names(interaction.request.url):
        yield "a credential", f"the URL's parameter {name}"
    error = interaction.error
    if error is not None and cleaned_text(error.message) != error.message:
        yield "a credential", "the error's message"
    sides: Sequence[tuple[str, Headers]] = [("request", interaction.request.headers)]
    if interaction.response is not None:
        sides = [*sides, ("response", interaction.response.headers)]
    for owner, headers in sides:
        for name, value in headers:
            if is_credential(name) and not _HARMLESS.search(value):
                yield "a credential", f"the {owner}'s header {name}"
