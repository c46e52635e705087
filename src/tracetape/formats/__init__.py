"""Outside forms of what is recorded: names, ids, times, MLflow's JSON and protobuf, OpenTelemetry."""
