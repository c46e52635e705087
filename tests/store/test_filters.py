"""The filter language: what it understands, and what it says of mistakes."""

from __future__ import annotations

import re
from typing import Any as Anything

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.store.fields import parse_order_by
from tracetape.store.filters import parse_filter
from tracetape.store.query import And, Comparison, Not, Or, Order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status = 'OK'", ("trace", "status", "=", "OK")),
        ("trace.status != \"ERROR\"", ("trace", "status", "!=", "ERROR")),
        ("attributes.timestamp_ms>=17", ("trace", "timestamp_ms", ">=", 17)),
        ("timestamp < 1.5e3", ("trace", "timestamp_ms", "<", 1500.0)),
        ("execution_time > -1", ("trace", "execution_time_ms", ">", -1)),
        ("name LIKE '%it''s%'", ("trace", "name", "LIKE", "%it's%")),
        ("trace.text like '%a = \"b\"%'", ("trace", "text", "LIKE", '%a = "b"%')),
        ("tag.env = 'prod'", ("tag", "env", "=", "prod")),
        ("tags.`a.b c` = ''", ("tag", "a.b c", "=", "")),
        ("tag.\"a.b c\" = 'x'", ("tag", "a.b c", "=", "x")),
        ("execution_time > " + "0" * 5000 + "100", ("trace", "execution_time_ms", ">", 100)),
        ("tag.a.b-c = 'x'", ("tag", "a.b-c", "=", "x")),
        ("metadata.`mlflow.trace.session` ILIKE 'S%'",
         ("metadata", "mlflow.trace.session", "ILIKE", "S%")),
        ("request_metadata.k IS NULL", ("metadata", "k", "IS NULL", None)),
        ("tag.k is not null", ("tag", "k", "IS NOT NULL", None)),
        ("span.type IN ('LLM', 'TOOL')", ("span", "type", "IN", ("LLM", "TOOL"))),
        ("span.name NOT IN ('a')", ("span", "name", "NOT IN", ("a",))),
        ("span.attributes.mlflow.llm.model RLIKE '^g'",
         ("attribute", "mlflow.llm.model", "RLIKE", "^g")),
        ("span.attributes.temperature > 0.5", ("attribute", "temperature", ">", 0.5)),
        ("feedback.correctness = 'yes'", ("feedback", "correctness", "=", "yes")),
        ("expectation.score >= 3", ("expectation", "score", ">=", 3)),
        ("run_id = 'r'", ("trace", "run_id", "=", "r")),
        ("request_id = 'tr-1'", ("trace", "trace_id", "=", "tr-1")),
    ],
)  # fmt: skip
def test_one_comparison(text: str, expected: tuple[Anything, ...]) -> None:
    """Each field and operator of MLflow's language, with its other spellings."""
    assert parse_filter(text) == Comparison(*expected)


def test_and_binds_closer_than_or() -> None:
    """And parentheses closer than both."""
    a, b, c = (Comparison("tag", key, "=", "x") for key in "abc")
    text = "tag.a = 'x' OR tag.b = 'x' and tag.c = 'x'"
    assert parse_filter(text) == Or((a, And((b, c))))
    text = "(tag.a = 'x' OR tag.b = 'x') AND NOT tag.c = 'x'"
    assert parse_filter(text) == And((Or((a, b)), Not(c)))


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_no_filter(text: str | None) -> None:
    """An empty text asks for everything."""
    assert parse_filter(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("status", "expected one of"),
        ("status =", "expected a number, or a text in quotes"),
        ("status = OK", "expected a number, or a text in quotes"),
        ("status = 'DONE'", "unknown status 'DONE'; choose from .*OK"),
        ("colour = 'x'", "Invalid attribute key 'colour' specified; there are"),
        ("spam.k = 'x'", "there is no 'spam'"),
        ("span.colour = 'x'", "Invalid span attribute 'colour'.*attributes.<name>"),
        ("timestamp = 'now'", "number of milliseconds"),
        ("timestamp LIKE '1%'", "is a number"),
        ("name > 'a'", "is a text"),
        ("tag.k = 1", "put 1 in quotes"),
        ("name LIKE 3", "takes a text"),
        ("name RLIKE '('", "not a regular expression"),
        ("trace.text = 'x'", "LIKE '%words%'"),
        ("status = 'OK' AND", "expected a field"),
        ("status = 'OK' tag.a = 'x'", "expected AND, OR or the end"),
        ("(status = 'OK'", r"expected \)"),
        ("status IN 'OK'", "expected a list"),
        ("status IN ('OK'", r"expected , or \)"),
        ("status IS 'OK'", "expected NULL"),
        ("status = 'OK", "unexpected characters"),
        ("status = 'OK'; DROP TABLE traces", "unexpected characters"),
        ("(" * 100 + "status = 'OK'" + ")" * 100, "too deeply nested"),
    ],
)
def test_mistakes_are_shown_where_they_are(text: str, said: str) -> None:
    """The error quotes the filter and names the place."""
    with pytest.raises(InvalidValueError, match=said) as caught:
        parse_filter(text)
    assert re.search(r", at (the end|.+ \(character \d+\)) of: ", str(caught.value))
    assert str(caught.value).endswith(f" of: {text}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("foo = 1", "at 'foo' (character 1) of: "),
        ("status =  OK", "at 'OK' (character 11) of: "),
        ("status = 'OK' 'x'", "at 'x' (character 15) of: "),
        ("status = 'OK' ; DROP", "at ';' (character 15) of: "),
        ("status = ", "at the end of: "),
        ("status = " + "x" * 99, f"at '{'x' * 40}…' (character 10) of: "),
    ],
)
def test_the_place_of_a_mistake_is_named_plainly(text: str, place: str) -> None:
    """By what stands there, and by its number."""
    with pytest.raises(InvalidValueError) as caught:
        parse_filter(text)
    assert str(caught.value).endswith(f", {place}{text}")


@given(st.text(alphabet="abc .`'\"=<>!()%,-019ANDORLIKE", max_size=60))
def test_whatever_is_written_is_understood_or_refused(text: str) -> None:
    """With no other error than ours."""
    try:
        parse_filter(text)
    except InvalidValueError:
        pass


def test_a_filter_without_end_is_refused() -> None:
    """SQLite's texts end at a NUL: what follows would be left out in silence."""
    with pytest.raises(InvalidValueError, match="NUL"):
        parse_filter("name LIKE '%a\0b%'")


def test_a_filter_must_be_a_string() -> None:
    """Whatever else is given."""
    with pytest.raises(InvalidTypeError, match="must be a string, got list"):
        parse_filter(["status = 'OK'"])  # type: ignore[arg-type]


def test_orders() -> None:
    """Ascending unless DESC is said."""
    assert parse_order_by(["timestamp_ms DESC", "trace.status", "`execution_time` asc"]) == (
        Order("timestamp_ms", ascending=False),
        Order("status"),
        Order("execution_time_ms"),
    )
    assert parse_order_by(["tag.a", 'metadata."b c" DESC', "tag.`d e` ASC"]) == (
        Order("a", subject="tag"),
        Order("b c", ascending=False, subject="metadata"),
        Order("d e", subject="tag"),
    )
    assert parse_order_by(None) == ()


@pytest.mark.parametrize(
    "clause", ["colour", "name up", "", "span.name", "tag.", "text", "name ASC, status"]
)
def test_an_order_must_name_a_field(clause: str) -> None:
    """The error lists those there are."""
    with pytest.raises(InvalidValueError, match="order_by"):
        parse_order_by([clause])
    with pytest.raises(InvalidTypeError, match="list of strings"):
        parse_order_by(clause)
