"""For projects that come from pytest-recording: its marker, its fixtures, its options.

Loaded by ``pytest_plugins = ["tracetape.testing.from_vcr"]`` in the root conftest.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tracetape.cassettes.foreign_options import INSTEAD

if TYPE_CHECKING:
    from tracetape.cassettes import OpenCassette

__all__ = ["cassette_options"]

_SAME = ("allow_playback_repeats", "ignore_hosts")
# Headers are left out unless they are asked for, and bodies are stored decoded.
_NEEDLESS = (
    "filter_headers",
    "decode_compressed_response",
    "cassette_library_dir",
    "custom_patches",
    "skip_patchers",
    "inject_cassette",
)
_PARTS = {"url": "uri", "raw_body": "body"}  # names of vcrpy's for what we name otherwise
_MATCH_ON = ("method", "scheme", "host", "port", "path", "query")  # vcrpy's default
_FIXTURES = {
    "vcr_cassette_dir": "the ini options cassette_dir and cassette_layout, or names in the mark",
    "default_cassette_name": "@pytest.mark.default_cassette(name)",
    "record_mode": "the ini option cassette_mode, or --record-mode",
}
_ERROR = pytest.StashKey[str]()
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
        elif name == "match_on":
            found[name] = [
                _PARTS.get(part, part) if isinstance(part, str) else part for part in value
            ]
        elif name == "additional_matchers":
            found["match_on"] = [*found.get("match_on", options.get("match_on", _MATCH_ON)), *value]
        elif name in _SAME:
            found.setdefault(name, value)
        elif name == "record_on_exception" or name in _NEEDLESS:
            continue  # a tape of a failing test is marked as incomplete, and recorded again
        elif value and (name, value) not in (("serializer", "yaml"), ("serializer", "json")):
            instead = INSTEAD.get(name, "`ignore`, `scrub` or `before_record`")
            raise pytest.UsageError(f"vcrpy's option {name!r} is not supported: use {instead}")
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add pytest-recording's ``--record-mode``, so that scripts which give it go on."""
    with suppress(ValueError):  # pytest-recording is there as well, and has it
        parser.getgroup("tracetape").addoption(
            "--record-mode",
            choices=("none", "once", "new_episodes", "all", "rewrite"),
            default=None,
            help="pytest-recording's name for --cassette-mode; rewrite means all",
        )


@pytest.hookimpl(tryfirst=True)  # the plugin reads the mode when it is configured
def pytest_configure(config: pytest.Config) -> None:
    """Announce the markers, and take the mode."""
    mode = config.getoption("--record-mode")
    if mode is not None and config.getoption("--cassette-mode") is None:
        config.option.cassette_mode = "all" if mode == "rewrite" else mode
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
            try:
                ours = cassette_options(options)
            except pytest.UsageError as error:  # of this test; the others run
                item.stash[_ERROR] = f"@pytest.mark.vcr: {error}"
                continue
            item.add_marker(pytest.mark.cassette(None, *names, **ours))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A mark that means nothing is an error of its test."""
    if _ERROR in item.stash:
        pytest.fail(f"{item.nodeid}: {item.stash[_ERROR]}", pytrace=False)


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    """Options of vcrpy for all marked tests; a conftest.py may have its own."""
    return {}


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> None:
    """Not used, and refused where a conftest.py has its own; so the next two."""


@pytest.fixture
def default_cassette_name() -> None:
    """Not used."""


@pytest.fixture(scope="session")
def record_mode() -> None:
    """Not used."""


@pytest.fixture
def cassette_config(request: pytest.FixtureRequest, vcr_config: dict[str, Any]) -> dict[str, Any]:
    """The same, as ours."""
    for name, instead in _FIXTURES.items():
        is_marked = request.node.get_closest_marker("vcr") is not None
        if is_marked and request.getfixturevalue(name) is not None:
            raise pytest.UsageError(f"the fixture {name} is not supported: use {instead}")
    return cassette_options(vcr_config)


@pytest.fixture
def vcr(_tracetape_cassette: OpenCassette | None) -> OpenCassette | None:
    """The open tape; None in tests without the marker."""
    return _tracetape_cassette
