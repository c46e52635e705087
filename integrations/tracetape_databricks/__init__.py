"""Databricks: serving endpoints, vector search and connections, by whichever client."""

from tracetape.instrument import Integration, Target
from tracetape_databricks.api import wrap_attempt, wrap_do
from tracetape_databricks.deployments import wrap_predict, wrap_predict_stream
from tracetape_databricks.naming import provider
from tracetape_databricks.search_client import wrap_search, wrap_search_async
from tracetape_databricks.tools import wrap_http_request

__all__ = ["INTEGRATION", "provider"]

# The search client's name before 0.7 and since; the old module is a shim of the new one.
_INDEXES = (
    ("databricks.vector_search", "VectorSearchIndex"),
    ("databricks.ai_search", "AISearchIndex"),
)
_DEPLOYMENTS = ("mlflow.deployments.databricks", "DatabricksDeploymentClient")

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
        *(
            target
            for package, name in _INDEXES
            for target in (
                Target(f"{package}.index", name, "similarity_search", wrap_search, True),
                Target(
                    f"{package}.async_index",
                    f"Async{name}",
                    "similarity_search",
                    wrap_search_async,
                    optional=True,
                ),
            )
        ),
        Target(*_DEPLOYMENTS, "predict", wrap_predict, optional=True),
        Target(*_DEPLOYMENTS, "predict_stream", wrap_predict_stream, optional=True),
    ),
)
