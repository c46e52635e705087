"""Where a trace is, as MLflow's protobuf messages, and back."""

from __future__ import annotations

from typing import Any

from tracetape.entities.trace_location import (
    InferenceTableLocation,
    MlflowExperimentLocation,
    TraceLocation,
    TraceLocationType,
    UCSchemaLocation,
    UnityCatalog,
)
from tracetape.formats.proto_messages import message_class

__all__ = ["UC_PREFIX", "location_from_proto", "location_of_id", "location_to_proto", "uc_place"]

UC_PREFIX = "trace:/"  # of the ids of traces in Unity Catalog
_SCHEMA_TABLES = ("otel_spans_table_name", "otel_logs_table_name")
_PREFIX_TABLES = {
    "spans_table_name": "otel_spans_table_name",
    "logs_table_name": "otel_logs_table_name",
    "annotations_table_name": "annotations_table_name",
}


def uc_place(location: TraceLocation) -> str | None:
    """The place in Unity Catalog as the ids of its traces name it; None: it is elsewhere."""
    if location.uc_schema is not None:
        return location.uc_schema.schema_location
    return None if location.uc_table_prefix is None else location.uc_table_prefix.full_table_prefix


def location_of_id(trace_id: str) -> TraceLocation | None:
    """The place in Unity Catalog that a trace's id names; None if it names none."""
    place, _, number = trace_id.removeprefix(UC_PREFIX).rpartition("/")
    parts = place.split(".")
    if not trace_id.startswith(UC_PREFIX) or not number or len(parts) not in (2, 3):
        return None
    if len(parts) == 2:
        schema = UCSchemaLocation(parts[0], parts[1], None, None)  # an id names no tables
        return TraceLocation(TraceLocationType.UC_SCHEMA, uc_schema=schema)
    return TraceLocation.from_databricks_uc_table_prefix(*parts)


def location_to_proto(location: TraceLocation) -> Any:
    """A ``TraceLocation``; in Unity Catalog, that of Databricks' own file."""
    in_catalog = uc_place(location) is not None
    proto = message_class("UcTraceLocation" if in_catalog else "TraceLocation")()
    proto.type = TraceLocationType(location.type).to_proto()
    if location.mlflow_experiment is not None:
        proto.mlflow_experiment.experiment_id = location.mlflow_experiment.experiment_id
    elif location.inference_table is not None:
        proto.inference_table.full_table_name = location.inference_table.full_table_name
    elif (schema := location.uc_schema) is not None:
        proto.uc_schema.catalog_name = schema.catalog_name
        proto.uc_schema.schema_name = schema.schema_name
        for name in _SCHEMA_TABLES:
            if (table := getattr(schema, f"_{name}")) is not None:
                setattr(proto.uc_schema, name, table)
    elif (catalog := location.uc_table_prefix) is not None:
        proto.uc_table_prefix.catalog_name = catalog.catalog_name
        proto.uc_table_prefix.schema_name = catalog.schema_name
        proto.uc_table_prefix.table_prefix = catalog.table_prefix
        for field, name in _PREFIX_TABLES.items():
            if table := getattr(catalog, f"_{name}"):
                setattr(proto.uc_table_prefix, field, table)
    return proto


def location_from_proto(proto: Any) -> TraceLocation:
    """The location of either file's ``TraceLocation``."""
    kind, place = TraceLocationType.from_proto(proto.type), proto.WhichOneof("identifier")
    if place == "mlflow_experiment":
        experiment = MlflowExperimentLocation(proto.mlflow_experiment.experiment_id)
        return TraceLocation(kind, mlflow_experiment=experiment)
    if place == "inference_table":
        table = InferenceTableLocation(proto.inference_table.full_table_name)
        return TraceLocation(kind, inference_table=table)
    if place == "uc_schema":
        schema = UCSchemaLocation(proto.uc_schema.catalog_name, proto.uc_schema.schema_name)
        for name in _SCHEMA_TABLES:
            if proto.uc_schema.HasField(name):
                setattr(schema, f"_{name}", getattr(proto.uc_schema, name))
        return TraceLocation(kind, uc_schema=schema)
    if place == "uc_table_prefix":
        given = proto.uc_table_prefix
        catalog = UnityCatalog(given.catalog_name, given.schema_name, given.table_prefix)
        for field, name in _PREFIX_TABLES.items():
            if given.HasField(field):
                setattr(catalog, f"_{name}", getattr(given, field))
        return TraceLocation(kind, uc_table_prefix=catalog)
    return TraceLocation(TraceLocationType.TRACE_LOCATION_TYPE_UNSPECIFIED)
