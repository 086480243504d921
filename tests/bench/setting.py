"""What the benchmarks share: the demo's world with as many rows as wanted, and processes that are timed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

GATE = [sys.executable, "-m", "lockgate.cli"]

# The demo's pipeline without its latency gate; version 1 is the champion, version 3 the good candidate.
PIPELINE = """\
model: fraud
task: binary
threshold: 0.5
registry: {{kind: mlflow, uri: "sqlite:///mlflow.db"}}
environment: {{python: {python}}}
candidate: {{version: 3}}
champion: {{version: 1}}
data:
  holdout:
    path: data/holdout.parquet
    label: is_fraud
    id: txn_id
    slices:
      - {{column: country, values: [US, EU, BR]}}
      - channel
      - {{name: amount_band, column: amount, bins: [0, 50, 200, 5000]}}
  traffic: {{path: data/traffic.jsonl.gz, id: request_id}}
gates:
  - gate: signature
  - gate: metadata
  - gate: metrics
    data: holdout
    require:
      - auc >= 0.75
      - auc >= champion - 0.03 on each slice
      - average_precision >= champion - 0.05
      - log_loss <= champion + 0.02
  - gate: shadow
    data: traffic
    require: [flip_rate <= 0.15, new_errors <= 0]
"""


def build(folder: Path, *, rows: int) -> None:
    """A registry with the demo's models, a holdout of `rows` rows, its traffic, and a pipeline for them."""
    from lockgate.cli.demo import data as demo
    from lockgate.cli.demo.register import register

    demo.HOLDOUT_ROWS = rows
    demo.write_data(folder / "data")
    training = demo.payments(20_000, seed=1)
    with redirect_stderr(StringIO()):
        register(
            f"sqlite:///{folder / 'mlflow.db'}", "fraud", demo.models(training), training, commit="c" * 40, folder=folder
        )  # fmt: skip
    (folder / ".git").mkdir()
    (folder / "gates").mkdir()
    (folder / "gates" / "fraud.yaml").write_text(PIPELINE.format(python=sys.executable), encoding="utf-8")


def environ() -> dict[str, str]:
    """Ours, with bytecode kept as where lockgate is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "GIT_CONFIG_GLOBAL": "/dev/null", "MLFLOW_DISABLE_TELEMETRY": "true"}


def seconds(command: Sequence[str], *, folder: Path) -> float:
    """How long a fresh process takes. It must end well."""
    began = time.monotonic()
    ended = subprocess.run(command, cwd=folder, env=environ(), capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}\n{ended.stderr}")
    return took
