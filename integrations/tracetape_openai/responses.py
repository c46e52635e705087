"""The Responses API."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Failure, Request, Result, failure_of_answer, failure_of_error
from tracetape_openai.model_call import ModelCall, answer_fields
from tracetape_openai.response_events import ResponseEvents

__all__ = ["CompactedResponses", "Responses", "RetrievedResponses"]


class Responses(ModelCall):
    """``POST /responses``, plain and streamed; also of ``client.beta``.

    Shapes: OpenAI's API reference, "The response object". A response that failed, or that came to
    no end, is an error with its reason, though the HTTP call went well.
    """

    resource: ClassVar[str] = "Responses"
    span_type: ClassVar[str] = SpanType.CHAT_MODEL
    content: ClassVar[frozenset[str]] = frozenset({"input"})

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._events = ResponseEvents()

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
        """The response, its model and usage, and why it is none."""
        if body is None:
            body = self._events.response()
            result = Result(body, response_fields(body), _failure(body))
            result.error = result.error or self._events.error
            return result
        if not isinstance(body, dict):
            return Result(None)
        return Result(None, response_fields(body), _failure(body))


class RetrievedResponses(Responses):
    """``GET /responses/{id}`` and ``POST /responses/{id}/cancel``.

    Only what was made in the background counts its tokens here: of all others the call that made
    them has done so.
    """

    def inputs(self, request: Request) -> Any:
        """Which response is asked for."""
        return {"response_id": request.path.split("/")[2], **request.body}

    def result(self, body: Any | None) -> Result:
        """The response, as it is now."""
        result = super().result(body)
        response = result.outputs if body is None else body
        if not (isinstance(response, dict) and response.get("background")):
            result.fields.pop("usage", None)
        return result


class CompactedResponses(ModelCall):
    """``POST /responses/compact``: a conversation, made shorter by the model."""

    resource: ClassVar[str] = "Responses"
    span_type: ClassVar[str] = SpanType.LLM


def response_fields(response: dict[str, Any]) -> dict[str, Any]:
    """What a response says of itself."""
    fields = answer_fields(response)
    reason = _incomplete(response) or response.get("status")
    if reason and isinstance(reason, str):
        fields["finish_reasons"] = [reason]
    return fields


def _failure(response: dict[str, Any]) -> Failure | None:
    """Why the response is none; a limit that it reached is no failure."""
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
