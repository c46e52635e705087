"""PyInstaller's hook for a program that has the command line in it."""  # noqa: N999

from PyInstaller.utils.hooks import collect_data_files, collect_submodules  # type: ignore[import-untyped, unused-ignore]

hiddenimports = collect_submodules("tracetape.cli")
# Python processes that are started by `tracetape run` load this file, not the program's own copy.
datas = collect_data_files("tracetape", include_py_files=True, includes=["bootstrap/*.py"])
