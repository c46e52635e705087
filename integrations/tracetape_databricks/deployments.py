"""`mlflow.deployments.get_deploy_client("databricks")`: serving endpoints through MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracetape.instrument import (
    Call,
    Request,
    around,
    around_generator,
    begin_call,
    provider_of,
)
from tracetape_databricks.serving import extractor_of

__all__ = ["wrap_predict", "wrap_predict_stream"]


def _begin(client: Any, given: dict[str, Any], *, stream: bool = False) -> Call | None:
    del client  # its target is "databricks" or a profile's name; no host
    inputs = given.get("inputs")
    body = dict(inputs) if isinstance(inputs, Mapping) else {}  # anything else MLflow refuses
    if stream:
        body["stream"] = True
    path = f"/serving-endpoints/{given.get('endpoint')}/invocations"
    _, base_url = provider_of("", "databricks")
    request = Request(path, body, False, "databricks", base_url)
    return begin_call(extractor_of(body), request, "databricks")


def _answer(call: Call, result: Any) -> Any:
    del call
    return dict(result) if isinstance(result, dict) else result


def _begin_stream(client: Any, given: dict[str, Any]) -> Call | None:
    return _begin(client, given, stream=True)


wrap_predict = around(_begin, _answer)
wrap_predict_stream = around_generator(_begin_stream)
