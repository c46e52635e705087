"""MLflow's words on where traces go: each trace keeps them, and stays in the store."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NoReturn

from tracetape.diagnostics import logger, warn_once
from tracetape.entities.trace_location import (
    MlflowExperimentLocation,
    UCSchemaLocation,
    UnityCatalog,
)
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.formats.names import EXPERIMENT_NAME, TRACKING_URI
from tracetape.privacy.urls import clean_text
from tracetape.tracing.current import EXPERIMENT, Scope, current
from tracetape.tracing.runtime import runtime
from tracetape.tracing.settings import Destination

__all__ = [
    "Databricks",
    "Experiment",
    "MlflowExperiment",
    "get_tracking_uri",
    "set_databricks_monitoring_sql_warehouse_id",
    "set_destination",
    "set_experiment",
    "set_experiment_trace_location",
    "set_tracking_uri",
    "unset_experiment_trace_location",
]

_DEFAULT_ID = "0"


@dataclass(frozen=True)
class Experiment:
    """The experiment that `set_experiment` was given.

    Attributes:
        experiment_id: the id; ``0``, MLflow's default, if only a name was given.
        name: the name; None if only an id was given.
    """

    experiment_id: str
    name: str | None = None


@dataclass
class MlflowExperiment(MlflowExperimentLocation):
    """Deprecated, an older name of `MlflowExperimentLocation`.

    Attributes:
        experiment_id: None: the experiment stays the one that holds.
    """

    experiment_id: str | None = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Warn of the older name."""
        _warn_of_older_name(type(self).__name__)

    @property
    def type(self) -> str:
        """MLflow's word for the kind."""
        return "experiment"


@dataclass
class Databricks(MlflowExperiment):
    """Deprecated, an older name of `MlflowExperimentLocation`.

    Attributes:
        experiment_id: None: the experiment stays the one that holds.
        experiment_name: kept as by `set_experiment`.
    """

    experiment_name: str | None = None

    @property
    def type(self) -> str:
        """MLflow's word for the kind."""
        return "databricks"


def _warn_of_older_name(name: str) -> None:
    warnings.warn(
        f"``tracetape.tracing.destination.{name}`` is deprecated. "
        "Use ``tracetape.entities.MlflowExperimentLocation`` instead.",
        FutureWarning,
        stacklevel=4,  # past the method that was made for the class
    )


def set_tracking_uri(uri: str) -> None:
    """Keep an MLflow server's address with the traces that begin from now on, as metadata.

    Nothing is sent there: traces stay in the store (`configure(store=…)`), and
    ``tracetape export`` hands them over. The first call says so. After
    ``mlflow.set_tracking_uri``.
    """
    text = str(uri)
    warn_once(
        "tracking_uri",
        "tracetape: set_tracking_uri(%r) only keeps the address with each trace. Traces stay in "
        "the store that configure(store=...) names; `tracetape export` hands them to MLflow.",
        clean_text(text),
    )
    _keep(tracking_uri=text)


def get_tracking_uri() -> str:
    """The address that `set_tracking_uri` was given; else that of the store."""
    told = None if runtime.destination is None else runtime.destination.tracking_uri
    return runtime.recorder.url if told is None else told


def set_experiment(
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    trace_location: Any = None,
) -> Experiment:
    """Keep an experiment with the traces that begin from now on.

    The id is their location, the name is metadata ``tracetape.experiment``. No experiment is made
    or looked up. After ``mlflow.set_experiment``.

    Args:
        experiment_name: any name.
        experiment_id: any id.
        trace_location: no meaning here.

    Raises:
        InvalidValueError: neither or both of name and id are given.
    """
    del trace_location
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidValueError(
            "Must specify exactly one of: `experiment_id` or `experiment_name`."
        )
    name = None if experiment_name is None else str(experiment_name)
    number = None if experiment_id is None else str(experiment_id)
    _keep(experiment_id=number, experiment_name=name)
    return Experiment(_DEFAULT_ID if number is None else number, name)


def set_destination(destination: Any, *, context_local: bool = False) -> None:
    """Keep an experiment as the location of the traces that begin from now on.

    After ``mlflow.tracing.set_destination``.

    Args:
        destination: an `MlflowExperimentLocation`. A `UCSchemaLocation` changes nothing, with a
            warning: an exporter sends traces to Unity Catalog.
        context_local: for this thread or task only, and what it starts.

    Raises:
        InvalidValueError: it is a `UnityCatalog`.
        InvalidTypeError: it is not a location.
    """
    if isinstance(destination, UnityCatalog):
        raise InvalidValueError(
            "UnityCatalog table-prefix destinations are not supported by "
            "`tracetape.tracing.set_destination`: export to Unity Catalog by OTLP."
        )
    if isinstance(destination, UCSchemaLocation):
        logger.warning(
            "Passing `UCSchemaLocation` to `tracetape.tracing.set_destination` is deprecated, as "
            "in MLflow, and changes nothing: export to Unity Catalog over OTLP instead."
        )
        return
    if not isinstance(destination, MlflowExperimentLocation):
        raise InvalidTypeError(
            f"Invalid destination type: {type(destination).__name__}. "
            "Expected an MlflowExperimentLocation."
        )
    # Only the deprecated classes may leave them out.
    said: str | None = destination.experiment_id
    name: str | None = getattr(destination, "experiment_name", None)
    if said is None and name is None:
        return
    if not context_local:
        _keep(experiment_id=None if said is None else str(said), experiment_name=name)
    elif said is None:
        current.set(Scope(current.get(), metadata={EXPERIMENT_NAME: str(name)}))
    else:
        current.set(Scope(current.get(), metadata={EXPERIMENT: str(said)}))


def set_databricks_monitoring_sql_warehouse_id(
    sql_warehouse_id: str, experiment_id: str | None = None
) -> NoReturn:
    """Only on Databricks.

    Raises:
        InvalidValueError: always.
    """
    del sql_warehouse_id, experiment_id
    _only_on_databricks("set_databricks_monitoring_sql_warehouse_id")


def set_experiment_trace_location(
    location: Any, experiment_id: str | None = None, sql_warehouse_id: str | None = None
) -> NoReturn:
    """Only on Databricks.

    Raises:
        InvalidValueError: always.
    """
    del location, experiment_id, sql_warehouse_id
    _only_on_databricks("set_experiment_trace_location")


def unset_experiment_trace_location(location: Any, experiment_id: str | None = None) -> NoReturn:
    """Only on Databricks.

    Raises:
        InvalidValueError: always.
    """
    del location, experiment_id
    _only_on_databricks("unset_experiment_trace_location")


def _only_on_databricks(name: str) -> NoReturn:
    raise InvalidValueError(f"The `{name}` API is only supported on Databricks.")


def _keep(**said: str | None) -> None:
    before = runtime.destination or Destination()
    kept = before._asdict() | said
    metadata = {
        EXPERIMENT_NAME: kept["experiment_name"],
        TRACKING_URI: kept["tracking_uri"] and clean_text(str(kept["tracking_uri"])),
    }
    kept["metadata"] = {key: text for key, text in metadata.items() if text}
    runtime.change(destination=Destination(**kept))
