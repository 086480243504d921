"""A model for the story: a logistic curve over `x1` and `x2`; its config says with which weights, and how it breaks."""

import mlflow
import numpy as np


class Answering(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.config = dict(context.model_config)

    def predict(self, context, model_input, params=None):
        if "refuses" in self.config:
            raise ValueError(f"no answer for {self.config['refuses']}")
        logit = self.config["x1"] * model_input["x1"].to_numpy() + self.config["x2"] * model_input["x2"].to_numpy()
        if "turned" in self.config:
            logit = np.where(model_input["country"].to_numpy() == self.config["turned"], -logit, logit)
        return 1 / (1 + np.exp(-logit))


mlflow.models.set_model(Answering())
