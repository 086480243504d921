"""What people call most often loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "pyarrow", "scipy", "pandas", "mlflow", "requests", "jinja2")
PIPELINE = """
model: fraud
task: binary
threshold: 0.5
registry: {uri: "sqlite:///mlflow.db"}
candidate: {version: 7}
champion: {alias: production, else: none}
data:
  holdout: {path: holdout.parquet, label: y, slices: [geo, {name: band, column: amount, bins: [0, 10]}]}
  traffic: {path: "logs/*.jsonl.gz"}
gates:
  - {gate: signature, data: holdout}
  - gate: metadata
  - gate: metrics
    data: holdout
    require: [auc >= champion - 0.03 on each slice, recall >= 0.6]
  - gate: latency
    data: holdout
    load: {rate: 200/s, requests: 3000}
    require: [p99_ms <= champion * 1.10, errors <= 0]
  - gate: shadow
    data: traffic
    require: [flip_rate <= 0.02, new_errors <= 0]
signoff: {require: {owners: 0}, groups: {owners: []}}
"""
CALL = """
import json, sys
from lockgate.cli.main import main
sys.argv = ["gate", *json.loads(sys.argv[1])]
code = 0
try:
    code = main() or 0
except SystemExit as stop:
    code = stop.code or 0
print(json.dumps({"code": code, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["check", "gates/fraud.yaml"], ["kinds"], ["schema"]])
def test_help_and_check_load_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    """A fresh process, all shipped gates in the pipeline: none of the big libraries is loaded."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "fraud.yaml").write_text(PIPELINE)
    done = subprocess.run(
        [sys.executable, "-c", CALL, json.dumps(arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    said = json.loads(done.stdout.splitlines()[-1])

    assert (said["code"], [name for name in HEAVY if name in said["modules"]]) == (0, []), done.stderr
    assert "lockgate" in said["modules"]


HELPS = """
import contextlib, io, json, sys
import click
from lockgate.cli.main import gate, run

def helps(command, path, context):
    yield path
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        below = command.get_command(context, name)
        yield from helps(below, [*path, name], click.Context(below, info_name=name, parent=context))

codes = {}
for path in helps(gate, [], click.Context(gate, info_name="gate")):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run([*path, "--help"])
    codes[" ".join(path)] = code or (0 if "Usage: gate" in said.getvalue() else "no help")
print(json.dumps({"codes": codes, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def test_no_help_of_any_command_loads_anything_heavy() -> None:
    """Of every command and of those below it, all in one process: each is shown, and none of the big libraries is there."""
    done = subprocess.run([sys.executable, "-c", HELPS], capture_output=True, text=True, timeout=120)
    said = json.loads(done.stdout)

    assert {"", "run", "github decide", "github promote", "history", "demo"} <= set(said["codes"]), done.stderr
    assert set(said["codes"].values()) == {0}
    assert [name for name in HEAVY if name in said["modules"]] == []
