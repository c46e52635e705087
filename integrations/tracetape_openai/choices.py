"""Answers that are made of choices: chat completions, and completions before them."""

from __future__ import annotations

from typing import Any

from tracetape.instrument import (
    Failure,
    Request,
    Result,
    count_of,
    failure_of_answer,
    failure_of_error,
    failure_of_page,
    failure_of_reasons,
    fields_of,
    items_of,
    merged_counts,
    plain,
    text_of,
)
from tracetape_openai.model_calls import ModelCall, answer_fields

__all__ = ["ChoicesCall"]

_IN_PIECES = frozenset({"usage", "x_groq"})
_LONG = 6  # digits of an index
_MANY = 1000


class ChoicesCall(ModelCall):
    """A call whose answer has choices; a stream continues each by its index."""

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._failed: Failure | None = None  # what came last, in the place of a choice

    def usage_options(self, request: Request) -> dict[str, Any] | None:
        """``stream_options``, unless the user gave some himself."""
        if "stream_options" in request.body:
            return None
        return {"stream_options": {"include_usage": True}}

    def is_hidden(self, chunk: Any) -> bool:
        """The chunk with the usage, which has no choices."""
        return not getattr(chunk, "choices", True) and getattr(chunk, "usage", None) is not None

    def chunk(self, chunk: Any) -> None:
        """Continue the choices by one chunk."""
        data = plain(chunk)
        if isinstance(data, list):  # some servers put one, or an error, into a list
            for one in data:
                self._take(fields_of(one))
        elif isinstance(data, dict):  # else the user asked for something else than chunks
            self._take(data)

    def _take(self, data: dict[str, Any]) -> None:
        data.pop("obfuscation", None)  # it only hides how long a chunk is
        if "choices" not in data:
            self._failed = failure_of_answer(data, "choices") or self._failed
        for choice in items_of(data.pop("choices", None)):
            if isinstance(choice, dict):
                self._failed = None
                self.continue_choice(_index_of(choice), choice)
        # The chunk with the usage has no choices; Databricks sends usage with every chunk; Azure
        # begins and ends with chunks whose id and model are empty.
        for key, value in data.items():
            before = self._head.get(key)
            if key in _IN_PIECES and isinstance(value, dict) and isinstance(before, dict):
                self._head[key] = merged_counts(before, value)
            elif isinstance(value, list) and isinstance(before, list):
                self._head[key] = _together(before, value)
            elif value or key not in self._head:
                self._head[key] = value

    def result(self, body: Any | None) -> Result:
        """The answer, its model, usage and reasons to finish."""
        if body is None:
            if self._failed is not None and not self._choices:
                return Result(self._head, _fields(self._head), self._failed)
            body = {**self._head, **self.rebuilt()}
            fields = _fields(body)
            # An error after a reason to finish is a remark.
            late = None if "finish_reasons" in fields else self._failed
            return Result(body, fields, _failure(body) or late)
        read = fields_of(body)
        if not read:
            return Result(None, error=failure_of_page(body))
        return Result(None, _fields(read), _failure(read))

    def continue_choice(self, index: int, delta: dict[str, Any]) -> None:
        """Take what a chunk says of one choice."""
        raise NotImplementedError

    def rebuilt(self) -> dict[str, Any]:
        """The choices, and what else differs from the head of a chunk."""
        raise NotImplementedError


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    fields = answer_fields(body)
    reasons = [reason for reason in map(_reason, _choices(body)) if reason]
    if reasons:
        fields["finish_reasons"] = reasons
    return fields


def _reason(choice: dict[str, Any]) -> str:
    """Why a choice is finished; some servers put the reason into a list."""
    reason = choice.get("finish_reason")
    return text_of(reason[0] if isinstance(reason, list) and len(reason) == 1 else reason)


def _failure(body: dict[str, Any]) -> Failure | None:
    """Why the answer is an error; a choice's own error says more than its reason to finish."""
    found = failure_of_answer(body, "choices") or failure_of_error(
        fields_of(body.get("x_groq")).get("error")
    )
    for choice in _choices(body):
        found = found or failure_of_error(choice.get("error"))
    return found or failure_of_reasons(map(_reason, _choices(body)))


def _choices(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in items_of(body.get("choices")) if isinstance(one, dict)]


def _together(before: list[Any], new: list[Any]) -> list[Any]:
    """Search results, citations and their like: some servers repeat earlier ones, some do not."""
    if new[: len(before)] == before:
        return new
    if len(before) > _MANY:  # comparing each with each would take long
        return [*before, *new]
    return [*before, *(item for item in new if item not in before)]


def _index_of(choice: dict[str, Any]) -> int:
    """The choice's place, also as a text or ``1.0``; servers that do not count send none."""
    index = choice.get("index")
    if type(index) is int:
        return index
    if isinstance(index, str) and len(index) < _LONG and index.isdecimal():
        return int(index)
    return count_of(index) or 0
