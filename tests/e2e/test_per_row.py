"""A metric of one float a row that is run beside the models, from the pipeline to the evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from helpers.checkout import CLASSES, GOOD, HOLDOUT, Checkout
from lockgate.hashing import sha256_file

CODE = """
import numpy as np

def miss(inputs, answer, labels):
    return np.abs(inputs["truth"].to_numpy() - np.asarray(answer))

def boxes(inputs, answer, labels):
    assert labels is None
    return miss(inputs, answer, labels)

def hole(inputs, answer, labels):
    return np.where(inputs["x1"] == inputs["x1"].max(), np.nan, 1.0)
"""
MISS = {"function": "mine.py:miss", "better": "lower", "bounds": [0, 1], "columns": ["truth"]}


def written(checkout: Checkout, *lines: str, **more: Any) -> None:
    (checkout.folder / "mine.py").write_text(CODE)
    path = checkout.folder / "data" / "holdout.parquet"
    table = parquet.read_table(path)
    if "truth" not in table.column_names:
        parquet.write_table(table.append_column("truth", table.column("y")), path)
    gate = {"gate": "metrics", "data": "holdout", "require": list(lines)}
    checkout.write(**{"gates": [gate], "per_row": {"miss": MISS}, **more})


def test_a_metric_by_row_is_judged_like_a_built_in_mean(checkout: Checkout) -> None:
    """Of both models, on slices, beside built-in metrics; the numbers are kept, and the file's digest is in the evidence."""
    written(checkout, "miss <= 0.6", "miss <= champion * 1.1 on each slice", "auc >= 0.7")
    champion = checkout.gate("adopt", "fraud", "--version", "1", "--reason", "it was there before the ledger")
    assert champion.code == 0, champion.stderr

    answer = checkout.gate("run")

    assert answer.code == 0, answer.stderr
    scored = parquet.read_table(checkout.run / "scored" / "holdout.parquet")
    table = parquet.read_table(checkout.folder / "data" / "holdout.parquet")
    assert scored.column_names[:6] == ["id", "label", "candidate", "champion", "candidate:miss", "champion:miss"]
    truth = table["y"].to_numpy().astype(float)
    for role in ("candidate", "champion"):
        assert scored[f"{role}:miss"].to_numpy() == pytest.approx(np.abs(truth - scored[role].to_numpy()))
    [gate] = checkout.evidence["gates"]
    assert gate["context"]["per_row"] == {"miss": sha256_file(checkout.folder / "mine.py")}
    first, *slices, _ = gate["findings"]
    assert float(first["observed"]) == pytest.approx(scored["candidate:miss"].to_numpy().mean())
    assert [one["slice"] for one in slices] == [{"country": "BR"}, {"country": "US"}]
    assert "skew-corrected" in slices[0]["decided"]["method"]


def test_answers_that_are_no_scores_never_reach_the_scored_table(checkout: Checkout) -> None:
    """Where only such metrics are asked: class labels would not do for a score, and there is no label column."""
    data = {"holdout": {key: value for key, value in HOLDOUT.items() if key != "label"}}
    written(
        checkout, "boxes <= 0.6", "boxes <= 0.7 on each slice", candidate={"version": CLASSES}, data=data,
        per_row={"boxes": {**MISS, "function": "mine.py:boxes"}},
    )  # fmt: skip
    answer = checkout.gate("run")

    assert answer.code == 0, answer.stderr
    names = parquet.read_table(checkout.run / "scored" / "holdout.parquet").column_names
    assert names == ["id", "candidate:boxes", "country"]


def test_a_row_without_a_value_leaves_its_slices_undecided(checkout: Checkout) -> None:
    """The others are judged; the reason names the row."""
    written(checkout, "hole >= 0.5 on each slice", per_row="mine.py:hole")
    answer = checkout.gate("run")

    assert answer.code == 3, answer.stderr
    verdicts = {one["code"]: one["reason"] for one in checkout.evidence["gates"][0]["findings"]}
    assert "hole of the candidate is NaN or infinite in 1 rows, first in row" in verdicts["not_finite"]
    assert len(verdicts) == 2


def test_a_function_that_breaks_is_an_error(checkout: Checkout) -> None:
    """As a model that breaks is."""
    written(checkout, "miss <= 0.6", per_row={"miss": {**MISS, "columns": []}})
    answer = checkout.gate("run")

    assert answer.code == 4
    assert "miss raised KeyError: 'truth' (" in answer.stderr


def test_a_run_goes_on_with_the_same_functions_only(checkout: Checkout) -> None:
    """A file that changed asks for a new run."""
    written(checkout, "miss <= 0.6", candidate={"version": GOOD})
    assert checkout.gate("run").code == 0
    (checkout.folder / "mine.py").write_text(CODE + "\n")
    resumed = checkout.gate("run", "--resume")

    assert resumed.code == 2
    assert "functions changed since it began" in resumed.stderr


def test_a_plan_says_what_it_cannot_know(checkout: Checkout) -> None:
    """Nothing of such a line; it is no error."""
    written(checkout, "miss <= 0.6", "auc >= 0.7")
    answer = checkout.gate("plan")

    assert answer.code == 0, answer.stderr
    assert "miss <= 0.6" in answer.stdout + answer.stderr
