"""Found by the Python processes that a `tracetape run` starts: traces them, too.

It takes the place of the user's own `sitecustomize`, which is therefore run first.
"""

import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_elsewhere = [path for path in sys.path if os.path.abspath(path or os.curdir) != _here]
_spec = importlib.machinery.PathFinder.find_spec("sitecustomize", _elsewhere)
if _spec is not None and _spec.loader is not None:
    _module = importlib.util.module_from_spec(_spec)
    sys.modules["sitecustomize"] = _module
    _spec.loader.exec_module(_module)

_off = os.environ.get("TRACETAPE_DISABLED", "").lower() in ("1", "true", "yes")
if os.environ.get("TRACETAPE_AUTOLOG") == "1" and not _off:
    try:
        import tracetape

        tracetape.autolog()
    except Exception as error:  # noqa: BLE001 - a child must start whatever is wrong with us
        sys.stderr.write(f"tracetape: this process is not traced: {error!r}\n")
