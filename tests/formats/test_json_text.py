"""JSON text has MLflow's blanks wherever it leaves us, and none inside of a text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracetape
from tracetape.capture import decode, encode
from tracetape.entities import Trace
from tracetape.entities.span import record_of
from tracetape.formats.json_text import json_text, json_text_start

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(JSON)
def test_text_is_what_json_dumps_writes(value: Any) -> None:
    """Numbers, escapes and characters outside of ASCII too."""
    assert json_text(encode(value)) == json.dumps(value, ensure_ascii=False)


PARTS = [
    b'"',
    b"\\",
    b"\x00",
    b"\x1f\x7f",
    b"\xff",
    b"\xc3\xbc",
    b"\xed\xa0\x80",
    b"-",
    b"0",
    b"9" * 17,
]
PARTS += [b"null", b"true", b"1.0", b"e5", b" ", b"\n", b"a"]


@given(st.lists(st.sampled_from(PARTS), max_size=6).map(b"".join), st.booleans())
def test_what_somebody_has_put_there_is_spelled_likewise(data: bytes, quoted: bool) -> None:
    """Whatever bytes they are: a short way for texts and numbers must not change them."""
    data = b'"%b"' % data if quoted else data
    assert json_text(data) == json.dumps(decode(data), ensure_ascii=False)


@given(JSON, st.integers(0, 60))
def test_the_beginning_is_that_of_the_whole(value: Any, count: int) -> None:
    """Also where the cut goes through a text, a character or a pair of separators."""
    # A float's digits may be cut off before its exponent, which spells it otherwise.
    whole = json.dumps(value, ensure_ascii=False)
    start = json_text_start(encode(value), count)
    if "e" not in whole:
        assert start == whole[:count]
    assert len(start) <= count


@pytest.mark.parametrize("value", [[1e16, "1e16"], {"a,b:c": 'd":e,\\'}, ["\x00\x7f\u2028"]])
def test_separators_inside_of_texts_stay(value: Any) -> None:
    """In the short way and in the long one."""
    long = {"first": value, "rest": "x" * 4000}
    assert json_text_start(encode(long), 100) == json.dumps(long, ensure_ascii=False)[:100]


def test_what_is_nested_too_deeply_for_json_keeps_its_text() -> None:
    """`json` gives up, the text does not."""
    data = b"[" * 1000 + b"]" * 1000
    assert json_text(data) == data.decode()


def test_all_that_leaves_is_spelled_so(last_trace: Callable[[], Trace]) -> None:
    """The trace's and the spans' dictionaries, the JSON text, previews and metadata."""
    with tracetape.start_span(attributes={"many": [1, {"k": "ü"}]}) as span:
        span.set_inputs({"x": 2, "y": 5})
        span.set_outputs([1, 2])
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 1, "output_tokens": 2})
    trace = last_trace()
    assert (trace.data.request, trace.data.response) == ('{"x": 2, "y": 5}', "[1, 2]")
    assert (trace.info.request_preview, trace.info.response_preview) == (
        '{"x": 2, "y": 5}',
        "[1, 2]",
    )
    metadata = trace.info.trace_metadata
    assert metadata["mlflow.traceInputs"] == '{"x": 2, "y": 5}'
    assert metadata["mlflow.traceOutputs"] == "[1, 2]"
    assert metadata["mlflow.trace.tokenUsage"] == '{"input_tokens": 1, "output_tokens": 2}'
    (attributes,) = [one["attributes"] for one in trace.to_dict()["data"]["spans"]]
    assert attributes["mlflow.spanInputs"] == '{"x": 2, "y": 5}'
    assert attributes["many"] == '[1, {"k": "ü"}]'
    assert trace.to_json() == json.dumps(trace.to_dict(), ensure_ascii=False)


def test_what_comes_in_is_kept_without_the_blanks(last_trace: Callable[[], Trace]) -> None:
    """So that it shares its space with what was recorded here."""
    with tracetape.start_span() as span:
        span.set_inputs({"x": [1, 2]})
    recorded = last_trace()
    read = Trace.from_json(recorded.to_json())
    for trace in (read, recorded):
        assert record_of(trace.data.spans[0]).inputs == b'{"x":[1,2]}'
