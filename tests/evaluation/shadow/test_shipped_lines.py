"""The lines of the shipped pipelines stop a candidate that never says yes, one that lost a region, and one that adds fifty units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from lockgate.cli.demo import data as demo
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.pictures.directions import lost_and_gained
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

GATES = Path(__file__).parents[3] / "gates"


def lines(name: str) -> list[str]:
    gates = yaml.safe_load((GATES / f"{name}.yaml").read_text())["gates"]
    return next(list(gate["require"]) for gate in gates if gate["gate"] == "shadow")


def judged(name: str, task: str, **columns: Any) -> set[str]:
    """The findings that fail, by subject and slice."""
    slices = ["country"] if "country" in columns else []
    result = run_gate("shadow", table=columns, task=task, slices=slices, require=lines(name))
    failed = [finding for finding in result.findings if finding.verdict is Verdict.FAIL]
    return {" ".join([finding.subject, *finding.slice.values()]) for finding in failed}


def scores(model: demo.DemoModel, payments: demo.Payments) -> Any:
    logit = demo.features(payments.columns, tuple(model.weights)) @ np.array(list(model.weights.values()))
    return 1 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def traffic() -> list[dict[str, Any]]:
    """The demo's traffic as the bad and the good candidate answer it, beside its champion."""
    week, (champion, *candidates) = demo.traffic(), demo.models(demo.payments(demo.TRAIN_ROWS, seed=demo.SEED))
    before = {"champion": scores(champion, week), "country": week.columns["country"]}
    return [before | {"candidate": scores(model, week)} for model in candidates[:2]]


def test_the_demos_bad_candidate_fails_where_it_loses_what_the_champion_stops(traffic: list[dict[str, Any]]) -> None:
    """In Brazil, by name; the rate of flips overall sees nothing of it. The good one loses little there, and passes."""
    bad, good = traffic

    assert judged("fraud", "binary", **bad) == {"lost_rate BR"}
    assert judged("fraud", "binary", **good) == set()


def test_the_flip_matrix_shows_the_lost_region_first(traffic: list[dict[str, Any]]) -> None:
    """Most of what the champion stops there is kept by the good candidate and lost by the bad one."""
    threshold = {"candidate": 0.5, "champion": 0.5}
    matrices = []
    for table in traffic:
        spec = DatasetSpec.model_validate({"path": "week", "slices": ["country"]})
        scored = Scored.from_table(pa.table(table), spec, task="binary", positive=1)
        (exhibit,) = lost_and_gained("shadow", scored, threshold)
        matrices.append({point[0]: dict(zip(exhibit.columns, point, strict=True)) for point in exhibit.points})
    bad, good = matrices

    assert list(bad) == ["overall", "country=BR", "country=US", "country=EU"]
    assert bad["country=BR"]["lost"] > 3 * bad["country=BR"]["kept"] > 0
    assert good["country=BR"]["kept"] > 20 * good["country=BR"]["lost"]
    assert bad["country=BR"]["low"] > 0.5 > max(bad["country=US"]["high"], bad["country=EU"]["high"])


@pytest.mark.parametrize(("keeps", "failed"), [(1.0, set()), (0.8, set()), (0.0, {"lost_rate BR", "lost_rate US"})])
def test_a_fraud_model_that_stops_nobody_fails(keeps: float, failed: set[str]) -> None:
    """One that keeps most of what the champion stops does not."""
    draw = np.random.default_rng(2)
    champion = np.where(draw.random(3_000) < 0.02, 0.9, 0.1)
    candidate = np.where(draw.random(3_000) < keeps, champion, 0.1)
    country = draw.choice(["BR", "US"], 3_000)

    assert judged("fraud", "binary", champion=champion, candidate=candidate, country=country) == failed


@pytest.mark.parametrize(("added", "failed"), [(0.5, set()), (50.0, {"score_shift", "within(tolerance=15)"})])
def test_a_delivery_time_that_is_fifty_minutes_longer_fails(added: float, failed: set[str]) -> None:
    """Half a minute is not."""
    draw = np.random.default_rng(2)
    champion = draw.normal(35, 9, 3_000)

    candidate = champion + added + draw.normal(0, 3, 3_000)
    assert judged("regression", "regression", champion=champion, candidate=candidate) == failed
