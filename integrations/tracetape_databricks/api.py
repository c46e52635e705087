"""The API of a Databricks workspace, as far as a replay of its clients needs to know it."""

from tracetape.instrument import Api, Variables

__all__ = ["API"]

API = Api(
    endpoints={},  # its clients are called by method, see `tracetape_databricks.serving`
    variables=Variables(
        key="DATABRICKS_TOKEN",
        base_url="DATABRICKS_HOST",
        # Paths of the Databricks REST reference and of the SDK's own discovery.
        beginnings=(
            "/serving-endpoints",
            "/ai-gateway/",  # mlflow/v1, openai/v1 and the others of the gateway
            "/.well-known/databricks-config",
            "/api/2.",
            "/oidc/",
        ),
        # Two ways to log in are an error of the SDK's.
        other_logins=(
            "DATABRICKS_CLIENT_ID",
            "DATABRICKS_USERNAME",
            "DATABRICKS_AUTH_TYPE",
            "DATABRICKS_CONFIG_PROFILE",
            "ARM_CLIENT_ID",
            "GOOGLE_CREDENTIALS",
        ),
    ),
)
