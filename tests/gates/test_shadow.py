"""Do both models answer recorded requests alike?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.errors import UsageError
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Verdict
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


def test_missing_answers_that_no_line_is_on_are_said() -> None:
    """Both models fail on the same requests: no flip, and nothing new."""
    rows = requests()
    rows["candidate"][100:113] = rows["champion"][100:113] = np.nan
    lines = ["flip_rate <= 0.02", "new_errors <= 0"]
    words = (
        "of 4,000 requests 13 have no answer of the candidate and 13 have no answer of the champion: no line on errors"
    )

    silent, said = (run_gate("shadow", table=rows, require=[*lines, *more]) for more in ((), ("errors <= 20",)))

    assert (silent.verdict, said.verdict) == (Verdict.PASS, Verdict.PASS)
    assert words in silent.reason
    assert "have no answer" not in said.reason


def test_a_champion_that_contradicts_itself_is_no_reason_to_despair(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate says what takes its noise off."""
    from_table = Scored.from_table

    def noisy(*table: Any, **more: Any) -> Scored:
        scored = from_table(*table, **more)
        scored.unrepeatable = {"champion": {"differs": "again", "rows": 40, "differing": 40, "largest": "0.1"}}
        return scored

    monkeypatch.setattr(Scored, "from_table", noisy)

    flips = run_gate("shadow", table=requests(flipped=120), require=["flip_rate <= 0.02"])
    mean = run_gate("shadow", table=requests(), require=["score_shift <= 0.1"])

    assert "a_a: 2000 judges what goes beyond its own noise" in flips.reason
    assert "a_a" not in mean.reason


def test_failures_that_were_answered_again_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named beside the findings; the champion's own count on its side."""
    from_table = Scored.from_table

    def unsteady(*table: Any, **more: Any) -> Scored:
        scored = from_table(*table, **more)
        scored.unrepeatable = {"candidate": {"failed_once": 2}, "champion": {"failed_once": 1}}
        return scored

    monkeypatch.setattr(Scored, "from_table", unsteady)
    rows = requests()
    rows["candidate"][100] = np.nan
    result = run_gate("shadow", table=rows, require=["errors <= 0", "new_errors <= 3"])
    errors, new = result.findings

    assert (errors.observed, errors.champion, errors.verdict) == (3.0, 1.0, Verdict.FAIL)
    assert (new.observed, new.verdict) == (3.0, Verdict.PASS)
    assert "the candidate failed 2 times on requests that it answered when they were sent again" in result.reason
    assert "the champion failed once on requests" in result.reason


def test_evidence_says_what_was_replayed() -> None:
    """How many requests, how many of them each model answered, and where it decides."""
    rows = requests()
    rows["candidate"][100:103] = np.nan
    result = run_gate("shadow", table=rows, threshold=0.25, require=LINES)

    assert result.context["replayed"] == {
        "data": "table", "requests": 4000, "answered": {"candidate": 3997, "champion": 4000},
        "thresholds": {"candidate": "0.25", "champion": "0.25"},
    }  # fmt: skip


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
    assert result.reason == "1 requirement met; 2 requirements not compared: there is no champion yet"


def test_decisions_need_a_threshold() -> None:
    """Which scores are positive is not guessed."""
    result = run_gate("shadow", table=requests(100), threshold=None, require=["flip_rate <= 0.5"])

    assert result.verdict is Verdict.ERROR
    assert result.context["broken"]["remedy"] == "give the pipeline a threshold"


def test_counts_have_no_slices() -> None:
    """Errors on each slice are refused rather than counted over all."""
    with pytest.raises(UsageError, match="not measured by slice"):
        run_gate("shadow", table=requests(100), slices=["geo"], require=["errors <= 0 on each geo"])


SMALL = ["BR"] * 2500 + ["US"] * 3400 + ["LU"] * 60 + ["MT"] * 40


def by_country(*, flipped: dict[str, float], **more: Any) -> dict[str, Any]:
    """Six thousand requests of four countries, two of them small, with a share of flips in each."""
    draw = np.random.default_rng(5)
    geo = draw.permutation(SMALL)
    champion = draw.random(geo.size)
    turned = draw.random(geo.size) < np.array([flipped.get(name, 0.0) for name in geo])
    return {
        "candidate": np.where(turned, (champion < 0.5) * 0.8 + 0.1, champion), "champion": champion, "geo": geo,
        "device": draw.choice(["ios", "android"], geo.size), "amount": draw.gamma(2.0, 10.0, geo.size), **more,
    }  # fmt: skip


EVERYWHERE = {"BR": 0.005, "US": 0.005}


@pytest.mark.parametrize(
    ("below", "codes"),
    [
        ("watch", {"BR": "met", "US": "met", "LU": "watched", "MT": "watched"}),
        ("merge", {"BR": "met", "US": "met", "other": "too_small"}),
        ("block", {"BR": "met", "US": "met", "LU": "too_small", "MT": "too_small"}),
    ],
)
def test_small_slices_of_requests_are_watched_merged_or_blocked(below: str, codes: dict[str, str]) -> None:
    """As those of labelled rows, with every merged one named; a pool that is still small is inconclusive."""
    found = run_gate(
        "shadow", table=by_country(flipped=EVERYWHERE), slices=["geo"], require=["flip_rate <= 0.05 on each slice"],
        small_slices={"min_rows": 200, "below": below},
    ).findings  # fmt: skip

    assert {one.slice["geo"]: one.code for one in found} == codes
    assert [one.detail.get("members") for one in found if "other" in one.slice.values()] == (
        [["LU", "MT"]] if below == "merge" else []
    )
    assert all("a loss under" in one.reason for one in found if one.code == "watched")


def test_a_pool_of_requests_is_large_enough_where_its_members_are_together() -> None:
    """A hundred requests without a flip."""
    result = run_gate(
        "shadow", table=by_country(flipped=EVERYWHERE), slices=["geo"], require=["flip_rate <= 0.05 on each slice"],
        small_slices={"min_rows": 100, "below": "merge"},
    )  # fmt: skip

    assert result.verdict is Verdict.PASS
    assert result.reason == "all 3 requirements met; geo=other pools 2 small slices"
    assert "with their rows: LU 60, MT 40" in result.findings[-1].reason


def test_requests_are_crossed_binned_and_named_cell_by_cell() -> None:
    """Each flip rate is that of its rows."""
    rows = by_country(flipped=EVERYWHERE)
    differ = (rows["candidate"] >= 0.5) != (rows["champion"] >= 0.5)
    found = run_gate(
        "shadow", table=rows, slices=["geo", "device", {"column": "amount", "quantiles": 4}, {"cross": ["geo", "device"]}],
        require=["flip_rate <= 0.05 on each geo×device", "flip_rate <= 0.05 on each amount", "flip_rate <= 0.5 on geo=LU & device=ios"],
    ).findings  # fmt: skip
    crossed = [one for one in found if one.requirement == "r1"]
    bins = [one for one in found if one.requirement == "r2"]
    (cell,) = (one for one in found if one.requirement == "r3")

    assert len(crossed) == 8
    for one in (*crossed, cell):
        inside = (rows["geo"] == one.slice["geo"]) & (rows["device"] == one.slice["device"])
        assert (one.rows, one.observed) == (inside.sum(), differ[inside].mean())
    assert [one.rows for one in bins] == [1500] * 4


@pytest.mark.parametrize(("share", "verdict"), [(0.005, Verdict.PASS), (0.06, Verdict.FAIL)])
def test_flips_are_held_close_between_slices(share: float, verdict: Verdict) -> None:
    """The gap names the pair; counted lines stand beside it, in the order that they were asked."""
    rows = by_country(flipped={"BR": share, "US": 0.005})
    keep = np.isin(rows["geo"], ["BR", "US"])
    rows = {name: column[keep] for name, column in rows.items()}
    gap, errors, inside = run_gate(
        "shadow", table=rows, slices=["geo", {"name": "risky", "where": {"geo": "BR"}}],
        require=["flip_rate gap over geo <= 0.02", "errors <= 0", "flip_rate gap over risky <= 0.02"],
    ).findings  # fmt: skip
    differ = (rows["candidate"] >= 0.5) != (rows["champion"] >= 0.5)
    brazil = rows["geo"] == "BR"

    assert (gap.verdict, errors.verdict, inside.verdict) == (verdict, Verdict.PASS, verdict)
    assert gap.observed == pytest.approx(abs(differ[brazil].mean() - differ[~brazil].mean()), abs=1e-12)
    assert inside.observed == pytest.approx(gap.observed, abs=1e-12)
    assert gap.subject == "flip_rate gap over geo"


def test_weights_and_clusters_of_requests_count_by_slice() -> None:
    """A weighted share, bounded by the spread between users."""
    draw = np.random.default_rng(6)
    rows = by_country(flipped=EVERYWHERE, w=draw.choice([0.5, 2.0], len(SMALL)), user=draw.integers(0, 500, len(SMALL)))
    differ = (rows["candidate"] >= 0.5) != (rows["champion"] >= 0.5)
    found = run_gate(
        "shadow", table=rows, slices=["geo"], require=["flip_rate <= 0.05 on each geo"], weight="w", cluster="user",
    ).findings  # fmt: skip
    by_geo = {one.slice["geo"]: one for one in found}
    inside = rows["geo"] == "BR"

    assert by_geo["BR"].observed == pytest.approx(np.average(differ[inside], weights=rows["w"][inside]), abs=1e-12)
    assert by_geo["BR"].detail["clusters"] == len(set(rows["user"][inside]))


def test_models_of_several_classes_flip_where_another_one_is_decided() -> None:
    """Plain labels or scores; the rate is bounded as that of two classes, and errors are counted by request."""
    draw = np.random.default_rng(5)
    old = draw.choice(["a", "b", "c"], 1_000)
    new = np.where(
        np.arange(1_000) < 10, np.roll(np.array(["a", "b", "c"]), 1)[np.searchsorted(["a", "b", "c"], old)], old
    )
    shares = {f"p_{name}": (old == name) * 0.6 + 0.2 for name in "abc"}
    scores = {"candidate": "new", "champion": {name: f"p_{name}" for name in "abc"}}
    flips, errors = run_gate(
        "shadow", table={"new": new, **shares}, scores=scores, task="multiclass", classes=["a", "b", "c"],
        require=["flip_rate <= 0.02", "errors <= 0"],
    ).findings  # fmt: skip

    assert flips.observed == 0.01
    assert flips.decided is not None
    assert flips.decided.method == "clopper-pearson"
    assert (errors.observed, errors.rows, errors.verdict) == (0.0, 1_000, Verdict.PASS)
