"""Token counts of the providers, in one meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["normalised"]


def normalised(usage: Mapping[str, Any]) -> dict[str, int]:
    """Neutral token counts; what the provider did not say is absent.

    ``input_tokens`` includes cached ones. Field names: OpenAI's API reference, "Usage" of chat
    completions (``prompt_tokens``) and of responses (``input_tokens``); the cache fields beside
    them are those of Databricks' Claude endpoints, which have Anthropic's names.
    """
    read = _first(
        _inside(usage, "prompt_tokens_details", "cached_tokens"),
        _inside(usage, "input_tokens_details", "cached_tokens"),
        usage.get("cache_read_input_tokens"),
    )
    counts = {
        "input_tokens": _first(usage.get("prompt_tokens"), usage.get("input_tokens")),
        "output_tokens": _first(usage.get("completion_tokens"), usage.get("output_tokens")),
        "total_tokens": usage.get("total_tokens"),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": usage.get("cache_creation_input_tokens"),
        "reasoning_tokens": _first(
            _inside(usage, "completion_tokens_details", "reasoning_tokens"),
            _inside(usage, "output_tokens_details", "reasoning_tokens"),
        ),
    }
    return {kind: n for kind, n in counts.items() if isinstance(n, int)}


def _inside(usage: Mapping[str, Any], group: str, name: str) -> Any:
    details = usage.get(group)
    return details.get(name) if isinstance(details, Mapping) else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
