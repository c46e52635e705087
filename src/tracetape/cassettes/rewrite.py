"""Rewrites existing tapes: without secrets, and in our shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tracetape.cassettes.file.model import OURS, Chunk, Interaction, Response
from tracetape.cassettes.file.save import Tape, load, rendered, save
from tracetape.cassettes.record.secrets import check, findings
from tracetape.cassettes.scrub import PLACEHOLDER, Sent, scrubbed_response, scrubbed_text
from tracetape.exceptions import CassetteError
from tracetape.privacy.shapes import without_secrets

__all__ = ["YAML", "migrate", "scrub", "write"]

YAML = (".yaml", ".yml")

_Text = Callable[[str], str]
_OURS = re.compile(rb"^%b:" % OURS.encode(), re.MULTILINE)  # no body begins in the first column
_REMEDY = "nothing was written; leave that call out, or change what the program sends"


def scrub(path: Path, replacements: Mapping[str, str]) -> bool:
    """Remove what a recording of tracetape would not have kept; give whether there was any.

    Headers go by allow-list, credentials and what looks like a key become ``REDACTED``.

    Args:
        path: the file.
        replacements: names of accounts, organisations or hosts, and what to write for them.

    Raises:
        CassetteError: it cannot be read or written, or is not YAML.
    """
    if path.suffix not in YAML:
        raise CassetteError(
            f"{path} is not YAML: `tracetape cassette migrate {path}` writes it as YAML without "
            "secrets, and then it can be deleted"
        )
    tape = load(path)
    scrubbed = _scrubbed(tape, replacements)
    if scrubbed == tape.interactions:
        return False
    save(path, Tape(scrubbed, incomplete=tape.incomplete))
    return True


def migrate(path: Path, target: Path) -> int | None:
    """Write a tape of another tool in our shape and without secrets.

    Gives the number of its interactions; None if it has our shape and no secrets, and was left
    as it is.

    Raises:
        CassetteError: it cannot be read or written.
    """
    tape = load(path)
    if path == target and _is_ours(path, tape) and not check(path):
        return None
    save(target, Tape(_scrubbed(tape, {}), incomplete=tape.incomplete))
    return len(tape.interactions)


def _is_ours(path: Path, tape: Tape) -> bool:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be read: {error}") from error
    # Older ones have no mark, but are what we would write.
    return _OURS.search(data) is not None or data == rendered(tape, ends=False).encode()


def write(path: Path, interactions: list[Interaction]) -> None:
    """Write a tape of interactions that were made elsewhere.

    Raises:
        CassetteError: it cannot be written, or there are secrets in it.
    """
    cleaned = [_cleaned(one) for one in interactions]
    for number, one in enumerate(cleaned, 1):
        for kind, place in findings(one):
            raise CassetteError(f"there is {kind} in {place} of interaction {number}: {_REMEDY}")
    save(path, Tape(cleaned))


def _scrubbed(tape: Tape, replacements: Mapping[str, str]) -> list[Interaction]:
    def text(value: str) -> str:
        for name, other in replacements.items():
            value = value.replace(name, other)
        return without_secrets(value, PLACEHOLDER)

    return [_changed(_cleaned(one), text) for one in tape.interactions]


def _cleaned(one: Interaction) -> Interaction:
    sent = Sent(one.request)
    response = one.response
    if response is not None:
        response = scrubbed_response(response, sent.secrets)
    error = one.error
    if error is not None:
        error = replace(error, message=scrubbed_text(error.message, sent.secrets))
    return Interaction(sent.scrubbed, response, error)


def _changed(one: Interaction, text: _Text) -> Interaction:
    """The interaction with `text` applied to all that is text in it."""
    request, response, error = one.request, one.response, one.error
    request = replace(
        request,
        url=text(request.url),
        headers=[(name, text(value)) for name, value in request.headers],
        body=_bytes(request.body, text),
    )
    if response is not None:
        headers = [(name, text(value)) for name, value in response.headers]
        response = replace(response, headers=headers, chunks=_chunks(response, text))
    if error is not None:
        error = replace(error, message=text(error.message))
    return Interaction(request, response, error)


def _chunks(response: Response, text: _Text) -> list[Chunk]:
    body = _bytes(response.body, text)
    parts = [Chunk(_bytes(chunk.data, text), chunk.delay) for chunk in response.chunks]
    if b"".join(part.data for part in parts) == body:
        return parts
    return [Chunk(body)]  # what was taken out went over the border of two parts


def _bytes(data: bytes, text: _Text) -> bytes:
    # What is not UTF-8 comes out as it was.
    return text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
