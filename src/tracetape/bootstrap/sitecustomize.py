"""Found first by the Python processes that a traced program, or one with a tape, starts.

Those of a `tracetape run` are traced, too; it must cost nothing where nothing is traced, so
tracetape itself is imported only after a library whose calls it knows. Those that are started while
a tape replays stay off the network; while one records, they note what they connect to. The other
Python may have no tracetape. The user's own `sitecustomize`, whose place this one takes, is run as
well.
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
    """Switches tracing on when one of some packages has been imported.

    It stays among the finders: were it taken away, an import that another thread has under way
    could miss the finder after it, and fail.
    """

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
        if not self._names:
            return
        self._names = frozenset()
        try:
            import tracetape

            tracetape.autolog()
        except Exception as error:  # noqa: BLE001 - a child must run whatever is wrong with us
            sys.stderr.write(f"tracetape: {sys.executable} is not traced: {error}\n")


# The position of the address among the arguments of Python's audit events for sockets.
_EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
}
_LOCAL = ("localhost", "ip6-localhost", "", "0.0.0.0", "::", "::1")  # noqa: S104 - compared


class _Guard:
    """Refuses what leaves this machine while the parent's tape replays or the network is blocked.

    It hears from Python itself what is asked of sockets, gevent's included, and changes nothing.
    """

    def __init__(self, file: str) -> None:
        self._file = file  # why, the remedy, and the hosts that are allowed; gone with the tape
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
        if context is None or not context.decides():  # else it is for a tape of this process
            self._outside(host, port, is_lookup=is_lookup)

    def _outside(self, host: str, port: object, *, is_lookup: bool) -> None:
        try:
            with open(self._file, encoding="utf-8") as file:
                why, remedy, *allowed = file.read().splitlines()
        except (OSError, ValueError):
            return  # the tape is closed
        name = (f"[{host}]" if ":" in host else host).lower()
        if any(_fits(one, name) or _fits(one, f"{name}:{port}") for one in allowed):
            if is_lookup:
                self._allow(host, port)
            return
        raise _refusal(
            f"a connection to {host!a} was refused: {why}, and nothing may reach the network. "
            f"To reach the host for real, use {remedy}."
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


class _Notes(_Guard):
    """Notes what leaves this machine: the parent's tape records, and has none of it."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self._ports: set[object] = set()
        self._left = 1_000  # notes; a child that crawls the web must not fill the disk

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        # Datagrams are not connections: the parent does not note its own either.
        if event.startswith("socket.send") or (event == "socket.connect" and _sends(arguments[0])):
            return
        super().__call__(event, arguments)

    def _outside(self, host: str, port: object, *, is_lookup: bool) -> None:
        if is_lookup:
            if _is_address(host):
                return  # nothing is looked up; the connection will be noted
            self._ports.add(port)
        elif port in self._ports:
            return  # its name was looked up, and is noted
        name = f"[{host}]" if ":" in host else host
        place = name if port is None else f"{name}:{port}"
        self._left -= 1
        if self._left < 0:
            return
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return  # the tape is closed
        try:
            os.write(descriptor, f"{place}\n".encode("utf-8", "replace"))
        except OSError:
            pass  # a full disk: the program goes on
        finally:
            os.close(descriptor)


def _fits(allowed: str, place: str) -> bool:
    if "*" not in allowed:
        return allowed == place
    from fnmatch import fnmatchcase

    return fnmatchcase(place, allowed)


def _internet() -> tuple[int, ...]:
    import _socket

    return (_socket.AF_INET, getattr(_socket, "AF_INET6", _socket.AF_INET))


def _sends(socket: object) -> bool:
    """Whether a socket is one for datagrams."""
    import _socket

    return getattr(socket, "type", None) == _socket.SOCK_DGRAM


def _is_address(host: str) -> bool:
    import _socket

    for family in _internet():
        try:
            _socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


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
            raise  # a fault of theirs, which `site` reports as before
        if ours is not None:
            sys.modules["sitecustomize"] = ours


for _variable, _kind in (("TRACETAPE_REPLAY", _Guard), ("TRACETAPE_RECORD", _Notes)):
    _file = os.environ.get(_variable)
    if _file and os.path.exists(_file):
        sys.addaudithook(_kind(_file))
_names = frozenset(filter(None, os.environ.get("TRACETAPE_AUTOLOG", "").split(",")))
_off = os.environ.get("TRACETAPE_DISABLED", "").lower() in ("1", "true", "yes", "on")
if _names and not _off:
    sys.meta_path.insert(0, _Waiting(_names))
_run_users_own()
