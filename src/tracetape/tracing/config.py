"""MLflow's place for what `configure` has set."""

from __future__ import annotations

from tracetape.tracing.configuration import TracingConfig, get_config

__all__ = ["TracingConfig", "get_config"]
