"""The command line: `tracetape run`, `ls`, `show`."""

from tracetape.cli.main import main

__all__ = ["main"]
