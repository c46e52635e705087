"""Every filter finds what a plain look at each trace finds, whatever the store has at hand."""

from __future__ import annotations

import itertools
import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.entities import Feedback, SpanStatus, TraceState
from tracetape.entities.span_record import SpanRecord
from tracetape.live.live_trace import TraceDetails
from tracetape.store import SQLiteStore, TraceUpdate, schema
from tracetape.store.finder import Finder
from tracetape.store.query import And, Comparison, Condition, Not, Or, Order, TraceQuery
from tracetape.store.sql import select_traces
from tracetape.store.whole import certain_texts, pieces_json

TRACES = 100
WORDS = [f"{a}{b}" for a in ("river", "stone", "Cloud", "größe") for b in ("one", "two", "six")]
LONG = "long " * 100  # beyond what a brief has of attributes, and of tags when it comes often
SELECT = "SELECT t.id FROM traces t"
VALUES = {"mlflow.spanInputs": "inputs", "mlflow.spanOutputs": "outputs"}
NAME, SESSION, RUN = "mlflow.traceName", "mlflow.trace.session", "mlflow.sourceRun"


@dataclass
class One:
    """A trace, as it was made."""

    number: int
    start_ns: int
    end_ns: int | None
    state: str
    name: str | None
    tags: dict[str, str]
    metadata: dict[str, str]
    spans: list[dict[str, Any]]
    feedback: dict[str, Any] = field(default_factory=dict)


def make(number: int, some: random.Random) -> One:
    """A trace like no other, and like many."""
    running = some.random() < 0.1
    start = 10**15 + some.randrange(TRACES) * 10**6 + some.randrange(3)
    tags = {
        key: some.choice(WORDS) for key in ("env", "a.b", 'quo"te', "ключ") if some.random() < 0.4
    }
    if some.random() < 0.05:
        tags[NAME] = some.choice(WORDS)
    if some.random() < 0.05:
        tags["wide"] = LONG * 3
    metadata = {key: some.choice("xyz") for key in (SESSION, RUN, "user") if some.random() < 0.4}
    if some.random() < 0.3:
        metadata["mlflow.traceInputs"] = some.choice(WORDS)
    return One(
        number,
        start,
        None if running else start + some.randrange(50) * 10**6,
        "IN_PROGRESS" if running else some.choice(["OK", "ERROR"]),
        some.choice([None, "answer", "Ask", "plan"]),
        tags,
        metadata,
        [make_span(some, running and n == 0) for n in range(some.randrange(4))],
    )


def make_span(some: random.Random, is_open: bool) -> dict[str, Any]:
    """Small values, and ones that are kept apart: shared, continued, with one message of many."""
    attributes = {
        key: some.choice([1, 2.5, "1", "true", True, None, [1], some.choice(WORDS)])
        for key in ("n", "temperature", "a.b")
        if some.random() < 0.4
    }
    if some.random() < 0.1:
        attributes["wide"] = LONG
    system = {"role": "system", "content": f"{WORDS[0]} " * 90}
    messages = [
        system,
        *({"role": "user", "content": f"{w} " * 60} for w in some.choices(WORDS, k=2)),
    ]
    inputs = some.choice([None, some.choice(WORDS), {"messages": messages[: some.randrange(1, 4)]}])
    said = f"{some.choice(WORDS)} " * some.choice([1, 200])  # short, or kept apart
    answer = {"q": said, "r": some.choice(WORDS), "pages": ["", 404]}
    outputs = some.choice([None, {"q": some.choice(WORDS)}, answer, said])
    return {
        "name": some.choice(["retrieve", "call", "Call"]),
        "type": some.choice(["LLM", "TOOL"]),
        "status": "UNSET" if is_open else some.choice(["OK", "ERROR"]),
        "why": some.choice(["", some.choice(WORDS)]),
        "attributes": attributes,
        "inputs": inputs,
        "outputs": outputs,
        "is_open": is_open,
    }


def update_of(one: One) -> TraceUpdate:
    """What a recorder would hand over."""
    spans = [
        SpanRecord(
            trace_id=one.number,
            span_id=n + 1,
            parent_id=None,
            name=span["name"],
            span_type=span["type"],
            start_time_ns=one.start_ns,
            end_time_ns=None if span["is_open"] else one.start_ns + 5,
            inputs=orjson.dumps(span["inputs"]) if span["inputs"] is not None else None,
            outputs=orjson.dumps(span["outputs"]) if span["outputs"] is not None else None,
            attributes=span["attributes"] or None,
            fields=None,
            events=None,
            status=SpanStatus(span["status"], span["why"]),
        )
        for n, span in enumerate(one.spans)
    ]
    return TraceUpdate(
        one.number,
        one.start_ns,
        spans,
        TraceState(one.state),
        one.name,
        one.end_ns,
        details=TraceDetails(tags=dict(one.tags), metadata=dict(one.metadata)),
    )


def change(store: SQLiteStore, traces: list[One], some: random.Random) -> list[One]:
    """What happens to a store after its briefs were made: nothing of it may be missed."""
    for one in some.sample(traces, 20):
        one.tags["env"] = some.choice(WORDS)
        details = TraceDetails(tags=dict(one.tags))
        store.write([TraceUpdate.of_details(one.number, details)])
    for one in traces:
        if one.state == "IN_PROGRESS" and some.random() < 0.6:
            one.state, one.end_ns = "OK", one.start_ns + 10**7
            for span in one.spans:
                if not span["is_open"]:
                    continue
                span["is_open"] = False
                span.pop("text", None)
                span["outputs"] = {"q": f"{some.choice(WORDS)} " * 100}
            store.write([update_of(one)])
    gone = {one.number for one in some.sample(traces, 15)}
    store.delete(sorted(gone))
    left = [one for one in traces if one.number not in gone]
    new = [make(n, some) for n in range(TRACES + 1, TRACES + 15)]
    store.write([update_of(one) for one in new])
    for one in some.sample(left, 15):
        judge(store, one, some)
    return left + new


def judge(store: SQLiteStore, one: One, some: random.Random) -> None:
    """Give a trace feedback."""
    value = one.feedback["good"] = some.choice([True, 3, "fine"])
    given = Feedback(name="good", value=value, trace_id=f"tr-{one.number:032x}")
    given.assessment_id = f"a-{one.number}"
    store.assess(one.number, [given])


def text_of(value: Any) -> str | None:
    """A value as a filter compares it with a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def is_like(pattern: str, value: str, in_any_case: bool) -> bool:
    """Whether the whole of a text is as a pattern of LIKE says."""
    if in_any_case:
        pattern, value = pattern.casefold(), value.casefold()
    letters = {"%": ".*", "_": "."}
    expression = "".join(letters.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def holds(operator: str, value: Any, wanted: Any) -> bool:
    """One comparison; with what is missing none holds, but IS NULL."""
    if operator in ("IS NULL", "IS NOT NULL"):
        return (value is None) is (operator == "IS NULL")
    if operator in ("LIKE", "ILIKE"):
        return value is not None and is_like(str(wanted), str(value), operator == "ILIKE")
    if value is None:
        return False
    if operator in ("IN", "NOT IN"):
        return (value in wanted) is (operator == "IN")
    results = {"=": value == wanted, "!=": value != wanted}
    if operator in results:
        return results[operator]
    return bool(value > wanted if operator == ">" else value < wanted)


def span_texts(span: dict[str, Any]) -> str:
    """All of a span that is searched."""
    if "text" in span:
        return str(span["text"])
    values = (span["inputs"], span["outputs"], span["attributes"] or None)
    parts = ["" if value is None else orjson.dumps(value).decode() for value in values]
    span["text"] = "\n".join([*parts, "", span["why"]])  # no events
    return str(span["text"])


def of_span(span: dict[str, Any], one: Comparison) -> bool:
    """Whether a comparison holds for a span."""
    if one.subject == "span":
        value = span_texts(span) if one.key == "content" else span[one.key]
        return holds(one.operator, value, one.value)
    if one.key in VALUES:
        value = span[VALUES[one.key]]
        if value is not None:
            value = orjson.dumps(value).decode()
        return holds(one.operator, value, one.value)
    if one.operator in ("IS NULL", "IS NOT NULL"):
        return (one.key not in span["attributes"]) is (one.operator == "IS NULL")
    value = span["attributes"].get(one.key)
    if isinstance(one.value, (int, float)):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and holds(one.operator, value, one.value)
    return holds(one.operator, text_of(value), one.value)


def means(condition: Condition, trace: One) -> bool:
    """Whether `condition` means this trace."""
    if isinstance(condition, Not):
        return not means(condition.part, trace)
    if isinstance(condition, Or):
        return any(means(part, trace) for part in condition.parts)
    if isinstance(condition, And):
        spans = [p for p in condition.parts if isinstance(p, Comparison) and is_of_span(p)]
        others = [p for p in condition.parts if p not in spans]
        same = not spans or any(all(of_span(s, p) for p in spans) for s in trace.spans)
        return same and all(means(part, trace) for part in others)
    if is_of_span(condition):
        return any(of_span(span, condition) for span in trace.spans)
    if (condition.subject, condition.key) == ("trace", "text"):
        return any(holds(condition.operator, span_texts(s), condition.value) for s in trace.spans)
    return holds(
        condition.operator, value_of(trace, condition.subject, condition.key), condition.value
    )


def is_of_span(one: Comparison) -> bool:
    """Whether a comparison is of one span."""
    return one.subject in ("span", "attribute")


def value_of(trace: One, subject: str, key: str) -> Any:
    """What a trace has for a field."""
    if subject in ("tag", "metadata"):
        if (subject, key) == ("tag", NAME):
            return value_of(trace, "trace", "name")
        return (trace.tags if subject == "tag" else trace.metadata).get(key)
    if subject == "feedback":
        return text_of(trace.feedback.get(key))
    started = trace.start_ns // 10**6
    took = None if trace.end_ns is None else (trace.end_ns - trace.start_ns) // 10**6
    return {
        "name": trace.tags.get(NAME, trace.name),
        "status": trace.state,
        "timestamp_ms": started,
        "execution_time_ms": took,
        "end_time_ms": None if took is None else started + took,
        "trace_id": f"tr-{trace.number:032x}",
        "run_id": trace.metadata.get(RUN),
        "client_request_id": None,
    }[key]


def across(some: random.Random) -> str:
    """A pattern that may match more than one part of a large value, or what joins them."""
    one, other = some.choices(WORDS, k=2)
    return some.choice(
        [
            f"%{one}%{other}%",
            f'%"q":"{one}%',
            f'%"r":"{one}"%',
            f'%{one} ","r":"{other}%',
            f'%{one}_"%{other}%',
            f'%content":"{one} %content":"{other}%',
            f'%}},{{"role":"user","content":"{one}%',
            '%}]}%"}%',
            "%,404]}%",
            "%[%",
            "%404%",
            "%c1%",
            "%c1_%",
            "%1%",
            f'"{one}%',
            f"{one}%",
            f'%{one} "',
            f'{{"q":%,"r":"{one}%',
        ]
    )


def whole_value(some: random.Random, one: One) -> str:
    """All of what one of a trace's spans has for its inputs or outputs, or of none."""
    values = [span[key] for span in one.spans for key in ("inputs", "outputs")]
    return orjson.dumps(some.choice([*values, "none at all"])).decode()


def comparison(some: random.Random, traces: list[One]) -> Comparison:
    """Any comparison: what it asks for, many have, or few, or none."""
    one = some.choice(traces)
    word = some.choice([*WORDS, "none at all", "er", "GRÖß", "x"])
    like = some.choice(["LIKE", "ILIKE"])
    null = some.choice(["IS NULL", "IS NOT NULL"])
    equal = some.choice(["=", "!="])
    several = some.choice(["IN", "NOT IN"])
    number = some.choice([">", "<", "=", "!="])
    value = some.choice([*VALUES])
    pattern = across(some)
    whole = whole_value(some, one)
    key = some.choice(["env", "a.b", 'quo"te', "ключ", "wide", "nothing"])
    attribute = some.choice(["n", "temperature", "a.b", "wide", "nothing"])
    member = some.choice([SESSION, RUN, "user", "mlflow.traceInputs", "nothing"])
    started = one.start_ns // 10**6
    return some.choice(
        [
            Comparison("trace", "text", like, f"%{word}%"),
            Comparison("trace", "text", like, f"%{word}%"),
            Comparison("span", "content", like, f"%{word}%"),
            Comparison("trace", "text", like, pattern),
            Comparison("span", "content", like, pattern),
            Comparison("attribute", value, like, some.choice([pattern, f"%{word}%"])),
            Comparison("attribute", value, null),
            Comparison("attribute", value, equal, whole),
            Comparison("attribute", value, several, (whole, '"none at all"', word)),
            Comparison("span", "name", some.choice(["=", "!=", "LIKE", "ILIKE"]), "call"),
            Comparison("span", "type", several, ("LLM", "AGENT")),
            Comparison("span", "status", equal, "ERROR"),
            Comparison("attribute", attribute, number, some.choice([1, 2, 2.5])),
            Comparison("attribute", attribute, equal, some.choice(["1", "true", *WORDS])),
            Comparison("attribute", attribute, like, f"%{word}%"),
            Comparison("attribute", attribute, null),
            Comparison("trace", "status", several, ("OK", "IN_PROGRESS")),
            Comparison("trace", "status", equal, "ERROR"),
            Comparison("trace", "name", some.choice(["=", "!=", like]), "answer"),
            Comparison("trace", "name", null),
            Comparison("trace", "trace_id", equal, f"tr-{one.number:032x}"),
            Comparison("trace", "timestamp_ms", number, started),
            Comparison("trace", "execution_time_ms", number, 20),
            Comparison("trace", "end_time_ms", some.choice([null, number]), started),
            Comparison("trace", "run_id", equal, "x"),
            Comparison("trace", "client_request_id", some.choice([null, "="]), "x"),
            Comparison("tag", key, equal, word),
            Comparison("tag", key, like, f"%{word}%"),
            Comparison("tag", key, null),
            Comparison("tag", NAME, equal, "answer"),
            Comparison("metadata", member, several, ("x", "y")),
            Comparison("metadata", member, equal, some.choice(["x", *WORDS])),
            Comparison("metadata", member, null),
            Comparison("feedback", some.choice(["good", "bad"]), equal, "true"),
            Comparison("feedback", some.choice(["good", "bad"]), null),
        ]
    )


def condition(some: random.Random, traces: list[One], depth: int = 3) -> Condition:
    """Comparisons joined in any way."""
    how = some.random()
    if depth == 0 or how < 0.3:
        return comparison(some, traces)
    if how < 0.5:
        return Not(condition(some, traces, depth - 1))
    parts = tuple(condition(some, traces, depth - 1) for _ in range(some.randrange(2, 4)))
    return And(parts) if how < 0.8 else Or(parts)


def expected(traces: list[One], query: TraceQuery) -> list[int]:
    """The numbers of the traces that a query means, in its order."""
    found = [one for one in traces if query.condition is None or means(query.condition, one)]
    # Of traces that began at once, the one that was written last is the newest.
    found.sort(key=lambda one: (one.start_ns, traces.index(one)), reverse=True)
    for order in reversed(query.order):
        values = {one.number: value_of(one, order.subject, order.key) for one in found}
        if order.key == "timestamp_ms":  # more exact than a filter
            values = {one.number: one.start_ns for one in found}
        known = [one for one in found if values[one.number] is not None]
        unknown = [one for one in found if values[one.number] is None]
        known.sort(key=lambda one: values[one.number], reverse=not order.ascending)
        last = order.subject != "trace" and order.key != NAME
        found = known + unknown if last or not order.ascending else unknown + known
    return [one.number for one in found]


def as_version_4(path: Path) -> None:
    """Make a file what the version before briefs would have left."""
    with closing(sqlite3.connect(path)) as connection:
        for table in schema.TABLES[schema.TABLES.index("brief_traces") :]:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 4")


def maintain(store: SQLiteStore) -> None:
    """Do all that can wait."""
    while store.maintain():
        pass


@pytest.fixture(
    scope="module", params=["new", "maintained", "changed", "maintained again", "read, version 4"]
)
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SQLiteStore, list[One]]]:
    """A store in one of the states in which one finds it, and what is in it."""
    some = random.Random(5)
    path = tmp_path_factory.mktemp("store") / "s.db"
    store = SQLiteStore(path)
    traces = [make(n, some) for n in range(1, TRACES + 1)]
    store.write([update_of(one) for one in traces])
    for one in some.sample(traces, 20):
        judge(store, one, some)
    if request.param != "new":
        maintain(store)
    if "again" in request.param or request.param == "changed":
        traces = change(store, traces, some)
    if "again" in request.param:
        maintain(store)
    if "4" in request.param:
        store.close()
        as_version_4(path)
        store = SQLiteStore(path, read_only=True)
    yield store, traces
    store.close()


@pytest.fixture(params=["each part on its own", "what is left one by one", "the newest first"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways in which a filter may be carried out."""
    if request.param != "the newest first":
        monkeypatch.setattr("tracetape.store.selecting._NEAR", 0)
        few = 0 if request.param == "each part on its own" else TRACES
        monkeypatch.setattr("tracetape.store.finder._FEW", few)
        monkeypatch.setattr("tracetape.store.finder._LISTED", 20)


@pytest.mark.usefixtures("way")
def test_each_filter_finds_what_a_plain_look_finds(stored: tuple[SQLiteStore, list[One]]) -> None:
    """Any comparison, joined in any way, of what is missing too; a page at a time."""
    store, traces = stored
    some = random.Random(11)
    for _ in range(20):
        query = TraceQuery(condition(some, traces))
        wanted = expected(traces, query)
        assert store.find(query) == wanted, query
        limit = some.choice([7, 50, 1000])
        found: list[int] = []
        for offset in range(0, len(wanted) + 1, limit):
            found += store.find(TraceQuery(query.condition, (), limit, offset))
        assert found == wanted, (limit, query)


@pytest.mark.parametrize("size", [5, 3000])
@pytest.mark.parametrize("field", ["text", *VALUES])
def test_a_pattern_finds_a_value_of_any_size(tmp_path: Path, field: str, size: int) -> None:
    """Small values stand in their span, large ones in parts: no pattern may tell them apart."""
    some = random.Random(1)
    one = make(1, some)
    value = {"q": "apple " + "z" * size, "pages": [f"page {'y' * size}", 404], "r": "banana"}
    one.spans = [{**make_span(some, False), "inputs": value, "outputs": value, "attributes": {}}]
    store = SQLiteStore(tmp_path / "s.db")
    store.write([update_of(one)])
    subject = "trace" if field == "text" else "attribute"
    patterns = ["%apple%banana%", '%"q":"apple%', '%z","pages":["page%', "%,404],%", '%y"_404]%']
    strange = ["%c1%", '%c_",%', "%l1%", "apple%", '"apple%', "%banana%apple%page%apple%404%c%"]
    for way in ("as it is written", "indexed"):
        if way == "indexed":
            maintain(store)
        for pattern in (*patterns, *strange, "%apple%", "%banana%"):
            is_meant = pattern not in strange
            for operator in ("LIKE", "ILIKE"):
                which = Comparison(subject, field, operator, pattern)
                found = store.find(TraceQuery(which))
                assert found == [1] * is_meant, (way, which)
                assert store.find(TraceQuery(Not(which))) == [1] * (not is_meant), (way, which)
    store.close()


@pytest.mark.usefixtures("way")
def test_each_order_is_that_of_a_plain_look(stored: tuple[SQLiteStore, list[One]]) -> None:
    """By each field, up and down, with any filter and none; the newest first among equals."""
    store, traces = stored
    some = random.Random(13)
    keys = [
        *(("trace", key) for key in ("name", "status", "timestamp_ms", "trace_id", "run_id")),
        *(("trace", key) for key in ("execution_time_ms", "end_time_ms", "client_request_id")),
        *(("tag", key) for key in ("env", 'quo"te', NAME, "nothing")),
        *(("metadata", key) for key in (SESSION, "user", "mlflow.traceInputs")),
    ]
    for subject, key in keys:
        for ascending in (True, False):
            order = (Order(key, ascending, subject), Order("status", not ascending))
            how = order[: some.randrange(1, 3)]
            for which in some.sample((None, comparison(some, traces), condition(some, traces)), 1):
                query = TraceQuery(which, how, some.choice([None, 5, 100]), some.choice([0, 3]))
                wanted = expected(traces, query)[query.offset :][: query.limit]
                assert store.find(query) == wanted, query


def test_sessions_are_those_of_a_plain_look(
    stored: tuple[SQLiteStore, list[One]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one with the newest trace that is meant first, though newer ones are not meant."""
    monkeypatch.setattr("tracetape.store.sessions._LOOKED_THROUGH", 1)
    store, traces = stored
    for which in (
        Comparison("trace", "status", "!=", "IN_PROGRESS"),
        Comparison("tag", "env", "=", WORDS[0]),
        Comparison("trace", "name", "IS NULL"),
    ):
        by_number = {one.number: one for one in traces}
        found = [by_number[n].metadata.get(SESSION) for n in expected(traces, TraceQuery(which))]
        wanted = list(dict.fromkeys(one for one in found if one is not None))
        for limit in (1, 2, 10):
            assert store.sessions(which, limit) == wanted[:limit], (which, limit)


def test_filters_follow_no_content_to_each_of_its_traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one statement on the tables that are written would: through lists, uses and spans."""
    monkeypatch.setattr("tracetape.store.finder._FEW", 0)
    some = random.Random(6)
    store = SQLiteStore(tmp_path / "s.db")
    traces = [make(n, some) for n in range(1, 201)]
    system = {"role": "system", "content": "so be it " * 90}
    for one in traces:
        span = {**make_span(some, False), "name": "call", "outputs": None}
        user = {"role": "user", "content": f"{one.number} " * 90}
        one.spans = [{**span, "inputs": {"messages": [system, user]}}]
    store.write([update_of(one) for one in traces])
    maintain(store)
    text = Comparison("trace", "text", "LIKE", "%so be it%")
    there = Comparison("span", "content", "LIKE", "%so be it%")
    with store._reader as connection:
        for which in (
            Not(text),
            And((there, Comparison("span", "name", "=", "retrieve"))),
            Or((text, Comparison("trace", "text", "LIKE", "%nothing like it%"))),
        ):
            steps = steps_of_both_ways(connection, which)
            assert steps["parts"] < steps["one statement"] / 2, (which, steps)
    store.close()


def test_values_are_joined_only_where_the_index_lets_them_match(tmp_path: Path) -> None:
    """To join a value of 4 kB takes longer than all else: not for each span of the store."""
    some = random.Random(9)
    store = SQLiteStore(tmp_path / "s.db")
    traces = [make(n, some) for n in range(1, 101)]
    for one in traces:
        value = {"q": f"{one.number}th stone " * 300}
        one.spans = [{**make_span(some, False), "inputs": value, "outputs": None}]
    store.write([update_of(one) for one in traces])
    maintain(store)
    key, text = "mlflow.spanInputs", orjson.dumps({"q": "77th stone " * 300}).decode()
    joined: list[object] = []
    with store._reader as connection:
        connection.create_function(
            "tracetape_pieces", 1, lambda stored: joined.append(stored) or pieces_json(stored)
        )
        for which, count in (
            (Comparison("attribute", key, "LIKE", "%77th stone 77%"), 1),
            (Comparison("attribute", key, "ILIKE", "%77TH stone 77%"), 1),
            (Comparison("attribute", key, "=", text), 1),
            (Comparison("attribute", key, "IN", (text, "none at all")), 1),
            (Comparison("attribute", key, "!=", text), 99),
            (Comparison("attribute", key, "IS NOT NULL"), 100),
        ):
            joined.clear()
            assert len(Finder(connection).rows(which, TraceQuery(which), SELECT)) == count
            assert len(joined) <= 2, which
    store.close()


def test_what_is_new_in_a_value_is_looked_up() -> None:
    """Not what all conversations begin with, nor the names of members: too many have them."""
    said = [f"You are a helpful assistant. {'x' * 99}", "How high is the tower in Paris?"]
    value = orjson.dumps({"messages": [{"content": text} for text in said], "n": 1}).decode()
    assert certain_texts(value) == [f'"{said[-1]}"']
    assert certain_texts("%Paris%London%") == ["London", "Paris"]
    assert certain_texts('%"q":1%') == ['"q"']


def test_traces_that_come_fast_are_looked_at_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest that are wanted are there before all were asked; if few are like it, all are."""
    some = random.Random(2)
    store = SQLiteStore(tmp_path / "s.db")
    traces = [make(n, some) for n in range(1, 101)]
    store.write([update_of(one) for one in traces])
    clock = itertools.count()
    monkeypatch.setattr("tracetape.store.statements.thread_time", lambda: next(clock) / 200)
    monkeypatch.setattr("tracetape.store.statements._STEPS", 100)
    monkeypatch.setattr("tracetape.store.selecting._NEAR", 50)
    monkeypatch.setattr("tracetape.store.selecting._NEAR_MOST", 60.0)
    asked: list[object] = []
    monkeypatch.setattr(
        "tracetape.store.selecting.Finder",
        lambda connection: asked.append(connection) or Finder(connection),
    )
    for text, is_soon in (("%river%", True), ("%none at all%", False)):
        query = TraceQuery(Comparison("trace", "text", "LIKE", text), (), 30)
        asked.clear()
        assert store.find(query) == expected(traces, query)[:30]
        assert bool(asked) is not is_soon, text
    store.close()


def steps_of_both_ways(connection: sqlite3.Connection, which: Condition) -> dict[str, int]:
    """Of a filter as one statement, and of its parts."""
    query = TraceQuery(which)
    text, values = select_traces(query, SELECT)
    return {
        "one statement": steps_of(connection, lambda: connection.execute(text, values).fetchall()),
        "parts": steps_of(connection, lambda: Finder(connection).rows(which, query, SELECT)),
    }


def steps_of(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    """How much SQLite has to do for it."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    connection.set_progress_handler(step, 1)
    work()
    connection.set_progress_handler(None, 0)
    return count


def test_what_is_removed_leaves_no_trace_in_the_briefs(
    tmp_path: Path, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Neither its rows nor the names of its spans, which may be anybody's secret."""
    some = random.Random(3)
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    store.write([update_of(make(n, some)) for n in range(1, 60)])
    maintain(store)
    tables = ("brief_traces", "kinds", "brief_spans", "holders")
    assert all(query(f"SELECT count(*) FROM {table}", path=path) != [(0,)] for table in tables)
    store.delete(list(range(1, 60)))
    for table in (*tables, "late_traces", "late_briefs"):
        assert query(f"SELECT count(*) FROM {table}", path=path) == [(0,)], table
    store.write([update_of(make(99, some))])
    maintain(store)
    assert query("SELECT count(*) FROM brief_traces", path=path) == [(1,)]  # its id is an old one
    store.close()


def test_damaged_rows_keep_no_brief_from_being_made(
    tmp_path: Path, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Texts that are no UTF-8, JSON that is none, spans of no trace, lists that go in circles."""
    some = random.Random(8)
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    store.write([update_of(make(n, some)) for n in range(1, 60)])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            UPDATE traces SET name = CAST(x'ff41' AS TEXT), tags = '{no' WHERE id % 7 = 1;
            UPDATE traces SET tags = x'ff', metadata = CAST(x'7bff' AS TEXT) WHERE id % 7 = 2;
            UPDATE spans SET trace = 'abc', span_id = hex(randomblob(8)) WHERE id % 9 = 1;
            UPDATE spans SET trace = -5, span_id = hex(randomblob(8)) WHERE id % 9 = 2;
            UPDATE spans SET attributes = '[1', name = CAST(x'fe' AS TEXT) WHERE id % 9 = 3;
            UPDATE lists SET before = id WHERE id % 3 = 1;
            UPDATE lists SET before = 'x' || id WHERE id % 3 = 2;
            """
        )
    maintain(store)
    (made,) = query("SELECT count(*) FROM brief_traces", path=path)
    assert made == (59,)
    some_of = Not(Comparison("tag", "env", "=", "x")), Comparison("span", "type", "!=", "x")
    for which in some_of:
        assert store.find(TraceQuery(which))
    found = len(store.find(TraceQuery(some_of[1])))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE brief_spans SET trace = x'ff' WHERE id % 8 = 0")
        connection.commit()
    assert 0 < len(store.find(TraceQuery(some_of[1]))) <= found
    store.close()


def test_a_conversation_has_one_holder_a_turn(
    tmp_path: Path, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Not one for each message of each turn."""
    some = random.Random(4)
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    said: list[dict[str, str]] = []
    for n in range(1, 31):
        said.append({"role": "user", "content": f"{n} {some.random()} " * 40})
        one = make(n, some)
        one.spans = [{**make_span(some, False), "inputs": {"messages": said}, "outputs": None}]
        store.write([update_of(one)])
        if n % 3 == 0:
            maintain(store)
    assert query("SELECT count(*) FROM holders", path=path) == [(30,)]
    text = Comparison("trace", "text", "LIKE", f"%{said[9]['content']}%")
    assert len(store.find(TraceQuery(text))) == 21
    store.close()
