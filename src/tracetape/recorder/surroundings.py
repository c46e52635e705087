"""Where a program runs: on Databricks its traces say in which notebook, job or app.

Names are those of MLflow's tags (``mlflow.utils.mlflow_tags``), sources those of
``mlflow.utils.databricks_utils``: the attributes of ``dbruntime.databricks_repl_context``, and for
apps the environment variables of Databricks' reference, "Databricks Apps environment".
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from tracetape._lazy import loading

__all__ = ["look_around", "whereabouts"]

_OF_CONTEXT = {
    "mlflow.databricks.notebookID": "notebookId",
    "mlflow.databricks.notebookPath": "notebookPath",
    "mlflow.databricks.workspaceID": "workspaceId",
    "mlflow.databricks.cluster.id": "clusterId",
    "mlflow.databricks.jobID": "jobId",
    "mlflow.databricks.jobRunID": "idInJob",
    "mlflow.databricks.jobType": "jobTaskType",
}
_OF_APP = {
    "mlflow.databricks.workspaceID": "DATABRICKS_WORKSPACE_ID",
    "mlflow.databricks.workspaceURL": "DATABRICKS_HOST",
    "tracetape.databricks.app": "DATABRICKS_APP_NAME",
}
_WORKSPACE_URL = "mlflow.databricks.workspaceURL"

_found: dict[str, str] = {}


def whereabouts() -> dict[str, str]:
    """Metadata of each trace that this process makes; not to be changed."""
    return _found


def look_around() -> None:
    """Find out; on a thread of the user's, whose notebook it is."""
    _found.clear()
    if os.environ.get("DATABRICKS_APP_NAME"):
        _found.update({key: os.environ.get(name, "") for key, name in _OF_APP.items()})
    elif os.environ.get("DATABRICKS_RUNTIME_VERSION"):
        context = _context()
        _found.update({key: _text(context, name) for key, name in _OF_CONTEXT.items()})
        _found[_WORKSPACE_URL] = _text(context, "browserHostName") or _text(context, "workspaceUrl")
    if url := _found.get(_WORKSPACE_URL):
        _found[_WORKSPACE_URL] = url if "://" in url else f"https://{url}"
    for key in [key for key, value in _found.items() if not value]:
        del _found[key]


def _context() -> Any:
    """The runtime's own, or None in a cluster's program that has none."""
    name = "dbruntime.databricks_repl_context"
    try:
        with loading:
            module = sys.modules.get(name) or import_module(name)
        return module.get_context()
    except Exception:  # noqa: BLE001 - the runtime's code, of which no version is ours to test
        return None


def _text(context: Any, name: str) -> str:
    value = getattr(context, name, None)
    return "" if value is None else str(value)
