"""Answers as a generated SDK gives them: models, and objects that have the HTTP response."""

from __future__ import annotations

from typing import Any

from tracetape.capture.encoding import holds_odd_float
from tracetape.instrument.copying import copied

__all__ = ["json_of", "response_of"]

# What `parse()` adds to an answer: objects of the user's own models, whose serialisers are his.
_PARSED: dict[str, Any] = {
    "choices": {
        "__all__": {
            "message": {
                "parsed": True,
                "tool_calls": {"__all__": {"function": {"parsed_arguments": True}}},
            }
        }
    },
    "output": {"__all__": {"parsed_arguments": True, "content": {"__all__": {"parsed": True}}}},
}
_NEVER_NUMBERS = tuple(
    f'"{name}":null'.encode()
    for name in ("refusal", "logprobs", "content", "audio", "function_call", "tool_calls")
)


def json_of(result: Any) -> Any:
    """A model's JSON as it came: what the provider left unsaid stays unsaid."""
    serializer = getattr(type(result), "__pydantic_serializer__", None)
    if serializer is None:
        return result
    how: dict[str, Any] = {"exclude_unset": True, "by_alias": True, "warnings": False}
    if type(result).__name__.startswith("Parsed"):
        how["exclude"] = _PARSED
    try:
        data: bytes = serializer.to_json(result, **how)
        # pydantic writes NaN and infinities as null, which most answers have where no text is.
        nulls = data.count(b"null")
        if nulls <= sum(map(data.count, _NEVER_NUMBERS)) or not holds_odd_float(result):
            return data
    except ValueError:  # pydantic's, for text that is not UTF-8, such as a lone surrogate
        pass
    try:
        return serializer.to_python(result, **how)
    except Exception:  # noqa: BLE001 - 255 levels, half a character in a name
        return copied(result)


def response_of(result: Any) -> Any:
    """The HTTP response in a raw or binary answer or in a user's own kind of stream; or None."""
    for name in ("http_response", "response"):
        response = getattr(result, name, None)
        if response is not None:
            return response
    return result if hasattr(result, "iter_raw") else None  # he asked for just that
