"""Do both models answer recorded requests alike?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.errors import UsageError
from lockgate.evidence import Verdict
from lockgate.testing import run_gate

LINES = ["flip_rate <= 0.02", "errors <= 0", "new_errors <= 0"]


def requests(n: int = 4000, *, flipped: int = 0) -> dict[str, Any]:
    """Requests on which the models agree, but for the first ones."""
    draw = np.random.default_rng(5)
    champion = draw.random(n)
    candidate = champion.copy()
    candidate[:flipped] = np.where(champion[:flipped] >= 0.5, 0.1, 0.9)
    return {"candidate": candidate, "champion": champion, "geo": draw.choice(["BR", "US"], n)}


def test_models_that_decide_alike_pass() -> None:
    """The share of flips is bounded, the errors are counted."""
    result = run_gate("shadow", table=requests(flipped=40), require=LINES)
    flips, errors, new = result.findings

    assert result.verdict is Verdict.PASS
    assert (flips.observed, errors.observed, new.observed) == (0.01, 0.0, 0.0)
    assert flips.decided is not None
    assert errors.decided is not None
    assert (flips.decided.on, flips.decided.method) == ("value", "clopper-pearson")
    assert (errors.decided.on, errors.decided.low, errors.decided.high) == ("count", 0.0, 0.0)
    assert errors.decided.confidence is None


@pytest.mark.parametrize(("flipped", "verdict"), [(60, Verdict.PASS), (80, Verdict.INCONCLUSIVE), (120, Verdict.FAIL)])
def test_flips_are_decided_on_their_bound(flipped: int, verdict: Verdict) -> None:
    """2 % observed is no proof of at most 2 %; 3 % is proof of more."""
    assert run_gate("shadow", table=requests(flipped=flipped), require=["flip_rate <= 0.02"]).verdict is verdict


def test_requests_without_an_answer_are_errors_and_no_flips() -> None:
    """NaN is a request that was not answered: counted, new where the champion answered, outside the flip rate."""
    rows = requests(flipped=40)
    rows["candidate"][100:103] = np.nan
    rows["champion"][102:104] = np.nan
    result = run_gate("shadow", table=rows, require=["flip_rate <= 0.02", "errors <= 0", "new_errors <= 2"])
    flips, errors, new = result.findings

    assert flips.observed == 40 / 3996
    assert (errors.observed, errors.champion, errors.verdict, errors.code) == (3.0, 2.0, Verdict.FAIL, "exceeded")
    assert (new.observed, new.verdict) == (2.0, Verdict.PASS)
    assert errors.reason == "errors is 3 requests among 4,000; at most 0 requests is allowed"


def test_requests_that_nobody_answered_show_nothing() -> None:
    """No rate of flips, though there is a number of errors."""
    rows = requests(100) | {"candidate": np.full(100, np.nan)}
    result = run_gate("shadow", table=rows, require=["flip_rate <= 0.5"])

    assert (result.verdict, result.findings[0].code) == (Verdict.INCONCLUSIVE, "no_answers")


def test_no_requests_are_inconclusive() -> None:
    """Nothing replayed is no pass, counted or estimated."""
    rows = {name: column[:0] for name, column in requests().items()}
    result = run_gate("shadow", table=rows, require=LINES)

    assert [one.code for one in result.findings] == ["no_rows", "nothing_counted", "nothing_counted"]
    assert {one.verdict for one in result.findings} == {Verdict.INCONCLUSIVE}


def test_flips_are_looked_at_by_slice() -> None:
    """All of them in one country."""
    rows = requests()
    there = np.flatnonzero(rows["geo"] == "BR")[:80]
    rows["candidate"][there] = np.where(rows["champion"][there] >= 0.5, 0.1, 0.9)
    result = run_gate("shadow", table=rows, slices=["geo"], require=["flip_rate <= 0.02 on each geo"])

    assert {one.slice["geo"]: one.verdict for one in result.findings} == {"BR": Verdict.FAIL, "US": Verdict.PASS}


def test_without_a_champion_only_errors_are_asked() -> None:
    """And the reason says what was not."""
    rows = {"candidate": np.linspace(0, 1, 100)}
    result = run_gate("shadow", table=rows, require=LINES)

    assert [one.subject for one in result.findings] == ["errors"]
    assert result.reason == "1 finding holds; 2 lines that compare with a champion not asked: there is none yet"


def test_decisions_need_a_threshold() -> None:
    """Which scores are positive is not guessed."""
    result = run_gate("shadow", table=requests(100), threshold=None, require=["flip_rate <= 0.5"])

    assert result.verdict is Verdict.ERROR
    assert result.context["broken"]["remedy"] == "give the pipeline a threshold"


def test_counts_have_no_slices() -> None:
    """Errors on each slice are refused rather than counted over all."""
    with pytest.raises(UsageError, match="not measured by slice"):
        run_gate("shadow", table=requests(100), slices=["geo"], require=["errors <= 0 on each geo"])
