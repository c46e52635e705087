"""Provider naming: whether a base URL is one of a Databricks workspace."""

from __future__ import annotations

__all__ = ["provider"]

# Databricks' REST reference: AWS and Google (…databricks.com), Azure, Databricks Apps.
_HOSTS = (".databricks.com", ".azuredatabricks.net", ".databricksapps.com")
# `databricks.sdk.mixins.open_ai_client` sets <host>/serving-endpoints, whatever the host is;
# databricks-openai also <host>/ai-gateway/mlflow/v1 and <host>/ai-gateway/openai/v1.
_PATHS = ("/serving-endpoints/", "/ai-gateway/")


def provider(host: str, path: str) -> str | None:
    """``databricks`` for the base URL of a workspace's serving endpoints, else None."""
    if host.endswith(_HOSTS) or f"{path}/".startswith(_PATHS):
        return "databricks"
    return None
