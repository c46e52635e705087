"""`configure`, `flush`, `stats`: steering what happens to spans."""

from __future__ import annotations

from typing import Any

from tracetape.diagnostics import faults
from tracetape.store import Store
from tracetape.tracing.runtime import runtime

__all__ = ["configure", "flush", "stats"]


def configure(*, store: str | Store | None = None) -> None:
    """Change where traces go; what is not given stays as it is.

    Args:
        store: ``sqlite:///path/to/traces.db``, ``memory://``, a path, or a `Store`. The
            environment variable ``TRACETAPE_STORE`` says the same for programs that call
            nothing; without either it is ``.tracetape/traces.db`` in the working directory.

    Raises:
        InvalidValueError: `store` is no URL that we know.
    """
    if store is not None:
        runtime.use_store(store)


def flush(timeout: float | None = None) -> int:
    """Wait until all spans that have ended are durable.

    Args:
        timeout: seconds; None waits as long as it takes.

    Returns:
        How many spans are still unwritten: 0, unless the time was too short or the store fails.
    """
    return runtime.recorder.flush(timeout)


def stats() -> dict[str, Any]:
    """Counters of this process: spans recorded, written, queued, lost and dropped, and faults.

    ``faults`` counts internal errors of tracetape by the place where they happened.
    """
    recorder = runtime.recorder
    return {**recorder.as_dict(), "store": recorder.store.url, "faults": faults()}
