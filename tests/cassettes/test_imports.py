"""Libraries that are not there when a tape opens are seen once the program has imported them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes.patches import Patches
from tracetape.cassettes.transports.imports import ImportHooks

ASK = {
    "httpx": "httpx.get(url)",
    "httpx2": "httpx2.get(url)",
    "requests": "requests.get(url)",
}


@pytest.mark.parametrize("library", ASK)
def test_a_library_that_cannot_be_found_at_first_is_recorded(
    library: str, server: Any, run_python: Callable[..., Any]
) -> None:
    """It comes from a folder that the program adds later, or its first import fails."""
    pytest.importorskip(library)
    done = run_python(
        f"""
        import sys
        import tracetape

        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name == {library!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        hidden = Hidden()
        sys.meta_path.insert(0, hidden)
        with tracetape.cassette("t.yaml") as tape:
            sys.meta_path.remove(hidden)
            import {library}
            url = {server.url + "/things"!r}
            {ASK[library]}
        print(tape.recorded)
        """
    )
    assert done.stdout == "1\n"


def test_a_library_that_another_thread_is_importing_is_patched_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tape waits for that thread."""
    source = "import sys\nbegun, go_on = sys.modules['events']\nbegun.set()\ngo_on.wait(60)\n"
    (tmp_path / "slow_library.py").write_text(f"{source}class Client: pass\n")
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setitem(sys.modules, "events", (begun, go_on))  # type: ignore[arg-type]
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=__import__, args=("slow_library",))
    thread.start()
    assert begun.wait(60)
    threading.Timer(0.1, go_on.set).start()

    patched: list[bool] = []
    hooks = ImportHooks(
        Patches(), {"slow_library": lambda _, library: patched.append(hasattr(library, "Client"))}
    )
    hooks.start()
    thread.join()
    assert patched == [True]
    del sys.modules["slow_library"]
