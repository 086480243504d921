"""Rows that the candidate was trained on withhold whatever does not fail, and advise of chance only where it explains them."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.report_evidence import EMPTY, PASSED, finding
from lockgate.evidence.finding import Finding, Verdict
from lockgate.runs.training.seen_rows import withhold_stored

UNDECIDED = finding(verdict=Verdict.INCONCLUSIVE, code="not_shown", remedy="about 2,900 more rows would decide")
LIKELY_FAIL = finding(verdict=Verdict.INCONCLUSIVE, code="beyond_unadjusted")


def entry(rows: int, *, repeated: int = 0) -> dict[str, Any]:
    return {"rows": rows, "of": 1000, "repeated": repeated, "in": [{"path": "train.csv"}], "not_checked": []}


@pytest.mark.parametrize("judged", [PASSED, UNDECIDED, EMPTY], ids=["passed", "undecided", "no value"])
def test_what_does_not_fail_is_for_no_owner_to_accept(judged: Finding) -> None:
    """Else whoever accepts an undecided line accepts the rows that the candidate was trained on, unseen."""
    withheld = withhold_stored(judged, entry(500), "holdout", most=0.01)

    assert (withheld.verdict, withheld.code) == (Verdict.INCONCLUSIVE, "seen_rows")
    assert withheld.reason.startswith(judged.reason)
    assert withheld.detail["seen_rows"]["reason"].startswith("500 of 1,000 rows of holdout (50 %) are in train.csv")
    assert withheld.remedy == "train without rows of holdout, or judge on rows that the candidate has not seen"
    assert withhold_stored(withheld, entry(500), "holdout", most=0.01) == withheld


@pytest.mark.parametrize("judged", [finding(), LIKELY_FAIL], ids=["fails", "probably fails"])
def test_what_fails_on_the_other_rows_fails(judged: Finding) -> None:
    """Nobody has to be told of seen rows where the candidate is no good on the others."""
    assert withhold_stored(judged, entry(500), "holdout", most=0.01) == judged


@pytest.mark.parametrize(("repeated", "chance"), [(12, False), (400, True)])
def test_chance_is_named_where_it_may_explain_the_seen_rows(repeated: int, chance: bool) -> None:
    """Twelve rows with a twin say nothing of five hundred that were trained on."""
    remedy = str(withhold_stored(PASSED, entry(500, repeated=repeated), "holdout", most=0.01).remedy)

    assert ("so that it may be chance: tell rows apart by other columns" in remedy) is chance
