"""The command line: a file or folder for each command."""

from tracetape.cli.main import main

__all__ = ["main"]
