"""Does the candidate answer altered rows as it should?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lockgate.errors import UsageError
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.behaviour import Behaviour
from lockgate.testing import run_gate

SWAP = {"swap=sex": {"candidate": "swapped", "champion": "swapped_before"}}


def swapped(n: int = 4000, *, changed: int = 0, changed_before: int = 0) -> dict[str, Any]:
    """Rows whose decisions are other ones with sex swapped, the candidate's for the first rows, the champion's for the last."""
    draw = np.random.default_rng(5)
    champion = draw.random(n)
    candidate = draw.random(n)
    new, old = candidate.copy(), champion.copy()
    new[:changed] = np.where(candidate[:changed] >= 0.5, 0.1, 0.9)
    old[n - changed_before :] = np.where(champion[n - changed_before :] >= 0.5, 0.1, 0.9)
    return {
        "candidate": candidate, "champion": champion, "swapped": new, "swapped_before": old,
        "sex": draw.choice(["F", "M"], n), "person": np.arange(n) // 2, "amount": draw.gamma(2.0, 10.0, n),
    }  # fmt: skip


def judged(require: Sequence[Any], table: dict[str, Any] | None = None, **more: Any) -> GateResult:
    return run_gate("behaviour", table=table or swapped(), altered=SWAP, require=require, **more)


@pytest.mark.parametrize(("changed", "verdict"), [(28, Verdict.PASS), (40, Verdict.INCONCLUSIVE), (60, Verdict.FAIL)])
def test_decisions_that_change_are_decided_on_their_bound(changed: int, verdict: Verdict) -> None:
    """1 % seen is no proof of at most 1 %; 1.5 % is proof of more."""
    (finding,) = judged(["changed_rate(swap=sex) <= 1%"], swapped(changed=changed)).findings

    assert finding.verdict is verdict
    assert finding.observed == changed / 4000
    assert finding.decided is not None
    assert finding.decided.method == "clopper-pearson"


def test_a_fail_says_where_and_what_to_do() -> None:
    """The row that changed most, and what makes a model go by a column less."""
    rows = swapped(changed=60)
    rows["candidate"][17], rows["swapped"][17] = 0.99, 0.0
    (finding,) = judged(["changed_rate(swap=sex) <= 1%"], rows).findings

    assert finding.reason == (
        "changed_rate(swap=sex) is 0.015; at 95 % confidence at least 0.01198; at most 1% is allowed; "
        "30 upwards and 30 downwards; the largest change is in row 18"
    )
    assert finding.remedy == (
        "the model goes by sex itself: train without it, or on rows of which half have it swapped; "
        '"Changed rows" in report.html lists examples'
    )


def test_rows_that_the_candidate_was_trained_on_are_not_altered() -> None:
    """They are left out of the share; a row is named by its number among all."""
    rows = swapped(changed=60) | {"id": np.arange(4000)}
    rows["candidate"][17], rows["swapped"][17] = 0.99, 0.0
    seen = judged(["changed_rate(swap=sex) <= 0.5%"], rows, not_in={"id": np.arange(12)})
    held = judged(["changed_rate(swap=sex) <= 20%"], rows, not_in={"id": np.arange(41)})
    (finding,) = seen.findings

    assert (finding.rows, finding.observed) == (3988, 48 / 3988)
    assert "the largest change is in row 18" in finding.reason
    assert "12 of 4,000 rows of table are in the training rows, and left out" in seen.reason
    assert (held.findings[0].verdict, held.findings[0].code) == (Verdict.INCONCLUSIVE, "seen_rows")


@pytest.mark.parametrize(
    ("changed", "before", "verdict"),
    [(60, 60, Verdict.PASS), (60, 25, Verdict.INCONCLUSIVE), (120, 20, Verdict.FAIL)],
)
def test_what_changes_is_compared_with_the_champion_row_by_row(changed: int, before: int, verdict: Verdict) -> None:
    """By Tango's test; a limit that the champion does not keep itself can be one that the candidate does not worsen."""
    rows = swapped(changed=changed, changed_before=before)
    (finding,) = judged(["changed_rate(swap=sex) <= champion + 0.01"], rows).findings

    assert finding.verdict is verdict
    assert finding.champion == before / 4000
    assert finding.decided is not None
    assert finding.decided.method == "tango score"


def test_changes_are_looked_at_by_slice_and_compared_between_slices() -> None:
    """All of them in one."""
    rows = swapped()
    there = np.flatnonzero(rows["sex"] == "F")[:60]
    rows["swapped"][there] = np.where(rows["candidate"][there] >= 0.5, 0.1, 0.9)
    lines = ["changed_rate(swap=sex) <= 2% on each sex", "changed_rate(swap=sex) gap over sex <= 0.01"]
    result = judged(lines, rows, slices=["sex"])
    gap, by_slice = result.findings[-1], result.findings[:-1]

    assert {one.slice["sex"]: one.verdict for one in by_slice} == {"F": Verdict.FAIL, "M": Verdict.PASS}
    assert gap.verdict is Verdict.FAIL


def test_rows_of_one_cluster_count_as_one() -> None:
    """Sixteen pairs that change together are as unsure as sixteen rows, not as thirty-two."""
    rows = swapped(changed=32)
    alone, together = (
        judged(["changed_rate(swap=sex) <= 1.2%"], rows, **more).findings[0] for more in ({}, {"cluster": "person"})
    )

    assert (alone.observed, together.observed) == (0.008, 0.008)
    assert alone.decided is not None
    assert together.decided is not None
    assert together.decided.high is not None
    assert alone.decided.high is not None
    assert together.decided.high > alone.decided.high


def test_rows_weigh_what_they_weigh() -> None:
    """The share is one of weight."""
    rows = swapped(changed=40)
    rows["amount"][:40] = 0.0
    (finding,) = judged(["changed_rate(swap=sex) <= 1%"], rows, weight="amount").findings

    assert finding.observed == 0.0
    assert finding.verdict is Verdict.PASS


def test_a_row_that_is_not_answered_any_more_has_changed() -> None:
    """It counts against the model, and is counted by itself."""
    rows = swapped(changed=20)
    rows["swapped"][100:140] = np.nan
    rows["swapped_before"][100:103] = np.nan
    lines = ["changed_rate(swap=sex) <= 1%", "errors(swap=sex) <= 0", "errors(swap=sex) <= champion + 40"]
    changed, errors, beside = judged(lines, rows).findings

    assert (changed.observed, changed.verdict) == (60 / 4000, Verdict.FAIL)
    assert changed.detail["unanswered"] == 40
    assert "; 40 rows not answered any more" in changed.reason
    assert (errors.observed, errors.verdict, errors.code) == (40.0, Verdict.FAIL, "exceeded")
    assert errors.remedy is not None
    assert errors.remedy.startswith("let the model itself fill in what is missing")
    assert (beside.champion, beside.verdict) == (3.0, Verdict.PASS)


def test_rows_that_are_not_answered_without_a_value_are_what_to_mend_first() -> None:
    """A model that answers no row without an age does not lean on it: nobody knows yet what it leans on."""
    rows = swapped()
    rows["swapped"][:200] = np.nan
    altered = {"drop=age": {"candidate": "swapped"}}
    finding = run_gate("behaviour", table=rows, altered=altered, require=["changed_rate(drop=age) <= 1%"]).findings[0]

    assert finding.remedy is not None
    assert finding.remedy.startswith("let the model itself fill in what is missing")


def test_scores_may_fall_by_what_is_tolerated() -> None:
    """Rounding is no fall, nor is what the line tolerates; a rise is none at all."""
    base = np.linspace(0.2, 0.8, 1000)
    moved = base + np.select(
        [np.arange(1000) < 30, np.arange(1000) < 50, np.arange(1000) < 80], [-0.03, -0.01, 0.2], 1e-9
    )
    table = {"candidate": base, "moved": moved}
    raised = {"raise=debt, by=100": {"candidate": "moved"}}
    lines = [
        "fall_rate(raise=debt, by=100) <= 10%", "fall_rate(raise=debt, by=100, tolerance=0.02) <= 10%",
        "rise_rate(raise=debt, by=100) <= 10%",
    ]  # fmt: skip
    result = run_gate("behaviour", table=table, altered=raised, require=lines)

    assert [one.observed for one in result.findings] == [0.05, 0.03, 0.03]
    assert result.verdict is Verdict.PASS


def test_numbers_change_by_more_than_is_tolerated_and_classes_when_they_are_others() -> None:
    """A regression, and several classes."""
    hours = np.linspace(10.0, 60.0, 1000)
    table = {"candidate": hours, "label": hours, "moved": hours + np.where(np.arange(1000) < 20, 3.0, 0.5)}
    noise = {"noise=1%": {"candidate": "moved"}}
    numbers = run_gate(
        "behaviour",
        table=table,
        altered=noise,
        require=["changed_rate(noise=1%, tolerance=1) <= 5%"],
        task="regression",
    )
    kinds = np.array(["a", "b", "c"])[np.arange(999) % 3]
    others = kinds.copy()
    others[:21] = np.roll(kinds, 1)[:21]
    classes = run_gate(
        "behaviour", table={"candidate": kinds, "label": kinds, "moved": others}, altered=noise, task="multiclass",
        require=["changed_rate(noise=1%) <= 5%"],
    )  # fmt: skip

    assert [one.observed for one in numbers.findings] == [0.02]
    assert [one.observed for one in classes.findings] == [21 / 999]
    assert numbers.verdict is classes.verdict is Verdict.PASS


def test_rows_of_several_classes_are_answered_or_not() -> None:
    """Also where a model scores each of them."""
    kinds = np.array(["a", "b", "c"])[np.arange(999) % 3]
    table = {name: (kinds == name) * 0.7 + 0.1 for name in "abc"}
    table |= {"label": kinds, "moved": np.where(np.arange(999) < 5, None, kinds)}
    result = run_gate(
        "behaviour", table=table, scores={"candidate": {name: name for name in "abc"}}, task="multiclass",
        altered={"drop=age": {"candidate": "moved"}}, require=["errors(drop=age) <= 0", "changed_rate(drop=age) <= 5%"],
    )  # fmt: skip

    assert [one.observed for one in result.findings] == [5.0, 5 / 999]


def test_without_a_champion_only_the_candidate_is_judged() -> None:
    """And the reason says what was not."""
    rows = swapped()
    del rows["champion"]
    lines = ["changed_rate(swap=sex) <= 1%", "changed_rate(swap=sex) <= champion + 0.01"]
    result = judged(lines, rows)

    assert result.reason == "1 requirement met; 1 requirement not compared: there is no champion yet"


def test_decisions_need_a_threshold_and_rows_altered_answers() -> None:
    """Which scores are positive is not guessed, and neither is what was not scored."""
    undecided = judged(["changed_rate(swap=sex) <= 1%"], threshold=None)
    unknown = judged(["changed_rate(swap=age) <= 1%"])

    assert undecided.context["broken"]["remedy"] == "give the pipeline a threshold"
    assert unknown.reason == "the table has no scores of rows altered by swap=age; given with altered=: swap=sex"
    assert undecided.verdict is unknown.verdict is Verdict.ERROR


def test_how_rows_are_altered_is_said_in_words_that_are_understood() -> None:
    """In tests as in pipelines."""
    with pytest.raises(UsageError, match="needs to be told how rows are altered"):
        run_gate(
            "behaviour", table=swapped(), altered={"sex": {"candidate": "swapped"}}, require=["errors(drop=a) <= 0"]
        )


def test_without_rows_and_without_lines_nothing_passes() -> None:
    """Nothing altered is no pass."""
    nothing = judged(
        ["changed_rate(swap=sex) <= 1%", "errors(swap=sex) <= 0"], {k: v[:0] for k, v in swapped().items()}
    )

    assert [one.code for one in nothing.findings] == ["no_rows", "nothing_counted"]
    assert judged([]).verdict is Verdict.INCONCLUSIVE


def test_the_class_says_what_its_lines_may_be() -> None:
    """All of them are better when lower."""
    assert {subject.better for subject in Behaviour.subjects.values()} == {"lower"}
