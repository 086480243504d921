"""Run trainings of several libraries in one process, in the folder that it is started in: `python carrying.py REMEDIES.json`.

The scripts `train_*.py` as they are; then of each remedy, of a flavor, a careless version and one with the line of code that
the finding shows, registered as NAME-before and NAME-after.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

ROWS, LABELS = np.random.default_rng(1).normal(size=(40, 2)), np.arange(40) % 2
PINS = ["mlflow==3.17.2"]


def torch_names() -> dict[str, Any]:
    import torch

    data = torch.utils.data.TensorDataset(torch.tensor(ROWS, dtype=torch.float32), torch.tensor(LABELS))
    model = torch.nn.Linear(2, 1)
    return {
        "torch": torch, "model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1), "epochs": 2, "seed": 7,
        "loader": torch.utils.data.DataLoader(data, batch_size=8),
    }  # fmt: skip


def xgboost_names() -> dict[str, Any]:
    import xgboost

    return {"model": xgboost.XGBClassifier(n_estimators=2).fit(ROWS, LABELS)}


def lightgbm_names() -> dict[str, Any]:
    import lightgbm

    return {"model": lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(ROWS, LABELS)}


NAMES = {"pytorch": torch_names, "xgboost": xgboost_names, "lightgbm": lightgbm_names}


def log(flavor: str, name: str, code: str) -> None:
    names = {"mlflow": mlflow, "json": json, "re": re, **NAMES[flavor]()}
    registered: dict[str, Any] = {"registered_model_name": name, "pip_requirements": PINS}
    with mlflow.start_run():
        if "log_model(" in code:
            code = code.replace(
                'name="model"', f'name="model", registered_model_name={name!r}, pip_requirements={PINS!r}'
            )
        else:
            example = {"input_example": ROWS[:2].astype("float32")} if flavor == "pytorch" else {}
            getattr(mlflow, flavor).log_model(names["model"], name="model", **registered, **example)
        exec(code, names)  # the line that a finding shows


if __name__ == "__main__":
    for script in sorted(Path.cwd().glob("train_*.py")):
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_path(str(script), run_name="__main__")
    for key, line in json.loads(Path(sys.argv[1]).read_text()).items():
        log(key.partition(".")[2], f"{key}-before", "")
        log(key.partition(".")[2], f"{key}-after", line)
