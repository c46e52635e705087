"""Token counts of the providers, in one meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["normalised"]

# Neutral names by the providers'; where both of a pair are said, the first one is right.
_COUNTS = {
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cache_creation_input_tokens": "cache_creation_input_tokens",
}
_SECOND = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    }
)
_INPUT = {
    "cached_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
    "audio_tokens": "input_audio_tokens",
    "image_tokens": "input_image_tokens",
}
_OUTPUT = {
    "reasoning_tokens": "reasoning_tokens",
    "audio_tokens": "output_audio_tokens",
    "image_tokens": "output_image_tokens",
}
# Where OpenAI's endpoints say more of the tokens that go in, and of those that come out: chat
# completions, Responses (and images), transcriptions.
_DETAILS = {
    "prompt_tokens_details": _INPUT,
    "input_tokens_details": _INPUT,
    "input_token_details": _INPUT,
    "completion_tokens_details": _OUTPUT,
    "output_tokens_details": _OUTPUT,
    "output_token_details": _OUTPUT,
}


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
    counts: dict[str, int] = {}
    for key, value in usage.items():
        if isinstance(value, int):
            name = _COUNTS.get(key)
            if name is None or (key in _SECOND and name in counts):
                continue
            counts[name] = value
        elif key in _DETAILS and isinstance(value, Mapping):
            kinds = _DETAILS[key]
            for kind, n in value.items():
                if kind in kinds and isinstance(n, int):
                    counts[kinds[kind]] = n
    return counts
