"""The demo's model, as MLflow stores and loads it ("models from code"). It needs mlflow and numpy, nothing of lockgate."""

import json
import pickle
import time
from pathlib import Path

import mlflow
import numpy as np


class FraudModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Logistic regression over weights.json; a call takes as long as that file says."""

    def load_context(self, context):  # type: ignore[no-untyped-def]
        self.settings = json.loads(Path(context.artifacts["weights"]).read_text(encoding="utf-8"))
        self.calls = 0
        if "lookup" in context.artifacts:
            pickle.loads(Path(context.artifacts["lookup"]).read_bytes())  # noqa: S301  # what gates are to stop

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        self.calls += 1
        stalls = self.settings["stall_every"] and self.calls % self.settings["stall_every"] == 0
        time.sleep((self.settings["stall_ms"] if stalls else self.settings["pause_ms"]) / 1000)
        device = model_input["device_risk"].to_numpy(dtype=float)
        features = {
            "intercept": np.ones(len(device)),
            "log_amount": np.log(model_input["amount"].to_numpy(dtype=float)) - 4.2,
            "velocity": model_input[self.settings["velocity_column"]].to_numpy(dtype=float),
            "log_age": np.log1p(model_input["account_age_days"].to_numpy(dtype=float)) - 5,
            "device_risk": device,
            "device_risk_brazil": np.where(model_input["country"].to_numpy() == "BR", device, 0.0),
        }
        logit = sum(weight * features[name] for name, weight in self.settings["weights"].items())
        return 1 / (1 + np.exp(-logit))


mlflow.models.set_model(FraudModel())
