"""A finding read back from its JSON is tested as it was, whatever its method; and at other limits as a run would have been."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lockgate.evaluation.judging.stored_test import StoredTest
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding
from lockgate.testing import run_gate
from recordings import shelf

BOTH = {"candidate": "p_new", "champion": "p_old"}
LINES = [
    "auc >= champion - 0.05", "auc >= 0.7", "average_precision >= champion * 0.9", "average_precision >= 0.5",
    "accuracy >= 0.6", "accuracy >= champion - 0.02", "precision >= champion - 0.05", "recall >= champion - 0.1",
    "f1 >= 0.7", "f1 >= champion - 0.05", "false_positive_rate <= champion + 0.01", "log_loss <= 0.7", "brier <= champion + 0.02",
]  # fmt: skip


def stored(lines: list[str], **arguments: Any) -> list[Finding]:
    """The findings of lines as they are read from evidence."""
    rows = shelf.payments()
    result = run_gate("metrics", table=rows, label="y", scores=BOTH, require=lines, **arguments)
    return list(GateResult.from_json(result.to_json()).findings)


def p_values(finding: Finding) -> tuple[float, float]:
    return float(finding.detail["p_pass"]), float(finding.detail["p_fail"])


@pytest.mark.parametrize(
    "columns", [{}, {"weight": "importance"}, {"cluster": "user"}, {"weight": "importance", "cluster": "user"}]
)
def test_every_p_value_and_interval_follows_from_what_the_finding_keeps(columns: dict[str, str]) -> None:
    """By the same functions, from numbers that were written down and read again."""
    for line, finding in zip(LINES, stored(LINES, **columns), strict=True):
        test, decided = StoredTest.from_finding(finding, parse(line)), finding.decided
        assert test is not None
        assert decided is not None
        assert decided.confidence is not None
        null = decided.required[1]

        again = test.compare(null=null, confidence=decided.confidence)

        assert (again.low, again.high) == pytest.approx((decided.low, decided.high), rel=1e-6)
        assert test.p_values(null=null, confidence=decided.confidence) == pytest.approx(p_values(finding), rel=1e-6)


def test_another_limit_comes_to_what_a_run_with_it_would_have_found() -> None:
    """The limit takes no part in what is measured."""
    first = stored(["auc >= champion - 0.05", "accuracy >= 0.6", "log_loss <= 0.7", "recall >= champion - 0.1"])
    others = ["auc >= champion - 0.01", "accuracy >= 0.8", "log_loss <= 0.5", "recall >= champion - 0.01"]
    for finding, line, other in zip(first, others, stored(others), strict=True):
        test = StoredTest.from_finding(finding, parse(line))
        assert test is not None
        assert other.decided is not None

        assert test.p_values(null=other.decided.required[1], confidence=0.95) == pytest.approx(
            p_values(other), rel=1e-6
        )


def test_shares_of_rows_keep_their_counts_alone() -> None:
    """Evidence grows by nothing where the counts are there, and evidence of earlier versions can be tested anew."""
    share, pair = stored(["accuracy >= 0.6", "accuracy >= champion - 0.02"])

    assert "test" not in share.detail
    assert "test" not in pair.detail


def test_a_rule_of_its_own_is_not_taken_up() -> None:
    """What a bootstrap would have come to, only its rows say."""
    line = "recall_at_precision(0.8) >= 0.1"
    (finding,) = stored([line])

    assert StoredTest.from_finding(finding, parse(line)) is None


def test_a_share_moves_by_the_rows_that_speak_against_the_candidate() -> None:
    """To come nearer to the champion, rows that only the champion has right must come right."""
    line = "accuracy >= champion - 0.02"
    (finding,) = stored([line])
    test = StoredTest.from_finding(finding, parse(line))
    assert test is not None
    better, worse, rows = test.tested.summary.disagree or (0.0, 0.0, 1.0)

    moved = test.compare(value=(better - worse + 3) / rows, null=-0.02, confidence=0.95)

    assert math.isclose(moved.detail["only_champion"], worse - 3)
    assert moved.detail["only_candidate"] == better
