"""How whoever logs a model with MLflow adds what gates miss: a line of code for each subject of a finding.

Names in them: `frame`, the training rows, with `inputs` and `labels`; `outputs`, what `model` answers to them; `scored`, rows with label, score and a slice; `model`;
`dataset`, what was logged. `tests/gates/test_metadata_remedies.py` follows each.
"""

from __future__ import annotations

_HEAD = 'subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()'
_LOG = 'mlflow.sklearn.log_model(model, name="model", '
_FEATURES = (
    '{name: {"type": "float", "range": [float(column.min()), float(column.max())]} if column.dtype.kind in "iuf" '
    'else {"type": "string", "values": sorted(map(str, column.unique()))} for name, column in inputs.items()}'
)

REMEDIES = {
    "training_data": 'mlflow.log_input(mlflow.data.from_pandas(frame, source="s3://…"), context="training")',
    "data_origin": 'mlflow.log_input(dataset, context="training", tags={"created_at": '
    f'datetime.fromtimestamp(os.stat("train.csv").st_mtime, UTC).isoformat(), "code": {_HEAD}}})',
    "feature_schema": f'{_LOG}signature=mlflow.models.infer_signature(inputs, outputs), metadata={{"features": {_FEATURES}}})',
    "logged_metrics": 'mlflow.log_metric("auc", auc)',
    "slice_metrics": 'mlflow.log_metrics({"auc": auc} | {f"auc/country/{country}": roc_auc_score(rows["label"], rows["score"]) '
    'for country, rows in scored.groupby("country")})',
    "code_commit": f'mlflow.set_tag("mlflow.source.git.commit", {_HEAD})',
    "source_run": 'with mlflow.start_run(): mlflow.sklearn.log_model(model, name="model", registered_model_name="…")',
    "serving_requirements": f'{_LOG}metadata={{"serving": {{"input_format": "dataframe_split", "p99_ms": 50, "batch": 1, '
    '"rss_mb": 2000, "cpus": 1, "gpus": 0}})',
    "requirements": f'{_LOG}pip_requirements=[f"{{name}}=={{importlib.metadata.version(name)}}" '
    'for name in ("scikit-learn", "numpy", "pandas")])',
    "hyperparameters": 'mlflow.log_params({"learning_rate": 0.1, "epochs": 20})',
    "hyperparameters.sklearn": 'mlflow.set_tag("estimator_class", f"{type(model).__module__}.{type(model).__name__}"); '
    "mlflow.log_params(model.get_params())",
    "hyperparameters.xgboost": 'mlflow.xgboost.log_model(model, name="model", '
    'metadata={"hyperparameters": json.loads(model.get_booster().save_config())})',
    "hyperparameters.lightgbm": 'mlflow.lightgbm.log_model(model, name="model", '
    'metadata={"hyperparameters": dict(re.findall(r"\\[(\\w+): (.*)\\]", model.booster_.model_to_string()))})',
    "hyperparameters.pytorch": 'mlflow.log_params({"optimizer": type(optimizer).__name__, "batch_size": loader.batch_size, '
    '"epochs": epochs} | {name: value for name, value in optimizer.param_groups[0].items() if name != "params"})',
    "seeds": 'mlflow.log_param("seed", seed)',
    "seeds.sklearn": 'model.set_params(**{name: 7 for name in model.get_params() if name.endswith("random_state")}).fit(inputs, labels); '
    "mlflow.log_params(model.get_params())",
    "seeds.pytorch": 'torch.manual_seed(seed); mlflow.log_param("seed", torch.initial_seed())',
    "model_type": 'mlflow.set_tag("model_type", type(model).__name__)',
    "dataset_version": 'mlflow.set_tag("dataset_version", "2026-11-30")',
    "feature_set_version": 'mlflow.set_tag("feature_set_version", "v3")',
    "experiment_owner": 'mlflow.set_tag("experiment_owner", "fraud-team")',
    "steps": 'for step, value in enumerate(values): mlflow.log_metric("loss", value, step=step)',
    "missing": "log the model with signature=mlflow.models.infer_signature(inputs, outputs) and input_example=inputs[:5]",
}
