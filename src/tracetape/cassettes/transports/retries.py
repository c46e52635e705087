"""SDKs that try again whatever failed: a miss is none the better for it, and seconds later."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from tracetape.cassettes.patching import Patches
from tracetape.exceptions import CassetteError

__all__ = ["stop", "undo"]

# Where openai 1 and 2, and their kin, ask how long to wait, while they handle the error.
_MODULES = ("openai._base_client", "anthropic._base_client")
_ASKED = "_calculate_retry_timeout"


_patches = Patches()
_stopped: set[str] = set()


def stop() -> None:
    """Let our errors out at once; called before one is raised: by then the SDK is imported."""
    for name in _MODULES:
        client = getattr(sys.modules.get(name), "BaseClient", None)
        if name not in _stopped and hasattr(client, _ASKED):
            _patches.wrap(client, _ASKED, _unless_missed)
            _stopped.add(name)


def undo() -> None:
    """Put the originals back."""
    _stopped.clear()
    _patches.undo()


def _unless_missed(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def calculate(*args: Any, **kwargs: Any) -> Any:
        error = sys.exc_info()[1]
        if isinstance(error, CassetteError):
            raise error
        return original(*args, **kwargs)

    return calculate
