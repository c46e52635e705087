"""Install dependency groups into the environment of the Python that runs this (the Makefile does).

`python scripts/install.py SET GROUP…`: SET begins the name of a file in constraints/ (`py`,
`mlflow-`, `lowest-`), or is `newest`. With `--project` tracetape is installed too, for editing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def limits(name: str) -> list[str]:
    """The arguments of pip that say which versions are wanted."""
    if name == "newest":
        return ["--upgrade", "--upgrade-strategy", "eager"]
    path = ROOT / "constraints" / f"{name}{sys.version_info[0]}.{sys.version_info[1]}.txt"
    if not path.exists():
        print(f"there is no {path.relative_to(ROOT)}: the newest versions are installed")
        return []
    return ["--constraint", str(path)]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", metavar="SET")
    parser.add_argument("groups", nargs="+", metavar="GROUP")
    parser.add_argument("--project", action="store_true", help="install tracetape too")
    chosen = parser.parse_args()
    wanted = limits(chosen.set)
    # The first pip that knows groups is 25.1; a set of versions says which one is used.
    pip("--upgrade", *[one for one in wanted if one != "--upgrade"], "pip>=25.1")
    groups = [*chosen.groups, "build"] if chosen.project else chosen.groups
    pip(*wanted, *[word for group in groups for word in ("--group", group)])
    if chosen.project:  # built by what the group `build` has brought, not by the newest there is
        pip(*wanted, "--no-build-isolation", "--editable", ".")


if __name__ == "__main__":
    main()
