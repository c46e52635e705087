"""The pytest plugin of `transparency.py`: switches tracing on, and writes down each outcome.

It is loaded with `-p` by both runs of a suite, in each worker of pytest-xdist too. It keeps the
network away from both in the same way.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import socket
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["TRANSPARENCY_FOLDER"])
ONLY = os.environ.get("TRANSPARENCY_ONLY")  # a file with the tests to run, a line each
IS_ON = os.environ["TRANSPARENCY_SIDE"] == "on"
NEAR = re.compile(r"(localhost|127\.[\d.]+|::1|0\.0\.0\.0|)\Z")
outcomes: dict[str, list[str]] = {}


def stay_near() -> None:
    """Nothing is reached but this machine."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not NEAR.match(str(address[0])):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        connect(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host or "")
        if not NEAR.match(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **kwargs)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = guarded_look_up


def switch_on() -> None:
    """What a user does, and a file for what we log."""
    import tracetape

    handler = logging.FileHandler(FOLDER / f"log.{os.getpid()}", delay=True)
    logging.getLogger("tracetape").addHandler(handler)
    tracetape.configure(store=f"sqlite:///{FOLDER / 'traces.db'}")
    tracetape.autolog()


stay_near()
if IS_ON:
    switch_on()


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    if ONLY is None:
        return
    wanted = set(Path(ONLY).read_text("utf-8").splitlines())
    config.hook.pytest_deselected(items=[one for one in items if one.nodeid not in wanted])
    items[:] = [one for one in items if one.nodeid in wanted]


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        outcomes[f"collecting {report.nodeid}"] = ["error"]


def pytest_runtest_logreport(report: Any) -> None:
    """Each phase that says something: the call, and what failed or was skipped around it."""
    if report.when == "call" or report.outcome != "passed":
        crash = getattr(report.longrepr, "reprcrash", None)
        kind = re.match(r"[\w.]+", crash.message) if crash is not None else None
        xfail = " (expected)" if hasattr(report, "wasxfail") else ""
        said = f" {kind[0]}" if kind is not None else ""
        outcomes.setdefault(report.nodeid, []).append(
            f"{'' if report.when == 'call' else report.when + ' '}{report.outcome}{xfail}{said}"
        )


def pytest_unconfigure(config: Any) -> None:
    if IS_ON:
        import tracetape
        from tracetape.diagnostics import faults

        left = tracetape.flush(30)
        found = {**faults(), **({"flush: spans left unwritten": left} if left else {})}
        recorded = tracetape.stats()["recorded"]
        text = json.dumps({"faults": found, "spans": recorded})
        (FOLDER / f"faults.{os.getpid()}.json").write_text(text, "utf-8")
    if not hasattr(config, "workerinput"):  # pytest-xdist's workers report to the one process
        (FOLDER / "outcomes.json").write_text(json.dumps(outcomes), "utf-8")
