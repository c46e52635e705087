"""Statuses: OK when nothing else is said, ERROR by word or by exception; OK is final."""

import tracetape
from tracetape.entities import SpanStatus, SpanStatusCode


def status(trace_id: str) -> SpanStatus:
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    return trace.data.spans[0].status


with tracetape.start_span("nothing said") as span:
    pass
print("nothing said:", status(span.trace_id).status_code.value)

with tracetape.start_span("by word") as span:
    span.set_status(SpanStatus(SpanStatusCode.ERROR, "the answer was empty"))
print("by word:", status(span.trace_id).status_code.value, "-", status(span.trace_id).description)

try:
    with tracetape.start_span("by exception") as span:
        raise TimeoutError("the index did not answer")
except TimeoutError:
    print("by exception:", status(span.trace_id).description)

with tracetape.start_span("final") as span:
    span.set_status("OK")
    span.set_status("ERROR")
print("OK, then ERROR:", status(span.trace_id).status_code.value)
