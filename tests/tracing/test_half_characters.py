"""Half a character, which UTF-8 cannot hold, in what a program says: it costs nothing else."""

from __future__ import annotations

import pytest

import tracetape
from tracetape.entities import Feedback, SpanEvent, SpanStatus


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\ud83db", "a\\ud83db"), ("a\ud83d\ude00b", "a😀b")],
    ids=["half", "halves"],
)
def test_a_trace_is_kept_whatever_has_half_a_character(text: str, kept: str) -> None:
    """Names, tags, metadata, previews, events, feedback: shown escaped, or joined to its half."""
    with tracetape.start_span(text, span_type=text) as span:
        span.set_inputs({text: [text]})
        span.set_attributes({text: text, "two": {text: text}})
        span.add_event(SpanEvent(text, attributes={text: text}))
        span.set_status(SpanStatus("ERROR", text))
        tracetape.update_current_trace(
            tags={text: text},
            metadata={text: text},
            client_request_id=text,
            request_preview=text,
            response_preview=text,
            session_id=text,
        )
    number = span.trace_id
    tracetape.set_trace_tag(number, text + "2", text)
    tracetape.log_feedback(
        trace_id=number, name=text, value=text, rationale=text, metadata={text: text}
    )
    assert tracetape.flush(20) == 0
    assert tracetape.stats()["lost"] == 0
    trace = tracetape.get_trace(number)
    assert trace is not None
    (stored,), info = trace.data.spans, trace.info
    assert (stored.name, stored.span_type, stored.inputs) == (kept, kept, {kept: [kept]})
    assert (stored.get_attribute(kept), stored.get_attribute("two")) == (kept, {kept: kept})
    assert (stored.events[0].name, stored.events[0].attributes) == (kept, {kept: kept})
    assert stored.status.description == kept
    assert (info.tags[kept], info.tags[kept + "2"]) == (kept, kept)
    assert (info.trace_metadata[kept], info.trace_metadata["mlflow.trace.session"]) == (kept, kept)
    assert (info.client_request_id, info.request_preview) == (kept, kept)
    assert info.response_preview == kept
    (feedback,) = info.assessments
    assert isinstance(feedback, Feedback)
    assert (feedback.name, feedback.value, feedback.rationale) == (kept, kept, kept)
    (found,) = tracetape.search_traces(return_type="list")
    assert found.info.trace_id == number
