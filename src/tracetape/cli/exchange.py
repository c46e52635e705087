"""`tracetape export` and `tracetape import`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from tracetape._terminal import plural, visible_line
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import (
    find_trace,
    opened,
    shown_place,
    store_option,
    tell_unreadable_of,
)
from tracetape.exceptions import TracetapeException
from tracetape.privacy.files import replacing
from tracetape.privacy.urls import clean_text

if TYPE_CHECKING:
    from rich.progress import Progress

    from tracetape.entities import Trace
    from tracetape.store import SQLiteStore

__all__ = ["export", "import_"]

_T = TypeVar("_T")
_OBJECTS = 50_000  # that are made until Python looks for cycles among them
_SHOWN = 5  # of the reasons why something was not read


@click.command(name="export", short_help="Write traces to a file, or send them (OTLP, Databricks).")
@click.argument("trace_ids", nargs=-1)
@click.option("--filter", "filter_string", metavar="FILTER", help="Such as \"status = 'ERROR'\".")
@click.option("--jsonl", type=click.Path(path_type=Path), help="A trace a line; - is the output.")
@click.option("--json", "json_", type=click.Path(path_type=Path), help="One list of traces.")
@click.option("--parquet", type=click.Path(path_type=Path), help="One row a span.")
@click.option("--otlp", metavar="URL", help="Such as http://localhost:4318/v1/traces.")
@click.option("--databricks", metavar="TABLE", help="catalog.schema.prefix of a trace location.")
@store_option
def export(
    trace_ids: tuple[str, ...],
    filter_string: str | None,
    jsonl: Path | None,
    json_: Path | None,
    parquet: Path | None,
    otlp: str | None,
    databricks: str | None,
    store: str | None,
) -> None:
    """Write all traces, or those that are named, or those that a filter finds, to a file, or send
    them over OTLP.

    JSON is MLflow's trace JSON; MLflow and `tracetape import` read it. Headers for --otlp come from
    OTEL_EXPORTER_OTLP_HEADERS, the login for --databricks is that of databricks-sdk.
    """  # noqa: D205 - the first sentence is long
    targets = [target for target in (jsonl, json_, parquet, otlp, databricks) if target]
    if len(targets) != 1:
        raise click.UsageError(
            "Say one of --jsonl, --json, --parquet, --otlp and --databricks, and where to."
        )
    replaced = False
    with opened(store) as source:
        if file := jsonl or json_ or parquet:
            _refuse_files_of(source.url, file)
            replaced = file.is_file()
        numbers = _chosen(source, trace_ids, filter_string)
        count = 0

        def counted(traces: Iterator[_T]) -> Iterator[_T]:
            nonlocal count
            for trace in traces:
                count += 1
                yield trace

        with _rarely_collecting(), _bar("exporting", len(numbers)) as advance:
            if parquet is not None:
                from tracetape.exchange.parquet import span_rows, write_parquet

                with _named(parquet):
                    rows = counted(source.get_each(numbers, span_rows))
                    for _ in write_parquet(parquet, rows):
                        advance(1)
            elif file := jsonl or json_:
                from tracetape.exchange.jsonl import trace_json

                with _output(file) as out:
                    lines = counted(source.get_each(numbers, trace_json))
                    for _ in _write_json(out, lines, as_list=json_ is not None):
                        advance(1)
            else:
                _send(counted(source.get_traces(numbers)), otlp, databricks, advance)
    if str(targets[0]) != "-":
        done = "sent" if otlp or databricks else "written"
        where = clean_text(otlp) if otlp else targets[0]  # a log of CI keeps it
        before = " (replaced the file that was there)" if replaced else ""
        echo(f"{plural(count, 'trace')} {done} to {visible_line(where)}{before}.")


def _refuse_files_of(url: str, target: Path) -> None:
    """An export must not be written over the store that it reads.

    Raises:
        UsageError: `target` is the store's file, or one next to it.
    """
    store = url.removeprefix("sqlite:///")
    for ending in ("", "-wal", "-shm", "-journal"):
        file = f"{store}{ending}"
        if os.path.realpath(file) == os.path.realpath(target) or (
            os.path.exists(file) and os.path.exists(target) and os.path.samefile(file, target)
        ):
            raise click.UsageError(f"{target} is a file of the store itself: name another one.")


def _send(
    traces: Iterable[Trace], url: str | None, table: str | None, advance: Callable[[int], None]
) -> None:
    from tracetape.otlp import otlp_exporter, send, workspace_exporter

    exporter = otlp_exporter(url) if table is None else workspace_exporter(table)
    try:
        before = 0
        for arrived in send(traces, exporter):
            advance(arrived - before)
            before = arrived
    finally:
        exporter.shutdown()


@click.command(name="import", short_help="Read traces from a file, or from MLflow's store.")
@click.argument("source")
@store_option
def import_(source: str, store: str | None) -> None:
    """Read traces from SOURCE: a .jsonl or .json file of MLflow's trace JSON, a tracetape store, or
    MLflow's own store (sqlite:///mlflow.db).

    Traces that are in the store already stay as they are.
    """  # noqa: D205 - the first sentence is a list
    from tracetape.exchange.importing import Imported, import_traces
    from tracetape.exchange.sources import open_source
    from tracetape.store import open_store, writer_url

    path = Path(source.removeprefix("sqlite:///"))
    if not source.strip():
        raise click.UsageError("The name of the file is blank.")
    if not path.exists():
        raise click.UsageError(f"The file {visible_line(path)} does not exist.")
    found = open_source(path)
    if found.store is not None:
        tell_unreadable_of(found.store)
    target = open_store(store or writer_url())
    counts = Imported()
    try:
        with _rarely_collecting(), _bar("importing", found.total) as advance:
            done = 0
            for counts in import_traces(target, found.traces, found.attachment):
                now = counts.added + counts.known + counts.refused
                advance(now - done)
                done = now
    finally:
        target.close()
        if found.store is not None:
            found.store.close()
    known = f", {counts.known:,} already there" if counts.known else ""
    echo(f"{plural(counts.added, 'trace')} imported into {shown_place(target.url)}{known}.")
    if counts.missing:
        echo(
            f"{visible_line(path)} lacks the content of {plural(counts.missing, 'attachment')}.",
            err=True,
        )
    if counts.refused:
        shown = "\n".join(counts.reasons[:_SHOWN])
        more = counts.refused - _SHOWN
        raise TracetapeException(
            f"{counts.refused:,} could not be read:\n{shown}"
            + (f"\n… and {more:,} more" if more > 0 else "")
        )


def _chosen(source: SQLiteStore, names: tuple[str, ...], filter_string: str | None) -> list[int]:
    from tracetape.store.filters import parse_filter
    from tracetape.store.query import TraceQuery

    if names and filter_string:
        raise click.UsageError("Name traces or give a --filter, not both.")
    if names:
        return [find_trace(source, name) for name in names]
    return source.find(TraceQuery(parse_filter(filter_string)))


def _write_json(out: BinaryIO, traces: Iterable[bytes], as_list: bool) -> Iterator[int]:
    before, between, after = (b"[", b",\n", b"]\n") if as_list else (b"", b"", b"")
    out.write(before)
    for index, trace in enumerate(traces):
        out.write(between if index else b"")
        out.write(trace if as_list else b"%b\n" % trace)
        yield 1
    out.write(after)


@contextmanager
def _output(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    with _named(path), replacing(path) as file:
        yield file


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Have Python look for cycles less often: rows make none, and to look takes a fifth longer."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of writing get the file's name, which a write does not know."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Any]:
    """A progress bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    progress: Progress
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
