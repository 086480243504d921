"""Recorded answers decide where the versions, asked again, give the same; invented ones, and those of others, decide nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from helpers.checkout import CHAMPION, GOOD, SCORED, Checkout, verdicts

RECORDED = {key: value for key, value in SCORED.items() if key != "recorded"}
BARE = {**RECORDED, "path": "data/bare.parquet"}


SHADOW = {"gate": "shadow", "data": "invented", "require": ["flip_rate <= 2%"]}


def gate(name: str) -> dict[str, Any]:
    return {"gate": "metrics", "name": f"on_{name}", "data": name, "require": ["auc >= champion - 0.05"]}


def test_only_what_the_versions_say_themselves_counts(checkout: Checkout) -> None:
    """The versions' own answers, two invented columns, another version's column, what is said to be another's, and answers without
    the models' inputs: these are for an owner, unless the policy trusts them."""
    rows = parquet.read_table(checkout.folder / "data" / "holdout.parquet")
    constant = pa.array(np.full(len(rows), 0.4))
    invented = rows.drop(["p_new", "p_old"]).append_column("p_new", constant).append_column("p_old", constant)
    parquet.write_table(invented, checkout.folder / "data" / "invented.parquet")
    parquet.write_table(rows.drop(["x1"]), checkout.folder / "data" / "bare.parquet")
    data = {
        "own": {**RECORDED, "answered_by": {"candidate": GOOD, "champion": CHAMPION}},
        "invented": {**RECORDED, "path": "data/invented.parquet"},
        "swapped": {**RECORDED, "scores": {"candidate": "p_old", "champion": "p_new"}},
        "claimed": {**BARE, "answered_by": {"candidate": CHAMPION}, "recorded": "trusted"},
        "bare": BARE,
        "trusted": {**BARE, "recorded": "trusted"},
    }
    checkout.write(data=data, champion={"version": CHAMPION}, gates=[*map(gate, data), SHADOW])
    answer = checkout.gate("run")

    results = {each["name"]: each for each in checkout.evidence["gates"]}
    broken = {name: result["context"].get("broken", {}).get("code") for name, result in results.items()}
    assert (answer.code, checkout.evidence["opens"]) == (4, "no")
    assert verdicts(checkout.evidence) == {
        "on_own": "pass",
        "on_invented": "error",
        "on_swapped": "error",
        "on_claimed": "error",
        "on_bare": "inconclusive",
        "on_trusted": "pass",
        "shadow": "error",
    }
    assert {name for name, code in broken.items() if code == "recorded_by_other"} == {
        "on_invented",
        "on_swapped",
        "on_claimed",
        "shadow",
    }
    for name, column in (("invented", "p_new"), ("swapped", "p_old")):
        assert results[f"on_{name}"]["reason"].startswith(f"the answers in {column} of {name} are not the candidate's")
    assert "version 1 gave them (data.claimed.answered_by)" in results["on_claimed"]["reason"]
    assert (
        "are recorded in own (p_new, p_old), and 1,000 of 4,000 rows that were asked again got the same: at most 0.3 %"
        in (results["on_own"]["reason"])
    )
    assert results["on_trusted"]["reason"].endswith(
        "are recorded in trusted (p_new, p_old), and nobody was asked again: recorded: trusted"
    )
    assert "by recorded answers of bare" in answer.stdout + answer.stderr

    checkout.write(data={"bare": BARE}, champion={"version": CHAMPION}, gates=[gate("bare")])
    assert checkout.gate("run").code == 3
    assert (checkout.evidence["opens"], checkout.evidence["asks"]) == ("by_owner", ["on_bare/r1/overall"])
    assert checkout.evidence["gates"][0]["findings"][0]["code"] == "recorded"
