"""Databricks: serving endpoints, vector search and connections, by whichever client."""
