"""Printing without control characters that a terminal would obey."""

from __future__ import annotations

import sys

import click

from tracetape._terminal import visible, visible_json

__all__ = ["echo", "echo_json", "echo_over"]


def echo(text: str = "", *, err: bool = False) -> None:
    """Print `text`, with escapes for control characters, and for what the output cannot say."""
    click.echo(_sayable(visible(text), err), err=err)


def echo_json(text: str) -> None:
    """Print JSON, in which control characters are escaped as JSON has it."""
    click.echo(_sayable(visible_json(text), err=False))


def echo_over(text: str) -> None:
    """On a terminal's stderr, in place of what was printed so last."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{_sayable(visible(text), err=True)}", err=True, nl=False)


def _sayable(text: str, err: bool) -> str:
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
