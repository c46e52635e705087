"""PyInstaller's hook for `import tracetape`."""  # noqa: N999 - PyInstaller's name for it

from importlib.metadata import PackageNotFoundError

from PyInstaller.utils.hooks import (  # type: ignore[import-untyped, unused-ignore]
    can_import_module,
    collect_data_files,
    collect_submodules,
    copy_metadata,
)

from tracetape.__pyinstaller import OPTIONAL, PACKAGES, is_wanted

hiddenimports = [
    module for package in PACKAGES for module in collect_submodules(package, filter=is_wanted)
]
hiddenimports += [module for module in OPTIONAL if can_import_module(module)]
datas = [one for package in PACKAGES for one in collect_data_files(package)]
try:
    datas += copy_metadata("tracetape")
except PackageNotFoundError:  # run from a folder of its sources
    pass
