"""What a program says itself, in spans and beside them: without credentials, and by its rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tracetape
from tracetape.entities import SpanEvent
from tracetape.privacy.values import remember

SECRET = "hunter2-cnry"  # nothing but its name, or where it stands, says what it is
RULED = "cnry-of-a-rule"


def written(path: Path) -> bytes:
    """All that the store has on disk."""
    assert tracetape.flush(20) == 0
    return b"".join(one.read_bytes() for one in path.parent.glob("*.db*"))


@tracetape.trace
def connect(settings: dict[str, Any], inputs: dict[str, Any], api_key: str) -> dict[str, Any]:
    """As a program does that has its logins in a dictionary."""
    return {"access_token": SECRET + "-result", "rows": 3}


LOGINS: dict[str, Any] = {
    "database": f"postgres://ada:{SECRET}-dsn@db.test/app",
    "headers": {"Authorization": f"Bearer {SECRET}-header", "Cookie": f"sid={SECRET}-cookie"},
    "auth": ["ada", f"{SECRET}-auth"],
    "download": f"https://b.test/k?X-Amz-Signature={SECRET}-signature&part=1",
    **{name: f"{SECRET}-{name}" for name in ("pwd", "passwd", "passphrase", "client_secret")},
    **{name: f"{SECRET}-{name}" for name in ("secret_access_key", "private_key", "refresh_token")},
}
ORDINARY = {
    "max_tokens": 7,
    "next_page_token": "CAESBkxvbmRvbjEyMzQ1",
    "note": "the secret is love",
}


def test_logins_among_arguments_and_results_are_not_written(store_path: Path) -> None:
    """By their names, however deep; and what is ordinary beside them stays."""
    connect({**LOGINS, **ORDINARY}, {"api_key": f"{SECRET}-inner"}, f"{SECRET}-key")
    with tracetape.start_span("by hand", attributes={"db.password": f"{SECRET}-attribute"}) as span:
        span.set_inputs(LOGINS)
        span.set_outputs([LOGINS])
        span.set_attribute("login", LOGINS)
        span.add_event(SpanEvent("login", attributes={"password": f"{SECRET}-event"}))

    data = written(store_path)

    assert SECRET.encode() not in data
    for word in (*map(str, ORDINARY.values()), "db.test/app", "part=1", "rows"):
        assert word.encode() in data, word


def test_settings_as_other_libraries_write_them_are_not_written(store_path: Path) -> None:
    """Environment variables of boto3, a body in bytes, and a form's fields in an exception."""
    variable = {"Name": "DB_PASSWORD", "Value": f"{SECRET}-1"}
    body = json.dumps({"password": f"{SECRET}-2"}).encode()
    connect({"environment": [variable], "body": body}, {}, "")
    with suppress(ValueError), tracetape.start_span("by hand", attributes={"body": body}):
        tracetape.update_current_trace(tags={"body": str(body)}, metadata={"body": repr(body)})
        raise ValueError({"password": [f"{SECRET}-3"], "api_key": {"value": f"{SECRET}-4"}})

    data = written(store_path)

    assert SECRET.encode() not in data
    assert b"DB_PASSWORD" in data


class Point(NamedTuple):
    """Of no credential's."""

    x: int
    y: int


class Login(NamedTuple):
    """As many settings are kept."""

    user: str
    password: str


def test_a_named_tuple_with_a_login_keeps_the_names_that_hide_it(store_path: Path) -> None:
    """Any other is a list, as in MLflow; also where a value needs the slow path."""
    login = Login("ada", f"{SECRET}-tuple")
    for odd in (1.5, float("nan"), 1 << 70):
        with tracetape.start_span("by hand") as span:
            span.set_inputs({"login": login, "odd": odd, "at": Point(1, 2)})

    data = written(store_path)

    assert SECRET.encode() not in data
    for trace in tracetape.search_traces(return_type="list"):
        inputs = trace.data.spans[0].inputs
        assert inputs["login"] == {"user": "ada", "password": "[REDACTED]"}
        assert inputs["at"] == [1, 2]


def test_errors_of_drivers_are_not_written_with_the_login(store_path: Path) -> None:
    """Neither in the status nor in the event, its stack included."""
    with suppress(ConnectionError), tracetape.start_span("query"):
        raise ConnectionError(
            f"no route to postgres://ada:{SECRET}-url@db.test/app (password={SECRET}-1),"
            f" headers={{'X-Api-Key': '{SECRET}-2', 'Authorization': 'Basic {SECRET}-3'}}"
        )

    data = written(store_path)

    assert SECRET.encode() not in data
    assert b"no route to postgres://db.test/app" in data


def test_tags_metadata_and_feedback_are_not_written_with_a_login(store_path: Path) -> None:
    """By name, by shape, and in URLs; while the trace runs, and afterwards."""
    shaped = "sk-proj-4f9Kd72Lm0Qx8Vb31ZtRw6Yp"
    url = f"redis://:{SECRET}-url@cache.test/0"
    with tracetape.start_span("root") as span:
        tracetape.update_current_trace(
            tags={"api_key": f"{SECRET}-tag", "plan": f"gold {shaped}", "cache": url},
            metadata={"client_secret": f"{SECRET}-metadata", "cache": url},
            session_id=shaped,
            user=url,
        )
    tracetape.set_trace_tag(span.trace_id, "password", f"{SECRET}-later")
    tracetape.log_feedback(
        trace_id=span.trace_id,
        value={"password": f"{SECRET}-value"},
        rationale=f"it used {shaped}",
        metadata={"api_key": f"{SECRET}-feedback"},
    )

    data = written(store_path)

    assert SECRET.encode() not in data
    assert shaped.encode() not in data
    for word in ("gold", "redis://cache.test/0", "it used"):
        assert word.encode() in data, word


def test_a_failing_rule_is_named_and_what_it_looked_at_is_withheld(
    store_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the span or the trace, by id; the log has neither the value nor the rule's words."""

    def hide_names(path: str, value: Any) -> Any:
        raise ValueError(f"cannot read {value}")

    caplog.set_level("DEBUG", logger="tracetape")
    said: list[Callable[[], Any]] = []
    with tracetape.configure(redact=[hide_names]), tracetape.start_span(RULED) as span:
        span.set_inputs({"question": RULED})
        span.set_attribute("note", RULED)
        tracetape.update_current_trace(
            tags={"t": RULED}, metadata={"m": RULED}, session_id=RULED, user=RULED
        )
        said.append(lambda: tracetape.set_trace_tag(span.trace_id, "later", RULED))
        said.append(lambda: tracetape.log_feedback(trace_id=span.trace_id, value=RULED))
    with tracetape.configure(redact=[hide_names]):
        for say in said:
            say()
        data = written(store_path)

    assert RULED.encode() not in data
    log = [record.getMessage() for record in caplog.records]
    assert not [line for line in log if RULED in line]
    (warning,) = [line for line in log if "redaction rule failed" in line]
    assert "hide_names, with ValueError, at tags.t of trace " + span.trace_id in warning


def test_a_rule_that_fails_at_a_span_names_it(caplog: pytest.LogCaptureFixture) -> None:
    """By its id, as its name may be what is hidden; each rule has a warning of its own."""

    def first(path: str, value: Any) -> Any:
        return 1 / 0 if path == "inputs.x" else value

    def second(path: str, value: Any) -> Any:
        return {}[path] if path == "outputs.y" else value

    with tracetape.configure(redact=[first, second]):
        for _ in range(2):
            with tracetape.start_span("step") as span:
                span.set_inputs({"x": 1})
                span.set_outputs({"y": 1})
            tracetape.flush(20)

    warnings = [one.getMessage() for one in caplog.records if "rule failed" in one.getMessage()]
    assert len(warnings) == 2
    for warning, rule, error, place in (
        (warnings[0], "first", "ZeroDivisionError", "inputs"),
        (warnings[1], "second", "KeyError", "outputs"),
    ):
        assert f"{rule}, with {error}, at {place} of span " in warning
        assert f" of trace {span.trace_id[:3]}" in warning


def test_odd_values_of_tags_are_named_without_their_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Which were no strings is said; what they were may be nobody's to read."""
    with tracetape.start_span("root"):
        tracetape.update_current_trace(tags={"login": {"password": SECRET}})  # type: ignore[dict-item]

    (line,) = [one.getMessage() for one in caplog.records if "made strings" in one.getMessage()]
    assert "login (dict)" in line
    assert SECRET not in line


def test_deep_values_are_looked_through_or_left_out_but_lose_no_trace(store_path: Path) -> None:
    """Nothing of ours gives up in the middle of a batch."""
    deep: Any = {"password": f"{SECRET}-deep"}
    for _ in range(230):
        deep = {"a": [deep]}
    connect({"deep": deep}, json.loads("[" * 190 + "]" * 190), "")

    assert tracetape.flush(20) == 0
    assert tracetape.stats()["lost"] == 0
    assert SECRET.encode() not in written(store_path)


@pytest.mark.parametrize("rule", ["feedback.value", "value", "feedback.*", "feedback.rationale"])
def test_feedback_whose_parts_are_hidden_is_still_feedback(rule: str, store_path: Path) -> None:
    """Whichever part it is, and whatever kind of value."""
    with tracetape.start_span("root") as span:
        pass
    with tracetape.configure(redact=[rule, RULED]):
        for value in (RULED, 1, {"a": RULED}, [RULED], True):
            tracetape.log_feedback(trace_id=span.trace_id, value=value, rationale=RULED)
            tracetape.log_expectation(trace_id=span.trace_id, name="e", value=value)
    trace = tracetape.get_trace(span.trace_id)

    assert trace is not None
    assert len(trace.info.assessments) == 10
    hidden = [one.rationale if "rationale" in rule else one.value for one in trace.info.assessments]
    assert "[redacted]" in hidden


def test_a_tag_that_is_named_by_a_key_goes_when_the_key_is_known(
    last_trace: Callable[[], Any], store_path: Path
) -> None:
    """It was written while the trace ran, before the first call with that key."""
    key = "cnry-4Kd0Wp7Qx2Vb91LmZt"
    with tracetape.start_span("root"):
        tracetape.update_current_trace(tags={key: "x"}, metadata={key: "y"})
        with tracetape.start_span("written"):
            pass
        assert key.encode() in written(store_path)
        remember([key])

    info = last_trace().info

    assert key not in {**info.tags, **info.trace_metadata}
    assert info.tags["[REDACTED]"] == "x"
