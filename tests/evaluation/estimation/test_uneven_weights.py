"""Rows and clusters that weigh unlike bound a value by what the heaviest of them could have done unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.testing import run_gate

from .test_estimate import ask, people

HEAVY = np.array([20.0] * 5 + [1.0] * 95)
USERS = np.repeat(np.arange(60), [200] * 3 + [5] * 57)


# The weight that can err unseen where only the five, or the three, heaviest may, as p = 1 − 0.05^(1/5), or 1 − 0.05^(1/3).
@pytest.mark.parametrize(
    ("spec", "missed"),
    [({"weight": "w"}, 100 * (1 - 0.05 ** (1 / 5)) / 195), ({"cluster": "user"}, 600 * (1 - 0.05 ** (1 / 3)) / 885)],
)
@pytest.mark.parametrize("line", ["accuracy >= 0.9", "f1 >= 0.9", "accuracy >= champion - 0.1", "f1 >= champion - 0.1"])
def test_where_nothing_varies_weights_bound_what_went_unseen(line: str, spec: dict[str, str], missed: float) -> None:
    """Five of a hundred rows that weigh 20, three of sixty users with 200 rows: only these may err."""
    n = 100 if "weight" in spec else 885
    table = {"y": np.ones(n, int), "candidate": np.full(n, 0.9), "champion": np.full(n, 0.9)}
    one = ask([line], table | ({"w": HEAVY} if "weight" in spec else {"user": USERS}), **spec)[0]

    assert "exact" not in one.method
    assert one.low is not None
    assert one.low <= (0 if "champion" in line else 1) - missed + 1e-9
    assert one.p_pass is not None
    assert one.p_pass > 0.05


LINES = ["accuracy >= 0.5", "accuracy >= champion - 0.1", "recall >= 0.5", "f1 >= champion * 0.9", "auc >= 0.5",
         "brier <= champion + 0.1", "log_loss <= 2", "recall_at_precision(0.5) >= 0.1", "calibration_error <= 0.5"]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_equal_weights_are_no_weights(line: str) -> None:
    """Whatever they are."""
    table = people() | {"w": np.full(400, 0.3)}
    weighted, plain = ask([line], table, weight="w")[0], ask([line], table)[0]

    for name in ("method", "low", "high", "p_pass", "p_fail", "se", "n_eff"):
        expected = getattr(plain, name)
        assert getattr(weighted, name) == (pytest.approx(expected, rel=1e-9) if name != "method" else expected), name


def tail(n: int) -> dict[str, Any]:
    """Ten rows carry all but a little; they are right, and one in ten of the others is wrong."""
    y = np.arange(n) % 2
    wrong = (np.arange(n) % 10 == 9) & (np.arange(n) >= 10)
    score = np.where(wrong, 1 - y, y) * 0.8 + 0.1
    weight = np.where(np.arange(n) < 10, 1e5, 1.0)
    return {
        "label": y,
        "candidate": score,
        "champion": np.where(y, 0.9, 0.1),
        "w": weight,
        "part": ["a", "b"] * (n // 2),
    }


@pytest.mark.parametrize(
    "line",
    [
        "accuracy >= 0.9", "recall >= 0.9", "precision >= 0.9", "f1 >= 0.9", "auc >= 0.9", "average_precision >= 0.9",
        "brier <= 0.1", "accuracy >= champion - 0.05", "f1 >= champion - 0.05", "auc >= champion - 0.05",
        "brier <= champion + 0.05", "accuracy >= champion * 0.95", "accuracy >= 0.9 on each slice",
        "accuracy gap over part <= 0.1",
    ],
)  # fmt: skip
def test_ten_rows_that_carry_all_pass_nothing(line: str) -> None:
    """Of such models one in ten is wrong on every row; ten rows do not show it, and the two thousand others weigh nothing."""
    result = run_gate("metrics", table=tail(2000), require=[line], task="binary", weight="w", slices=["part"])

    assert {finding.verdict.value for finding in result.findings} == {"inconclusive"}


def test_clusters_that_weigh_like_fewer_than_ten_decide_nothing() -> None:
    """Three of sixty users have most rows: counted by Kish they are six."""
    draw = np.random.default_rng(1)
    y = draw.integers(0, 2, 885)
    table = {"y": y, "candidate": np.where(draw.random(885) < 0.95, y, 1 - y) * 0.8 + 0.1, "user": USERS}
    one = ask(["accuracy >= 0.5"], table, cluster="user")[0]

    assert one.too_few == "60 clusters carry as much as 6.5 equal ones; the test needs 10"
    assert (one.n_eff or 0) <= 6.5


def test_losses_on_heavy_rows_count_as_large_as_they_are() -> None:
    """The candidate errs on heavy rows alone and the champion on light ones, exactly at the limit: at most 5 % pass, + 3 SE.

    A score test that counts effective rows of one size lets 9 % pass.
    """
    runs, n, weight, share, lost, won = 400, 500, 20.0, 0.02, 0.5, 0.1
    draw = np.random.default_rng(2)
    heavy, label = draw.random(runs * n) < share, draw.random(runs * n) < 0.4
    ours, theirs = heavy & (draw.random(runs * n) < lost), ~heavy & (draw.random(runs * n) < won)
    margin = (share * weight * lost - (1 - share) * won) / (share * weight + 1 - share)
    table = {
        "label": label.astype(int),
        "candidate": np.where(ours != label, 0.8, 0.2),
        "champion": np.where(theirs != label, 0.8, 0.2),
        "weight": np.where(heavy, weight, 1.0),
        "run": np.repeat([f"run {number}" for number in range(runs)], n),
    }
    line = f"accuracy >= champion - {margin:.12f} on each run"
    result = run_gate("metrics", table=table, require=[line], slices=["run"], weight="weight", task="binary")

    passed = sum(finding.verdict.value == "pass" for finding in result.findings)
    assert len(result.findings) == runs
    assert passed <= runs * 0.05 + 3 * (runs * 0.05 * 0.95) ** 0.5
