"""Other people's tapes: the shapes of vcrpy's kin, brought into vcrpy's version 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracetape.exceptions import CassetteFormatError

__all__ = ["interactions"]


def interactions(document: Any) -> list[Any]:
    """The interactions of a parsed file, each with a ``request`` and a ``response``.

    Known in addition to vcrpy's shape are ruby's VCR (``http_interactions``), LangChain's (two
    lists, ``requests`` and ``responses``) and one pair of both, as Datadog's test agent writes.

    Raises:
        CassetteFormatError: it is not one of them, or of another version.
    """
    if isinstance(document, list):
        raise CassetteFormatError("it has the format of vcrpy before version 1; record it again")
    if not isinstance(document, Mapping):
        raise CassetteFormatError(
            f"it holds {_named(document)} where a mapping with `interactions` should be"
        )
    version = document.get("version", 1)
    if version != 1:
        raise CassetteFormatError(
            f"it has version {version!r}, but only version 1 is supported: use a newer "
            "tracetape, or record it again"
        )
    for name in ("interactions", "http_interactions"):
        if isinstance(document.get(name), list):
            return list(document[name])
    requests, responses = document.get("requests"), document.get("responses")
    if isinstance(requests, list) and isinstance(responses, list):
        if len(requests) != len(responses):
            raise CassetteFormatError(
                f"it has {len(requests)} requests and {len(responses)} responses"
            )
        pairs = zip(requests, responses)  # noqa: B905 - the lengths are equal
        return [{"request": request, "response": response} for request, response in pairs]
    if isinstance(document.get("request"), Mapping) and "response" in document:
        return [document]
    raise CassetteFormatError("it has no list of `interactions`")


def _named(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
