"""Credentials and hosts for replay: the clients refuse to start without them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from tracetape._system import lasting_lock
from tracetape.apis import Api, Variables, apis
from tracetape.cassettes.file.model import Interaction

__all__ = ["KEY", "Placeholders"]

KEY = "placeholder-of-tracetape-for-replay"  # no service knows it

_lock = lasting_lock()
_active: list[Placeholders] = []
_put: dict[str, str] = {}


class Placeholders:
    """Environment variables that are missing; those of the newest tape count."""

    def __init__(self, interactions: Iterable[Interaction], *, is_missing: bool = False) -> None:
        """Find out which clients a tape was recorded with.

        Args:
            interactions: what is on the tape.
            is_missing: there is no tape; a client must start, for its request to say so.
        """
        known = [(api, api.variables) for api in apis() if api.variables is not None]
        urls = [urlsplit(one.request.url) for one in interactions]
        places = dict.fromkeys((f"{parts.scheme}://{parts.netloc}", parts.path) for parts in urls)
        beginnings = tuple(each for _, variables in known for each in variables.beginnings)
        rest = [place for place in places if not place[1].startswith(beginnings)]
        self._wanted: dict[str, str] = {}
        self._other_logins = {variables.key: variables.other_logins for _, variables in known}
        for api, variables in known:
            found = [
                _base(api, variables, *one) for one in (rest if variables.is_common else places)
            ]
            bases = list(dict.fromkeys(filter(None, found)))
            if bases or (is_missing and variables.origin):
                self._wanted[variables.key] = KEY
            if not bases or bases[0] in (variables.origin, f"{variables.origin}/v1"):
                continue
            # With two services on one tape the program itself must say which it means; a client
            # without a base of its own takes the first.
            if len(bases) == 1 or not variables.origin:
                self._wanted[variables.base_url] = bases[0]

    def put(self) -> None:
        """Set what is missing."""
        with _lock:
            _active.append(self)
            _apply()

    def remove(self) -> None:
        """Undo it, where the program has not set the variable itself meanwhile."""
        with _lock:
            _active.remove(self)
            _apply()


def _base(api: Api, variables: Variables, origin: str, path: str) -> str | None:
    """The base of the API that a request went to; None: it is another API's."""
    if any(part in path for part in variables.never):
        return None
    if origin == variables.origin or path.startswith(variables.beginnings):
        return origin
    found = api.split(path)
    return None if found is None else origin + found[0]


def _apply() -> None:
    """Bring the environment to what the open tapes want, leaving alone what is the user's."""
    wanted: dict[str, str] = {}
    for placeholders in _active:
        wanted.update(placeholders._wanted)
    for placeholders in _active:
        for key, others in placeholders._other_logins.items():
            if any(os.environ.get(name) for name in others):
                wanted.pop(key, None)  # the client would send both, or refuse both
    for name in {*wanted, *_put}:
        current = os.environ.get(name)
        if current and current != _put.get(name):
            _put.pop(name, None)  # the user's own
        elif name in wanted:
            _put[name] = os.environ[name] = wanted[name]
        else:
            del _put[name]
            os.environ.pop(name, None)
