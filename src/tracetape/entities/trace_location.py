"""Where a trace is kept, in MLflow's terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tracetape.exceptions import InvalidValueError

__all__ = [
    "InferenceTableLocation",
    "MlflowExperimentLocation",
    "TraceLocation",
    "TraceLocationType",
    "UCSchemaLocation",
    "UnityCatalog",
]


class TraceLocationType(str, Enum):
    """Kind of a location."""

    TRACE_LOCATION_TYPE_UNSPECIFIED = "TRACE_LOCATION_TYPE_UNSPECIFIED"
    MLFLOW_EXPERIMENT = "MLFLOW_EXPERIMENT"
    INFERENCE_TABLE = "INFERENCE_TABLE"
    UC_SCHEMA = "UC_SCHEMA"
    UC_TABLE_PREFIX = "UC_TABLE_PREFIX"

    def to_proto(self) -> int:
        """Its number in MLflow's protobuf."""
        return list(TraceLocationType).index(self)

    @classmethod
    def from_proto(cls, proto: int) -> TraceLocationType:
        """The kind with this number.

        Raises:
            IndexError: there is none.
        """
        return list(cls)[proto]


@dataclass
class MlflowExperimentLocation:
    """An experiment of an MLflow server."""

    experiment_id: str

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return {"experiment_id": self.experiment_id}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> MlflowExperimentLocation:
        """The inverse of `to_dict`."""
        return cls(d["experiment_id"])

    def to_proto(self) -> Any:
        """The message of this place in MLflow's protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        from tracetape.formats.proto_messages import message_class

        return message_class("MlflowExperimentLocation")(experiment_id=self.experiment_id)

    @classmethod
    def from_proto(cls, proto: Any) -> MlflowExperimentLocation:
        """The place of such a message."""
        return cls(proto.experiment_id)


@dataclass
class InferenceTableLocation:
    """A Databricks inference table: ``<catalog>.<schema>.<table>``."""

    full_table_name: str

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return {"full_table_name": self.full_table_name}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> InferenceTableLocation:
        """The inverse of `to_dict`."""
        return cls(d["full_table_name"])

    def to_proto(self) -> Any:
        """The message of this place in MLflow's protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        from tracetape.formats.proto_messages import message_class

        return message_class("InferenceTableLocation")(full_table_name=self.full_table_name)

    @classmethod
    def from_proto(cls, proto: Any) -> InferenceTableLocation:
        """The place of such a message."""
        return cls(proto.full_table_name)


@dataclass
class UCSchemaLocation:
    """A schema of Databricks' Unity Catalog."""

    catalog_name: str
    schema_name: str
    # Set by the server.
    _otel_spans_table_name: str | None = "mlflow_experiment_trace_otel_spans"
    _otel_logs_table_name: str | None = "mlflow_experiment_trace_otel_logs"

    @property
    def schema_location(self) -> str:
        """``<catalog>.<schema>``."""
        return f"{self.catalog_name}.{self.schema_name}"

    @property
    def full_otel_spans_table_name(self) -> str | None:
        """The table of spans with catalog and schema."""
        return self._full(self._otel_spans_table_name)

    @property
    def full_otel_logs_table_name(self) -> str | None:
        """The table of logs with catalog and schema."""
        return self._full(self._otel_logs_table_name)

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return _given(
            catalog_name=self.catalog_name,
            schema_name=self.schema_name,
            otel_spans_table_name=self._otel_spans_table_name,
            otel_logs_table_name=self._otel_logs_table_name,
        )

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> UCSchemaLocation:
        """The inverse of `to_dict`."""
        location = cls(d["catalog_name"], d["schema_name"])
        location._otel_spans_table_name = (
            d.get("otel_spans_table_name") or location._otel_spans_table_name
        )
        location._otel_logs_table_name = (
            d.get("otel_logs_table_name") or location._otel_logs_table_name
        )
        return location

    def _full(self, table: str | None) -> str | None:
        return f"{self.schema_location}.{table}" if table else None


@dataclass
class UnityCatalog:
    """Tables of Databricks' Unity Catalog whose names begin with a prefix."""

    catalog_name: str
    schema_name: str
    table_prefix: str | None = None
    # Set by the server, each with catalog and schema.
    _otel_spans_table_name: str | None = field(default=None, repr=False, compare=False)
    _otel_logs_table_name: str | None = field(default=None, repr=False, compare=False)
    _annotations_table_name: str | None = field(default=None, repr=False, compare=False)

    @property
    def schema_location(self) -> str:
        """``<catalog>.<schema>``."""
        return f"{self.catalog_name}.{self.schema_name}"

    @property
    def full_table_prefix(self) -> str:
        """``<catalog>.<schema>.<prefix>``.

        Raises:
            InvalidValueError: there is no prefix.
        """
        if self.table_prefix is None:
            raise InvalidValueError("table_prefix is required but was not set.")
        return f"{self.schema_location}.{self.table_prefix}"

    @property
    def full_otel_spans_table_name(self) -> str | None:
        """The table of spans with catalog and schema; None until the server names it."""
        return self._otel_spans_table_name

    @property
    def full_otel_logs_table_name(self) -> str | None:
        """The table of logs with catalog and schema; None until the server names it."""
        return self._otel_logs_table_name

    @property
    def full_annotations_table_name(self) -> str | None:
        """The table of annotations with catalog and schema; None until the server names it."""
        return self._annotations_table_name

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return _given(
            catalog_name=self.catalog_name,
            schema_name=self.schema_name,
            table_prefix=self.table_prefix,
            otel_spans_table_name=self._otel_spans_table_name,
            otel_logs_table_name=self._otel_logs_table_name,
            annotations_table_name=self._annotations_table_name,
        )

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> UnityCatalog:
        """The inverse of `to_dict`."""
        return cls(
            d["catalog_name"],
            d["schema_name"],
            d.get("table_prefix"),
            d.get("otel_spans_table_name"),
            d.get("otel_logs_table_name"),
            d.get("annotations_table_name"),
        )


@dataclass
class TraceLocation:
    """Where a trace is kept; a trace without more is in the experiment ``0``.

    Raises:
        InvalidValueError: there are two locations, or one of another type.
    """

    type: TraceLocationType
    mlflow_experiment: MlflowExperimentLocation | None = None
    inference_table: InferenceTableLocation | None = None
    uc_schema: UCSchemaLocation | None = None
    uc_table_prefix: UnityCatalog | None = None

    def __post_init__(self) -> None:
        given = {name: place for name, _ in _PLACES if (place := getattr(self, name)) is not None}
        if len(given) > 1:
            raise InvalidValueError(
                "Only one of mlflow_experiment, inference_table, uc_schema, or uc_table_prefix "
                "can be provided."
            )
        for name, place in given.items():
            if self.type != TraceLocationType[name.upper()]:
                raise InvalidValueError(
                    f"Trace location type {self.type} does not match the provided location {place}."
                )

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        places = {name: place.to_dict() for name, _ in _PLACES if (place := getattr(self, name))}
        return {"type": TraceLocationType(self.type).value, **places}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> TraceLocation:
        """The inverse of `to_dict`."""
        places = {name: kind.from_dict(d[name]) for name, kind in _PLACES if d.get(name)}
        return cls(TraceLocationType(d["type"]), **places)

    def to_proto(self) -> Any:
        """A ``TraceLocation`` of MLflow's protobuf; in Unity Catalog, of Databricks' own.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        from tracetape.formats.mlflow_proto import location_to_proto

        return location_to_proto(self.to_dict())

    @classmethod
    def from_proto(cls, proto: Any) -> TraceLocation:
        """The location of such a message."""
        from tracetape.formats.mlflow_proto import location_from_proto

        return cls.from_dict(location_from_proto(proto))

    @classmethod
    def from_experiment_id(cls, experiment_id: str) -> TraceLocation:
        """An experiment of an MLflow server."""
        return cls(
            TraceLocationType.MLFLOW_EXPERIMENT,
            mlflow_experiment=MlflowExperimentLocation(experiment_id),
        )

    @classmethod
    def from_databricks_uc_schema(cls, catalog_name: str, schema_name: str) -> TraceLocation:
        """A schema of Unity Catalog."""
        return cls(
            TraceLocationType.UC_SCHEMA, uc_schema=UCSchemaLocation(catalog_name, schema_name)
        )

    @classmethod
    def from_databricks_uc_table_prefix(
        cls, catalog_name: str, schema_name: str, table_prefix: str
    ) -> TraceLocation:
        """Tables of Unity Catalog whose names begin with a prefix."""
        return cls(
            TraceLocationType.UC_TABLE_PREFIX,
            uc_table_prefix=UnityCatalog(catalog_name, schema_name, table_prefix),
        )


_PLACES: tuple[tuple[str, Any], ...] = (
    ("mlflow_experiment", MlflowExperimentLocation),
    ("inference_table", InferenceTableLocation),
    ("uc_schema", UCSchemaLocation),
    ("uc_table_prefix", UnityCatalog),
)


def _given(**values: str | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
