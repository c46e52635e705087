"""The Responses API."""

from __future__ import annotations

from threading import RLock
from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import (
    Failure,
    Request,
    Result,
    failure_of_answer,
    failure_of_error,
    failure_of_page,
    fields_of,
)
from tracetape_openai.model_calls import ModelCall, answer_fields
from tracetape_openai.response_events import ResponseEvents

__all__ = ["CompactedResponses", "Responses", "RetrievedResponses"]

# What a response says of itself that is made in the background: no reason to finish.
_UNFINISHED = frozenset({"queued", "in_progress"})
_MAX_COUNTED = 10_000


class _Counted:
    """Which responses have counted their tokens in this process: the newest thousands."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], None] = {}
        self._lock = RLock()

    def add(self, number: tuple[str, str]) -> bool:
        """Whether it is new."""
        with self._lock:
            is_new = number not in self._numbers
            self._numbers[number] = None
            if len(self._numbers) > _MAX_COUNTED:
                del self._numbers[next(iter(self._numbers))]
        return is_new

    def discard(self, number: tuple[str, str]) -> None:
        """Forget one that begins again, as far as a test's server is concerned."""
        with self._lock:
            self._numbers.pop(number, None)


_counted = _Counted()


class Responses(ModelCall):
    """``POST /responses``, plain and streamed; also of ``client.beta``.

    Shapes: OpenAI's API reference, "The response object". A response that failed, or that came to
    no end, is an error with its reason, though the HTTP call went well.
    """

    resource: ClassVar[str] = "Responses"
    span_type: ClassVar[str] = SpanType.CHAT_MODEL
    content: ClassVar[frozenset[str]] = frozenset({"input"})

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._events = ResponseEvents()
        self._base_url = ""

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes; whose response it is tells it from others with its id."""
        self._base_url = request.base_url
        return super().request(request)

    def chunk(self, chunk: Any) -> None:
        """Take one event."""
        self._events.add(chunk)

    def is_head(self, chunk: Any) -> bool:
        """The events before the first one that says something."""
        return self._events.is_head(chunk)

    def is_end(self, chunk: Any) -> bool:
        """The event that has the whole response."""
        return self._events.is_end(chunk)

    def result(self, body: Any | None) -> Result:
        """The response, its model and usage, and why it is an error."""
        if body is None:
            body = self._events.response()
            result = Result(body, response_fields(body), _failure(body))
            result.error = result.error or self._events.error
            self._count(body, result)
            return result
        read = fields_of(body)  # Google's servers put an error into a list
        if not read:
            return Result(None, error=failure_of_page(body))
        result = Result(None, response_fields(read), _failure(read))
        self._count(read, result)
        return result

    def _count(self, response: dict[str, Any], result: Result) -> None:
        """The call that makes a response counts its tokens, unless it is made in the background."""
        number = (self._base_url, str(response.get("id")))
        if "usage" in result.fields:
            _counted.add(number)
        elif response.get("background"):
            _counted.discard(number)


class RetrievedResponses(Responses):
    """``GET /responses/{id}`` and ``POST /responses/{id}/cancel``.

    Only what was made in the background counts its tokens here, and only once: of all others the
    call that made them has done so.
    """

    def inputs(self, request: Request) -> Any:
        """Which response is asked for."""
        return {"response_id": request.path.split("/")[2], **request.body}

    def _count(self, response: dict[str, Any], result: Result) -> None:
        number = (self._base_url, str(response.get("id")))
        if not response.get("background") or not (
            "usage" in result.fields and _counted.add(number)
        ):
            result.fields.pop("usage", None)


class CompactedResponses(ModelCall):
    """``POST /responses/compact``: a conversation, made shorter by the model."""

    resource: ClassVar[str] = "Responses"
    span_type: ClassVar[str] = SpanType.LLM


def response_fields(response: dict[str, Any]) -> dict[str, Any]:
    """Neutral fields of a response."""
    fields = answer_fields(response)
    reason = _incomplete(response) or response.get("status")
    if reason and isinstance(reason, str) and reason not in _UNFINISHED:
        fields["finish_reasons"] = [reason]
    return fields


def _failure(response: dict[str, Any]) -> Failure | None:
    """Why the response is an error; a limit that it reached is not a failure."""
    status = response.get("status")
    if status == "failed":
        error = response.get("error") or _details(response, "status_details").get("error")
        found = failure_of_error(error) if isinstance(error, dict) else None
        return Failure(f"failed: {found}", found.code) if found else Failure("failed")
    if status == "incomplete":
        reason = _incomplete(response)
        if isinstance(reason, str) and ("max" in reason or "length" in reason):
            return None
        return Failure(f"incomplete: {reason or 'no reason was given'}", reason)
    if status is None:
        return failure_of_answer(response, "output")
    return failure_of_error(response.get("error"))


def _incomplete(response: dict[str, Any]) -> Any:
    reason = _details(response, "incomplete_details").get("reason")
    return reason or _details(response, "status_details").get("reason")  # realtime sessions


def _details(response: dict[str, Any], name: str) -> dict[str, Any]:
    details = response.get(name)
    return details if isinstance(details, dict) else {}
