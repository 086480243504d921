"""A model for tests: prices that end in .99 are fraud. How many cents a price has depends on the release of NumPy.

Since NumPy 2 a float32 times a float is a float32, in which 12.99 · 100 is 1299; before, it was a float64 below that.
"""

import mlflow
import numpy as np


class Cents(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return np.array([self.score(price) for price in model_input["price"].to_numpy()])

    def score(self, price):
        cents = int(price * 100.0)
        return 0.9 if cents % 100 == 99 else 0.1 + 0.001 * (cents % 100)


mlflow.models.set_model(Cents())
