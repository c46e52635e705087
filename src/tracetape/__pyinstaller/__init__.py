"""PyInstaller's view of tracetape, through the entry point ``pyinstaller40``.

Many modules are imported by a string, where they are first needed, so that an import costs
next to nothing. PyInstaller cannot see such imports. `tests/packaging` compares these names with
the code.
"""

from __future__ import annotations

import os

__all__ = ["OPTIONAL", "PACKAGES", "hook_dirs", "is_wanted"]

# Every package of tracetape, as in pyproject.toml.
PACKAGES = (
    "tracetape",
    "tracetape_agents",
    "tracetape_anthropic",
    "tracetape_databricks",
    "tracetape_openai",
)
# Parts that a program uses only if it imports them itself, which PyInstaller sees; those of
# `testing` bring pytest.
_ASIDE = (
    "tracetape.__main__",
    "tracetape.__pyinstaller",
    "tracetape.cli",
    "tracetape.testing.cassette_files",
    "tracetape.testing.early_clients",
    "tracetape.testing.from_vcr",
    "tracetape.testing.network_block",
    "tracetape.testing.plugin",
    "tracetape.testing.usage",
)
# Modules of others that we import by a string: packaged where they are installed.
OPTIONAL = (
    "_interpreters",
    "_xxsubinterpreters",
    "backports.zstd",
    "brotli",
    "compression.zstd",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.proto.trace.v1.trace_pb2",
    "opentelemetry.sdk.resources",
    "opentelemetry.sdk.trace",
    "opentelemetry.context",
    "opentelemetry.trace",
    "zstandard",
)


def is_wanted(module: str) -> bool:
    """Whether a module of tracetape goes into every program that imports tracetape."""
    return not any(module == part or module.startswith(f"{part}.") for part in _ASIDE)


def hook_dirs() -> list[str]:
    """Where PyInstaller finds our hooks."""
    return [os.path.dirname(__file__)]
