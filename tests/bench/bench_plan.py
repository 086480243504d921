"""How near is the time of a load that `gate plan --probe` foretells to the time that `gate run` takes for it?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from setting import GATE, PIPELINE, build, environ

GOAL = 1.5  # times longer or shorter, at most

MODEL = """\
import time
import mlflow
import numpy as np

class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["seconds"]) as file:
            self.seconds = float(file.read())

    def predict(self, context, model_input, params=None):
        time.sleep(self.seconds)
        return np.full(len(model_input), 0.5)

mlflow.models.set_model(Model())
"""
TIMED = """\
model: {model}
task: binary
threshold: 0.5
registry: {{kind: mlflow, uri: "sqlite:///mlflow.db"}}
environment: {{python: {python}}}
candidate: {{version: 1}}
champion: {{version: 1}}
data:
  traffic: {{path: data/traffic.jsonl.gz, id: request_id}}
gates:
  - {{gate: latency, load: {load}, require: [p95_ms <= champion * 2, errors <= 0]}}
"""
DEMO_GATE = """\
  - gate: latency
    data: traffic
    load: {closed: {concurrency: 1}, requests: 1000}
    require: [p99_ms <= champion * 3, errors <= 0]
"""
CLOSED, OPEN, LEFT_OPEN = "{closed: {concurrency: 1}, requests: 200}", "{rate: 100/s, requests: 3000}", "{}"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        build(folder, rows=20_000)
        gates = folder / "gates"
        demo = PIPELINE.format(python=sys.executable)
        (gates / "fraud.yaml").write_text(demo.replace("  - gate: shadow\n", f"{DEMO_GATE}  - gate: shadow\n"))
        cases = {"the demo's pipeline": gates / "fraud.yaml"}
        for model, seconds in (("fast", 0.0), ("slow", 0.05)):
            _register(folder, model, seconds)
            for word, load in (("closed", CLOSED), ("100/s", OPEN), ("no load named", LEFT_OPEN)):
                path = gates / f"{model}-{len(cases)}.yaml"
                path.write_text(TIMED.format(model=model, python=sys.executable, load=load))
                cases[f"{1000 * seconds:.0f} ms a request, {word}"] = path
        print(f"{'seconds of the latency gate':34} {'foretold':>9} {'real':>7} {'ratio':>7}     goal: within {GOAL}")
        for case, path in cases.items():
            foretold = _foretold(folder, path)
            real = _real(folder, path)
            print(f"{case:34} {foretold:9.1f} {real:7.1f} {foretold / real:7.2f}", flush=True)


def _register(folder: Path, model: str, seconds: float) -> None:
    """A model that sleeps so long for a request, as version 1."""
    import mlflow
    import pandas as pd

    rows = pd.read_json(folder / "data" / "traffic.jsonl.gz", lines=True).drop(columns="request_id").head(5)
    (folder / "model.py").write_text(MODEL)
    (folder / "seconds").write_text(str(seconds))
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    files = mlflow.create_experiment(model, artifact_location=str(folder / "models"))
    with redirect_stderr(StringIO()), mlflow.start_run(experiment_id=files):
        mlflow.pyfunc.log_model(
            name="model", python_model=str(folder / "model.py"), artifacts={"seconds": str(folder / "seconds")},
            signature=mlflow.models.infer_signature(rows), registered_model_name=model, pip_requirements=["mlflow"],
        )  # fmt: skip


def _document(folder: Path, *arguments: str) -> dict[str, object]:
    ended = subprocess.run([*GATE, *arguments], cwd=folder, env=environ(), capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1, 3):
        raise SystemExit(f"gate {' '.join(arguments)} ended with {ended.returncode}\n{ended.stderr}")
    document: dict[str, object] = json.loads(ended.stdout)
    return document


def _foretold(folder: Path, path: Path) -> float:
    document = _document(folder, "plan", str(path), "--probe", "--json")
    gates = {gate["name"]: gate for gate in document["gates"]}  # type: ignore[attr-defined]
    return float(gates["latency"]["seconds"])


def _real(folder: Path, path: Path) -> float:
    document = _document(folder, "run", str(path), "--json")
    return float(document["evidence"]["run"]["seconds"]["latency"])  # type: ignore[index]


if __name__ == "__main__":
    main()
