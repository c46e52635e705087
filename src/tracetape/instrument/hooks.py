"""Private hooks of generated SDKs: what a call of `request` does meanwhile.

They are in every version from 1.0 of openai on. Without the first, `traceparent` is not sent, and
keys that only the HTTP client knows are not looked for; without the second an answer is read from
the SDK's object; without the others there are no events of retries.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tracetape.instrument.call import calling

__all__ = ["PRIVATE_HOOKS"]


def _wrap_should_retry(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def should_retry(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        call = calling.get()
        if answer and call is not None and is_on():
            response = args[1] if len(args) > 1 else kwargs.get("response")
            call.refused(getattr(response, "status_code", None))
        return answer

    return should_retry


def _wrap_retry_timeout(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def calculate_retry_timeout(*args: Any, **kwargs: Any) -> Any:
        wait = original(*args, **kwargs)
        call = calling.get()
        if call is not None and is_on():
            call.retried(wait)
        return wait

    return calculate_retry_timeout


def _wrap_build_request(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def build_request(*args: Any, **kwargs: Any) -> Any:
        request = original(*args, **kwargs)
        call = calling.get()
        if call is not None and is_on():
            call.builds(request, args[1] if len(args) > 1 else kwargs.get("options"))
        return request

    return build_request


def _wrap_process_response(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def note(kwargs: dict[str, Any]) -> None:
        call = calling.get()
        if call is not None and is_on():
            call.response = kwargs.get("response")

    # Of async clients; not yet in openai 1.0.
    if inspect.iscoroutinefunction(inspect.unwrap(original)):

        async def process_response_async(*args: Any, **kwargs: Any) -> Any:
            note(kwargs)
            return await original(*args, **kwargs)

        return process_response_async

    def process_response(*args: Any, **kwargs: Any) -> Any:
        note(kwargs)
        return original(*args, **kwargs)

    return process_response


PRIVATE_HOOKS = {
    "_build_request": _wrap_build_request,
    "_process_response": _wrap_process_response,
    "_should_retry": _wrap_should_retry,
    "_calculate_retry_timeout": _wrap_retry_timeout,
}
