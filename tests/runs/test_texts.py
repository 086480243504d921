"""A pipeline of texts runs from its recording to a verdict and a report, and asks no model."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.desk import Desk
from lockgate.cli.commands.run import command

PIPELINE = """\
model: {model}
task: text
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
data:
  traffic:
    path: t.parquet
    id: id
    slices: [country]
    ignore: [at]
    scores: {{candidate: new, champion: old}}
gates:
  - gate: shadow
    data: traffic
    require:
      - match_rate >= 90%
      - match_rate(field=total) >= 99% on each slice
      - errors <= 0
      - null_rate <= champion + 0.01
"""


def test_recorded_texts_are_judged_and_left_to_an_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was asked whether the answers are the versions' own; what failed is a fail. Nothing of the answers is kept."""
    desk = Desk(tmp_path, monkeypatch)
    old = [json.dumps({"total": row, "at": row, "name": "Elbonia"}) for row in range(1000)]
    new = [json.dumps({"name": "Elbonia", "at": 0, "total": row if row % 20 or row % 2 else -1}) for row in range(1000)]
    table = {"id": list(range(1000)), "country": ["AT", "BR"] * 500, "new": new, "old": old}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    desk.pipeline.write_text(PIPELINE.format(model=desk.model))
    desk.models.registry.set_alias(desk.model, "production", desk.register().version)
    desk.register()

    answer = desk.gate(command, "--json")
    document = json.loads(answer.stdout)
    (gate,) = document["evidence"]["gates"]
    kept = Path(document["run"]["folder"])

    findings = {finding["id"]: (finding["verdict"], finding["observed"]) for finding in gate["findings"]}
    assert findings == {
        "shadow/r1/overall": ("inconclusive", "0.95"),
        "shadow/r2/country=AT": ("fail", "0.9"),
        "shadow/r2/country=BR": ("inconclusive", "1.0"),
        "shadow/r3/overall": ("inconclusive", "0.0"),
        "shadow/r4/overall": ("inconclusive", "0.0"),
    }
    assert "models are not asked for texts again" in answer.stdout
    assert (kept / "report.html").exists()
    assert not [path for path in kept.rglob("*") if path.is_file() and b"Elbonia" in path.read_bytes()]
