"""Requests in a nested log, with what the champion answered them: the candidate answers them now, by the command."""

from __future__ import annotations

import json

import pyarrow.parquet as parquet

from helpers.checkout import CHAMPION, Checkout


def test_the_candidate_is_asked_and_the_champion_was(checkout: Checkout) -> None:
    """What is not used is said; the evidence says of the recorded answers who gave them."""
    rows = parquet.read_table(checkout.folder / "data" / "holdout.parquet").to_pylist()[:1500]
    features = [name for name in rows[0] if name.startswith("x") or name == "country"]
    records = [
        {
            "id": f"r{number}",
            "body": json.dumps({name: row[name] for name in features}),
            "answer": {"p": [row["p_old"]]},
        }
        for number, row in enumerate(rows)
    ]
    lines = [json.dumps(record) for record in [*records, records[0], {**records[1], "id": "cut", "body": '{"x0": '}]]
    (checkout.folder / "data" / "requests.jsonl").write_text("\n".join(lines) + "\n")
    columns = {"rid": "id", "score": "answer.p[0]"} | {name: f"body|json.{name}" for name in features}
    data = {"path": "data/requests.jsonl", "columns": columns, "id": "rid", "scores": {"champion": "score"}}
    checkout.write(
        data={"traffic": data}, champion={"version": CHAMPION},
        gates=[
            {
                "gate": "shadow",
                "data": "traffic",
                "require": ["flip_rate <= 60%", "new_errors <= 0"],
                "show": ["country"],
            }
        ],
    )  # fmt: skip

    answer = checkout.gate("run")

    [gate] = checkout.evidence["gates"]
    [entry] = checkout.evidence["data"]
    assert answer.code == 0, json.dumps(gate, indent=1)[:3000]
    assert "of 1,502 records of traffic 1 could not be read, 1 repeat another one" in gate["reason"]
    assert "the answers of the champion are recorded in traffic (score), and 1,000 of 1,500 rows" in gate["reason"]
    assert (entry["rows"], entry["recording"]) == (1500, {"records": 1502, "unused": {"damaged": 1, "repeated": 1}})
    assert gate["findings"][0]["rows"] == 1500
    examples = json.loads((checkout.folder / ".gate/latest/exhibits/shadow-flip_examples.json").read_text())
    assert examples["columns"][-1] == "country"
    assert all(point[-1] == rows[point[0] - 1]["country"] for point in examples["points"])
