"""The methods of Databricks' clients that are wrapped."""

from tracetape.instrument import Integration, Target
from tracetape_databricks.api import API
from tracetape_databricks.api_client import wrap_attempt, wrap_do, wrap_send
from tracetape_databricks.connections import wrap_http_request
from tracetape_databricks.deployments import wrap_predict, wrap_predict_stream
from tracetape_databricks.needs import wrap_http_client
from tracetape_databricks.search_client import search_classes, wrap_search, wrap_search_async

__all__ = ["INTEGRATION"]

_DEPLOYMENTS = ("mlflow.deployments.databricks", "DatabricksDeploymentClient")
_INDEX, _ASYNC_INDEX = search_classes()

INTEGRATION = Integration(
    name="databricks",
    package="databricks.sdk",
    install="pip install databricks-sdk",
    targets=(
        Target("databricks.sdk.core", "ApiClient", "do", wrap_do),
        # Private: where it is missing there are no events of retries.
        Target("databricks.sdk._base_client", "_BaseClient", "_perform", wrap_attempt, True),
        Target(
            "databricks.sdk.mixins.open_ai_client",
            "ServingEndpointsExt",
            "http_request",
            wrap_http_request,
            optional=True,  # not in databricks-sdk before 0.43
        ),
        # Private: where it is missing no error names how to install httpx. The public methods warn
        # of their end with the caller's line, which a wrapper of tracetape would hide.
        Target(
            "databricks.sdk.mixins.open_ai_client",
            "ServingEndpointsExt",
            "_get_authorized_http_client",
            wrap_http_client,
            optional=True,
        ),
        # All clients of Databricks but openai's send by it, and MLflow's deployments.
        Target("requests.sessions", "Session", "send", wrap_send, optional=True),
        Target(*_INDEX, "similarity_search", wrap_search, optional=True),
        Target(*_ASYNC_INDEX, "similarity_search", wrap_search_async, optional=True),
        Target(*_DEPLOYMENTS, "predict", wrap_predict, optional=True),
        Target(*_DEPLOYMENTS, "predict_stream", wrap_predict_stream, optional=True),
    ),
    apis=(API,),
)
