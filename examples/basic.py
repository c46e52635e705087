"""A span around a step, with what went in and what came out."""

import tracetape

with tracetape.start_span("add", attributes={"unit": "apples"}) as span:
    span.set_inputs({"a": 1, "b": 2})
    span.set_outputs(1 + 2)

trace = tracetape.get_trace(span.trace_id)
assert trace is not None
print(trace.data.spans[0].name, trace.data.spans[0].inputs, "->", trace.data.spans[0].outputs)
