"""How much is kept, and what of it is hidden, before anything leaves the process's memory."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracetape
from tracetape.entities import Span, SpanStatusCode
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.privacy.levels import policy
from tracetape.privacy.redactor import HIDDEN, Redactor
from tracetape.redaction import personal_data, secret_keys

SECRET = "the-secret"


def record(**given: Any) -> Span:
    """A span with a secret wherever one can stand."""
    try:
        with tracetape.start_span("step") as span:
            span.set_inputs(given.get("inputs", {"question": SECRET}))
            span.set_outputs(given.get("outputs", {"answer": SECRET}))
            span.set_attribute("note", SECRET)
            span.set_attribute("temperature", 0.5)
            span.set_attribute("settings", {"key": SECRET})
            span.set_fields({"model": "m-1", "usage": {"input_tokens": 3}})
            raise ValueError(SECRET)
    except ValueError:
        pass
    return stored(span.trace_id)


def stored(trace_id: str) -> Span:
    tracetape.flush()
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    return trace.data.spans[0]


def file_of(path: Path) -> bytes:
    """Everything that was written, the log included."""
    tracetape.flush()
    return b"".join(one.read_bytes() for one in path.parent.glob("*.db*"))


def test_by_default_everything_is_kept(store_path: Path) -> None:
    """In a file that only its owner may read."""
    span = record()
    assert span.inputs == {"question": SECRET}
    assert SECRET.encode() in file_of(store_path)
    assert stat.S_IMODE(store_path.stat().st_mode) == 0o600


def test_metadata_is_all_but_content(store_path: Path) -> None:
    """Names, times, numbers, the model and its tokens; no text of anybody's, in no column."""
    tracetape.configure(capture="metadata")
    span = record()
    assert SECRET.encode() not in file_of(store_path)
    assert (span.inputs, span.outputs) == (None, None)
    assert span.get_attribute("temperature") == 0.5
    assert span.model_name == "m-1"
    assert span.token_usage == {"input_tokens": 3}
    assert span.status.status_code is SpanStatusCode.ERROR
    assert span.status.description == "ValueError"
    (event,) = span.events
    assert event.attributes == {"exception.type": "ValueError"}
    trace = tracetape.get_trace(span.trace_id)
    assert trace.info.request_preview is None
    assert trace.info.token_usage["input_tokens"] == 3


def test_none_is_that_something_was_done(store_path: Path) -> None:
    """Name, type, times and status."""
    tracetape.configure(capture="none")
    span = record()
    assert SECRET.encode() not in file_of(store_path)
    assert span.name == "step"
    assert span.end_time_ns >= span.start_time_ns
    assert span.status.status_code is SpanStatusCode.ERROR
    assert (span.inputs, span.events, span.model_name) == (None, [], None)
    assert span.get_attribute("temperature") is None


def test_one_span_can_be_more_private_than_all_not_less() -> None:
    """By `set_capture`, or by the attribute with which a decorated function begins."""

    @tracetape.trace(attributes={"tracetape.capture": "metadata"})
    def private(text: str) -> str:
        return text

    with tracetape.start_span("root") as root:
        root.set_inputs(SECRET)
        private(SECRET)
        with tracetape.start_span("child") as child:
            child.set_capture("none")
            child.set_inputs(SECRET)
    tracetape.flush()
    trace = tracetape.get_trace(root.trace_id)
    assert trace is not None
    assert [span.inputs for span in trace.data.spans] == [SECRET, None, None]
    tracetape.configure(capture="none")
    with tracetape.start_span("open") as span:
        span.set_capture("full")
        span.set_inputs(SECRET)
    assert stored(span.trace_id).inputs is None


def test_the_environment_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level that is none keeps no content: it was meant to keep less than all."""
    for value, expected in (("none", "none"), ("full", "full"), ("", "full"), ("al", "metadata")):
        monkeypatch.setenv("TRACETAPE_CAPTURE", value)
        tracetape.tracing.reset()
        assert policy.now.capture == expected


def test_previews_are_content_too(store_path: Path) -> None:
    """Those that the user gives himself."""
    with tracetape.configure(capture="none"), tracetape.start_span("none"):
        tracetape.update_current_trace(request_preview=SECRET, response_preview=SECRET)
    rule = re.compile(SECRET)
    with tracetape.configure(redact=[rule]), tracetape.start_span("hidden") as span:
        tracetape.update_current_trace(request_preview=f"about {SECRET}")
    tracetape.flush()
    trace = tracetape.get_trace(span.trace_id)
    assert trace is not None
    assert trace.info.request_preview == f"about {HIDDEN}"
    assert SECRET.encode() not in store_path.read_bytes()


def test_a_wrong_level_is_an_error() -> None:
    """The message names the value, and what there is."""
    with pytest.raises(InvalidValueError, match="one of none, metadata, full, got 'some'"):
        tracetape.configure(capture="some")
    with tracetape.start_span("s") as span, pytest.raises(InvalidValueError, match="got 1"):
        span.set_capture(1)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="got 'some'"):
        tracetape.autolog(capture={"openai": "some"})
    with pytest.raises(InvalidValueError, match="'opanai'"):
        tracetape.autolog(capture={"opanai": "none"})


# -- redaction -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules",
    [
        [re.compile(SECRET)],
        [lambda path, value: value.replace(SECRET, "") if isinstance(value, str) else value],
    ],
    ids=["pattern", "function"],
)
def test_what_a_rule_hides_is_nowhere_in_the_file(rules: list[Any], store_path: Path) -> None:
    """Inputs, outputs, attributes, the exception with its stack, and the previews."""
    with tracetape.configure(redact=rules):
        record()
        record(inputs={SECRET: [SECRET]}, outputs=f'{{"inner": "{SECRET}"}}')
        with tracetape.start_span("open", attributes={"a": SECRET}) as span:
            assert SECRET not in str(tracetape.get_trace(span.trace_id).data.spans[0].attributes)
    written = file_of(store_path)
    stack = b"raise ValueError(SECRET)"  # the line of code, which has no secret in it
    assert stack in written
    assert SECRET.encode() not in written


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("password", {"a": {"Password": "x", "b": 1}}, {"a": {"Password": HIDDEN, "b": 1}}),
        (
            "messages.*.content",
            {"messages": [{"n": 1, "content": "x"}, {"content": ["y"]}], "content": "z"},
            {"messages": [{"n": 1, "content": HIDDEN}, {"content": HIDDEN}], "content": "z"},
        ),
        ("inputs.a", {"a": 1, "b": {"inputs": {"a": 2}}}, {"a": HIDDEN, "b": {"inputs": {"a": 2}}}),
        ("inputs.*", {"a": 1, "b": {"c": 2}}, {"a": HIDDEN, "b": HIDDEN}),
        ("a.**.z", {"a": {"z": 1, "b": {"c": {"z": 2}}}, "z": 3},
         {"a": {"z": HIDDEN, "b": {"c": {"z": HIDDEN}}}, "z": 3}),
        ("a.**", {"a": {"b": 1}, "c": 2}, {"a": {"b": HIDDEN}, "c": 2}),
        ("items.0", {"items": [1, 2]}, {"items": [HIDDEN, 2]}),
        ("a.b", {"a.b": 1, "a": {"b": 2}}, {"a.b": 1, "a": {"b": HIDDEN}}),
        ("city", {"arguments": '{"city": "Paris", "n": 1}'},
         {"arguments": '{"city":"[redacted]","n":1}'}),
        ("city", {"arguments": '{"city": "Par'}, {"arguments": '{"city": "Par'}),
        ("outputs.a", {"a": 1}, {"a": 1}),
    ],
)  # fmt: skip
def test_key_paths(rule: str, value: Any, expected: Any) -> None:
    """`*` is one key, `**` any number; a path begins anywhere unless it names its root."""
    assert Redactor([rule]).plain(value, "inputs") == expected


def test_a_whole_attribute_is_hidden_by_its_name() -> None:
    """Attributes and what an exception says have paths too."""
    with tracetape.configure(redact=["attributes.note", "exception.message"]):
        span = record()
    assert span.get_attribute("note") == HIDDEN
    assert span.get_attribute("settings") == {"key": SECRET}
    assert span.inputs == {"question": SECRET}


def test_what_a_rule_fails_at_is_dropped(
    store_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning; the user's program goes on."""

    def broken(path: str, value: Any) -> Any:
        raise RuntimeError(f"no {path}")

    with tracetape.configure(redact=[broken]):
        span, _ = record(), record()
    assert span.inputs == span.outputs == "[dropped: redaction failed]"
    assert SECRET.encode() not in file_of(store_path)
    warnings = [record.getMessage() for record in caplog.records]
    assert sum("redaction rule failed" in text for text in warnings) == 1


def test_media_that_are_hidden_are_not_kept_as_attachments(store_path: Path, query: Any) -> None:
    """Rules come before media are taken out."""
    image = {"image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with tracetape.configure(redact=["image_url"]):
        record(inputs=image)
    with tracetape.configure(capture="metadata"):
        record(inputs=image)
    tracetape.flush()
    assert query("SELECT count(*) FROM attachments") == [(0,)]
    record(inputs=image)
    tracetape.flush()
    assert query("SELECT count(*) FROM attachments") == [(1,)]


@pytest.mark.parametrize("rule", [7, None, re.compile(b"x")])
def test_a_rule_of_no_kind_is_an_error(rule: Any) -> None:
    """The message names it."""
    with pytest.raises(InvalidTypeError, match=re.escape(repr(rule))):
        tracetape.configure(redact=[rule])
    with pytest.raises(InvalidValueError, match=r"'a\.\.b' is not a key path"):
        tracetape.configure(redact=["a..b"])


@pytest.mark.parametrize(
    "text",
    [
        "write to ann.lee+x@mail.example.org, please",
        "card 4111 1111 1111 1111.",
        "card 5500-0000-0000-0004",
        "IBAN DE89 3704 0044 0532 0130 00",
        "SSN 078-05-1120",
        "call +49 170 1234567 or (415) 555-2671",
        "from 192.168.1.254.",
        "from 2001:0db8:85a3:0000:0000:8a2e:0370:7334, or fe80::1ff:fe23:4567:890a",
    ],
)
def test_common_personal_data(text: str) -> None:
    """Each is found in running text."""
    hidden = personal_data("inputs", text)
    assert HIDDEN in hidden
    assert not re.search(r"\d{3}", hidden.replace(HIDDEN, ""))


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3 of 2026-11-23T12:00:00",
        "order 4111 1111 1111 1112",
        "DE00 3704 0044 0532 0130 00",
        "trace tr-0123456789abcdef0123456789abcdef",
        "3.14159265358979 and 300.1.1.1",
        "a@b",
        "at 12:34:56, std::vector, a::b::c",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    """Numbers with a wrong check digit, versions, dates, ids."""
    assert personal_data("inputs", text) == text


def test_secret_keys() -> None:
    """The shapes of `tracetape cassette check`, built here from parts."""
    key = "sk-" + "proj-" + "a1b2c3d4e5" * 4
    assert secret_keys("inputs", f"use {key} now") == f"use {HIDDEN} now"
    assert secret_keys("inputs", "nothing here") == "nothing here"
    assert secret_keys("inputs", 7) == personal_data("inputs", 7) == 7


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_what_no_rule_concerns_stays_as_it_is(value: Any) -> None:
    """Byte for byte, large numbers too."""
    from tracetape.capture import encode

    data = encode(value)
    redactor = Redactor(["never.there", re.compile("\x00never\x00"), lambda path, value: value])
    assert redactor.json(data, "inputs") == data


def test_nothing_of_it_costs_the_default_anything(store_path: Path) -> None:
    """The stored rows are those of before: no field says what everybody has."""
    record()
    tracetape.flush()
    with closing(sqlite3.connect(store_path)) as connection, connection:
        ((fields,),) = connection.execute("SELECT fields FROM spans").fetchall()
    assert "capture" not in fields


@pytest.mark.parametrize("rules", ["password", b"password", 3])
def test_a_rule_that_is_in_no_list_is_refused(rules: Any) -> None:
    """Its letters would be rules, and the password stay."""
    with pytest.raises(TypeError, match="redact takes a list of rules"):
        tracetape.configure(redact=rules)
