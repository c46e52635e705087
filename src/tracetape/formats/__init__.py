"""Outside forms: names, ids, times, MLflow's JSON and protobuf, OpenTelemetry."""
