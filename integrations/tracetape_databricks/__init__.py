"""Databricks: how its serving endpoints are told from other OpenAI-compatible ones."""

from tracetape_databricks.naming import provider

__all__ = ["provider"]
