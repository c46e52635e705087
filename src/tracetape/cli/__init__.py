"""The command line: `tracetape run`, `ls`, `show`, `cassette check`."""

from tracetape.cli.main import main

__all__ = ["main"]
