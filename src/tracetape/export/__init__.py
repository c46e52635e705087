"""Traces leave over OTLP."""

from tracetape.export.otlp import otlp_exporter, send, workspace_exporter

__all__ = ["otlp_exporter", "send", "workspace_exporter"]
