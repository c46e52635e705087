"""What a run left behind: its traces, and one line that says where they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tracetape.cli.common import shown_place
from tracetape.cli.showing import print_trace
from tracetape.entities import TraceInfo
from tracetape.exceptions import StoreError
from tracetape.store import Store, open_store, writer_url
from tracetape.tracing.runtime import runtime

if TYPE_CHECKING:
    from tracetape.cassettes import Player

__all__ = ["Report"]

_MAX_TREES = 5


class Report:
    """Made before the run, printed after it."""

    def __init__(self) -> None:
        """Remember when the run began."""
        self._began = time.time_ns() // 1_000_000
        self.player: Player | None = None

    def print(self, *, show: bool) -> None:
        """Print the trees if wished, and on stderr the line."""
        runtime.recorder.flush()
        store = self._store()
        infos = self._traces(store)
        if show and store is not None:
            self._print_trees(store, infos)
        if self.player is not None:
            self._print_tape(self.player)
        self._print_place(store, infos)

    def _store(self) -> Store | None:
        """Where this process wrote; else where its children did."""
        if runtime.recorder.as_dict()["recorded"]:
            return runtime.recorder.store
        return open_store(writer_url(), read_only=True)

    def _traces(self, store: Store | None) -> list[TraceInfo]:
        try:
            infos = [] if store is None else store.list_traces()
        except StoreError:
            return []  # no process of this run has made a store
        return [info for info in infos if info.request_time >= self._began][::-1]

    def _print_trees(self, store: Store, infos: list[TraceInfo]) -> None:
        if len(infos) > _MAX_TREES:
            click.echo(f"… {len(infos) - 1} earlier traces: `tracetape ls` lists them")
            infos = infos[-1:]
        for info in infos:
            trace = store.get_trace(int(info.trace_id.removeprefix("tr-"), 16))
            if trace is not None:
                print_trace(trace)
                click.echo()

    def _print_tape(self, player: Player) -> None:
        for count, verb, word in (
            (player.played, "replayed", "from"),
            (player.recorded, "recorded", "to"),
        ):
            if count:
                click.echo(
                    f"tracetape: {verb} {_plural(count, 'interaction')} {word} {player.path}",
                    err=True,
                )

    def _print_place(self, store: Store | None, infos: list[TraceInfo]) -> None:
        stats = runtime.recorder.as_dict()
        lost = stats["lost"] + stats["dropped_spans"] + stats["queued"]
        if lost:
            click.echo(f"tracetape: {_plural(lost, 'span')} could not be kept", err=True)
        if not infos or store is None:
            click.echo("tracetape: no traces were recorded", err=True)
        elif store.url == "memory://":
            click.echo(
                f"tracetape: {_plural(len(infos), 'trace')} in memory only, and gone now", err=True
            )
        else:
            them = "it" if len(infos) == 1 else "them"
            click.echo(
                f"tracetape: {_plural(len(infos), 'trace')} in {shown_place(store.url)} — "
                f"look at {them} with: tracetape ls, tracetape show",
                err=True,
            )


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
