"""What stands in the way of a candidate: all of it, each thing once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helpers.report_evidence import evidence, finding
from lockgate.evaluation.judging.gate_summary import summary
from lockgate.evidence.evidence import GateResult, RequirementLine
from lockgate.evidence.finding import Finding, Verdict
from lockgate.reports.blockers import blockers, pooled_slices, unproven_slices, worst_blocker

LINES = (
    RequirementLine("r1", "auc >= champion - 0.03 on each slice"),
    RequirementLine("r2", "recall >= 0.7 on each slice"),
)
ADVICE = (
    "add that many rows, or let small_slices of the data say what becomes of small ones: "
    "below: watch (a significant loss fails), below: merge (judged as one slice)"
)


def small(country: str, rows: int, *, needed: int | None = 300, **more: Any) -> Finding:
    said: dict[str, Any] = {
        "id": f"metrics/r1/geo={country}", "slice": {"geo": country}, "rows": rows, "rows_needed": needed,
        "verdict": Verdict.INCONCLUSIVE, "code": "too_small", "reason": f"auc on geo={country}: {rows} rows", "remedy": "rows",
        "detail": {"p_fail": "0.5"},
    }  # fmt: skip
    return finding(**said | more)


def gate_of(*findings: Finding) -> GateResult:
    return GateResult("metrics", "metrics", True, Verdict.FAIL, "", LINES, findings)


def test_slices_that_are_too_small_are_told_together() -> None:
    """By name, the largest first, with the rows of each and how many more would decide; a failure stands alone before."""
    first, second = blockers(gate_of(small("LU", 40), small("MT", 1, needed=None), finding(), small("CY", 70)))

    assert (first.reason, first.verdict) == (finding().reason, Verdict.FAIL)
    assert second.reason == (
        "auc >= champion - 0.03 on each slice: 3 slices of geo are too small to judge: "
        "CY (70 rows, about 230 more needed), LU (40 rows, about 260 more needed), MT (1 row)"
    )
    assert (second.remedy, len(second.findings)) == (ADVICE, 3)


def test_slices_of_a_ranking_are_told_in_queries() -> None:
    """What is there, what more is needed, and what to add."""
    of_queries = {"p_fail": "0.5", "counted_in": "queries"}
    each = (small("LU", 40), small("CY", 7), small("MT", 1, needed=None))
    (told,) = blockers(gate_of(*(replace(one, detail=of_queries) for one in each)))

    assert told.reason.endswith(
        "too small to judge: LU (40 queries, about 260 more needed), CY (7 queries, about 300 more needed), MT (1 query)"
    )
    assert str(told.remedy).startswith("add that many queries, or let small_slices")


def test_slices_without_a_value_are_told_together_where_the_reason_is_the_same() -> None:
    """No positive rows is another reason than no rows."""

    def lacking(country: str, rows: int, why: str, code: str = "one_class") -> Finding:
        said = f"auc on geo={country}: {why}" + (f" ({rows} rows)" if rows else "")
        remedy = "add rows of this slice"
        return small(
            country, rows, code=code, observed=None, positives=0, decided=None, reason=said, remedy=remedy, detail={}
        )

    found = blockers(
        gate_of(
            *(lacking(country, 9, "there are no positive rows") for country in ("LU", "MT", "CY")),
            lacking("VA", 0, "there are no rows", "no_rows"),
        )
    )

    assert [(one.reason, one.remedy) for one in found] == [
        (
            "auc >= champion - 0.03 on each slice: 3 slices of geo are without a value, there are no positive rows: "
            "CY 9 rows, LU 9 rows, MT 9 rows",
            "for each slice: add rows of this slice",
        ),
        ("auc on geo=VA: there are no rows", "add rows of this slice"),
    ]


def test_the_cause_of_a_missing_value_stands_in_fields_and_not_in_the_sentence() -> None:
    """However each was worded; a value that the champion lacks is another cause than one that the candidate lacks."""

    def constant(country: str, **more: Any) -> Finding:
        lacking: dict[str, Any] = {
            "code": "constant_label",
            "decided": None,
            "observed": None,
            "remedy": None,
            "detail": {},
        }
        return small(country, 9, **(lacking | {"reason": f"a sentence of its own about {country}"} | more))

    countries = ("LU", "MT", "CY")
    own = [constant(country) for country in countries]
    champion = [constant(country, observed=0.5) for country in countries]

    assert [blocker.reason for blocker in blockers(gate_of(*own, *champion))] == [
        f"auc >= champion - 0.03 on each slice: 3 slices of geo are without a value, {cause}: CY 9 rows, LU 9 rows, MT 9 rows"
        for cause in (
            "the label does not vary on these rows", "of the champion: the label does not vary on these rows",
        )
    ]  # fmt: skip


def test_nothing_is_told_together_that_is_not_alike() -> None:
    """Two are told one by one; lines apart; what is open for its numbers alone, and so is a pool."""
    alone = [
        small("LU", 40), small("MT", 30), small("LU", 40, requirement="r2", id="metrics/r2/geo=LU"),
        *(small(name, 400, code="not_shown", id=f"metrics/r1/geo={name}") for name in ("US", "BR", "EU")),
        *(small(name, 40, requirement="r2", id=name, detail={"members": ["a"]}) for name in ("x", "y", "z")),
    ]  # fmt: skip

    assert [len(one.findings) for one in blockers(gate_of(*alone))] == [1] * len(alone)


def test_every_finding_that_is_no_pass_is_told_once() -> None:
    """However many are alike, and however few are named."""
    findings = [small(f"c{number:03}", number + 1) for number in range(120)]
    (told,) = blockers(gate_of(*findings), named=2)

    assert sorted(one.id for one in told.findings) == sorted(one.id for one in findings)
    assert told.reason.endswith(
        "c119 (120 rows, about 180 more needed), c118 (119 rows, about 190 more needed), and 118 more"
    )


def test_slices_of_several_declarations_are_named_in_full() -> None:
    """A value alone would not tell of what."""
    (told,) = blockers(gate_of(small("LU", 3), small("MT", 2), small("f", 1, slice={"sex": "f"}, needed=None)))

    assert "3 slices are too small to judge: geo=LU (" in told.reason
    assert told.reason.endswith("sex=f (1 row)")


def test_watched_slices_are_named_with_what_they_would_hide() -> None:
    """The one that hides the most first; a gap line says it in its own words."""

    def seen(country: str, loss: str | None, rows: int) -> Finding:
        detail = {"smallest_loss_seen": loss}
        return small(country, rows, verdict=Verdict.PASS, code="watched", detail=detail)

    apart = finding(slice={}, verdict=Verdict.PASS, code="watched", detail={"watched": "LU: 40 rows"})

    assert unproven_slices(gate_of(seen("LU", "0.0812", 40), seen("MT", "0.0", 9), seen("CY", "0.5", 12), apart)) == [
        "auc >= champion - 0.03 on each slice: 3 slices of geo are under the no-harm check, not proven; a loss under the number beside a "
        "name would go unseen: CY 0.5 (12 rows), LU 0.082 (40 rows), MT nothing to lose (9 rows)"
    ]
    assert unproven_slices(gate_of(seen("LU", None, 40))) == [
        "auc >= champion - 0.03 on each slice: 1 slice of geo is under the no-harm check, not proven; a loss under the number beside a "
        "name would go unseen: LU of any size (40 rows)"
    ]


def test_merged_slices_are_named_once_though_several_lines_judge_them() -> None:
    """Every one, the largest first."""
    pool = finding(slice={"geo": "other"}, detail={"members": ["LU", "MT", "CY"], "member_rows": [40, 1200, 40]})

    assert pooled_slices(gate_of(pool, replace(pool, requirement="r2"))) == [
        "geo=other pools 3 small slices, rows: MT 1,200, CY 40, LU 40"
    ]


WORST = {"class": "9", "candidate": "0.51", "champion": "0.94"}
NINE = "Class 9 lost most: its recall is 0.51, the champion's 0.94"


def undecided(name: str, code: str = "not_shown", **more: Any) -> Finding:
    return finding(
        id=f"metrics/{name}",
        slice={},
        subject=name,
        verdict=Verdict.INCONCLUSIVE,
        code=code,
        reason=f"{name} is low",
        **more,
    )


def test_of_undecided_findings_those_that_name_a_class_or_a_slice_come_first() -> None:
    """Also before one on all rows that is probably a fail, where a class lost, or the value itself is beyond its limit."""
    accuracy = undecided("accuracy", "beyond_unadjusted", detail={"p_fail": "0.01"})
    macro = undecided("recall(average=macro)", detail={"p_fail": "0.2", "worst_class": WORST})
    sliced = undecided("f1(class=3)", detail={"p_fail": "0.3"})
    within = undecided("recall(class=3)", decided=replace(macro.decided, required=(">=", -0.9)))  # type: ignore[type-var]

    listed = blockers(gate_of(accuracy, within, sliced, macro))
    assert [blocker.findings for blocker in listed] == [(macro,), (sliced,), (accuracy,), (within,)]


def test_the_class_that_lost_most_stands_in_the_first_sentence() -> None:
    """Where the worst finding is on all rows: a fail of accuracy goes on with it."""
    accuracy = finding(slice={}, subject="accuracy", reason="accuracy is low", detail={"p_fail": "0.001"})
    macro = finding(
        id="metrics/r2/overall",
        slice={},
        subject="recall(average=macro)",
        detail={"p_fail": "0.01", "worst_class": WORST},
    )
    whole, sliced = (
        worst_blocker(evidence(gate_of(*findings))) for findings in ((accuracy, macro), (finding(), macro))
    )

    assert whole is not None
    assert whole.reason == f"accuracy is low. {NINE}"
    assert sliced is not None
    assert sliced.reason == finding().reason
    assert summary([macro, accuracy]).startswith(f"accuracy is low. {NINE}; and 1 more")


def test_the_worst_slice_stands_in_the_first_sentence() -> None:
    """Where the worst finding is on all rows and some slice fails too; what is undecided there is no cause."""
    whole = finding(id="metrics/r2/overall", slice={}, reason="auc is low", detail={"p_fail": "0.001"})
    sliced = finding(detail={"p_fail": "0.01"})
    worst = worst_blocker(evidence(gate_of(sliced, small("LU", 40), whole)))

    assert worst is not None
    assert worst.reason.startswith("auc is low. Worst on geo=BR: auc 0.")
    assert "the champion's 0." in worst.reason
    assert summary([small("LU", 40), whole]).startswith("auc is low; ")


def test_rows_that_the_candidate_was_trained_on_are_told_once_and_before_all_that_is_undecided() -> None:
    """Whatever the lines: nothing that helps one of them helps before the rows are others."""
    seen = {"seen_rows": {"rows": 500, "of": 1000, "max_seen": "0.01", "reason": "500 of 1,000 rows are in train.csv"}}
    withheld = [
        finding(
            id=f"metrics/{line}/overall", requirement=line, slice={}, verdict=Verdict.INCONCLUSIVE, code="seen_rows",
            reason=f"{line} is met. Not decided", remedy="train without them", detail=seen,
        )
        for line in ("r1", "r2", "r3")
    ]  # fmt: skip
    unsure = finding(
        id="metrics/r4/overall", slice={}, verdict=Verdict.INCONCLUSIVE, code="not_shown", reason="not shown"
    )
    failed, told, last = blockers(gate_of(unsure, *withheld, finding()))

    assert (failed.verdict, last.reason) == (Verdict.FAIL, "not shown")
    assert told.reason == "500 of 1,000 rows are in train.csv: none of 3 findings that do not fail is decided"
    assert (told.remedy, told.of_seen_rows, len(told.findings)) == ("train without them", True, 3)
