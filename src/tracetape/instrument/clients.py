"""Clients of a generated SDK: what is the same for all calls of one, found out once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakSet, ref

from tracetape.capture.conversion import is_sentinel
from tracetape.instrument.call import Call
from tracetape.instrument.credentials import ClientSecrets
from tracetape.instrument.endpoints import is_below, path_below
from tracetape.instrument.files import described_files
from tracetape.instrument.integration import Extractor, Request
from tracetape.instrument.providers import provider_of, provider_of_client

__all__ = ["Client", "Clients", "Given", "Route", "body_of"]

_MANY_CLIENTS = 256
_MANY_ROUTES = 256


class Route(NamedTuple):
    """Where calls of one method and URL go.

    Attributes:
        kind: the extractor's class.
        request: such a call, without its body.
        name: the span's; None: the body tells.
    """

    kind: type[Extractor]
    request: Request
    name: str | None


class Client:
    """One client.

    Attributes:
        base: its API's base, the SDK's object.
        routes: by method and URL, as its calls name them.
        ref: gives the SDK's object, as long as it is there.
        is_watched: whether the requests that it builds pass the seam, with the JSON that is given.
    """

    __slots__ = (
        "_base_url",
        "_kind",
        "_provider",
        "_watched",
        "base",
        "is_watched",
        "ref",
        "routes",
    )

    def __init__(
        self, client: Any, base: Any, default_provider: str | None, watched: WeakSet[type]
    ) -> None:
        """Find out who serves the models; the client's class tells if the URL does not.

        `watched` are the classes of clients of which a request has passed the seam.
        """
        self.ref: Any = ref(client)
        self.base = base
        kind: type = type(client)
        default = provider_of_client(kind) or default_provider
        self._provider, self._base_url = provider_of(str(base), default)
        self.routes: dict[tuple[str, str], Route] = {}
        self._kind, self._watched = kind, watched
        self.is_watched = kind in watched

    def keep(self, method: str, url: str, route: Route) -> None:
        """Remember where such calls go."""
        if len(self.routes) >= _MANY_ROUTES:
            self.routes.clear()
        self.routes[method, url] = route

    def place(self, url: str) -> tuple[str, str | None, str]:
        """Path, provider and base of a call; that of a whole URL may be another service's."""
        if "://" not in url:
            return path_below(url, self._base_url), self._provider, self._base_url
        provider, whole = provider_of(url)
        if is_below(whole, self._base_url):
            path = whole.removeprefix(self._base_url) or "/"
            return path, self._provider, self._base_url
        path = urlsplit(whole).path
        return path or "/", provider, whole.removesuffix(path)

    def takes_request(self, call: Call, request: Any, options: Any) -> None:
        """Take the first request that the SDK has built of a call, and the `options` of it."""
        sent, call.sent = call.sent, None
        call.client = None
        content = vars(request).get("_content")  # not there: a file, which is read as it is sent
        is_it = (
            isinstance(content, bytes)
            and content[:1] == b"{"
            and options is not None
            and options.json_data is sent.json_data
            and getattr(options, "extra_json", None) is sent.extra_json
        )
        if is_it is not self.is_watched:
            self.is_watched = is_it
            (self._watched.add if is_it else self._watched.discard)(self._kind)
        call.takes_request(content if is_it else None)

    def missed(self) -> None:
        """No request of a call has passed."""
        self.is_watched = False
        self._watched.discard(self._kind)


class Clients:
    """All clients of one kind of an SDK."""

    def __init__(self, default_provider: str | None) -> None:
        """No client is known yet."""
        self._known: dict[int, Client] = {}
        self._default_provider = default_provider
        self._watched: WeakSet[type] = WeakSet()
        self.secrets = ClientSecrets()

    def of(self, client: Any) -> Client | None:
        """A client; None if it has no base, so that the SDK is about to refuse the call."""
        known = self._known.get(id(client))
        # It may have another base by now, or be gone, and another one have its id.
        if known is not None and known.ref() is client and client.base_url is known.base:
            return known
        base = getattr(client, "base_url", None)
        if base is None:
            return None
        if len(self._known) >= _MANY_CLIENTS:
            self._known.clear()
        known = Client(client, base, self._default_provider, self._watched)
        self._known[id(client)] = known
        return known


class Given(NamedTuple):
    """Parts of a call's options, whatever hooks of the user's own make of those."""

    json_data: Any
    extra_json: Any
    headers: Any
    params: Any


def body_of(sent: Any) -> dict[str, Any]:
    """The JSON body or form as the caller meant it, without what is "not given".

    `extra_body` is merged, and files are under their field's name.
    """
    body = sent.json_data if isinstance(sent.json_data, dict) else {}
    extra = getattr(sent, "extra_json", None)
    if extra and isinstance(extra, Mapping):
        body = {**body, **extra}
    if getattr(sent, "files", None):
        body = {**body, **described_files(sent.files)}
    return {key: value for key, value in body.items() if not is_sentinel(type(value))}
