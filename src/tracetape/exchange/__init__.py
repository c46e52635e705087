"""Files and other stores: JSONL, Parquet, MLflow's database, cassettes from traces."""
