"""Found first by the Python processes that a traced program, or one with a tape, starts.

Those of a `tracetape run` are traced, too; it must cost nothing where nothing is traced, so
tracetape itself is imported only after a library whose calls it knows. Those that are started while
a tape replays stay off the network; the other Python may have no tracetape. The user's own
`sitecustomize`, whose place this one takes, is run as well.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `typing`, whose import would take longer than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class _Waiting:
    """Switches tracing on when one of some packages has been imported."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec: ModuleSpec | None = find(name, path, target)
                if spec is not None:
                    self._trace_after(spec.loader)
                    return spec
        return None

    def _trace_after(self, loader: object) -> None:
        execute = getattr(loader, "exec_module", None)
        if execute is None or isinstance(loader, type):  # those of built-in modules are shared
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._trace()

        loader.exec_module = exec_module  # type: ignore[attr-defined]

    def _trace(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        try:
            import tracetape

            tracetape.autolog()
        except Exception as error:  # noqa: BLE001 - a child must run whatever is wrong with us
            sys.stderr.write(f"tracetape: {sys.executable} is not traced: {error}\n")


# Where the place stands among the arguments of what Python tells of sockets.
_EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
}
_LOCAL = ("localhost", "ip6-localhost", "", "0.0.0.0", "::", "::1")  # noqa: S104 - compared


class _Guard:
    """Refuses what leaves this machine, as long as the tape of the parent replays.

    It hears from Python itself what is asked of sockets, gevent's included, and changes nothing.
    """

    def __init__(self, file: str) -> None:
        self._file = file  # the tape, and the hosts that it allows; gone when it is closed
        self._addresses: set[str] = set()

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in _EVENTS:
            return
        place = arguments[_EVENTS[event]]
        if isinstance(place, tuple):
            family = getattr(arguments[0], "family", None)
            if int(family or 0) not in _internet() or len(place) < 2:
                return  # a socket of this machine
            self._check(_text(place[0]), place[1])
        elif event == "socket.getaddrinfo":
            self._check(_text(place), arguments[1], is_lookup=True)
        elif event == "socket.gethostbyname":
            self._check(_text(place), None, is_lookup=True)

    def _check(self, host: str, port: object, *, is_lookup: bool = False) -> None:
        if host.lower() in _LOCAL or host.startswith("127.") or host in self._addresses:
            return
        context = sys.modules.get("tracetape.cassettes.context")
        if context is not None and context.decides():
            return  # a tape of this process
        try:
            with open(self._file, encoding="utf-8") as file:
                tape, *allowed = file.read().splitlines()
        except (OSError, ValueError):
            return  # the tape is closed
        name = f"[{host}]" if ":" in host else host
        if name.lower() in allowed or f"{name}:{port}".lower() in allowed:
            if is_lookup:
                self._allow(host, port)
            return
        raise _refusal(
            f"a connection to {host!a} was refused: the cassette {tape} is being replayed by the "
            "process that started this one, and nothing may reach the network. Give this process "
            "a cassette of its own, or allow the host by cassette(allow_hosts=[…])."
        )

    def _allow(self, host: str, port: Any) -> None:
        """A connection is made to an address, not to a name."""
        self._addresses.add(host)  # no second question
        import _socket

        try:
            for found in _socket.getaddrinfo(host, port):
                self._addresses.add(str(found[4][0]))
        except OSError:
            pass  # the program's own question will fail, too
        self._addresses.discard(host)


def _internet() -> tuple[int, ...]:
    import _socket

    return (_socket.AF_INET, getattr(_socket, "AF_INET6", _socket.AF_INET))


def _text(host: object) -> str:
    if isinstance(host, (bytes, bytearray)):
        return bytes(host).decode("ascii", "replace")
    return "" if host is None else str(host)


def _refusal(text: str) -> Exception:
    try:
        from tracetape.exceptions import CassetteMissError
    except Exception:  # noqa: BLE001 - the other Python has none
        return ConnectionRefusedError(text)
    return CassetteMissError(text)


def _run_users_own() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise  # a fault of theirs, which `site` reports as ever
        if ours is not None:
            sys.modules["sitecustomize"] = ours


_replay = os.environ.get("TRACETAPE_REPLAY")
if _replay and os.path.exists(_replay):
    sys.addaudithook(_Guard(_replay))
_names = frozenset(filter(None, os.environ.get("TRACETAPE_AUTOLOG", "").split(",")))
_off = os.environ.get("TRACETAPE_DISABLED", "").lower() in ("1", "true", "yes", "on")
if _names and not _off:
    sys.meta_path.insert(0, _Waiting(_names))
_run_users_own()
