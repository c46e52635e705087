"""Messages of chats: where they are in a request or an answer, and their texts."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Message", "MessageReader", "call_text", "messages_of", "text_of_parts"]


class Message(NamedTuple):
    """One message, to be shown.

    Attributes:
        role: who has written it.
        text: its text, and its calls of tools.
    """

    role: str
    text: str


class MessageReader:
    """Finds the messages in the inputs and outputs of a call: those of chat completions.

    A subclass does so for an endpoint whose messages have another form.
    """

    def asked(self, inputs: Any) -> list[Message]:
        """The messages of a request; none: it is shown as JSON."""
        return messages_of(fields_of(inputs).get("messages"))

    def answered(self, outputs: Any) -> list[Message] | None:
        """The messages of an answer; None: it is shown as JSON."""
        choices = fields_of(outputs).get("choices")
        if not isinstance(choices, list):
            return None
        return messages_of([fields_of(choice).get("message") for choice in choices])


def messages_of(items: Any) -> list[Message]:
    """The messages in a list of them."""
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [Message(str(item.get("role")), _text(item)) for item in found]


def text_of_parts(content: Any) -> str:
    """The text of a message's content; of a part that is not a text, its type."""
    if isinstance(content, list):
        parts = [p.get("text") or f"[{p.get('type')}]" for p in content if isinstance(p, dict)]
        return " ".join(map(str, parts))
    return "" if content is None else str(content)


def call_text(name: Any, arguments: Any) -> str:
    """A call of a tool."""
    return f"{name}({arguments})"


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an object; none of another value."""
    return value if isinstance(value, dict) else {}


def _text(message: dict[str, Any]) -> str:
    tool_calls = message.get("tool_calls")
    calls = [
        call_text(call["function"].get("name"), call["function"].get("arguments"))
        for call in (tool_calls if isinstance(tool_calls, list) else ())
        if isinstance(call, dict) and isinstance(call.get("function"), dict)
    ]
    return " ".join(part for part in (text_of_parts(message.get("content")), *calls) if part)
