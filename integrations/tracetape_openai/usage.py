"""Token counts of the providers, in one meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["normalised"]

# Where OpenAI's endpoints say more of the tokens that go in, and of those that come out: chat
# completions, Responses (and images), transcriptions.
_INPUT = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT = ("completion_tokens_details", "output_tokens_details", "output_token_details")


def normalised(usage: Mapping[str, Any]) -> dict[str, int]:
    """Neutral token counts; what the provider did not say is absent.

    ``input_tokens`` includes cached ones. Field names: OpenAI's API reference, "Usage" of chat
    completions (``prompt_tokens``) and of responses (``input_tokens``); the cache fields beside
    them are those of Databricks' Claude endpoints, which have Anthropic's names.

    Returns:
        ``input_tokens``, ``output_tokens``, ``total_tokens``, ``cache_read_input_tokens``,
        ``cache_creation_input_tokens``, ``reasoning_tokens``, and of those that went in and came
        out ``input_audio_tokens``, ``input_image_tokens``, ``output_audio_tokens``,
        ``output_image_tokens``.
    """
    inner, outer = _details(usage, _INPUT), _details(usage, _OUTPUT)
    counts = {
        "input_tokens": _first(usage.get("prompt_tokens"), usage.get("input_tokens")),
        "output_tokens": _first(usage.get("completion_tokens"), usage.get("output_tokens")),
        "total_tokens": usage.get("total_tokens"),
        "cache_read_input_tokens": _first(
            inner.get("cached_tokens"), usage.get("cache_read_input_tokens")
        ),
        "cache_creation_input_tokens": _first(
            inner.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")
        ),
        "reasoning_tokens": outer.get("reasoning_tokens"),
        "input_audio_tokens": inner.get("audio_tokens"),
        "input_image_tokens": inner.get("image_tokens"),
        "output_audio_tokens": outer.get("audio_tokens"),
        "output_image_tokens": outer.get("image_tokens"),
    }
    return {kind: n for kind, n in counts.items() if isinstance(n, int)}


def _details(usage: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    for name in names:
        details = usage.get(name)
        if isinstance(details, Mapping):
            return details
    return {}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
