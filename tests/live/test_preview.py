"""Previews: the beginning of JSON text, or the message that counts; what MLflow keeps of a root."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

import tracetape
from tracetape.entities.span import record_of
from tracetape.live.preview import root_texts, shortened
from tracetape.live.summary import preview, root_metadata


def message(role: str, content: Any) -> dict[str, Any]:
    """A chat message."""
    return {"role": role, "content": content}


CHAT = [
    message("system", "Be kind."),
    message("user", "first"),
    message("assistant", "reply"),
    message("user", "last"),
    message("tool", "42"),
]


@pytest.mark.parametrize(
    ("value", "role", "text"),
    [
        ({"messages": CHAT, "model": "m"}, "user", "last"),
        ({"messages": CHAT}, "assistant", "reply"),
        ({"messages": CHAT[:1]}, "user", "Be kind."),
        ({"input": CHAT}, "user", "last"),
        ({"request": {"input": CHAT}}, "user", "last"),
        ({"choices": [{"message": message("assistant", "hi")}]}, "assistant", "hi"),
        (
            {
                "output": [
                    {"type": "reasoning"},
                    message("assistant", [{"type": "output_text", "text": "a"}]),
                ]
            },
            "assistant",
            "a",
        ),
        (
            {"messages": [message("user", [{"type": "image_url"}, {"type": "text", "text": "b"}])]},
            "user",
            "b",
        ),
        ({"messages": [message("user", ["c", "d"])]}, "user", "c"),
    ],
)
def test_conversations_show_the_message_that_counts(value: Any, role: str, text: str) -> None:
    """The last one of the role, or else the last one."""
    assert preview(orjson.dumps(value), role) == text


@pytest.mark.parametrize(
    "value",
    [
        {"question": "x"},
        {"messages": "x"},
        {"messages": []},
        {"messages": ["x", {"role": "user"}]},
        {"messages": [message("user", None)]},
        {"messages": [message("user", [])]},
        {"messages": [message("user", [{"type": "text", "text": 5}])]},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        {"input": "words", "model": "m"},
        {"request": 5, "input": None},
        ['"messages"'],
        '"messages"',
        None,
    ],
)
def test_anything_else_shows_its_json(value: Any) -> None:
    """From the beginning, as `json.dumps` writes it."""
    assert preview(orjson.dumps(value)) == json.dumps(value)


def test_previews_are_short() -> None:
    """A thousand characters, with dots where text was cut; a huge conversation is not parsed."""
    assert preview(orjson.dumps({"messages": [message("user", "ü" * 5000)]})) == "ü" * 997 + "..."
    huge = orjson.dumps({"messages": [message("user", "x" * 400_000)]})
    assert preview(huge) == json.dumps(orjson.loads(huge))[:997] + "..."
    assert preview(orjson.dumps({"messages": [message("user", "y" * 1000)]})) == "y" * 1000
    assert preview(None) is None


def test_what_mlflow_keeps_of_a_root() -> None:
    """250 characters each; nothing is an empty text."""
    with tracetape.start_span() as span:
        span.set_inputs("ü" * 300)
    assert root_metadata(record_of(span)) == {
        "mlflow.traceInputs": '"' + "ü" * 246 + "...",
        "mlflow.traceOutputs": "",
    }
    with tracetape.start_span() as short:
        short.set_inputs("ü" * 248)
        short.set_outputs(None)
    assert root_metadata(record_of(short)) == {
        "mlflow.traceInputs": '"' + "ü" * 248 + '"',
        "mlflow.traceOutputs": "null",
    }


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("size", [0, 1, 240, 249, 250, 251, 330, 990, 1001, 4010])
def test_both_texts_of_a_root_come_from_one_look(size: int, role: str) -> None:
    """They are what each look on its own gives, wherever they are cut."""
    for text in ("x", "ü", '"', "\n", ", :"):
        for value in (
            text * size,
            {"a": text * size, "b": [1.5, 1e30]},
            [message(role, text * size)],
        ):
            for wrapped in (value, {"messages": [message("user", value), message(role, "y")]}):
                data = orjson.dumps(wrapped)
                assert root_texts(data, role) == (preview(data, role), shortened(data))
    assert root_texts(b'{"a":1,"a":2}') == ('{"a": 2}', '{"a": 2}')
    assert root_texts(None) == (None, "")
