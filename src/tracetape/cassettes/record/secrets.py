"""Findings that look like secrets, and where they are in a cassette."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tracetape.cassettes.file.bodies import decoded
from tracetape.cassettes.file.filenames import tapes_at
from tracetape.cassettes.file.model import Headers, Interaction
from tracetape.cassettes.file.save import load
from tracetape.cassettes.scrub import (
    is_credential,
    named_credentials,
    scrubbed_text,
    secrets_in_query,
)
from tracetape.privacy.shapes import kinds_of_secrets

__all__ = ["Finding", "check", "findings"]

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
        place: where it is.
    """

    path: Path
    interaction: int
    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.path}: interaction {self.interaction}: {self.kind} in {self.place}"


def check(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
) -> list[Finding]:
    """Look for secrets on tapes, one's own or other people's.

    Args:
        paths: a file, a folder (all tapes below it), or several of them.

    Raises:
        CassetteError: one of them cannot be read.
    """
    given = [paths] if isinstance(paths, (str, PathLike)) else paths
    found = []
    for path in (file for one in given for file in tapes_at(Path(one))):
        for number, interaction in enumerate(load(path).interactions, 1):
            found += [Finding(path, number, *pair) for pair in _all_findings(interaction)]
    return found


def _all_findings(interaction: Interaction) -> list[tuple[str, str]]:
    """By shape and by name, each once: of what has a name, the name is given."""
    named = list(_named(interaction))
    unnamed = []
    for place, text in _places(interaction):
        for where, _, value in named:
            if where == place:
                text = text.replace(value, "", 1)  # the same one may be elsewhere, too
        unnamed += [(kind, place) for kind in kinds_of_secrets(text)]
    by_name = [(next(kinds_of_secrets(value), "a credential"), place) for _, place, value in named]
    return list(_each_once((*unnamed, *by_name, *_credentials(interaction))))


def findings(interaction: Interaction) -> list[tuple[str, str]]:
    """Kinds of secrets, and where they are."""
    return [
        (kind, place) for place, text in _places(interaction) for kind in kinds_of_secrets(text)
    ]


def _each_once(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """A header holds one value: it counts once, by the first of its kinds, which says most."""
    headers: set[str] = set()
    for kind, place in pairs:
        if "'s header " in place:
            if place in headers:
                continue
            headers.add(place)
        yield kind, place


def _places(interaction: Interaction) -> Iterator[tuple[str, str]]:
    request, response = interaction.request, interaction.response
    yield "the URL", request.url
    for place, body, _ in _bodies(interaction):
        yield place, body.decode("utf-8", "replace")
    yield from _headers("request", request.headers)
    if response is not None:
        yield from _headers("response", response.headers)
    if interaction.error is not None:
        yield "the error's message", interaction.error.message


def _bodies(interaction: Interaction) -> Iterator[tuple[str, bytes, str]]:
    """Each with where it is and its type."""
    request, response = interaction.request, interaction.response
    body = decoded(request.body, request.header("content-encoding"))
    body = request.body if body is None else body
    yield "the request's body", body, request.header("content-type")
    if response is not None:
        yield "the response's body", response.body, response.header("content-type")


def _headers(owner: str, headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        yield f"the {owner}'s header {name}", value


def _named(interaction: Interaction) -> Iterator[tuple[str, str, str]]:
    """Of parameters of the URL and fields of the bodies: where, the place itself, the value."""
    for name, value in secrets_in_query(interaction.request.url):
        yield "the URL", f"the URL's parameter {name}", value
    for place, body, kind in _bodies(interaction):
        for field, value in named_credentials(body, kind):
            if not _HARMLESS.search(value):
                yield place, f"{place}, field {field}", value


def _credentials(interaction: Interaction) -> Iterator[tuple[str, str]]:
    error = interaction.error
    if error is not None and scrubbed_text(error.message) != error.message:
        yield "a credential", "the error's message"
    sides: Sequence[tuple[str, Headers]] = [("request", interaction.request.headers)]
    if interaction.response is not None:
        sides = [*sides, ("response", interaction.response.headers)]
    for owner, headers in sides:
        for name, value in headers:
            if is_credential(name) and not _HARMLESS.search(value):
                yield "a credential", f"the {owner}'s header {name}"
