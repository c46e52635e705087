"""Which extractor reads a call, by its method and path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from tracetape._modules import load
from tracetape.instrument.integration import Extractor

__all__ = ["Endpoints", "ExtractorRef", "is_below", "path_below", "resolve"]

# A class, or "module:Class", which is loaded when the first such call is made.
ExtractorRef: TypeAlias = "type[Extractor] | str"


class Endpoints:
    """A table of extractor classes; keys as in `Template.endpoints`."""

    def __init__(self, table: Mapping[str, ExtractorRef]) -> None:
        """Sort the plain paths, which are looked up at once, from those with a part left open."""
        self._exact: dict[tuple[str, str], ExtractorRef] = {}
        self._open: list[tuple[str, list[str], ExtractorRef]] = []
        for key, extractor in table.items():
            method, _, path = key.rpartition(" ")
            if "{" in path:
                self._open.append((method or "POST", path.split("/"), extractor))
            else:
                self._exact[method or "POST", path] = extractor

    def find(self, method: str, path: str) -> type[Extractor] | None:
        """The extractor class of a call, or None."""
        found = self._exact.get((method, path))
        if found is not None:
            return resolve(found)
        if not self._open:
            return None
        parts = path.split("/")
        for known, pattern, extractor in self._open:
            if known == method and _fits(pattern, parts):
                return resolve(extractor)
        return None

    def find_end(self, method: str, path: str) -> tuple[str, str, type[Extractor] | None]:
        """Split a path at its longest known end: the part before, that end, its extractor.

        Other services have their API below other bases, and a client's base may be a shorter one.
        """
        start = path.find("/", 1)
        while start > 0:
            found = self.find(method, path[start:])
            if found is not None:
                return path[:start], path[start:], found
            start = path.find("/", start + 1)
        return "", path, None


def resolve(extractor: ExtractorRef) -> type[Extractor] | None:
    """The class itself; None if its module cannot be imported."""
    return _loaded(extractor) if isinstance(extractor, str) else extractor


@lru_cache(maxsize=256)
def _loaded(reference: str) -> type[Extractor] | None:
    module, _, name = reference.partition(":")
    found = load(module, "calls of its endpoints are traced in part, or not at all")
    loaded: type[Extractor] | None = None if found is None else getattr(found, name)
    return loaded


def _fits(pattern: list[str], parts: list[str]) -> bool:
    return len(pattern) == len(parts) and all(
        expected == part or (expected.startswith("{") and part)
        for expected, part in zip(pattern, parts, strict=True)
    )


def path_below(url: str, base_url: str) -> str:
    """The path of `url` below the API's base, without its query; `url` may be relative."""
    if url.startswith("/") and "?" not in url and "#" not in url:
        return url
    path = urlsplit(url).path
    if "://" in url:
        path = path.removeprefix(urlsplit(base_url).path.rstrip("/"))
    return "/" + path.lstrip("/")


def is_below(url: str, base_url: str) -> bool:
    """Whether a whole URL is one of the API with this base."""
    return f"{url}/".startswith(f"{base_url}/")
