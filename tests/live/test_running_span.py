"""The record of a span that runs."""

from __future__ import annotations

from typing import Any

import pytest

import tracetape
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.live.running_span import RunningSpan, frozen, is_open


class Later:
    """Parts of a call that are read when it has ended."""

    def read(self, span: Any, fields: dict[str, Any]) -> dict[str, Any]:
        """The whole."""
        return {**fields, "model": "m"}

    def look(self, record: SpanRecord) -> SpanRecord:
        """The part that is known while it runs."""
        return record.replace(fields={"request_model": "r"})


def test_an_open_span_is_shown_with_what_is_known_of_it() -> None:
    """Its parts stay unread, and a record is a copy."""
    span = tracetape.start_span_no_context("call")
    span.set_unread(Later())
    span.set_attribute("a", 1)
    shown = frozen(span)
    span.set_attribute("b", 2)
    assert (shown.fields, shown.attributes) == ({"request_model": "r"}, {"a": 1})
    assert record_of(span).fields is None
    span.end()


def test_a_span_that_ends_while_it_is_frozen_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that has an end stays in the store as it is: it must not lack the answer."""
    span = tracetape.start_span_no_context("call")
    span.set_unread(Later())
    record: Any = vars(RunningSpan)["_record"].fget

    def ends_first(one: RunningSpan) -> SpanRecord:
        if one is span and is_open(span):
            span.end()
        found: SpanRecord = record(one)
        return found

    monkeypatch.setattr(RunningSpan, "_record", property(ends_first))
    shown = frozen(span)
    assert shown.end_time_ns is not None
    assert shown.fields is not None
    assert shown.fields["model"] == "m"
