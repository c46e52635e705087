"""The messages in the items of responses, to be shown."""

from __future__ import annotations

from typing import Any

from tracetape.instrument import (
    Message,
    MessageReader,
    call_text,
    fields_of,
    items_of,
    text_of_parts,
)

__all__ = ["ResponseMessageReader"]


class ResponseMessageReader(MessageReader):
    """Finds the messages in calls of ``POST /responses``."""

    def asked(self, inputs: Any) -> list[Message]:
        """The messages of the input, and the results of tools."""
        given = fields_of(inputs).get("input")
        if isinstance(given, str):
            return [Message("user", given)]
        return [_message(item) for item in items_of(given) if isinstance(item, dict)]

    def answered(self, outputs: Any) -> list[Message] | None:
        """One message: its texts and the calls of tools."""
        output = fields_of(outputs).get("output")
        if not isinstance(output, list):
            return None
        texts = [_message(item).text for item in output if isinstance(item, dict)]
        return [Message("assistant", " ".join(filter(None, texts)))]


def _message(item: dict[str, Any]) -> Message:
    kind = item.get("type", "message")
    if kind == "message":
        return Message(str(item.get("role")), text_of_parts(item.get("content")))
    if "arguments" in item:
        return Message("assistant", call_text(item.get("name"), item["arguments"]))
    if "output" in item:
        return Message("tool", text_of_parts(item["output"]))
    return Message("assistant", "" if kind == "reasoning" else f"[{kind}]")
