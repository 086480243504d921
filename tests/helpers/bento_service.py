"""A BentoML service of the model in the file that BENTO_MODEL names; it runs in an environment of its own."""

from __future__ import annotations

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Fraud:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["BENTO_MODEL"])

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[list[float]]:
        table = np.array([[row["x1"], row["x2"], row["country"]] for row in rows], dtype=object)
        return self.model.predict_proba(table).tolist()
