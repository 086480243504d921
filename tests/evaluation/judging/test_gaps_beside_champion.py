"""The gap between slices beside the champion's: no two slices may be further apart than its gap and a margin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from helpers.census import LABEL, NUMBERS, census
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evidence.finding import Finding, Verdict
from lockgate.testing import run_gate


def table(
    *, now: float = 0.0, before: float = 0.0, rows: int = 5000, seed: int = 0, last: int | None = None
) -> dict[str, Any]:
    """Two models of alike scores; `now` and `before`: how much lower the candidate's, the champion's are in Brazil. last: its rows."""
    draw = np.random.default_rng(seed)
    geo = np.resize(["EU", "US", "BR"], rows)
    if last is not None:
        geo = np.where(np.arange(rows) < last, "BR", np.resize(["EU", "US"], rows))
    label = (draw.random(rows) < 0.4).astype(int)
    common = 0.5 + 0.35 * (label - 0.5) + draw.normal(0, 0.2, rows)
    scores = {
        role: np.clip(common + draw.normal(0, 0.03, rows) - lower * (geo == "BR"), 0, 1)
        for role, lower in (("candidate", now), ("champion", before))
    }
    return {"label": label, **scores, "geo": geo}


def asked(rows: dict[str, Any], *lines: Any, slices: Any = ("geo",), **more: Any) -> list[Finding]:
    return list(run_gate("metrics", table=rows, slices=list(slices), require=list(lines), **more).findings)


LINE = "recall gap over geo <= champion + 0.05"


def test_a_gap_beside_the_champion_is_one_finding_with_both_gaps() -> None:
    """Of each the pair that makes it up, and the values of all groups by both models."""
    (passed,) = asked(table(now=0.1, before=0.1), LINE)

    assert (passed.id, passed.subject, passed.verdict, passed.code) == (
        "metrics/r1/overall",
        "recall gap over geo",
        Verdict.PASS,
        "met",
    )
    assert passed.decided is not None
    assert (passed.decided.on, passed.decided.claim, passed.decided.required) == (
        "difference",
        "not_worse",
        ("<=", 0.05),
    )
    assert passed.observed is not None
    assert passed.champion is not None
    assert passed.decided.method == "largest gap beside the champion, mover, t"
    assert passed.limit.value == pytest.approx(passed.champion + 0.05)
    assert passed.decided.estimate == pytest.approx(passed.observed - passed.champion)
    for values, gap in (
        (passed.detail["slices"], passed.observed),
        (passed.detail["champion_slices"], passed.champion),
    ):
        numbers = [float(value) for value in values.values()]
        assert list(values) == ["BR", "EU", "US"]
        assert max(numbers) - min(numbers) == pytest.approx(gap)
    assert passed.reason.startswith("recall gap over geo is 0.195: ")
    assert " on BR; " in passed.reason
    assert "; 0.01799 above the champion's 0.177 (" in passed.reason
    assert passed.reason.endswith(" above is allowed")


def test_a_wider_gap_fails_by_name() -> None:
    """A claim of its own, recomputable from what is kept, though no gap of the champion is near it."""
    (failed,) = asked(table(now=0.15), LINE)

    assert (failed.verdict, failed.code) == (Verdict.FAIL, "worse_than_margin")
    assert failed.detail["pair"][1] == "BR"
    assert "; at 95 % confidence at least 0." in failed.reason
    assert failed.reason.endswith(" above; at most 0.05 above is allowed")
    assert failed.decided is not None
    assert verdict_of(failed.decided, failed.detail) is Verdict.FAIL


def test_a_candidate_that_closes_the_gap_passes() -> None:
    """Though every pair of groups is apart otherwise than it was."""
    closed, gained = asked(
        table(before=0.1, rows=12_000),
        LINE,
        {"metric": "recall", "gap_over": "geo", "at_most": "champion - 0.04", "claim": "superior"},
    )

    assert {closed.verdict, gained.verdict} == {Verdict.PASS}
    assert closed.reason.endswith(" below; at most 0.05 above is allowed")
    assert gained.reason.endswith("; a gap that is smaller by 0.04 is required")


def test_a_gap_that_moved_to_another_group_is_no_wider() -> None:
    """The line compares the two gaps, not the same groups in both; with enough rows that is shown."""
    rows = table(before=0.1, rows=24_000)
    swapped = np.where(rows["geo"] == "US", 0.1, 0.0)
    rows["candidate"] = np.clip(rows["candidate"] - swapped, 0, 1)
    (found,) = asked(rows, "recall gap over geo <= champion + 0.05")

    assert found.verdict is Verdict.PASS
    assert found.detail["pair"][1] == "US"


@pytest.mark.parametrize("subject", ["accuracy", "auc", "brier", "f1", "precision", "positive_rate", "log_loss"])
@pytest.mark.parametrize("limit", ["champion + {}", "champion * {}"])
def test_it_passes_exactly_where_its_upper_end_meets_the_limit(subject: str, limit: str) -> None:
    """The end that is shown is the one that decides, for shares, ranks and means alike."""
    rows = table(now=0.02, before=0.02, rows=2000)
    factor = "*" in limit
    (wide,) = asked(rows, f"{subject} gap over geo <= {limit.format(1.5 if factor else 0.5)}")
    assert wide.decided is not None
    assert wide.decided.high is not None
    if factor:
        assert (wide.verdict is Verdict.PASS) == (wide.decided.high <= 0)
        return
    above, below = asked(
        rows, *(f"{subject} gap over geo <= champion + {wide.decided.high * part}" for part in (1.001, 0.999))
    )

    assert (above.verdict, below.verdict, below.code) == (Verdict.PASS, Verdict.INCONCLUSIVE, "not_shown")
    assert below.remedy is not None


def test_few_rows_leave_it_open_and_say_what_would_decide() -> None:
    """Nothing measured is never a pass."""
    (few,) = asked(table(rows=300), "recall gap over geo <= champion + 0.1")

    assert (few.verdict, few.code) == (Verdict.INCONCLUSIVE, "not_shown")
    assert few.remedy is not None
    assert "would decide" in few.remedy


def test_small_and_empty_groups_are_held_as_in_any_gap() -> None:
    """Block, watch, or no value."""
    rows = table(last=40)
    blocked, watched = (
        asked(rows, LINE, small_slices={"min_rows": 100, "below": below})[0] for below in ("block", "watch")
    )
    empty = {**rows, "label": np.where(rows["geo"] == "BR", 0, rows["label"])}
    (without,) = asked(empty, LINE)

    assert (blocked.verdict, blocked.code) == (Verdict.INCONCLUSIVE, "too_small")
    assert (watched.verdict, watched.code) == (Verdict.PASS, "watched")
    assert without.verdict is Verdict.INCONCLUSIVE
    assert "recall on BR: there are no positive rows" in without.reason


def test_a_point_is_compared_without_an_error_rate() -> None:
    """And says so."""
    (found,) = asked(table(), {"metric": "recall", "gap_over": "geo", "at_most": "champion + 0.05", "claim": "point"})

    assert found.verdict is Verdict.PASS
    assert found.reason.endswith("at most 0.05 above is allowed (a point comparison, without an error rate)")


@pytest.mark.parametrize("column", ["weight", "cluster"])
def test_weights_and_clusters_count_as_elsewhere(column: str) -> None:
    """A gap is wider by the rows that weigh more; clusters across groups are named."""
    rows = table(now=0.05, before=0.05)
    draw = np.random.default_rng(3)
    rows[column] = (
        draw.choice([0.2, 5.0], rows["geo"].size) if column == "weight" else draw.integers(0, 900, rows["geo"].size)
    )
    (plain,), (other,) = asked(rows, LINE), asked(rows, LINE, **{column: column})

    assert plain.decided is not None
    assert other.decided is not None
    assert (other.decided.high or 0.0) - (other.decided.estimate or 0.0) > (plain.decided.high or 0.0) - (
        plain.decided.estimate or 0.0
    )
    assert ("clusters span these slices" in other.reason) is (column == "cluster")


def test_the_champion_is_measured_by_what_it_answers() -> None:
    """Exchanged models exchange the gaps, whatever rows a metric reads: also of several classes and of its own threshold."""
    rows = table(now=0.1, before=0.02, rows=2000)
    turned = {**rows, "candidate": rows["champion"], "champion": rows["candidate"]}
    classes = {
        name: np.where(column > 0.55, "high", np.where(column > 0.4, "mid", "low"))
        if name in ("candidate", "champion")
        else column
        for name, column in rows.items()
    }
    classes["label"] = np.where(np.random.default_rng(1).random(2000) < 0.8, classes["champion"], "low")
    several = {**classes, "candidate": classes["champion"], "champion": classes["candidate"]}
    for first, second, line, more in (
        (rows, turned, "recall(threshold=0.4) gap over geo <= champion + 0.05", {}),
        (rows, turned, "recall_at_precision(0.6) gap over geo <= champion + 0.5", {}),
        (classes, several, "recall(average=macro) gap over geo <= champion + 0.05", {"task": "multiclass"}),
        (classes, several, "accuracy gap over geo <= champion + 0.05", {"task": "multiclass"}),
    ):
        (there,), (back,) = asked(first, line, **more), asked(second, line, **more)
        assert (there.observed, there.champion) == (back.champion, back.observed)
        assert there.detail["slices"] == back.detail["champion_slices"]
        assert there.decided is not None
        assert there.decided.high is not None


def test_lines_on_gaps_stand_beside_each_other() -> None:
    """Against a number and beside the champion, each with its own finding; the champion's gap is the same everywhere."""
    found = asked(
        table(),
        "recall gap over geo <= 0.5",
        LINE,
        "auc >= champion - 0.1 on each geo",
        "recall gap over geo <= champion * 2",
    )
    by_line = {finding.requirement: finding for finding in found}

    assert [by_line[name].champion is None for name in ("r1", "r2", "r4")] == [True, False, False]
    assert by_line["r2"].champion == by_line["r4"].champion
    assert by_line["r4"].decided is not None
    assert by_line["r4"].decided.required == ("<=", 0.0)


def test_on_the_census_a_model_that_is_worse_for_women_is_stopped_by_name() -> None:
    """Accuracy over all rows is within its tolerance; the share of women's high incomes that is found is not."""
    rows, holdout = census("train"), census("test")
    women = (rows["sex"] == "Female").to_numpy()
    mixed_up = rows[LABEL].to_numpy().copy()
    mixed_up[women] = 0
    scale = StandardScaler().fit(rows[NUMBERS])

    def answers(label: Any) -> Any:
        inputs = np.column_stack([scale.transform(rows[NUMBERS]), women])
        asked_rows = np.column_stack([scale.transform(holdout[NUMBERS]), holdout["sex"] == "Female"])
        return LogisticRegression(max_iter=200).fit(inputs, label).predict_proba(asked_rows)[:, 1]

    scores = {"label": holdout[LABEL].to_numpy(), "champion": answers(rows[LABEL]), "candidate": answers(mixed_up)}
    overall, stopped = asked(
        {**scores, "sex": holdout["sex"].to_numpy()},
        "accuracy >= champion - 0.03",
        "recall gap over sex <= champion + 0.02",
        slices=["sex"],
    )

    assert overall.verdict is Verdict.PASS
    assert (stopped.verdict, stopped.detail["pair"]) == (Verdict.FAIL, ["Male", "Female"])
    assert " on Female; " in stopped.reason
