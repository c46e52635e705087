"""Streams made of answers: server-sent events whose sum, for an SDK, is the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracetape.instrument import data_event

__all__ = ["chat_events", "completion_events", "response_events"]

# They come whole in one delta; all other strings of a message are continued.
_WHOLE = frozenset({"role", "name", "id", "type"})
_RESPONSE_ENDS = frozenset({"completed", "incomplete", "failed"})

# A text to be given in parts, and the event of one part.
_Step = dict[str, Any]


class _Text:
    """A string that may come in any number of events; the first may say more than the others."""

    def __init__(
        self,
        text: str,
        event: dict[str, Any],
        *path: str | int,
        first: dict[str, Any] | None = None,
    ) -> None:
        self._text, self._event, self._path = text, event, path
        self._first = event if first is None else first

    def events(self, number: int) -> Iterator[dict[str, Any]]:
        """Give the string in `number` parts, some of them empty if it is short."""
        size = len(self._text)
        for at in range(number):
            part = self._text[size * at // number : size * (at + 1) // number]
            yield _with(self._event if at else self._first, self._path, part)


def chat_events(answer: Mapping[str, Any], asked: Mapping[str, Any], count: int) -> list[bytes]:
    """The chunks of a chat completion, as OpenAI's API reference has them.

    Args:
        answer: the completion, in the shape of the plain answer.
        asked: the request's body.
        count: how many chunks there were; texts are divided so that there are as many again.
    """
    head = {key: value for key, value in answer.items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    steps: list[_Step | _Text] = []
    for choice in answer.get("choices") or ():
        steps += _message(head, choice)
    return [*_chunks(head, steps, answer, asked, count)]


def completion_events(
    answer: Mapping[str, Any], asked: Mapping[str, Any], count: int
) -> list[bytes]:
    """The chunks of a text completion; arguments as of `chat_events`."""
    head = {key: value for key, value in answer.items() if key not in ("choices", "usage")}
    steps: list[_Step | _Text] = []
    for choice in answer.get("choices") or ():
        index = choice.get("index", 0)
        begun = {**head, "choices": [{"index": index, "text": "", "finish_reason": None}]}
        steps.append(_Text(str(choice.get("text") or ""), begun, "choices", 0, "text"))
        rest = {key: value for key, value in choice.items() if key != "text"}
        if choice.get("finish_reason") is not None:
            steps.append({**head, "choices": [{**rest, "index": index, "text": ""}]})
    return [*_chunks(head, steps, answer, asked, count)]


def response_events(answer: Mapping[str, Any], count: int) -> list[bytes]:
    """The events of a response, as OpenAI's API reference, "Streaming events", has them.

    A response that did not come to its end has no last event, and its last item none either.
    """
    status = answer.get("status")
    is_whole = status in _RESPONSE_ENDS
    begun = {**answer, "output": [], "status": "in_progress" if is_whole else status}
    if is_whole:
        begun["usage"] = None
    begun = {key: value for key, value in begun.items() if key in answer}
    steps: list[_Step | _Text] = [{"type": "response.created", "response": begun}]
    items = answer.get("output") or []
    for index, item in enumerate(items):
        is_done = is_whole or index + 1 < len(items) or item.get("status") == "completed"
        steps += _item(item, index, is_done=is_done)
    if is_whole:
        steps.append({"type": f"response.{status}", "response": dict(answer)})
    found = []
    for number, event in enumerate(_spread(steps, count)):
        found.append(_named({**event, "sequence_number": number}))
    return found


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %b\n%b" % (event["type"].encode(), data_event(event))


def _chunks(
    head: dict[str, Any],
    steps: list[_Step | _Text],
    answer: Mapping[str, Any],
    asked: Mapping[str, Any],
    count: int,
) -> Iterator[bytes]:
    usage = answer.get("usage")
    if "usage" in answer:
        options = asked.get("stream_options")
        if isinstance(options, Mapping) and options.get("include_usage"):
            steps.append({**head, "choices": [], "usage": usage})
        elif steps and isinstance(steps[-1], dict):  # Databricks sends it with every chunk
            steps[-1] = {**steps[-1], "usage": usage}
        else:
            steps.append({**head, "choices": [], "usage": usage})
    for event in _spread(steps, count):
        yield data_event(event)


def _spread(steps: list[_Step | _Text], count: int) -> Iterator[dict[str, Any]]:
    """All events, the texts divided so that there are `count`, or as near as can be."""
    texts = sum(isinstance(step, _Text) for step in steps)
    free = max(count - (len(steps) - texts), texts)
    for step in steps:
        if isinstance(step, _Text):
            share = -(-free // texts)  # the first ones take what is left over
            free, texts = free - share, texts - 1
            yield from step.events(share)
        else:
            yield step


def _message(head: dict[str, Any], choice: Mapping[str, Any]) -> Iterator[_Step | _Text]:
    index, message = choice.get("index", 0), choice.get("message") or {}

    def event(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        one = {"index": index, "delta": delta, "finish_reason": None, **more}
        return {**head, "choices": [one]}

    texts = {
        key: value
        for key, value in message.items()
        if isinstance(value, str) and key not in _WHOLE and value
    }
    first = {key: "" if key in texts else value for key, value in message.items()}
    calls = first.pop("tool_calls", None)
    begun: dict[str, Any] | None = event(first)
    for key, text in texts.items():
        yield _Text(text, event({key: ""}), "choices", 0, "delta", key, first=begun)
        begun = None
    if begun is not None:
        yield begun
    for number, call in enumerate(calls or ()):
        yield from _call(event, number, call)
    more = {
        key: value
        for key, value in choice.items()
        if key not in ("index", "message") and value is not None
    }
    if more:
        yield event({}, **more)


def _call(event: Any, number: int, call: Mapping[str, Any]) -> Iterator[_Step | _Text]:
    """A tool call: what it is, and then its arguments; custom tools have an input instead."""
    kind, field = ("custom", "input") if "custom" in call else ("function", "arguments")
    inner = call.get(kind)
    text = inner.get(field) if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(text, str) or not text:
        yield event({"tool_calls": [{**call, "index": number}]})
        return
    yield event({"tool_calls": [{**call, "index": number, kind: {**inner, field: ""}}]})
    part = event({"tool_calls": [{"index": number, kind: {field: ""}}]})
    yield _Text(text, part, "choices", 0, "delta", "tool_calls", 0, kind, field)


def _item(item: dict[str, Any], index: int, *, is_done: bool) -> Iterator[_Step | _Text]:
    where = {"output_index": index, "item_id": item.get("id", "")}
    kind = item.get("type", "message")
    begun = {**item, **({"status": "in_progress"} if "status" in item and is_done else {})}
    for place in ("content", "summary"):
        if isinstance(item.get(place), list):
            begun[place] = []
    field = {"function_call": "arguments", "mcp_call": "arguments", "custom_tool_call": "input"}
    text_field = field.get(kind, "")
    if text_field in item:
        begun[text_field] = ""
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for place in ("summary", "content"):
        for number, part in enumerate((begun.get(place) is not None and item.get(place)) or ()):
            yield from _part(place, number, part, where, is_done=is_done)
    if text_field in item:
        name = f"response.{kind}_{text_field}"
        yield _Text(item[text_field], {"type": f"{name}.delta", **where, "delta": ""}, "delta")
        if is_done:
            yield {"type": f"{name}.done", **where, text_field: item[text_field]}
    if is_done:
        yield {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def _part(
    place: str, number: int, part: dict[str, Any], where: dict[str, Any], *, is_done: bool
) -> Iterator[_Step | _Text]:
    """A part of a message's content, or of the summary of what a model thought."""
    of = {**where, f"{place}_index": number}
    outer = "response.content_part" if place == "content" else "response.reasoning_summary_part"
    kind = str(part.get("type"))
    name, field = {
        "output_text": ("response.output_text", "text"),
        "refusal": ("response.refusal", "refusal"),
        "reasoning_text": ("response.reasoning_text", "text"),
        "summary_text": ("response.reasoning_summary_text", "text"),
    }.get(kind, ("", ""))
    text = part.get(field)
    begun = {**part, field: ""} if field else part
    yield {"type": f"{outer}.added", **of, "part": begun}
    if isinstance(text, str):
        # The SDK's own reader wants the list of logprobs, even if it is empty.
        logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        yield _Text(text, {"type": f"{name}.delta", **of, "delta": "", **logprobs}, "delta")
        if is_done:
            yield {"type": f"{name}.done", **of, field: text, **logprobs}
    if is_done:
        yield {"type": f"{outer}.done", **of, "part": dict(part)}


def _with(value: Any, path: tuple[str | int, ...], leaf: str) -> Any:
    """A copy of `value` with `leaf` at `path`."""
    if not path:
        return leaf
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _with(value[path[0]], path[1:], leaf)
    return copy
