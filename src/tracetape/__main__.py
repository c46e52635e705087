"""`python -m tracetape` is `tracetape`."""

from tracetape.cli import main

if __name__ == "__main__":
    main(prog_name="tracetape")
