"""The outcome that an answer reports, in one meaning for every endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Failure",
    "failure_of_answer",
    "failure_of_error",
    "failure_of_page",
    "failure_of_reasons",
]

_MAX_CODE = 64
# Reasons to finish that tell of a failure, or of content that was filtered. Reaching a limit
# (length, max_tokens, max_output_tokens, model_context_window_exceeded …) is not a failure.
_FAILED = frozenset(
    {
        "abort",  # vLLM, SGLang
        "blocklist",  # Gemini, as are the next ones in capitals
        "content_filter",  # OpenAI, Azure, Mistral
        "content_filtered",  # Bedrock
        "error",  # OpenRouter, Mistral
        "error_toxic",  # Cohere
        "failed",
        "guardrail_intervened",  # Bedrock
        "image_safety",
        "insufficient_system_resource",  # DeepSeek
        "malformed_function_call",
        "network_error",  # Z.ai
        "prohibited_content",
        "recitation",
        "refusal",  # Anthropic
        "safety",
        "sensitive",  # Z.ai
        "spii",
    }
)
# Where services that answer an error with status 200 say what is wrong, without an answer.
_MESSAGES = ("message", "detail", "error_msg", "msg", "status_msg")
_CODES = ("code", "error_code", "status_code", "type")


class Failure(str):
    """Why an answer is an error, as the description of a span's status.

    Attributes:
        code: the provider's short name or number of it; None: it gave none.
    """

    __slots__ = ("code",)

    code: str | None

    def __new__(cls, why: str, code: Any = None) -> Self:
        """`why` as it is; a `code` that is long is text of somebody's, and left out."""
        failure = super().__new__(cls, why)
        is_short = isinstance(code, (str, int)) and not isinstance(code, bool)
        failure.code = str(code) if is_short and 0 < len(str(code)) <= _MAX_CODE else None
        return failure


def failure_of_error(error: Any) -> Failure | None:
    """The failure that an ``error`` in an answer reports; None: there is none."""
    if not error:
        return None
    if isinstance(error, list):  # of several, the first
        return failure_of_error(error[0])
    if not isinstance(error, Mapping):
        return Failure(str(error))
    inner = error.get("error")
    if inner and not error.get("message"):
        return failure_of_error(inner)
    code = next((error[key] for key in _CODES if error.get(key)), None)
    message = next((error[key] for key in _MESSAGES if error.get(key)), None)
    said = [str(part) for part in (code, message) if part]
    return Failure(": ".join(said) or "an error without a message", code)


def failure_of_answer(body: Mapping[str, Any], content: str) -> Failure | None:
    """The error that an answer with status 200 is; None: it is an answer.

    Args:
        body: the answer.
        content: the key of what was asked for. Where it is missing, a message is taken for an
            error: ``{"detail": …}``, ``{"object": "error", "message": …}``.
    """
    error = failure_of_error(body.get("error"))
    if error:
        return error
    if body.get(content):
        return None
    inner = body.get("base_resp")  # MiniMax
    if isinstance(inner, Mapping) and inner.get("status_code"):
        return failure_of_error(inner)
    named = body.get("object") == "error" or body.get("error_code") or content not in body
    if not (named or body[content] is None):
        return None
    if any(isinstance(body.get(key), str) and body[key] for key in _MESSAGES):
        return failure_of_error(body)
    details = body.get("detail")
    if details and isinstance(details, list):  # FastAPI's: one for each bad field
        said = [one.get("msg") if isinstance(one, Mapping) else one for one in details]
        return Failure("; ".join(str(one) for one in said if one) or "an error in the request")
    errors = body.get("errors")
    if not details and errors and isinstance(errors, list):  # Cloudflare's
        return failure_of_error(errors[0])
    return failure_of_error(details)


def failure_of_page(answer: Any) -> Failure | None:
    """The failure that a page (HTML, XML) in the place of a model's JSON is: a proxy's, mostly."""
    if isinstance(answer, str) and answer.lstrip("\ufeff \t\r\n").startswith("<"):
        return Failure("the server sent a page in the place of an answer")
    return None


def failure_of_reasons(reasons: Iterable[Any]) -> Failure | None:
    """The first reason to finish that tells of a failure or of filtered content."""
    for reason in reasons:
        # Gemini's says which filter: "content_filter: SAFETY".
        if isinstance(reason, str) and reason.partition(":")[0].strip().lower() in _FAILED:
            return Failure(reason, reason.partition(":")[0].strip())
    return None
