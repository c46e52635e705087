"""Beside OpenTelemetry: its active span as our parent, ours as its current one; only if asked."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import tracetape
from tracetape.entities import NoOpSpan, Trace

otel = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
exporting = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
simple = pytest.importorskip("opentelemetry.sdk.trace.export")


@pytest.fixture
def finished() -> Any:
    """Spans that OpenTelemetry's SDK has exported."""
    return exporting.InMemorySpanExporter()


@pytest.fixture
def tracer(finished: Any) -> Any:
    """A tracer of OpenTelemetry's SDK; the global provider is left alone."""
    provider = sdk.TracerProvider()
    provider.add_span_processor(simple.SimpleSpanProcessor(finished))
    return provider.get_tracer("test")


@pytest.fixture
def together() -> Iterator[None]:
    """OpenTelemetry's context and ours are one."""
    with tracetape.configure(otel_context=True):
        yield
    assert not otel.get_current_span().get_span_context().is_valid


def shown() -> tuple[str, str] | None:
    """Ids of what OpenTelemetry takes for the current span."""
    found = otel.get_current_span().get_span_context()
    return (f"tr-{found.trace_id:032x}", f"{found.span_id:016x}") if found.is_valid else None


def ids(span: Any) -> tuple[str, str]:
    """Ids of a span, be it OpenTelemetry's or ours."""
    if hasattr(span, "get_span_context"):
        found = span.get_span_context()
        return f"tr-{found.trace_id:032x}", f"{found.span_id:016x}"
    return span.trace_id, span.span_id


def test_without_a_word_nothing_is_shared(tracer: Any) -> None:
    """Neither direction: two tracers that do not know each other."""
    with tracer.start_as_current_span("theirs") as theirs:
        with tracetape.start_span("ours") as ours:
            assert ours.parent_id is None
            assert ours.trace_id != ids(theirs)[0]
            assert shown() == ids(theirs)


@pytest.mark.usefixtures("together")
def test_their_span_becomes_the_parent(tracer: Any, last_trace: Callable[[], Trace]) -> None:
    """The root of ours is a part of their trace."""
    with tracer.start_as_current_span("theirs") as theirs:
        with tracetape.start_span("ours") as ours:
            assert (ours.trace_id, ours.parent_id) == ids(theirs)
            with tracetape.start_span("child") as child:
                assert child.parent_id == ours.span_id
        assert shown() == ids(theirs)
    assert [span.name for span in last_trace().data.spans] == ["ours", "child"]


@pytest.mark.usefixtures("together")
def test_our_span_is_their_current_one(tracer: Any, finished: Any) -> None:
    """Their instrumentations make children of it, and what they propagate has its ids."""
    from opentelemetry.propagate import inject

    with tracetape.start_span("ours") as ours:
        assert shown() == ids(ours)
        with tracer.start_as_current_span("theirs"):
            pass
        headers: dict[str, str] = {}
        inject(headers)
        assert headers == tracetape.tracing.get_tracing_context_headers_for_http_request()
        with tracetape.start_span("child") as child:
            assert shown() == ids(child)
        assert shown() == ids(ours)
    assert shown() is None
    (theirs,) = finished.get_finished_spans()
    assert f"{theirs.parent.span_id:016x}" == ours.span_id
    assert ids(theirs)[0] == ours.trace_id


@pytest.mark.usefixtures("together")
def test_turn_by_turn(tracer: Any, finished: Any, last_trace: Callable[[], Trace]) -> None:
    """Ours in theirs in ours: each below the other."""
    with tracetape.start_span("a") as a:
        with tracer.start_as_current_span("b") as b:
            with tracetape.start_span("c") as c:
                with tracer.start_as_current_span("d") as d:
                    assert d.parent.span_id == int(c.span_id or "", 16)
                assert c.parent_id == ids(b)[1]
                assert c.trace_id == a.trace_id
            assert shown() == ids(b)
        assert shown() == ids(a)
    assert [span.name for span in last_trace().data.spans] == ["a", "c"]


@pytest.mark.usefixtures("together")
def test_a_root_of_its_own(tracer: Any) -> None:
    """`start_span_no_context` goes by its arguments alone, as ever, and shows nothing."""
    with tracer.start_as_current_span("theirs") as theirs:
        with tracetape.start_span("active") as active:
            root = tracetape.start_span_no_context("root")
            child = tracetape.start_span_no_context("child", parent_span=root)
            with tracetape.start_span("deeper"):
                other = tracetape.start_span_no_context("other", parent_span=active)
            assert shown() == ids(active)
        assert shown() == ids(theirs)
    assert (root.parent_id, child.parent_id) == (None, root.span_id)
    assert other.parent_id == active.span_id
    for span in (root, child, other):
        span.end()


@pytest.mark.usefixtures("together")
def test_a_span_that_is_not_recorded_shows_nothing(tracer: Any) -> None:
    """Their current span stays what it was."""
    with tracer.start_as_current_span("theirs") as theirs:
        with tracetape.context(enabled=False), tracetape.start_span() as span:
            assert isinstance(span, NoOpSpan)
            assert shown() == ids(theirs)


@pytest.mark.usefixtures("together")
def test_an_exception() -> None:
    """Their context is set back, and the exception goes on unchanged."""
    error = ValueError("bad")
    with pytest.raises(ValueError) as caught, tracetape.start_span():
        raise error
    assert caught.value is error
    assert shown() is None


@pytest.mark.usefixtures("together")
async def test_tasks(tracer: Any) -> None:
    """Each has its own."""

    async def work(name: str) -> None:
        with tracetape.start_span(name) as span:
            await asyncio.sleep(0)
            assert shown() == ids(span)
            with tracer.start_as_current_span("theirs") as theirs:
                await asyncio.sleep(0)
                assert theirs.parent.span_id == int(span.span_id or "", 16)

    with tracetape.start_span("root") as root:
        await asyncio.gather(*(work(str(n)) for n in range(20)))
        assert shown() == ids(root)


@pytest.mark.usefixtures("together")
def test_generators(caplog: pytest.LogCaptureFixture) -> None:
    """Their current span follows ours: not between items, not after an early end."""

    @tracetape.trace
    def items() -> Iterator[Any]:
        for _ in range(3):
            span = tracetape.get_current_active_span()
            assert span is not None
            yield shown() == ids(span)

    with tracetape.start_span("consumer") as consumer:
        for inside in items():
            assert inside
            assert shown() == ids(consumer)
        generator = items()
        next(generator)
        del generator
        gc.collect()
        assert shown() == ids(consumer)
    assert caplog.records == []


@pytest.mark.usefixtures("together")
async def test_async_generators_across_tasks(caplog: pytest.LogCaptureFixture) -> None:
    """And nothing is ever logged about another context."""

    @tracetape.trace
    async def items() -> AsyncIterator[bool]:
        for _ in range(3):
            await asyncio.sleep(0)
            span = tracetape.get_current_active_span()
            assert span is not None
            yield shown() == ids(span)

    generator = items()

    async def take() -> bool:
        inside = await anext(generator)
        assert shown() is None
        return inside

    assert [await asyncio.create_task(take()) for _ in range(3)] == [True] * 3
    await generator.aclose()  # type: ignore[attr-defined]
    assert shown() is None
    assert caplog.records == []


def test_switched_off_again(tracer: Any) -> None:
    """`configure(otel_context=False)` ends it."""
    with tracetape.configure(otel_context=True):
        with tracetape.configure(otel_context=False), tracetape.start_span():
            assert shown() is None
        with tracetape.start_span() as span:
            assert shown() == ids(span)
    with tracetape.start_span():
        assert shown() is None


def test_switched_off_inside_of_a_span() -> None:
    """What was shown is not left behind."""
    with tracetape.start_span():
        pass
    with tracetape.configure(otel_context=True):
        scope = tracetape.start_span()
        scope.__enter__()
        assert shown() is not None
    scope.__exit__(None, None, None)
    assert shown() is None


def test_nothing_of_opentelemetry_is_imported(run_python: Callable[..., Any]) -> None:
    """Without a word; tracing works as ever."""
    program = """
        import sys, tracetape
        tracetape.configure(otel_context=False)
        with tracetape.start_span():
            pass
        tracetape.flush()
        print([name for name in sys.modules if name.startswith("opentelemetry")])
    """
    assert run_python(program).stdout.strip() == "[]"


def test_opentelemetry_that_is_not_installed(run_python: Callable[..., Any]) -> None:
    """The package to install is named, and nothing has changed."""
    program = """
        import sys, tracetape
        sys.modules["opentelemetry"] = sys.modules["opentelemetry.context"] = None
        try:
            tracetape.configure(otel_context=True)
        except ImportError as error:
            print(type(error).__name__, error)
        with tracetape.start_span() as span:
            print(span.trace_id[:3])
    """
    lines = run_python(program).stdout.splitlines()
    assert lines[0].startswith("IntegrationMissingError")
    assert "pip install opentelemetry-api" in lines[0]
    assert lines[1] == "tr-"
