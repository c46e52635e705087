"""The table of endpoints: who reads, replays and shows the calls of each API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from tracetape._entry_points import entry_points
from tracetape._modules import load

__all__ = [
    "Api",
    "Endpoint",
    "Reference",
    "Variables",
    "apis",
    "as_endpoint",
    "endpoint_of",
    "register",
    "resolve",
]

# A class, or "module:Class", which is loaded when it is first needed.
Reference: TypeAlias = "type[Any] | str"

# Of tracetape's own integrations; these modules import next to nothing.
_OWN = ("tracetape_openai.api", "tracetape_anthropic.api", "tracetape_databricks.api")
_registered: dict[str, tuple[Api, ...]] = {}  # by the name of the integration


class Endpoint(NamedTuple):
    """One endpoint of an API.

    Attributes:
        extractor: reads its calls, see `tracetape.instrument.Extractor`.
        replay: makes a recording of a stored call, see `tracetape.instrument.Replay`; None: that
            is not possible.
        messages: finds the messages of a stored call, a `tracetape.instrument.MessageReader`; None:
            they have the form of chat completions.
    """

    extractor: Reference
    replay: Reference | None = None
    messages: Reference | None = None


class Variables(NamedTuple):
    """The environment variables without which a client does not start: a replay sets them.

    Attributes:
        key: the variable of the credential.
        base_url: the variable of the API's base, or of its host.
        origin: scheme and host of the client's own base, for which `base_url` is not set. Empty:
            there is none, and `base_url` is always set, to scheme and host only.
        beginnings: beginnings of paths that are this API's, whatever follows.
        more: paths that are this API's and not in its table: the end of the base, and the path.
        never: parts of paths of a client that has other variables.
        is_common: many services speak this API; a path that begins as another API's is not its.
        other_logins: variables of other ways to log in; where one is set, `key` is not.
    """

    key: str
    base_url: str
    origin: str = ""
    beginnings: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    never: tuple[str, ...] = ()
    is_common: bool = False
    other_logins: tuple[str, ...] = ()


class Api(NamedTuple):
    """The endpoints of an API, and the variables of its client.

    Attributes:
        endpoints: by path below the API's base, such as ``/responses`` or ``GET /responses/{id}``;
            POST where no method is named, ``{}`` for any one part. A value that is only an
            extractor is an endpoint without the rest.
        variables: the environment variables of its client; None: a replay sets none.
    """

    endpoints: Mapping[str, Endpoint | Reference]
    variables: Variables | None = None

    def split(self, path: str) -> tuple[str, str] | None:
        """Split a whole path at the first known endpoint: the base's part, the endpoint's path."""
        found = None
        for base, known in (*(("", key) for key in self.endpoints), *self._more()):
            if " " in known or "{" in known:
                continue  # it continues another
            before, is_known, rest = path.partition(base + known)
            is_shorter = found is None or len(before + base) < len(found[0])
            if is_known and is_shorter and (not rest or rest.startswith("/")):
                found = (before + base, known)
        return found

    def _more(self) -> tuple[tuple[str, str], ...]:
        return self.variables.more if self.variables is not None else ()


def register(name: str, added: tuple[Api, ...]) -> None:
    """Make the APIs of an integration known, in the place of earlier ones of this name."""
    _registered[name] = added


def apis() -> Iterator[Api]:
    """Every API that is known: tracetape's own, then those of other integrations."""
    for module in _OWN:
        found = load(module, "its calls are not replayed, and their messages shown as JSON")
        if found is not None:
            yield found.API
    for name in entry_points.names():
        if name not in _registered:
            yield from getattr(entry_points.find(name, tuple), "apis", ())
    for added in list(_registered.values()):
        yield from added


def endpoint_of(path: str) -> Endpoint | None:
    """The endpoint with this path, for a stored call; None: it is in no table."""
    for api in apis():
        if path in api.endpoints:
            return as_endpoint(api.endpoints[path])
    return None


def as_endpoint(value: Endpoint | Reference) -> Endpoint:
    """The endpoint that a value of a table is."""
    return value if isinstance(value, Endpoint) else Endpoint(value)


def resolve(reference: Reference) -> type[Any] | None:
    """The class itself; None if its module cannot be imported."""
    return _loaded(reference) if isinstance(reference, str) else reference


@lru_cache(maxsize=256)
def _loaded(reference: str) -> type[Any] | None:
    module, _, name = reference.partition(":")
    found = load(module, "calls of its endpoints are traced in part, or not at all")
    loaded: type[Any] | None = None if found is None else getattr(found, name)
    return loaded
