"""What rows can decide, from counts: the published tables, by the code that plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.metrics import multiclass, multiclass_arguments
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evaluation.planning.expected_error import smallest_decidable_tolerance
from lockgate.evaluation.planning.gap_outlook import gap_outlook
from lockgate.evaluation.planning.outlook import Outlook, as_absolute, outlooks
from lockgate.evaluation.requirements.grammar import from_mapping, parse
from lockgate.evaluation.scoring.scored_table import Scored

# By enumeration (docs/internals/decisions.md): rows, slices, smallest tolerance; rows, what must be observed.
TOLERANCES = [
    (300, 1, 0.0405), (300, 20, 0.0594), (300, 130, 0.0682), (1000, 1, 0.0212), (1000, 20, 0.0307), (1000, 130, 0.0352),
    (3000, 1, 0.0121), (3000, 20, 0.0174), (3000, 130, 0.0199), (10000, 1, 0.0066), (10000, 20, 0.0094), (10000, 130, 0.0108),
]  # fmt: skip
OBSERVED = [(100, 0.960), (300, 0.930), (1000, 0.916), (3000, 0.909), (10000, 0.905)]


def counted(rows: int, positives: int | None = None, *, geo: str = "BR") -> Estimate:
    return Estimate("r1", (("geo", geo),), rows, positives, (">=", 0.0), "value", "point")


def planned(line: Any, *counts: Estimate, **more: Any) -> list[Outlook]:
    asked = parse(line) if isinstance(line, str) else from_mapping(line)
    return outlooks("r1", asked, SUBJECTS[asked.subject], counts, **more)


@pytest.mark.parametrize(("rows", "slices", "tolerance"), TOLERANCES)
def test_the_smallest_tolerance_is_that_of_the_enumeration(rows: int, slices: int, tolerance: float) -> None:
    """Accuracy, models that disagree on 5 % of rows, 90 % power for all slices (docs/internals/decisions.md): never less, at most 4 % more."""
    counts = [counted(rows, geo=str(place)) for place in range(slices)]
    [first, *_] = planned("accuracy >= champion - 0.01 on each slice", *counts)

    assert first.smallest is not None
    assert 0.99 * tolerance <= first.smallest <= 1.04 * tolerance


@pytest.mark.parametrize(("rows", "observed"), OBSERVED)
def test_what_must_be_observed_is_that_of_the_published_table(rows: int, observed: float) -> None:
    """Accuracy of at least 0.90."""
    [found] = planned("accuracy >= 0.90", counted(rows))

    assert found.observed == pytest.approx(observed, abs=0.0006)


def test_the_page_for_people_has_these_numbers() -> None:
    """Both tables of *In plain words*, rounded."""
    page = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
    rows = dict.fromkeys(rows for rows, *_ in TOLERANCES)
    of_slices = {rows: [f"{tolerance:.3f}" for known, _, tolerance in TOLERANCES if known == rows] for rows in rows}

    assert [line for line in (f"| {rows:,} | {value:.3f} |\n" for rows, value in OBSERVED) if line not in page] == []
    assert [
        line
        for line in (f"| {rows:,} | {' | '.join(cells)} |\n" for rows, cells in of_slices.items())
        if line not in page
    ] == []


@pytest.mark.parametrize(
    ("line", "rows", "passing"),
    [
        ("auc >= champion - 0.02", 1000, 0.00), ("auc >= champion - 0.05", 1000, 0.22), ("auc >= champion - 0.08", 1000, 0.92),
        ("auc >= champion - 0.02", 3000, 0.48), ("auc >= champion - 0.03", 3000, 0.87),
        ("average_precision >= champion - 0.08", 3000, 0.51),
    ],
)  # fmt: skip
def test_the_chance_to_pass_is_near_the_simulated_one(line: str, rows: int, passing: float) -> None:
    """5 % positives, scores that correlate 0.9, an AUC of 0.85: the share of 300 pairs of equal models that passed."""
    [outlook] = planned(line, counted(rows, rows // 20))

    assert outlook.chance == pytest.approx(passing, abs=0.07)
    assert (outlook.status == "decidable") == (outlook.chance >= 0.9)


@pytest.mark.parametrize(
    ("line", "count", "status", "words"),
    [
        ("auc >= champion - 0.1", counted(900, 9), "hopeless", "underpowered: 9 positive rows; the test needs 10"),
        (
            "auc >= champion - 0.3", counted(400, 20), "decidable",
            "has power: 400 rows, 20 positive decide a tolerance of 0.17 with 90 % power",
        ),
        ("auc >= 0.9", counted(0, 0), "hopeless", "underpowered: there are no rows"),
        ("recall >= 0.99", counted(900, 90), "hopeless", "underpowered: not even 1 on 900 rows would show it"),
        ("recall >= 0.60", counted(900, 90), "decidable", "has power: passes from a value of 0.7 up"),
        ("auc >= 0.80", counted(1000, 100), "decidable", "has power: passes from a value of 0.8385 up"),
        ("log_loss <= 0.4", counted(900, 90), "unknown", "not planned from counts: gate plan --score measures the champion"),
        (
            "accuracy >= champion - 0.01", counted(900, 90), "hopeless",
            "underpowered at champion - 0.01: 900 rows, 90 positive decide a tolerance of 0.023 with 90 % power; "
            "equal models pass at champion - 0.01 in 37 % of runs",
        ),
        (
            {"metric": "accuracy", "at_least": "champion - 0.01", "claim": "no_harm"}, counted(900, 90), "decidable",
            "has power: 900 rows, 90 positive decide a tolerance of 0.023 with 90 % power",
        ),
        (
            "auc >= champion * 0.95", counted(1200, 120), "decidable",
            "has power: 1,200 rows, 120 positive decide champion * 0.956 with 90 % power",
        ),
    ],
)  # fmt: skip
def test_each_slice_has_its_words(line: Any, count: Estimate, status: str, words: str) -> None:
    """And its status."""
    [found] = planned(line, count)

    assert (found.status, found.words) == (status, words)


def test_watched_slices_take_no_part_in_the_power_of_the_others() -> None:
    """Small ones are held to less, and the others need not pass together with them."""
    small = SmallSlices(min_rows=100, below="watch")
    alone = planned("accuracy >= champion - 0.03 on each slice", counted(2000))
    beside = planned(
        "accuracy >= champion - 0.03 on each slice", counted(2000), counted(40, geo="LU"), small=small
    )  # fmt: skip

    assert beside[0].smallest == alone[0].smallest
    assert (beside[1].status, beside[1].words) == ("watched", "no-harm check: 40 rows; 100 are required")


def test_what_init_writes_is_what_plan_finds_decidable() -> None:
    """One formula."""
    [found] = planned("auc >= champion - 0.5", counted(3000, 300))

    assert smallest_decidable_tolerance("auc", rows=3000, positives=300) == found.smallest
    assert smallest_decidable_tolerance("auc", rows=3000, positives=9) is None
    assert smallest_decidable_tolerance("rmse", rows=1000, positives=None) == pytest.approx(0.0295, abs=0.0001)


@pytest.mark.parametrize("line", ["accuracy >= champion - 0.03", "accuracy >= 0.9"])
def test_rows_that_weigh_unlike_are_planned_as_effective_ones(line: str) -> None:
    """Of the champion's own estimate it is known on how many its share stands; a plain one stands on its rows."""
    champion = replace(counted(2000), candidate=0.95, value=0.95, low=0.93, high=0.97, n_eff=300.0,
                       se=(0.95 * 0.05 / 300) ** 0.5, method="clopper-pearson, effective rows")  # fmt: skip
    plain = replace(champion, n_eff=2000.0, se=(0.95 * 0.05 / 2000) ** 0.5, method="clopper-pearson")
    few, many = planned(line, counted(300))[0], planned(line, counted(2000))[0]
    weighted, alike = (planned(line, counted(2000), own={one.slice: one})[0] for one in (champion, plain))

    assert (weighted.smallest, weighted.observed, weighted.status) == (few.smallest, few.observed, few.status)
    assert (alike.smallest, alike.observed, alike.status) == (many.smallest, many.observed, many.status)


@pytest.mark.parametrize("average", ["recall(average=macro)", "f1(average=macro)", "precision(average=macro)"])
@pytest.mark.parametrize("right", [0.96, 0.8])
def test_a_champion_that_was_measured_foretells_of_a_mean_over_classes_what_its_counts_foretell(
    average: str, right: float
) -> None:
    """Equal models pass at it in 9 of 10 draws (simulated: 0.89 to 0.97), however few the champion gets wrong."""
    classes, label = tuple("abcdefghij"), np.repeat(list("abcdefghij"), 90)
    answer = np.where(np.arange(900) % 100 < 100 * right, label, np.roll(label, 90))
    table = pa.table({"label": label, "answer": answer})
    spec = DatasetSpec.model_validate({"path": "table", "label": "label", "scores": {"candidate": "answer"}})
    scored = Scored.from_table(table, spec, task="multiclass", positive=1, classes=classes)
    line = parse(f"{average} >= champion - 0.027")
    alone = as_absolute(line)
    [own] = estimate(scored, [("r1", alone)], multiclass.metrics([alone], classes), threshold={"candidate": None})
    blank = Estimate("r1", (), 900, None, (">=", 0.0), "value", "point")
    [found] = outlooks("r1", line, multiclass_arguments.SUBJECTS[line.subject], [blank], own={(): own})
    from_counts = smallest_decidable_tolerance("recall", rows=900, positives=None, classes=(90,) * 10)

    assert from_counts == pytest.approx(0.0239, abs=0.0001)
    assert found.smallest == pytest.approx(from_counts, rel=0.1)
    assert (found.status, found.chance) == ("decidable", pytest.approx(0.95, abs=0.02))


def gap_planned(line: Any, *counts: Estimate, **more: Any) -> Outlook:
    requirement = parse(line) if isinstance(line, str) else from_mapping(line)
    return gap_outlook("r1", requirement, SUBJECTS[requirement.subject], counts, small=SmallSlices(), **more)


def test_a_gap_beside_the_champion_is_foretold_by_the_changes_of_its_slices() -> None:
    """Of equal models their values cancel out, so that far less is needed than for a gap against a number."""
    slices = [counted(1000, geo="AT"), counted(1000, geo="BR"), counted(4000, geo="CH")]
    beside = gap_planned("accuracy gap over geo <= champion + 0.05", *slices)
    alone = gap_planned("accuracy gap over geo <= 0.05", *slices)
    tight = gap_planned("accuracy gap over geo <= champion + 0.01", *slices)
    (change, *_) = planned(
        {"metric": "accuracy", "at_least": "champion - 0.01", "on": "each geo", "confidence": 0.955}, *slices
    )

    assert (beside.status, beside.basis, tight.status) == ("decidable", "tolerance", "hopeless")
    assert alone.smallest is not None
    assert change.smallest is not None
    assert beside.smallest == pytest.approx(change.smallest * 2**0.5, rel=1e-6)
    assert beside.smallest < alone.smallest / 2
    assert beside.words == (
        "has power: geo=AT (1,000 rows) and geo=BR (1,000 rows) decide a gap that is 0.037 wider with 90 % power, "
        "where the models are equal"
    )
    assert tight.enough is not None
    assert 6000 * 7 < tight.enough < 6000 * 16


def test_what_no_counts_tell_of_a_gap_beside_the_champion_is_not_foretold() -> None:
    """A gain, a factor of a gap that was not measured, a loss of which the spread is not known."""
    slices = [counted(1000, geo="AT"), counted(1000, geo="BR")]
    gain, factor, loss = (
        gap_planned(line, *slices)
        for line in (
            {"metric": "accuracy", "gap_over": "geo", "at_most": "champion - 0.01", "claim": "superior"},
            "accuracy gap over geo <= champion * 1.5",
            "log_loss gap over geo <= champion + 0.1",
        )
    )

    assert [each.status for each in (gain, factor, loss)] == ["unknown"] * 3
    assert [each.basis for each in (gain, factor, loss)] == ["gain", "counts_only", "counts_only"]
