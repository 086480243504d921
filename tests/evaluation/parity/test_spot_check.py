"""What a sample of recorded answers, held to what the version answers now, says of who gave them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lockgate.evaluation.parity.spot_check import SpotCheck, compare, drawn_rows

Floats = Any
Model = Callable[[Floats], Floats]


def steady(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def check(recorded: Floats, model: Model, x: Floats, *, total: int = 50_000, **more: Any) -> SpotCheck:
    return compare(
        recorded, model(x), lambda places: model(x[places]), by_chance=np.ones(len(x), bool), total=total,
        **{"tolerance": 1e-6, **more},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("write", "state"),
    [
        (lambda p, _: p, "confirmed"),
        (lambda p, _: p.astype(np.float32).astype(float), "confirmed"),
        (lambda p, _: np.full_like(p, 0.4), "refuted"),
        (lambda p, x: steady(x + 0.01), "refuted"),
        (lambda p, x: np.where(np.arange(len(p)) % 10, p, 0.9), "refuted"),  # each tenth row is invented
        (lambda p, x: np.where(np.arange(len(p)) < 3, 0.9, p), "unconfirmed"),
        (lambda p, x: np.where(np.arange(len(p)) < 30, np.nan, p), "refuted"),
    ],
)
def test_who_answered_is_told_by_how_many_rows_differ(write: Callable[[Floats, Floats], Floats], state: str) -> None:
    """None: the version itself, with 95 % confidence in all but 1 % of rows. More than 1 %, and not by chance: somebody else."""
    x = np.random.default_rng(3).normal(size=1_000)

    assert check(write(steady(x), x), steady, x).state == state


def test_the_bound_is_clopper_and_pearsons() -> None:
    """One-sided at 95 %; of rows that were all sent nothing is left to bound."""
    x = np.random.default_rng(4).normal(size=400)
    recorded = steady(x)
    recorded[:2] += 0.1

    assert check(steady(x), steady, x).at_most == pytest.approx(1 - 0.05 ** (1 / 400))
    assert check(recorded, steady, x).at_most == pytest.approx(stats.beta.ppf(0.95, 3, 398))
    assert check(recorded, steady, x, total=400).at_most == 2 / 400
    assert check(recorded, steady, x).to_json() == {
        "rows": 400, "of": 50_000, "differing": 2, "at_most": "0.01566", "largest": "0.1", "steady": 2, "turned": 0, "unsteady": 0,
    }  # fmt: skip


def test_a_model_that_answers_by_chance_is_not_called_somebody_else() -> None:
    """Its own recording lies no further from its answers than these from each other; an invented one does."""
    draw = np.random.default_rng(5)
    x = draw.normal(size=1_000)
    states = dict.fromkeys(("own", "foreign"), "")
    own = []
    for _ in range(200):
        own.append(check(noisy(x, draw), lambda rows: noisy(rows, draw), x).state)
    states["foreign"] = check(np.full(1_000, 0.4), lambda rows: noisy(rows, draw), x).state
    labels = (draw.random(1_000) < steady(x)).astype(float)
    by_lot = check(labels, lambda rows: (draw.random(len(rows)) < steady(rows)).astype(float), x)

    assert "confirmed" not in own
    assert own.count("refuted") <= 6  # 1 % of 200, and what chance adds to that
    assert states["foreign"] == "refuted"
    assert (by_lot.state, by_lot.unsteady > 100) == ("unconfirmed", True)


def noisy(x: Floats, draw: np.random.Generator) -> Floats:
    return steady(x + draw.normal(scale=0.5, size=len(x)))


def test_a_tolerance_is_what_was_rounded_away() -> None:
    """Four decimals are told from other answers by saying so; a column of single or half precision needs no word."""
    x = np.random.default_rng(6).normal(size=1_000)

    assert check(steady(x).round(4), steady, x).state == "refuted"
    assert check(steady(x).round(4), steady, x, tolerance=5e-5).state == "confirmed"
    assert check(steady(x).astype(np.float16).astype(float), steady, x, precision="float16").state == "confirmed"


def test_several_classes_are_compared_class_by_class() -> None:
    x = np.random.default_rng(8).random((1_000, 3))
    recorded = x.copy()
    recorded[::20, 2] += 0.3

    assert check(x, lambda rows: rows, x).state == "confirmed"
    assert check(recorded, lambda rows: rows, x).state == "refuted"


def test_rare_rows_are_sent_beside_those_by_chance() -> None:
    """Of the 100 positives of 100,000 rows all are sent; of what is frequent no more than chance brings."""
    draw, positive = np.random.default_rng(9), np.arange(100_000) % 1_000 == 0
    rows, by_chance = drawn_rows(100_000, 1_000, [positive, ~positive], draw)
    every, _ = drawn_rows(50, 1_000, [], draw)

    assert positive[rows].sum() == 100
    assert (by_chance.sum(), len(rows) <= 1_100, len(set(rows.tolist())) == len(rows)) == (1_000, True, True)
    assert every.tolist() == list(range(50))
