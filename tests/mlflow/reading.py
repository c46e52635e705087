"""What MLflow reads out of a trace's JSON; runs where MLflow is, without tracetape.

As a program: the texts of traces as a JSON list on the standard input, what was read as one on the
output. Given a folder, it reads the traces in it, and writes what was read beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SPAN = (
    "trace_id",
    "span_id",
    "parent_id",
    "name",
    "span_type",
    "start_time_ns",
    "end_time_ns",
    "inputs",
    "outputs",
    "attributes",
    "model_name",
    "llm_cost",
    "description",
    "log_level",
)
INFO = (
    "trace_id",
    "request_id",
    "request_time",
    "timestamp_ms",
    "state",
    "request_preview",
    "response_preview",
    "client_request_id",
    "execution_duration",
    "execution_time_ms",
    "trace_metadata",
    "request_metadata",
    "tags",
    "experiment_id",
    "token_usage",
    "cost",
)


def plain(trace: Any) -> dict[str, Any]:
    """The values of a trace of MLflow's or of ours, through the names that both have."""
    return {
        "info": {name: getattr(trace.info, name, None) for name in INFO},
        "assessments": [
            [each.name, each.value, each.source.source_type, each.rationale, each.create_time_ms]
            for each in getattr(trace.info, "assessments", None) or []
        ],
        "request": trace.data.request,
        "response": trace.data.response,
        "spans": [_span(span) for span in trace.data.spans],
    }


def read(text: str) -> dict[str, Any]:
    """What MLflow reads out of the JSON of one trace."""
    from mlflow.entities import Trace

    trace = Trace.from_json(text)
    # What it writes itself it must be able to read again.
    assert plain(Trace.from_json(trace.to_json())) == plain(trace)
    return json.loads(json.dumps(plain(trace)))


def _span(span: Any) -> dict[str, Any]:
    values = {name: getattr(span, name, None) for name in SPAN}
    # As OpenTelemetry has it, of which MLflow makes use: a description is an error's.
    code = str(span.status.status_code.value)
    values["status"] = [code, span.status.description if code == "ERROR" else ""]
    values["events"] = [
        [event.name, event.timestamp, _listed(event.attributes)] for event in span.events
    ]
    values["links"] = [
        [link.trace_id, link.span_id, link.attributes] for link in getattr(span, "links", [])
    ]
    return values


def _listed(attributes: dict[str, Any]) -> dict[str, Any]:
    # OpenTelemetry makes tuples of sequences.
    return {key: list(v) if isinstance(v, tuple) else v for key, v in attributes.items()}


def read_folder(folder: Path) -> None:
    """Read the traces that `make_data.py` made."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("mlflow_*.json"))}
    done = {name: read(text) for name, text in texts.items()}
    (folder / "read.json").write_text(json.dumps(done, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        read_folder(Path(sys.argv[1]))
    else:
        json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
