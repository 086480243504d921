"""Slices that nobody declared: searched, shown with a false-discovery rate, and never part of a verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.weak_slices import WeakSliceSearch, find_weak_slices
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate


def table(n: int = 6000, *, ruined: bool = True, seed: int = 0) -> dict[str, Any]:
    """Two equal models, but for old browsers in Brazil."""
    draw = np.random.default_rng(seed)
    geo, browser = draw.choice(["BR", "EU", "US"], n), draw.choice(["new", "old"], n, p=[0.8, 0.2])
    label = (draw.random(n) < 0.4).astype(int)
    champion = np.clip(0.3 + 0.4 * label + draw.normal(0, 0.1, n), 0, 1)
    candidate = np.clip(0.3 + 0.4 * label + draw.normal(0, 0.1, n), 0, 1)
    there = (geo == "BR") & (browser == "old")
    rows = {"label": label, "champion": champion, "geo": geo, "browser": browser, "user": np.arange(n) // 2}
    return rows | {"candidate": np.where(there & ruined, 1 - candidate, candidate)}


FIND = {"find": {"depth": 2, "worst": 5}}


def searched(rows: dict[str, Any], *slices: Any, threshold: float | None = 0.5, **spec: Any) -> WeakSliceSearch:
    asked = DatasetSpec.model_validate({"path": "t", "label": "label", "slices": slices, **spec})
    scored = Scored.from_table(pa.table(rows), asked, task="binary", positive=1)
    found = find_weak_slices(scored, asked, threshold={"candidate": threshold, "champion": threshold})
    assert found is not None
    return found


def test_the_ruined_conjunction_is_found_first() -> None:
    """Its values are the plain means of its rows."""
    rows = table()
    found = searched(rows, "geo", "browser", FIND)
    worst, there = found.worst[0], (rows["geo"] == "BR") & (rows["browser"] == "old")
    loss = (rows["candidate"] - rows["label"]) ** 2 - (rows["champion"] - rows["label"]) ** 2

    assert worst.slice == (("geo", "BR"), ("browser", "old"))
    assert (worst.rows, found.searched, found.loss, found.against) == (int(there.sum()), 11, "brier", "champion")
    assert worst.difference == pytest.approx(loss[there].mean(), abs=1e-12)
    assert 0 < worst.low < worst.difference
    assert worst.p <= worst.q < 1e-6
    assert len(found.worst) <= 5
    assert [one.low for one in found.worst] == sorted((one.low for one in found.worst), reverse=True)


def test_without_a_champion_rows_are_held_against_all() -> None:
    """The p-value compares with the rows outside."""
    rows = {name: column for name, column in table().items() if name != "champion"}
    found = searched(rows, "geo", "browser", FIND)
    loss = (rows["candidate"] - rows["label"]) ** 2
    there = (rows["geo"] == "BR") & (rows["browser"] == "old")
    worst = found.worst[0]

    assert (found.against, str(worst)) == ("overall", "geo=BR & browser=old")
    assert worst.difference == pytest.approx(loss[there].mean() - loss.mean(), abs=1e-12)
    inside, outside = loss[there], loss[~there]
    se = np.sqrt(inside.var(ddof=1) / inside.size + outside.var() / outside.size)
    share = worst.difference / (inside.mean() - outside.mean())
    assert worst.low == pytest.approx((inside.mean() - outside.mean() - 1.645 * se) * share, rel=0.02)


def test_equal_models_are_rarely_accused() -> None:
    """Under no difference anywhere, hardly any search discovers something: that is what q promises."""
    discovered = [
        searched(table(1500, ruined=False, seed=seed), "geo", "browser", FIND).discovered > 0 for seed in range(60)
    ]

    assert sum(discovered) <= 8


def test_clusters_and_weights_are_heeded() -> None:
    """Every row ten times over proves no more; a row without weight proves nothing."""
    rows = table(600)
    ten = {name: np.repeat(column, 10) for name, column in rows.items()} | {"same": np.repeat(np.arange(600), 10)}
    rows["half"] = np.where(rows["geo"] == "BR", 0.0, 1.0)
    once, honest = searched(rows, "geo", FIND), searched(ten, "geo", FIND, cluster="same")
    light = searched(rows, "geo", FIND, weight="half")

    assert honest.worst[0].difference == pytest.approx(once.worst[0].difference)
    assert honest.worst[0].p == pytest.approx(once.worst[0].p, rel=0.05)
    assert "BR" not in {dict(one.slice)["geo"] for one in light.worst}


def test_what_holds_the_same_rows_is_searched_once() -> None:
    """A conjunction with a condition that says nothing more is the shorter one; the small are left out by counts."""
    rows = table() | {"south": np.zeros(6000)}
    rows["south"] = rows["geo"] == "BR"
    found = searched(rows, "geo", {"name": "s", "where": {"south": True}}, {"cross": ["geo", "s"]}, FIND)
    none = searched(table(), "geo", {"find": {"min_rows": 5000}})

    assert found.searched == 4
    assert (none.searched, none.worst) == (0, ())


def test_scores_that_are_no_probabilities_are_held_by_their_decisions() -> None:
    """And without a threshold, or labels, nothing is searched and it says so."""
    rows = table()
    rows |= {"candidate": rows["candidate"] * 10, "champion": rows["champion"] * 10}

    assert searched(rows, "geo", FIND, threshold=5.0).loss == "error_rate"
    assert searched(rows, "geo", FIND, threshold=None).note["found_slices"]["searched"] == 0


def result(rows: dict[str, Any], *slices: Any) -> GateResult:
    return run_gate("metrics", table=rows, slices=list(slices), require=["accuracy >= 0.5"])


def test_found_slices_are_shown_and_never_judged() -> None:
    """An exhibit and a note; findings, verdict and reason are those of a run without the search."""
    with_it, without = result(table(), "geo", "browser", FIND), result(table(), "geo", "browser")

    assert with_it.findings == without.findings
    assert (with_it.verdict, with_it.reason) == (Verdict.PASS, without.reason)
    assert with_it.context["found_slices"]["worst"]["slice"] == "geo=BR & browser=old"
    assert with_it.context["found_slices"]["discovered"] >= 1
    assert "never judged" in with_it.context["found_slices"]["note"]
    shown = searched(table(), "geo", "browser", FIND).table("metrics")
    assert (shown.name, shown.kind, shown.columns[:2]) == ("metrics/found_slices", "table", ("slice", "rows"))
    assert shown.points[0][0] == "geo=BR & browser=old"
    assert shown.to_bytes()
    assert "found_slices" not in without.context
