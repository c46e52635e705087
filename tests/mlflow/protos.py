"""Run by the Python that has MLflow: messages made of traces, and traces read from messages."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from mlflow.entities import Assessment, Trace, TraceInfo, TraceLocation
from mlflow.protos import databricks_tracing_pb2, service_pb2
from mlflow.utils.databricks_tracing_utils import assessment_to_proto, trace_to_proto


def sent(proto: Any) -> str:
    return base64.b64encode(proto.SerializeToString(deterministic=True)).decode()


def told(text: str, data: dict[str, str]) -> dict[str, Any]:
    """MLflow's own bytes of a trace, and what it reads out of ours."""
    trace = Trace.from_json(text)
    location = trace.info.trace_location
    in_catalog = location.uc_schema or location.uc_table_prefix
    file = databricks_tracing_pb2 if in_catalog else service_pb2
    message = file.Trace.FromString(base64.b64decode(data["trace"]))
    place = file.TraceLocation.FromString(base64.b64decode(data["location"]))
    return {
        "trace": sent(trace_to_proto(trace) if in_catalog else trace.to_proto()),
        "assessments": [
            sent(assessment_to_proto(one) if in_catalog else one.to_proto())
            for one in trace.info.assessments
        ],
        "info read": TraceInfo.from_proto(message.trace_info).to_dict(),
        "info": trace.info.to_dict(),
        "spans read": [span.name for span in message.spans],
        "location read": TraceLocation.from_proto(place).to_dict(),
        "location": location.to_dict(),
        "kinds read": [
            type(Assessment.from_proto(one)).__name__ for one in message.trace_info.assessments
        ],
        "kinds": [type(one).__name__ for one in trace.info.assessments],
    }


json.dump([told(one["json"], one) for one in json.load(sys.stdin)], sys.stdout)
