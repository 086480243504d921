"""What a person would write: the same MLflow calls, both models loaded and asked, nothing decided."""

import json

import mlflow
import pandas as pd
from mlflow import MlflowClient

URI = "sqlite:///mlflow.db"
mlflow.set_tracking_uri(URI)
mlflow.set_registry_uri(URI)
client = MlflowClient()
client.get_registered_model("fraud")
models = {}
for number in ("3", "1"):
    version = client.get_model_version("fraud", number)
    client.get_run(version.run_id)
    files = mlflow.artifacts.download_artifacts(client.get_model_version_download_uri("fraud", number))
    models[number] = mlflow.pyfunc.load_model(files)
holdout = pd.read_parquet("data/holdout.parquet")
traffic = pd.read_json("data/traffic.jsonl.gz", lines=True)
answered = {number: [len(model.predict(rows)) for rows in (holdout, traffic)] for number, model in models.items()}
print(json.dumps(answered))
