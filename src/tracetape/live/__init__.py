"""Spans and traces that are still running."""
