"""`mlflow.deployments.get_deploy_client("databricks")`: serving endpoints through MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tracetape.instrument import (
    Call,
    Request,
    around,
    begin_call,
    begin_guarded,
    calling,
    parameters,
    provider_of,
)
from tracetape_databricks.serving import extractor_of

__all__ = ["wrap_predict", "wrap_predict_stream"]


def _begin(client: Any, given: dict[str, Any], *, stream: bool = False) -> Call | None:
    del client  # its target is "databricks" or a profile's name; no host
    inputs = given.get("inputs")
    body = dict(inputs) if isinstance(inputs, Mapping) else {}  # anything else MLflow refuses
    if stream:
        body["stream"] = True
    path = f"/serving-endpoints/{given.get('endpoint')}/invocations"
    _, base_url = provider_of("", "databricks")
    request = Request(path, body, False, "databricks", base_url)
    return begin_call(extractor_of(body), request, "databricks")


def _answer(call: Call, result: Any) -> Any:
    del call
    return dict(result) if isinstance(result, dict) else result


def wrap_predict_stream(
    original: Callable[..., Iterator[Any]], is_on: Callable[[], bool]
) -> Callable[..., Iterator[Any]]:
    """A generator function, and so is what stands for it: nothing is sent before the first step."""
    names = parameters(original)

    def predict_stream(client: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        call = None
        if is_on():
            call = begin_guarded(
                lambda owner, given: _begin(owner, given, stream=True), names, client, args, kwargs
            )
        chunks = original(client, *args, **kwargs)
        if call is None:
            return (yield from chunks)
        call.streaming()
        try:
            while True:
                before = calling.get()
                calling.set(call)  # around each step only: in between the program goes on
                try:
                    chunk = next(chunks)
                except StopIteration:
                    break
                finally:
                    calling.set(before)
                call.chunk(chunk)
                yield chunk
        except GeneratorExit:
            call.ended("closed")
            raise
        except BaseException as exception:
            call.failed(exception)
            raise
        call.ended("exhausted")
        return None

    return predict_stream


wrap_predict = around(_begin, _answer)
