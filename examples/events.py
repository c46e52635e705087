"""Events: moments within a span, with attributes and a time of their own."""

import time

import tracetape
from tracetape.entities import SpanEvent

with tracetape.start_span("import") as span:
    span.add_event(SpanEvent("file opened", attributes={"path": "orders.csv"}))
    two_seconds_ago = time.time_ns() - 2_000_000_000
    span.add_event(SpanEvent("file written by its author", timestamp=two_seconds_ago))
    try:
        int("twelve")
    except ValueError as error:  # the import goes on, the event stays
        span.add_event(SpanEvent.from_exception(error))

trace = tracetape.get_trace(span.trace_id)
assert trace is not None
for event in trace.data.spans[0].events:
    print(event.name, sorted(event.attributes))
