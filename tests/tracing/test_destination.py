"""MLflow's words on where traces go: programs that say them run, and traces keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import copy_context

import pytest

import tracetape
from tracetape import tracing
from tracetape.entities import (
    MlflowExperimentLocation,
    Span,
    Trace,
    UCSchemaLocation,
    UnityCatalog,
)
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.tracing.destination import Databricks, MlflowExperiment

LastTrace = Callable[[], Trace]


def work() -> Span:
    with tracetape.start_span("work") as span:
        pass
    return span


def test_the_head_of_an_mlflow_program_runs(
    last_trace: LastTrace, caplog: pytest.LogCaptureFixture
) -> None:
    """The address and the experiment's name are metadata; one warning says where traces stay."""
    for _ in range(2):
        tracetape.set_tracking_uri("http://me:hunter2@mlflow.test:5000")
        experiment = tracetape.set_experiment("support bot")
    work()
    metadata = last_trace().info.trace_metadata
    assert metadata["tracetape.experiment"] == "support bot"
    assert metadata["tracetape.tracking_uri"].endswith("mlflow.test:5000")
    assert "hunter2" not in str(metadata) + caplog.text
    assert caplog.text.count("set_tracking_uri") == 1
    assert (experiment.name, experiment.experiment_id) == ("support bot", "0")
    found = tracetape.search_traces(locations=[experiment.experiment_id], return_type="list")
    assert len(found) == 1


def test_an_experiments_id_is_the_location_of_its_traces(last_trace: LastTrace) -> None:
    """Until another one is set; what a span says itself wins."""
    tracetape.set_experiment(experiment_id="7")
    work()
    assert last_trace().info.experiment_id == "7"
    tracetape.start_span_no_context("own", experiment_id="8").end()
    assert last_trace().info.experiment_id == "8"
    tracing.set_destination(MlflowExperimentLocation("9"))
    work()
    assert last_trace().info.experiment_id == "9"
    tracing.reset()
    assert tracetape.get_tracking_uri() == tracetape.stats()["store"]


def test_a_destination_of_one_trace(
    last_trace: LastTrace, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a span and of a function, also a generator; below the root it is ignored, and told."""
    seven, eight = MlflowExperimentLocation("7"), MlflowExperimentLocation("8")

    @tracetape.trace(trace_destination=seven)
    def outer() -> None:
        inner()

    @tracetape.trace(trace_destination=eight)
    def inner() -> None: ...

    @tracetape.trace(trace_destination=eight)
    def items() -> Iterator[int]:
        yield 1

    tracetape.set_experiment(experiment_id="6")
    outer()
    assert last_trace().info.experiment_id == "7"
    assert "The span 'inner' is not the root of its trace: the experiment '8'" in caplog.text
    assert len(caplog.messages) == 1
    assert list(items()) == [1]
    assert last_trace().info.experiment_id == "8"
    with tracetape.start_span("a", trace_destination=seven):
        pass
    assert last_trace().info.experiment_id == "7"
    with tracetape.start_span("a", trace_destination=UCSchemaLocation("main", "agents")):
        pass
    assert last_trace().info.experiment_id == "6"
    tracing.reset()


def test_a_destination_of_a_context_only(last_trace: LastTrace) -> None:
    """Other threads and tasks do not see it, nor does the trace's metadata."""
    context = copy_context()
    context.run(tracing.set_destination, MlflowExperimentLocation("5"), context_local=True)
    context.run(work)
    assert last_trace().info.experiment_id == "5"
    assert not [key for key in last_trace().info.trace_metadata if "experiment" in key]
    work()
    assert last_trace().info.experiment_id == "0"


@pytest.mark.parametrize("context_local", [False, True])
def test_the_older_names_of_destinations(last_trace: LastTrace, context_local: bool) -> None:
    """Programs of MLflow 2 and 3.4 say them; each warns at the line that makes one."""

    def said(**named: str) -> Trace:
        kind = Databricks if "experiment_name" in named else MlflowExperiment
        with pytest.warns(FutureWarning, match=rf"{kind.__name__}`` is deprecated") as warned:
            place = kind(**named)
        assert warned[0].filename == __file__
        tracing.set_destination(place, context_local=context_local)
        work()
        return last_trace()

    def in_context() -> None:
        assert said(experiment_id="7").info.experiment_id == "7"
        assert said().info.experiment_id == "7"
        named = said(experiment_name="support bot").info
        assert named.trace_metadata["tracetape.experiment"] == "support bot"

    copy_context().run(in_context)
    tracing.reset()


@pytest.mark.parametrize(("text", "number"), [("7", "7"), ("main.agents", "0"), (" ", "0")])
def test_the_environment_names_the_experiment(
    text: str,
    number: str,
    last_trace: LastTrace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the program says wins; tables of Unity Catalog are refused with one warning."""
    monkeypatch.setenv("TRACETAPE_TRACING_DESTINATION", text)
    tracing.reset()
    for _ in range(2):
        work()
    assert last_trace().info.experiment_id == number
    assert caplog.text.count("over OTLP") == ("." in text)
    tracetape.set_experiment(experiment_id="8")
    work()
    assert last_trace().info.experiment_id == "8"


def test_a_root_that_names_its_experiment_keeps_the_name(last_trace: LastTrace) -> None:
    """As an attribute, as in MLflow; nothing that only lives in the experiment has it."""
    with tracetape.start_span("root", trace_destination=MlflowExperimentLocation("7")):
        work()
    root, child = last_trace().data.spans
    assert root.attributes[tracing.constant.SpanAttributeKey.EXPERIMENT_ID] == "7"
    assert root.to_dict()["attributes"]["mlflow.experimentId"] == '"7"'
    assert "mlflow.experimentId" not in child.attributes
    tracetape.set_experiment(experiment_id="8")
    work()
    assert "mlflow.experimentId" not in last_trace().data.spans[0].attributes


def test_set_experiment_does_not_switch_tracing_on() -> None:
    """Nor off."""
    tracing.disable()
    tracetape.set_experiment("second")
    assert work().span_id is None
    tracing.enable()
    assert work().span_id is not None


def test_get_tracking_uri_gives_back_what_was_set() -> None:
    """Word by word."""
    tracetape.set_tracking_uri("databricks")
    assert tracetape.get_tracking_uri() == "databricks"


def test_a_search_of_experiments_finds_those_only() -> None:
    """What has none belongs to MLflow's default, as its `experiment_id` says."""
    for number in (None, "7", "8"):
        tracetape.start_span_no_context(f"of {number}", experiment_id=number).end()
    tracetape.flush()
    found = {
        places: {
            trace.data.spans[0].name
            for trace in tracetape.search_traces(locations=list(places), return_type="list")
        }
        for places in (("0",), ("7",), ("0", "8"), ("99",))
    }
    assert found == {
        ("0",): {"of None"},
        ("7",): {"of 7"},
        ("0", "8"): {"of None", "of 8"},
        ("99",): set(),
    }


@pytest.mark.parametrize("given", [{}, {"experiment_name": "a", "experiment_id": "1"}])
def test_an_experiment_has_a_name_or_an_id(given: dict[str, str]) -> None:
    """MLflow refuses both and neither, in these words."""
    with pytest.raises(InvalidValueError, match="Must specify exactly one of"):
        tracetape.set_experiment(**given)


def test_places_that_only_databricks_has(caplog: pytest.LogCaptureFixture) -> None:
    """Each is told what to do instead, or that it is none."""
    with pytest.raises(InvalidValueError, match="UnityCatalog table-prefix destinations"):
        tracing.set_destination(UnityCatalog("main", "agents", "chat"))
    tracing.set_destination(UCSchemaLocation("main", "agents"))
    assert "Passing `UCSchemaLocation`" in caplog.text
    assert "OTLP" in caplog.text
    with pytest.raises(InvalidTypeError, match="Invalid destination type: str"):
        tracing.set_destination("0")
    schema = UCSchemaLocation("main", "agents")
    for name, named in {
        "set_databricks_monitoring_sql_warehouse_id": {"sql_warehouse_id": "w"},
        "set_experiment_trace_location": {"location": schema, "sql_warehouse_id": "w"},
        "unset_experiment_trace_location": {"location": schema},
    }.items():
        with pytest.raises(InvalidValueError, match=f"The `{name}` API is only supported on"):
            getattr(tracing, name)(**named, experiment_id="7")
        with pytest.raises(TypeError, match="unexpected keyword"):
            getattr(tracing, name)(**named, experiment="7")
