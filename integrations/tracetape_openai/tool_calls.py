"""Which call of a tool a streamed part belongs to, whatever the server tells of its identity.

OpenAI's own parts have an index, and the first one of each call an id, a type and a name. Others
leave the index out (Mistral's older models), give all calls the same one (Gemini, Ollama), a new id
to each part (vLLM), no ids at all (llama.cpp), or send the name in pieces, or in each part. So the
all of these together make the identity, and arguments that are whole JSON end a call.
"""

from __future__ import annotations

from typing import Any

from tracetape.instrument import Text, parsed_json

__all__ = ["in_order", "is_repeated", "place_of", "whole_name"]


def place_of(calls: list[Any], part: dict[str, Any], known: int) -> int | None:
    """The place in `calls` of the one that `part` continues; None: it begins a new one.

    Args:
        calls: those so far.
        part: what comes now.
        known: how many calls there were before this delta, which may have several parts.
    """
    found = _candidate(calls, part)
    if found is None or _begins(calls[found], part, is_same_delta=found >= known):
        return None
    return found


def in_order(calls: list[Any]) -> list[Any]:
    """The calls as a plain answer has them: by their numbers, if each has its own, and without."""
    numbers = [call.get("index") if isinstance(call, dict) else None for call in calls]
    if all(type(n) is int for n in numbers) and len(set(numbers)) == len(numbers):
        calls = sorted(calls, key=lambda call: call["index"])
    return [
        {key: value for key, value in call.items() if key != "index"}
        if isinstance(call, dict)
        else call
        for call in calls
    ]


def whole_name(function: dict[str, Any], part: str) -> str:
    """The name with what `part` adds: the rest of it, all of it again, or nothing."""
    before = function.get("name") or ""
    if not isinstance(before, str) or part.startswith(before):
        return part
    return before if not part or _text(function.get("arguments")) else before + part


def is_repeated(function: dict[str, Any], arguments: Any) -> bool:
    """Whether `arguments` are those that came already, whole, once more."""
    before = function.get("arguments")
    return bool(arguments) and _is_whole(before) and arguments in (before, _text(before))


def _candidate(calls: list[Any], part: dict[str, Any]) -> int | None:
    index, number = part.get("index"), part.get("id")
    places = [n for n in range(len(calls) - 1, -1, -1) if isinstance(calls[n], dict)]
    same_id = [n for n in places if number and calls[n].get("id") == number]
    if index is None:
        return next(iter(same_id or places), None)
    same_index = [n for n in places if calls[n].get("index") == index]
    both = [n for n in same_id if n in same_index or calls[n].get("index") is None]
    if both or same_index:
        return (both or same_index)[0]
    # A new index with an id that is known and without a name: the server counts parts, not calls.
    return same_id[0] if same_id and not _function(part).get("name") else None


def _begins(call: dict[str, Any], part: dict[str, Any], *, is_same_delta: bool) -> bool:
    """Whether `part` is of another call than this one, which it would continue by its index."""
    if part.get("id") and part["id"] == call.get("id"):
        return False
    if part.get("type") and call.get("type") and part["type"] != call["type"]:
        return True
    has_new_id = bool(part.get("id") and call.get("id"))
    before, now = _function(call), _function(part)
    arguments = before.get("arguments")
    is_whole = _is_whole(arguments)
    if not (now.get("name") and before.get("name")):
        return is_whole and has_new_id and bool(now.get("arguments"))
    if now["name"] == before["name"]:
        if is_whole:
            return has_new_id or bool(now.get("arguments"))
        return has_new_id and (is_same_delta or part.get("index") is None)
    # Another name: the rest of one that comes in pieces, unless anything else says otherwise.
    # A call with an id is not followed by one without at the same index.
    is_numbered = bool(call.get("id")) and part.get("index") is not None and not part.get("id")
    has_arguments = bool(_text(arguments)) or (bool(now.get("arguments")) and not is_numbered)
    return has_arguments or has_new_id or is_same_delta


def _function(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function") or call.get("custom")
    return function if isinstance(function, dict) else {}


def _text(arguments: Any) -> Any:
    return "".join(arguments) if isinstance(arguments, Text) else arguments


def _is_whole(arguments: Any) -> bool:
    text = _text(arguments)
    if not isinstance(text, str):
        return isinstance(text, dict)
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return False
    return parsed_json(text, None) is not None
