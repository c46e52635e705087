"""In a notebook, a job or an app of Databricks traces say where they were made.

The runtime's module is not to be had outside Databricks; its stand-in has the attributes that
``mlflow.utils.databricks_utils`` reads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

PROGRAM = """
import json, sys, types
import tracetape

if {context!r} is not None:
    package = types.ModuleType("dbruntime")
    module = types.ModuleType("dbruntime.databricks_repl_context")
    module.get_context = lambda: types.SimpleNamespace(**{context!r})
    sys.modules.update({{package.__name__: package, module.__name__: module}})
with tracetape.start_span("work") as span:
    pass
metadata = tracetape.get_trace(span.trace_id).info.trace_metadata
assert tracetape.flush_trace_async_logging() is None
assert tracetape.get_trace(span.trace_id).info.trace_metadata == metadata  # and in the store
print(json.dumps({{key: value for key, value in metadata.items() if "databricks" in key}}))
"""
RUNTIME = {"DATABRICKS_RUNTIME_VERSION": "17.3"}
NOTEBOOK = {
    "notebookId": "123",
    "notebookPath": "/Users/me/agent",
    "workspaceId": "45",
    "browserHostName": "dbc-1.cloud.databricks.com",
    "jobId": None,
}
JOB = {"jobId": "7", "idInJob": "8", "jobTaskType": "NOTEBOOK", "workspaceId": "45"}


@pytest.mark.parametrize(
    ("environment", "context", "metadata"),
    [
        pytest.param(
            RUNTIME,
            NOTEBOOK,
            {
                "mlflow.databricks.notebookID": "123",
                "mlflow.databricks.notebookPath": "/Users/me/agent",
                "mlflow.databricks.workspaceID": "45",
                "mlflow.databricks.workspaceURL": "https://dbc-1.cloud.databricks.com",
            },
            id="notebook",
        ),
        pytest.param(
            RUNTIME,
            JOB,
            {
                "mlflow.databricks.workspaceID": "45",
                "mlflow.databricks.jobID": "7",
                "mlflow.databricks.jobRunID": "8",
                "mlflow.databricks.jobType": "NOTEBOOK",
            },
            id="job",
        ),
        pytest.param(
            {
                "DATABRICKS_APP_NAME": "chat",
                "DATABRICKS_HOST": "https://dbc-1.cloud.databricks.com",
                "DATABRICKS_WORKSPACE_ID": "45",
                "DATABRICKS_CLIENT_SECRET": "no",
            },
            None,
            {
                "tracetape.databricks.app": "chat",
                "mlflow.databricks.workspaceID": "45",
                "mlflow.databricks.workspaceURL": "https://dbc-1.cloud.databricks.com",
            },
            id="app",
        ),
        pytest.param(RUNTIME, None, {}, id="a runtime that says nothing"),
        pytest.param({"DATABRICKS_HOST": "https://x"}, NOTEBOOK, {}, id="elsewhere"),
    ],
)
def test_traces_say_where_they_were_made(
    environment: dict[str, str],
    context: dict[str, str | None] | None,
    metadata: dict[str, str],
    run_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """As metadata with MLflow's names; a login in the environment is none of it."""
    program = PROGRAM.format(context=context)
    done = run_command([sys.executable, "-c", program], {"PATH": "", **environment})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == metadata
