"""Traces leave over OTLP."""

from tracetape.otlp.export import otlp_exporter, send, workspace_exporter

__all__ = ["otlp_exporter", "send", "workspace_exporter"]
