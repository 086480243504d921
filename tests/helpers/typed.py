"""A model that says of each column what it was given: `dtype value value …`."""

import mlflow
import pandas as pd


class Typed(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        said = {name: " ".join([str(column.dtype), *map(str, column)]) for name, column in model_input.items()}
        return pd.DataFrame({name: [text] * len(model_input) for name, text in said.items()})


mlflow.models.set_model(Typed())
