"""Token counts of the providers, in one meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from tracetape.instrument import count_of, items_of, merged_counts

__all__ = ["normalised", "usage_of"]

# Where each count may be, the best place first: chat completions, Responses and images,
# transcriptions; then what other providers call it. A zero gives way to a count further on.
_PLACES: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "prompt_tokens",
        "input_tokens",
        "prompt_eval_count",  # Ollama
        "promptTokenCount",  # Gemini
        "inputTokens",  # Bedrock
    ),
    "output_tokens": (
        "completion_tokens",
        "output_tokens",
        "eval_count",
        "candidatesTokenCount",
        "outputTokens",
    ),
    "total_tokens": ("total_tokens", "totalTokenCount", "totalTokens"),
    "cache_read_input_tokens": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "input_token_details.cached_tokens",
        "prompt_token_details.cached_tokens",
        "cache_read_input_tokens",  # Databricks' Claude endpoints, LiteLLM
        "prompt_cache_hit_tokens",  # DeepSeek
        "cached_tokens",  # Kimi, Together
        "num_cached_tokens",
        "cachedContentTokenCount",
        "cacheReadInputTokens",
    ),
    "cache_creation_input_tokens": (
        "prompt_tokens_details.cache_write_tokens",
        "input_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "prompt_tokens_details.cache_creation_input_tokens",
        "cache_creation_input_tokens",
        "cacheWriteInputTokens",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_token_details.reasoning_tokens",
        "reasoning_tokens",  # Perplexity
        "thoughtsTokenCount",
    ),
    **{
        f"{way}_{kind}_tokens": tuple(f"{place}.{kind}_tokens" for place in places)
        for kind in ("audio", "image")
        for way, places in (
            ("input", ("prompt_tokens_details", "input_tokens_details", "input_token_details")),
            (
                "output",
                ("completion_tokens_details", "output_tokens_details", "output_token_details"),
            ),
        )
    },
}

_KNOWN = frozenset(place for places in _PLACES.values() for place in places)
_OBJECT = (dict, Mapping)  # whether something is an abstract class's is asked last, as it is slow
# MLflow's counts. Of the others a 0 says no more than the provider's own usage, which is kept too,
# and programs of MLflow's compare the whole.
_ALSO_ZERO = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def usage_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's own usage of an answer; empty: it gave none.

    It is that of the answer itself; what that lacks is looked for under Groq's ``x_groq``, in
    the choices, where Kimi has it, and under Gemini's name.
    """
    found: dict[str, Any] = {}
    for choice in items_of(body.get("choices")):
        usage = _object(choice.get("usage")) if isinstance(choice, _OBJECT) else None
        if usage is not None:
            found = _added(found, usage) if found else dict(usage)
    groq = _object(body.get("x_groq"))
    groqs = groq.get("usage") if groq is not None else None
    for given in (body.get("usageMetadata"), groqs, body.get("usage")):
        usage = _object(given)
        if usage is not None:
            found = merged_counts(found, usage)
    return found


def _object(value: Any) -> Mapping[str, Any] | None:
    """An object, or the only one in a list; None: it is something else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, _OBJECT) else None


def normalised(usage: Mapping[str, Any]) -> dict[str, int]:
    """Neutral token counts; what the provider did not say is absent.

    ``input_tokens`` includes cached ones. Field names: OpenAI's API reference, "Usage" of chat
    completions (``prompt_tokens``) and of responses (``input_tokens``), and the references of the
    providers that are named next to the others.

    Returns:
        ``input_tokens``, ``output_tokens``, ``total_tokens``, ``cache_read_input_tokens``,
        ``cache_creation_input_tokens``; and unless they are 0 ``reasoning_tokens``, and of those
        that went in and came out ``input_audio_tokens``, ``input_image_tokens``,
        ``output_audio_tokens``, ``output_image_tokens``.
    """
    said = {place: n for place, n in _counts(usage) if place in _KNOWN}
    found: dict[str, int] = {}
    for name, places in _places_among(tuple(said)):
        count = next(filter(None, map(said.__getitem__, places)), 0)
        if count or name in _ALSO_ZERO:
            found[name] = count
    return found


@lru_cache(maxsize=256)  # a provider's are the same in each answer
def _places_among(said: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The counts that are given, and where."""
    present = (
        (name, tuple(one for one in places if one in said)) for name, places in _PLACES.items()
    )
    return tuple((name, places) for name, places in present if places)


def _counts(usage: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The whole numbers in it, also those that came as ``23.0``, by their place."""
    for key, value in usage.items():
        if isinstance(value, _OBJECT):
            for inner, n in value.items():
                count = count_of(n)
                if count is not None:
                    yield f"{key}.{inner}", count
        elif (count := count_of(value)) is not None:
            yield key, count


def _added(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The usage of two choices: they share the prompt, and each has its own completion."""
    both = merged_counts(first, second)
    for key in ("completion_tokens", "output_tokens"):
        counts = [count_of(one.get(key)) for one in (first, second)]
        if None not in counts:
            both[key] = sum(n for n in counts if n)
    both.pop("total_tokens", None)  # no server has given it
    return both
