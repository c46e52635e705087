"""Messages with fields of a wrong shape: such a field counts as absent, the rest is read."""

from __future__ import annotations

import copy
from typing import Any

from anthropic.types import RawContentBlockDeltaEvent
from anthropic_far_end import MESSAGE, TEXT, events_of, whole
from odd_shapes import bent, check, read

from tracetape_anthropic.messages import Messages

TOOL = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Paris"}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
ANSWER = {**MESSAGE, "content": [THOUGHT, TEXT, TOOL]}
EVENTS = events_of(ANSWER, whole)


def test_a_field_of_a_plain_answer() -> None:
    """Costs no other field: the model and the usage are read, unless they are what is odd."""
    expected = Messages().result(copy.deepcopy(ANSWER)).fields
    for path, odd, made in bent(ANSWER):
        result = Messages().result(made)
        check(result)
        for field, key in (("model", "model"), ("response_id", "id"), ("usage", "usage")):
            if path[0] != key:
                assert result.fields.get(field) == expected.get(field), (path, odd)


def test_a_field_of_an_event() -> None:
    """Any event may be the odd one: what the others say is kept."""
    said = {"Hm.": 3, "It is Paris.": 7, "weather": 9, "'city': 'Paris'": 10}
    for path, odd, made in bent(EVENTS):
        try:
            result = read(Messages(), made)
            check(result)
        except Exception as exception:
            raise AssertionError(f"{odd!r} at {path}") from exception
        for text, event in said.items():
            # What its block or its own event says is odd may be where it would have stood.
            if path[0] not in (event, event - 1):
                assert text in str(result.outputs), (text, path, odd)


def test_the_sdks_own_objects() -> None:
    """The SDK checks nothing: its object holds what the server sent."""
    for path, odd, made in bent(EVENTS[7]):
        events = [*EVENTS[:7], RawContentBlockDeltaEvent.construct(**made), *EVENTS[8:]]
        result = read(Messages(), copy.copy(events))
        check(result)
        assert "Hm." in str(result.outputs), (path, odd)
        assert "weather" in str(result.outputs), (path, odd)


def test_what_no_event_says_is_not_made_up() -> None:
    """No usage, no blocks."""
    result = read(Messages(), [EVENTS[0], {"type": "message_delta", "delta": {}}])
    assert result.outputs == EVENTS[0]["message"]
    bare = read(Messages(), [{"type": "message_start", "message": {"id": "m"}}, *EVENTS[-2:-1]])
    assert bare.outputs["usage"] == {"output_tokens": 7}
    nothing = read(Messages(), [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}])
    assert nothing.outputs == {"stop_reason": "end_turn", "content": []}
    assert read(Messages(), [{"type": "ping"}]).outputs is None


def test_blocks_with_one_index_are_several() -> None:
    """Some servers do not count; and deltas of a kind that is new are continued, too."""
    start = {"type": "content_block_start", "index": 0}
    delta = {"type": "content_block_delta", "index": 0}
    events: list[Any] = []
    for text in ("One", "Two"):
        events.append({**start, "content_block": {"type": "text", "text": ""}})
        for part in (text, "."):
            events.append({**delta, "delta": {"type": "text_delta", "text": part}})
    events.append({**start, "content_block": {"type": "verse", "verse": ""}})
    events += [{**delta, "delta": {"type": "verse_delta", "verse": part}} for part in ("La", " la")]
    assert read(Messages(), events).outputs["content"] == [
        {"type": "text", "text": "One."},
        {"type": "text", "text": "Two."},
        {"type": "verse", "verse": "La la"},
    ]
