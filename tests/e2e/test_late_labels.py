"""Labels come weeks after a run replayed requests: they judge what was answered then, by the command."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as parquet

from helpers.checkout import CHAMPION, Checkout


def test_labels_judge_the_requests_of_a_run_that_nobody_asks_again(checkout: Checkout) -> None:
    """From a CSV with offsets; the first evidence stays byte for byte, the new one is shown and explained by its digest."""
    table = parquet.read_table(checkout.folder / "data" / "holdout.parquet").slice(0, 2000)
    truth, now = table.column("y").to_pylist(), datetime.now(UTC)
    times = [now - timedelta(days=40 if row < 1800 else 3) for row in range(2000)]
    columns = [name for name in table.column_names if name.startswith("x") or name == "country"]
    traffic = table.select(columns).append_column("at", pa.array(times)).append_column("rid", pa.array(range(2000)))
    parquet.write_table(traffic, checkout.folder / "data" / "traffic.parquet")
    labels = {
        "id": "request", "label": "fraud", "time": "known", "matured": "30d", "coverage": "90%",
        "require": ["auc >= champion - 0.05", "accuracy >= champion - 0.05 on each slice"],
    }  # fmt: skip
    gate = {"gate": "shadow", "data": "traffic", "require": ["errors <= 0"], "labels": labels}
    checkout.write(
        data={"traffic": {"path": "data/traffic.parquet", "id": "rid", "time": "at", "slices": ["country"]}},
        champion={"version": CHAMPION}, gates=[gate],
    )  # fmt: skip
    assert checkout.gate("run").code == 0
    run, digest = checkout.run, checkout.digest
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*") if path.is_file()}

    with (checkout.folder / "labels.csv").open("w") as file:
        write = csv.writer(file).writerow
        write(["request", "fraud", "known"])
        for row in range(2000):
            write([row, 1 - truth[row], "2026-01-01T00:00:00+02:00"])  # taken back a day later
            write([row, truth[row], "2026-01-02T00:00:00+02:00"])
    [pipeline] = (checkout.folder / "gates").glob("*.yaml")
    another = pipeline.with_name("another.yaml")
    another.write_bytes(pipeline.read_bytes())  # of the same model: the one that the run was made by is meant
    answer = checkout.gate("shadow", "label", digest[:19], "--labels", "labels.csv", "--json")
    another.unlink()

    document = json.loads(answer.stdout)
    [judged] = document["evidence"]["gates"]
    assert (answer.code, document["verdict"], document["parents"]) == (0, "pass", [digest]), answer.stderr
    assert "1,800 of 1,800 (100 %) requests older than 30d have a label" in judged["reason"]
    assert judged["context"]["labels"]["due"] == 1800
    assert f"of requests of {digest[:19]}; it can promote nothing" in " ".join(answer.stderr.split())
    assert checkout.run == run
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*") if path.is_file()} == before

    explained = checkout.gate("explain", "--run", document["digest"][:19])
    report = checkout.gate("report", document["digest"])
    assert (explained.code, report.code) == (0, 0), explained.stderr + report.stderr
    assert "by labels that came later, so it can promote nothing" in report.stdout
    assert checkout.gate("shadow", "label", document["digest"], "--labels", "labels.csv").code == 2
    assert checkout.gate("promote", document["digest"]).code == 1
