"""Which extractor reads a call, by its method and path."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tracetape.apis import Endpoint, Reference, as_endpoint, resolve
from tracetape.instrument.integration import Extractor

__all__ = ["Endpoints", "is_below", "path_below"]


class Endpoints:
    """A table of extractor classes; keys as in `Template.endpoints`."""

    def __init__(self, table: Mapping[str, Endpoint | Reference]) -> None:
        """Sort the plain paths, which are looked up at once, from those with a part left open."""
        self._exact: dict[tuple[str, str], Reference] = {}
        self._open: list[tuple[str, list[str], Reference]] = []
        for key, value in table.items():
            extractor = as_endpoint(value).extractor
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
