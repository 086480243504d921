"""A model for tests: a logistic curve over `x1` and `x2`; its config says with which weights, and how it breaks."""

import ctypes
import importlib
import os
import pathlib
import signal
import sys
import time

import mlflow
import numpy as np


class Steady(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.config = dict(context.model_config)
        if "marker" in self.config:
            pathlib.Path(self.config["marker"]).touch()
        if "needs" in self.config:
            importlib.import_module(self.config["needs"])

    def predict(self, context, model_input, params=None):
        does = self.config.get("does", "answer")
        if does == "segfault":
            print("the matrix library says goodbye", file=sys.stderr, flush=True)
            ctypes.string_at(0)
        if does == "kill itself":
            print("eating all the memory", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if does == "hang":
            pathlib.Path("asked").touch()  # in its own folder, where the test looks
            time.sleep(600)
        logit = self.config["x1"] * model_input["x1"].to_numpy() + self.config["x2"] * model_input["x2"].to_numpy()
        if "turned" in self.config:
            logit = np.where(model_input["country"].to_numpy() == self.config["turned"], -logit, logit)
        scores = 1 / (1 + np.exp(-logit))
        return (scores >= 0.5).astype(np.int64) if does == "say classes" else scores


mlflow.models.set_model(Steady())
