"""`tracetape doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracetape._terminal import visible_line
from tracetape._version import __version__
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import console, shown_place
from tracetape.exceptions import TracetapeException
from tracetape.privacy.names import MARK, is_credential
from tracetape.privacy.shapes import without_secrets
from tracetape.privacy.urls import clean_text

if TYPE_CHECKING:
    from rich.text import Text

    from tracetape.instrument.inspection import Finding

__all__ = ["doctor"]

# Others that see the same calls: traces of theirs go their own way.
_OTHERS = (
    "mlflow",
    "mlflow-tracing",
    "langfuse",
    "langsmith",
    "logfire",
    "opentelemetry-instrumentation-openai",
    "opentelemetry-instrumentation-openai-v2",
    "openinference-instrumentation-openai",
    "pytest-recording",
    "vcrpy",
)
# Whether these are set is worth knowing; what they hold is not shown.
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DATABRICKS_HOST", "DATABRICKS_TOKEN")


@click.command(name="doctor", short_help="Say what is traced, and what is not.")
@click.option("--store", metavar="URL", help="Look at this store, not at the default one.")
@click.option(
    "--import",
    "imports",
    is_flag=True,
    help="Import the libraries, which takes seconds, and look at each method that is to be traced.",
)
def doctor(store: str | None, imports: bool) -> None:
    """Say which libraries are traced, where the traces go, and what prevents it.

    The exit status is 1 if something is wrong.
    """
    from tracetape.instrument.inspection import find_integrations, inspect_integrations
    from tracetape.tracing.settings import is_disabled

    wrong: list[str] = []
    if is_disabled():
        wrong.append("TRACETAPE_DISABLED is set: nothing is traced, and nothing was looked at")
    echo(f"tracetape {__version__} · Python {platform.python_version()} · {sys.platform}")
    echo()
    look = inspect_integrations if imports else find_integrations
    findings = [] if is_disabled() else look()
    if findings:
        _print_integrations(findings)
    for found in findings:
        wrong += [
            f"{found.package} {found.version} has no {label}: its calls there are not traced"
            for label in found.missing
        ]
        if found.error is not None:
            wrong.append(f"{found.package} cannot be imported: {found.error}")
    echo()
    _section("store", [_store(store, wrong)])
    wrong += _retention()
    _section("beside us", _others())
    _section("environment", _environment())
    for text in wrong:
        echo(f"✗ {visible_line(text)}", err=True)
    if wrong:
        raise SystemExit(1)
    if imports or not findings:
        echo("✓ nothing is wrong")
    else:
        echo(
            "✓ nothing is wrong that shows without importing the libraries; "
            "`tracetape doctor --import` imports them, and looks at each method"
        )


def _print_integrations(findings: list[Finding]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("library", "version", "traced", "by"):
        table.add_column(name)
    for found in findings:
        table.add_row(*_cells(found))
    console().print(table)


def _cells(found: Finding) -> list[Text]:
    from rich.text import Text

    if found.version is None:
        return [Text(found.name), Text("–"), Text("not installed", style="dim"), Text("")]
    if found.error is not None:
        state = Text("no", style="bold red")
    elif found.missing:
        state = Text("in part", style="bold red")
    elif not found.is_imported:
        state = Text("when imported", style="green")
    else:
        state = Text("yes", style="green")
    by = ", ".join(found.patched[:2])
    more = f" and {len(found.patched) - 2} more" if len(found.patched) > 2 else ""
    return [Text(found.name), Text(found.version), state, Text(by + more, style="dim")]


def _section(name: str, lines: list[str]) -> None:
    for number, line in enumerate(lines or ["–"]):
        echo(f"{name if number == 0 else '':12} {visible_line(line)}")


def _store(url: str | None, wrong: list[str]) -> str:
    """Where traces go, and how many there are."""
    from tracetape.store import open_store, writer_url
    from tracetape.store.inspection import NoStoreError, check_file

    try:
        found = open_store((url or "").strip() or writer_url(), read_only=True)
        place = shown_place(found.url)
        path = Path(found.url.removeprefix("sqlite:///"))
        if found.url == "memory://":
            return "memory:// (gone when the program ends)"
        check_file(path, read_only=True)
        if not path.exists():
            nearest = next(folder for folder in path.parents if folder.exists())
            if not os.access(nearest, os.W_OK):
                wrong.append(f"the store {path} cannot be made: {nearest} is not writable")
            return f"{place} (made with the first trace)"
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            wrong.append(f"nothing can be written to the store {path}, or to its folder")
        try:
            found.open()
            count, size = found.count(), path.stat().st_size
        finally:
            found.close()
        return f"{place}: {count:,} trace{'' if count == 1 else 's'}, {size / 1e6:,.1f} MB"
    except NoStoreError:
        return f"{place} (empty; made with the first trace)"
    except TracetapeException as error:
        wrong.append(str(error))
        return "cannot be used"
    except OSError as error:  # its folder may not be looked into, say
        wrong.append(f"the store {path} cannot be read: {error.strerror}")
        return "cannot be used"


def _retention() -> list[str]:
    """The problem with the bound in the environment; None: there is none."""
    from tracetape.store.retention import parse_retention

    text = os.environ.get("TRACETAPE_RETENTION", "").strip()
    try:
        if text:
            parse_retention(text)
    except TracetapeException as error:
        return [f"TRACETAPE_RETENTION: {error} Nothing is pruned"]
    return []


def _others() -> list[str]:
    found = []
    for name in _OTHERS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _environment() -> list[str]:
    ours = [
        f"{k}={_shown(k, v)}" for k, v in sorted(os.environ.items()) if k.startswith("TRACETAPE_")
    ]
    return ours + [f"{key} is set" for key in _KEYS if os.environ.get(key)]


def _shown(name: str, value: str) -> str:
    return MARK if is_credential(name) else without_secrets(clean_text(value), MARK)
