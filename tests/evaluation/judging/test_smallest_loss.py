"""The smallest loss that a no-harm check names is one that it fails with 90 %, among so many slices as take part."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from bench.decisions.asking import drawing, scored
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.rows_needed import smallest_loss
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.uncertainty.power import gained_beside
from lockgate.evaluation.uncertainty.significance import own, paired
from lockgate.evidence.finding import Finding

Table = dict[str, Any]
Loss = Callable[[np.random.Generator, int, float], Table]


def estimated(table: Table, line: str) -> Estimate:
    rows = scored(table, task="regression" if line.startswith("mae") else "binary")
    return estimate(rows, [("r1", parse(line))], METRICS, threshold={"candidate": 0.5, "champion": 0.5})[0]


def answers(right: np.ndarray, label: np.ndarray) -> np.ndarray:
    return np.where(right == label, 0.9, 0.1)


def counted(rows: int, *, wrong: int, apart: int = 0) -> Table:
    """The champion wrong on so many rows, and the candidate too; on `apart` others each, one of them alone."""
    label = np.arange(rows) % 2 == 0
    candidate, champion = np.ones(rows, bool), np.ones(rows, bool)
    candidate[:wrong] = champion[:wrong] = False
    candidate[wrong : wrong + apart] = champion[wrong + apart : wrong + 2 * apart] = False
    return {"label": label.astype(int), "candidate": answers(candidate, label), "champion": answers(champion, label)}


def failed_by_enumeration(estimate: Estimate, *, lost: float, kept_apart: float, alpha: float) -> float:
    """P(fail) where the candidate alone is wrong on a share of rows, and the champion alone on another."""
    assert estimate.tested is not None
    assert estimate.tested.summary.disagree is not None
    tested, rows = estimate.tested, round(estimate.tested.summary.disagree[2])
    total = 0.0
    for only_champion in range(rows + 1):
        for only_candidate in range(min(rows - only_champion, 12) + 1):
            shares = [only_candidate, only_champion, rows - only_candidate - only_champion]
            chance = stats.multinomial.pmf(shares, rows, [kept_apart, lost, 1 - lost - kept_apart])
            if chance < 1e-9:
                continue
            summary = replace(tested.summary, disagree=(only_candidate, only_champion, rows))
            test = paired(
                tested.metric, summary, tested.requirement, rows=rows, fewest=None, null=-0.03, confidence=0.95
            )
            total += chance * (test.too_few is None and test.p_below <= alpha)
    return total


@pytest.mark.parametrize(("rows", "slices"), [(20, 1), (40, 20), (60, 100)])
def test_a_loss_of_accuracy_is_failed_as_often_as_is_stated(rows: int, slices: int) -> None:
    """Whether what is lost comes on top of how models differ, or with what noise in the candidate's scores wins elsewhere."""
    known = estimated(counted(rows, wrong=rows // 8, apart=rows // 20), "accuracy >= champion - 0.03")
    loss = smallest_loss(known, parse("accuracy >= champion - 0.03"), findings=slices)
    assert loss is not None
    right = known.champion or 0.0
    gained = gained_beside(right, loss)
    for lost, kept_apart in ((loss + 0.025, 0.025), (loss + gained + 0.025, gained + 0.025)):
        assert failed_by_enumeration(known, lost=lost, kept_apart=kept_apart, alpha=0.05 / slices) >= 0.9


@pytest.mark.parametrize(("rows", "slices"), [(24, 1), (60, 20), (300, 100)])
@pytest.mark.parametrize("line", ["accuracy >= 0.85", "false_positive_rate <= 0.15"])
def test_a_rate_is_failed_from_the_distance_that_is_stated(rows: int, slices: int, line: str) -> None:
    """Exactly: at that distance 9 times in 10, and a row nearer to the limit no more."""
    known = estimated(counted(2 * rows, wrong=0), line)
    assert known.tested is not None
    rows, tested = round(known.tested.summary.units), known.tested

    def fails(hits: int) -> bool:
        summary = replace(tested.summary, counts=(hits, rows))
        test = own(tested.metric, summary, rows=rows, fewest=None, null=parse(line).limit.value, confidence=0.95)
        return (test.p_below if tested.up else test.p_above) <= 0.05 / slices

    def failed(distance: float) -> float:
        rate = 0.85 - distance if tested.up else 0.15 + distance
        return sum(float(stats.binom.pmf(hits, rows, rate)) for hits in range(rows + 1) if fails(hits))

    loss = smallest_loss(known, parse(line), findings=slices)
    assert loss is not None
    assert failed(loss) >= 0.9 > failed(loss - 1 / rows)


def lost_ranks(draw: np.random.Generator, rows: int, loss: float) -> Table:
    """Two in five rows positive, an AUC of 0.85, scores that correlate 0.9; a share of the positives is ranked last."""
    label = np.arange(rows) < 2 * rows // 5
    shared, shift = draw.standard_normal(rows), math.sqrt(2) * special.ndtri(0.85)
    one, other = (0.95 * shared + 0.31 * draw.standard_normal(rows) + shift * label for _ in "ab")
    return {"label": label * 1, "candidate": np.where(label & (draw.random(rows) < loss / 0.85), -9.0, one), "champion": other}  # fmt: skip


def lost_probability(draw: np.random.Generator, rows: int, loss: float) -> Table:
    """Brier scores of about 0.09; on a share of the rows the candidate is sure of the other class."""
    label = draw.random(rows) < 0.3
    one, other = (np.clip(np.where(label, 0.7, 0.3) + 0.05 * draw.standard_normal(rows), 0, 1) for _ in "ab")
    sure = draw.random(rows) < loss / 0.91
    return {"label": label * 1, "candidate": np.where(sure, np.where(label, 0.0, 1.0), one), "champion": other}


@pytest.mark.parametrize(
    ("line", "law", "rows", "slices"),
    [
        ("auc >= champion - 0.03", lost_ranks, 150, 1),
        ("auc >= champion - 0.03", lost_ranks, 300, 100),
        ("brier <= champion + 0.02", lost_probability, 60, 1),
        ("brier <= champion + 0.02", lost_probability, 150, 20),
    ],
)
def test_a_loss_by_influence_values_is_failed_as_often_as_is_stated(
    line: str, law: Loss, rows: int, slices: int
) -> None:
    """Stated from equal models; three standard errors of 120 draws are eight points."""
    draw, failed = drawing("smallest loss", line, rows), 0
    loss = smallest_loss(estimated(law(draw, rows, 0.0), line), parse(line), findings=slices)
    assert loss is not None
    assert loss < 0.5
    for _ in range(120):
        found = estimated(law(draw, rows, loss), line)
        failed += found.too_few is None and found.p_fail is not None and found.p_fail <= 0.05 / slices

    assert failed / 120 >= 0.9 - 0.08


def watched(estimates: list[Estimate], line: str) -> Finding:
    named = [replace(known, slice=(("geo", str(place)),)) for place, known in enumerate(estimates)]
    return judge("metrics", [("r1", parse(line))], named, {}, small=SmallSlices(min_rows=1000, below="watch"))[0]


def test_a_loss_must_be_larger_among_more_slices() -> None:
    """Each that can fail counts; one below the floor of its test does not."""
    line = "accuracy >= champion - 0.03 on each geo"
    known = estimated(counted(60, wrong=8, apart=2), line.removesuffix(" on each geo"))
    few = replace(known, too_few="4 rows; the test needs 5")
    alone, beside, beside_few = (
        float(watched([known, *others], line).detail["smallest_loss_seen"]) for others in ([], [known] * 19, [few] * 19)
    )

    assert alone == beside_few < beside


def test_where_no_loss_would_be_found_the_finding_says_so() -> None:
    """Five rows among a hundred slices fail whatever happens on them: not at all."""
    line = "accuracy >= champion - 0.03 on each geo"
    known = estimated(counted(5, wrong=1), line.removesuffix(" on each geo"))
    found = watched([known] * 100, line)

    assert found.reason.endswith("checked for harm alone (5 rows; 1,000 are required); no loss could be seen")
    assert (found.detail["smallest_loss_seen"], found.detail["no_power"]) == (None, True)


def test_of_a_mean_without_an_end_no_loss_is_stated() -> None:
    """However small it is, one row that did not come may bring it."""
    draw = drawing("no end")
    table = {"label": np.zeros(50), "candidate": draw.random(50), "champion": draw.random(50)}
    found = watched([estimated(table, "mae <= champion + 0.1")], "mae <= champion + 0.1 on each geo")

    assert found.reason.endswith("nothing says how large a loss would go unseen")


def test_what_has_nothing_loses_nothing() -> None:
    """A champion that is wrong everywhere."""
    known = estimated(counted(40, wrong=40), "accuracy >= champion - 0.03")

    assert smallest_loss(known, parse("accuracy >= champion - 0.03"), findings=1) == 0.0
