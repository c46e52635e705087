"""For projects that come from pytest-recording: its marker, its fixtures, its options.

Loaded by ``pytest_plugins = ["tracetape.testing.from_vcr"]`` in the root conftest.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tracetape.cassettes import Player

__all__ = ["cassette_options"]

_SAME = ("match_on", "allow_playback_repeats", "ignore_hosts")
# Headers are left out unless they are asked for, and bodies are stored decoded.
_NEEDLESS = ("filter_headers", "decode_compressed_response", "cassette_library_dir")
_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound


def cassette_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `tracetape.cassette` for those of vcrpy.

    Raises:
        pytest.UsageError: one has no counterpart; it says what to use instead.
    """
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name == "record_mode":
            mode = str(getattr(value, "value", value))
            found["mode"] = "all" if mode == "rewrite" else mode
        elif name == "ignore_localhost":
            if value:
                found["ignore_hosts"] = [*options.get("ignore_hosts", ()), *_LOCAL]
        elif name in _SAME:
            found.setdefault(name, value)
        elif name not in _NEEDLESS and value:
            raise pytest.UsageError(
                f"vcrpy's option {name!r} is not supported: use `ignore`, `scrub` or "
                "`before_record` in cassette_config instead"
            )
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Announce the markers."""
    config.addinivalue_line("markers", "vcr(*names, **options): pytest-recording's `cassette`")
    config.addinivalue_line("markers", "default_cassette(name): the name of the test's own tape")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark with `cassette` what is marked with `vcr`; the nearest mark's options count for more."""
    for item in items:
        marks = [*item.iter_markers("vcr")]
        if marks:
            names = [name for mark in marks for name in mark.args]
            options = {k: v for mark in reversed(marks) for k, v in mark.kwargs.items()}
            item.add_marker(pytest.mark.cassette(None, *names, **cassette_options(options)))


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    """Options of vcrpy for all marked tests; a conftest.py may have its own."""
    return {}


@pytest.fixture
def cassette_config(vcr_config: dict[str, Any]) -> dict[str, Any]:
    """The same, as ours."""
    return cassette_options(vcr_config)


@pytest.fixture
def vcr(_tracetape_cassette: Player | None) -> Player | None:
    """The open tape; None in tests without the marker."""
    return _tracetape_cassette
