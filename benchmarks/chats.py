"""A chat application's traces, as many as are wanted: searching, handing over, bringing in.

Three spans a trace: the question, two documents that were found, one call of a model. Every
figure is processor time of this process, so that other work on the machine counts little.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from multiplied import TEMPLATE, check, mark, multiply

from tracetape.entities import Feedback, SpanStatus, TraceState
from tracetape.entities.span_record import SpanRecord
from tracetape.live.live_trace import TraceDetails
from tracetape.live.summary import preview, root_metadata
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.fields import parse_order_by
from tracetape.store.filters import parse_filter
from tracetape.store.query import Comparison, TraceQuery
from tracetape.store.retention import Retention

NOW = 1_790_000_000_000_000_000
BATCH = 500  # traces in one transaction, as the recorder writes them when it is busy
SEARCH_MS, SESSIONS_MS, SPANS_A_SECOND = 300, 50, 20_000
_random = random.Random(7)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORDS = ["".join(_random.choices(_LETTERS, k=_random.randint(2, 9))) for _ in range(20_000)]
_POOL = _random.choices(_WORDS, k=1_000_000)


def words(count: int) -> str:
    at = _random.randrange(len(_POOL) - count)
    return " ".join(_POOL[at : at + count])


_SYSTEM = f"You are a helpful assistant. {words(200)}"


def chat(n: int) -> TraceUpdate:
    """The n-th trace: always the same."""
    one = mark(n)
    _random.seed((n - 1) % TEMPLATE)
    question, *documents = (f"{words(count)} {one}" for count in (20, 60, 60))
    found = [{"page_content": text, "metadata": {"i": k}} for k, text in enumerate(documents)]
    answer = f"{words(40)} {one} {words(40)}"
    usage = {"input_tokens": 300 + n % 100, "output_tokens": 90, "total_tokens": 390 + n % 100}
    prompt = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": f"{question} {' '.join(documents)}"},
        ],
    }
    said = {"id": f"chat {one}", "choices": [{"message": {"role": "assistant", "content": answer}}]}
    failed = n % 50 == 0
    spans = [
        _span(n, 1, None, "answer", "CHAIN", {"question": question}, answer),
        _span(n, 2, 1, "retrieve", "RETRIEVER", {"q": question}, found),
        _span(
            n,
            3,
            1,
            "Completions",
            "CHAT_MODEL",
            prompt,
            said,
            attributes={"temperature": 0.5, "n": n},
            fields={"model": "gpt-4o", "provider": "openai", "usage": usage},
            status=SpanStatus("ERROR", "it failed") if failed else SpanStatus("OK"),
        ),
    ]
    tags, metadata = {}, dict(root_metadata(spans[0]))
    if n % 8 == 0:
        tags = {"env": "prod" if n % 16 else "dev", "i": str(n)}
        metadata |= {"mlflow.trace.session": f"s{n // 40}", "mlflow.trace.user": f"u{n % 100}"}
    return TraceUpdate(
        n,
        spans[0].start_time_ns,
        spans,
        TraceState.OK,
        "answer",
        spans[0].end_time_ns,
        preview(spans[0].inputs),
        preview(spans[0].outputs, "assistant"),
        3,
        int(failed),
        sums=dict(usage),
        details=TraceDetails(tags=tags, metadata=metadata),
    )


def _span(
    n: int,
    at: int,
    parent: int | None,
    name: str,
    kind: str,
    inputs: Any,
    outputs: Any,
    **rest: Any,
) -> SpanRecord:
    start = NOW + n * 1_000_000 + at * 1000
    known: dict[str, Any] = {"attributes": None, "fields": None, "status": SpanStatus("OK")}
    return SpanRecord(
        trace_id=n,
        span_id=at,
        parent_id=parent,
        name=name,
        span_type=kind,
        start_time_ns=start,
        end_time_ns=start + 900_000 + (n - 1) % TEMPLATE * 7919 % 5_000_000,
        inputs=orjson.dumps(inputs),
        outputs=orjson.dumps(outputs),
        events=None,
        **{**known, **rest},
    )


def write(store: SQLiteStore, traces: int) -> float:
    """Processor time of writing, in seconds."""
    taken = 0.0
    for first in range(1, traces + 1, BATCH):
        batch = [chat(n) for n in range(first, min(first + BATCH, traces + 1))]
        began = time.process_time()
        store.write(batch)
        taken += time.process_time() - began
    return taken


def make(path: Path, traces: int, show: Callable[..., None]) -> None:
    """A store of so many traces: the first of them written as the recorder does, then copied."""
    store = SQLiteStore(path)
    spans = TEMPLATE * 3
    name = f"{TEMPLATE:,} traces of three spans"
    show(f"write {name}, processor time a span", write(store, TEMPLATE) / spans * 1e6, "µs")
    store.close()
    show("  … size without the index, a span", path.stat().st_size / spans, "bytes")
    began = time.process_time()
    while store.maintain(0.2):
        pass
    taken = time.process_time() - began
    show("  … its index, processor time a span", taken / spans * 1e6, "µs")
    store.close()
    show("  … size with it, a span", path.stat().st_size / spans, "bytes")
    began, wall = time.process_time(), time.perf_counter()
    multiply(path, traces // TEMPLATE)
    show(f"copied until they are {traces:,}, processor time", time.process_time() - began, "s")
    show("  … all of it", time.perf_counter() - wall, "s")
    show("  … size, a span", path.stat().st_size / traces / 3, "bytes")
    some = random.Random(3).sample(range(1, traces + 1), 20)
    cut = traces - TEMPLATE + 113  # its preview ends within its mark
    check(store, [chat(n) for n in sorted({1, 2, cut, traces - 1, traces, *some})])
    for n in range(100, traces + 1, 1000):
        judged = Feedback(name="helpful", value=n % 2000 == 100, trace_id=f"tr-{n:032x}")
        judged.assessment_id = f"a-{n:032x}"
        store.assess(n, [judged])
    while store.maintain(0.2):
        pass
    store.close()


def filters(traces: int) -> Iterable[tuple[str, str | None, str | None]]:
    """What is searched for: a name, the filter, the order."""
    common, rare = _WORDS[5], mark(1776)
    texts = {
        "a text that all have": "trace.text LIKE '%helpful assistant%'",
        "a text that none has": "trace.text LIKE '%no such thing%'",
        "a word that many have": f"trace.text LIKE '% {common} %'",
        "a word that one has": f"trace.text LIKE '%chat {rare}%'",
        "in any case": "trace.text ILIKE '%HELPFUL ASSISTANT%'",
        "in any case, a word that many have": f"trace.text ILIKE '% {common.upper()} %'",
        "NOT a text that all have": "NOT trace.text LIKE '%helpful assistant%'",
        "NOT a word that many have": f"NOT trace.text LIKE '% {common} %'",
        "two texts by OR, both in all": (
            "trace.text LIKE '%helpful%' OR trace.text LIKE '%assistant%'"
        ),
        "two texts by OR, none": "trace.text LIKE '%no such%' OR trace.text LIKE '%nor this one%'",
        "two texts by AND, together in none": (
            f"trace.text LIKE '%helpful assistant%' AND trace.text LIKE '%no such {common}%'"
        ),
        "two words that many have, by AND": (
            f"trace.text LIKE '% {common} %' AND trace.text LIKE '% {_WORDS[77]} %'"
        ),
        "two letters": "trace.text LIKE '%zq%'",
        "text of a span of a name": (
            "span.content LIKE '%helpful assistant%' AND span.name = 'retrieve'"
        ),
        "text and a state that none has": (
            "trace.text LIKE '%helpful assistant%' AND status = 'ERROR'"
        ),
        "text and a tag": f"trace.text LIKE '% {common} %' AND tag.env = 'prod'",
        "text or a tag, none": "trace.text LIKE '%no such thing%' OR tag.env = 'none'",
        "NOT (a text that all have, or a tag)": (
            "NOT (trace.text LIKE '%helpful assistant%' OR tag.env = 'prod')"
        ),
        "two texts of one span, none": (
            f"span.content LIKE '% {common} %' AND span.content LIKE '% {_WORDS[77]} nothing%'"
        ),
        "text and an attribute of one span": (
            f"span.content LIKE '% {common} %' AND span.attributes.n > 10000000"
        ),
    }
    spans = {
        "span.name that none has": "span.name = 'none'",
        "span.name like none": "span.name LIKE '%none%'",
        "span.name ILIKE none": "span.name ILIKE 'NONE%'",
        "span.name by expression": "span.name RLIKE '^none'",
        "span.name that all have": "span.name = 'retrieve'",
        "span.type that none has": "span.type = 'TOOL'",
        "span.type IN": "span.type IN ('TOOL', 'AGENT')",
        "span.status": "span.status = 'ERROR' AND span.name = 'retrieve'",
        "NOT span.name": "NOT span.name = 'retrieve'",
        "span.name != all": "span.name NOT IN ('answer', 'retrieve', 'Completions')",
        "two spans by OR, none": "span.name = 'none' OR span.type = 'TOOL'",
        "attribute that none has": "span.attributes.nothing = 'x'",
        "attribute of another value": "span.attributes.temperature = 0.7",
        "attribute, one trace": f"span.attributes.n = {traces // 2}",
        "attribute != what all have": "span.attributes.temperature != 0.5",
        "attribute LIKE": "span.attributes.nothing LIKE '%x%'",
        "attribute IS NULL": "span.attributes.temperature IS NULL AND span.type = 'CHAT_MODEL'",
        "attribute model": "span.attributes.model = 'other'",
        "attribute and name": "span.name = 'Completions' AND span.attributes.n > 10000000",
    }
    trace = {
        "all": "status != 'ERROR'",
        "status": "status = 'ERROR'",
        "name that none has": "name = 'none'",
        "name LIKE none": "name LIKE '%none%'",
        "name by expression": "name RLIKE '^none'",
        "trace_id": f"trace_id = 'tr-{traces // 3:032x}'",
        "trace_id of none": "trace_id = 'tr-none'",
        "client_request_id": "client_request_id = 'none'",
        "run_id": "run_id = 'none'",
        "timestamp": f"timestamp < {NOW // 1_000_000}",
        "execution_time": "execution_time > 100000",
        "end_time": "end_time < 5",
        "tag": "tag.env = 'none'",
        "tag, one trace": "tag.i = '70000'",
        "tag that no trace has": "tag.nothing = 'x'",
        "tag LIKE": "tag.env LIKE '%none%'",
        "tag IS NOT NULL": "tag.nothing IS NOT NULL",
        "NOT tag": "NOT tag.env IS NULL AND NOT tag.env = 'prod' AND NOT tag.env = 'dev'",
        "metadata": "metadata.`mlflow.trace.user` = 'none'",
        "metadata, key of none": "metadata.nothing = 'x'",
        "session": "metadata.`mlflow.trace.session` = 's1000'",
        "feedback": "feedback.helpful = 'true'",
        "feedback of none": "feedback.nothing = 'true'",
        "feedback, other value": "feedback.helpful = 'perhaps'",
        "no feedback": "feedback.helpful IS NULL AND tag.env = 'none'",
        "expectation": "expectation.answer = 'x'",
        "issue": "issue.id = 'x'",
    }
    one = chat(traces // 3 + 1)
    inputs = [(span.inputs or b"").decode() for span in one.spans]
    value = "span.attributes.mlflow.spanInputs"
    whole = {
        "inputs LIKE": f"{value} LIKE '%{mark(traces // 3 + 1)}%'",
        "inputs LIKE, across their parts": f"{value} LIKE '%{mark(traces // 3 + 1)}\"}}]%'",
        "inputs =, 0.2 kB": f"{value} = '{inputs[1]}'",
        "inputs =, 3 kB": f"{value} = '{inputs[2]}'",
        "inputs != what one has": f"NOT {value} != '{inputs[1]}'",
        "inputs IS NULL": f"{value} IS NULL",
    }
    all_of_it = {
        "NOT a text that all have, other words around it": "NOT trace.text LIKE '%page_content%'",
        "NOT two letters that all have": "NOT trace.text LIKE '%n0%'",
        "NOT two letters that many have": "NOT trace.text LIKE '%zq%'",
        "NOT a number that all have": "NOT span.attributes.n > -1",
        "NOT two numbers that all have": (
            "NOT (span.attributes.n > -1 AND span.attributes.temperature < 1)"
        ),
    }
    for name, text in {**texts, **spans, **trace, **whole, **all_of_it}.items():
        yield name, text, None
    for key in (
        "timestamp",
        "end_time",
        "execution_time",
        "name",
        "status",
        "trace_id",
        "client_request_id",
        "experiment_id",
        "run_id",
        "tag.env",
        "tag.i",
        "metadata.`mlflow.trace.user`",
    ):
        for way in ("ASC", "DESC"):
            yield f"order_by {key} {way}", None, f"{key} {way}"
    yield "order_by with a text", "trace.text LIKE '%helpful assistant%'", "execution_time ASC"
    yield "order_by with a span", "span.name = 'retrieve'", "execution_time ASC"


def searching(store: SQLiteStore, traces: int, show: Callable[..., None]) -> None:
    ended = Comparison("trace", "status", "!=", "IN_PROGRESS")
    figures: dict[str, float] = {}

    def search(name: str, query: TraceQuery) -> float:
        taken, found = processor_ms(lambda: store.search(query, include_spans=False))
        show(f"{name} ({len(found):,})", taken, "ms", SEARCH_MS)
        return taken

    for name, text, order in filters(traces):
        condition = ended if text is None else parse_filter(f"({text}) AND status != 'IN_PROGRESS'")
        query = TraceQuery(condition, parse_order_by(None if order is None else [order]), 100)
        figures[name] = search(name, query)
    for name in ("all", "a text that all have", "span.name that all have", "tag LIKE"):
        text = next(text for one, text, _ in filters(traces) if one == name)
        condition = parse_filter(f"({text}) AND status != 'IN_PROGRESS'")
        deep = TraceQuery(condition, (), 100, traces // 2)
        figures[f"page {name}"] = search(f"{name}, the page after {traces // 2:,}", deep)
    within = sum(taken <= SEARCH_MS for taken in figures.values())
    print(
        f"{within} of {len(figures)} searches within {SEARCH_MS} ms of processor time", flush=True
    )
    for limit in (10, 100, 1000):
        taken, found = processor_ms(lambda n=limit: store.sessions(ended, n))
        show(f"newest {len(found):,} sessions", taken, "ms", SESSIONS_MS)


def pruning(path: Path, traces: int, show: Callable[..., None]) -> None:
    """The oldest traces removed one after the other, and the space given back."""
    store = SQLiteStore(path)
    size = path.stat().st_size
    began = time.process_time()
    removed = sum(store.prune(Retention(max_bytes=size * 49 // 50)))
    taken = time.process_time() - began
    store.close()
    show(
        f"prune {removed:,} of {traces:,} traces, processor time each", taken / removed * 1e3, "ms"
    )


def processor_ms(work: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """The least of some rounds: caches are warm, as they are for who searches twice."""
    best, result = float("inf"), None
    for _ in range(rounds):
        began = time.process_time()
        result = work()
        best = min(best, (time.process_time() - began) * 1000)
    return best, result


def exchanging(path: Path, spans: int, show: Callable[..., None]) -> None:
    """The commands, each in a process of its own."""
    folder = path.parent
    for kind in ("jsonl", "parquet"):
        _command(
            f"export --{kind}", spans, show, "export", f"--{kind}", str(folder / f"x.{kind}"), path
        )
    (folder / "x.parquet").unlink(missing_ok=True)
    into = folder / "imported.db"
    _command("import of that JSONL", spans, show, "import", str(folder / "x.jsonl"), into)
    (folder / "x.jsonl").unlink()
    for end in ("", "-wal", "-shm"):
        Path(f"{into}{end}").unlink(missing_ok=True)


def _command(what: str, spans: int, show: Callable[..., None], *words: Any) -> None:
    *given, store = words
    command = [sys.executable, "-m", "tracetape", *given, "--store", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{what} failed")
    rate = spans / (used.ru_utime + used.ru_stime)
    less = "" if rate >= SPANS_A_SECOND else f"   LESS than {SPANS_A_SECOND:,}"
    show(f"{what}, spans a second of the processor", rate, less)
    show("  … resident memory, at most", used.ru_maxrss / 1024, "MiB", 300)


def main(folder: Path, traces: int, show: Callable[..., None], kept: Path | None = None) -> None:
    path = kept or folder / "chats.db"
    traces = max(1, round(traces / TEMPLATE)) * TEMPLATE
    if not path.exists():
        make(path, traces, show)
    store = SQLiteStore(path)
    searching(store, traces, show)
    store.close()
    exchanging(path, traces * 3, show)
    if kept is None:
        pruning(path, traces, show)
