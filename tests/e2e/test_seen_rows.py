"""The census with a candidate that was trained on half of its own holdout: stopped by name, where an honest one passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from helpers.census import LABEL, TEXTS
from helpers.checkout import CHAMPION, Checkout, verdicts
from helpers.reference import FILES
from helpers.web import reply, serving
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evidence.finding import Decided
from lockgate.testing import run_gate

LINE = "auc >= champion - 0.01"
MEMORISED = ["fnlwgt", "age", "occupation", "education_num", "hours_per_week", "sex"]
DATA = {
    "path": "data/census.parquet",
    "label": LABEL,
    "scores": {"candidate": "p_new", "champion": "p_old"},
    "recorded": "trusted",
}


@dataclass(frozen=True)
class Census:
    """training: of all but the leaky candidate. holdout: with the scores of champion, honest and leaky candidate."""

    training: pd.DataFrame
    leaky_training: pd.DataFrame
    holdout: pd.DataFrame

    def scored(self, candidate: str) -> pd.DataFrame:
        others = {"honest", "leaky"} - {candidate}
        return self.holdout.rename(columns={candidate: "p_new"}).drop(columns=[*others])


@pytest.fixture(scope="module")
def adult() -> Census:
    rows, holdout = (pd.read_csv(FILES / f"adult_{name}.csv.gz") for name in ("train", "test"))
    both = pd.concat([rows, holdout])
    codes = both.assign(**{name: both[name].astype("category").cat.codes for name in TEXTS}).drop(columns=LABEL)
    inputs, asked = codes.iloc[: len(rows)], codes.iloc[len(rows) :]
    half = np.random.default_rng(5).random(len(holdout)) < 0.5

    def scores(model: Any, features: pd.DataFrame, labels: pd.Series, columns: Any = slice(None)) -> Any:
        with threadpool_limits(1):
            return model.fit(features.loc[:, columns], labels).predict_proba(asked.loc[:, columns])[:, 1]

    scored = holdout.assign(
        p_old=scores(HistGradientBoostingClassifier(max_iter=30, random_state=0), inputs, rows[LABEL]),
        honest=scores(HistGradientBoostingClassifier(max_iter=60, random_state=1), inputs, rows[LABEL]),
        leaky=scores(ExtraTreesClassifier(20, random_state=0), asked[half], holdout[half][LABEL], MEMORISED),
    )
    return Census(rows, holdout[half], scored)


def run(
    checkout: Checkout,
    adult: Census,
    candidate: str,
    training: pd.DataFrame,
    require: Sequence[str] = (LINE,),
    **more: Any,
) -> dict[str, Any]:
    """The evidence of a run on the census, and its metrics gate as `gate`."""
    adult.scored(candidate).to_parquet(checkout.folder / "data" / "census.parquet", index=False)
    training.to_csv(checkout.folder / "data" / "train.csv", index=False)
    spec = {**DATA, "not_in": {"path": "data/train.csv"}, **more}
    checkout.write(
        champion={"version": CHAMPION},
        data={"census": spec},
        gates=[{"gate": "metrics", "data": "census", "require": list(require)}],
    )
    answer = checkout.gate("run")
    assert answer.code in (0, 1, 3), answer
    evidence = checkout.evidence
    return {**evidence, "gate": evidence["gates"][0], "said": " ".join((answer.stdout + answer.stderr).split())}


def test_a_candidate_that_was_trained_on_half_of_the_holdout_is_stopped_by_name(
    checkout: Checkout, adult: Census
) -> None:
    """It passes where nobody looks; on the rows that it has not seen it is far below the champion."""
    unaware = run_gate("metrics", table=adult.scored("leaky"), label=LABEL, require=[LINE], scores=DATA["scores"])
    evidence = run(checkout, adult, "leaky", adult.leaky_training)
    finding, entry = evidence["gate"]["findings"][0], evidence["data"][0]
    seen = entry["seen"]["rows"]

    assert unaware.verdict == "pass"
    assert verdicts(evidence) == {"metrics": "fail"}
    assert 8_000 < seen < 8_400
    assert finding["rows"] == entry["rows"] == 16_281 - seen
    assert float(finding["decided"]["estimate"]) < -0.1
    assert f"{seen:,} of 16,281 rows of census are in data/train.csv, and left out of every verdict" in evidence["said"]


def test_an_honest_candidate_passes_with_what_chance_lets_coincide(checkout: Checkout, adult: Census) -> None:
    """26 rows of the census holdout are in its training data too, and 12 have a twin in the holdout itself."""
    evidence = run(checkout, adult, "honest", adult.training)
    entry = evidence["data"][0]["seen"]

    assert verdicts(evidence) == {"metrics": "pass"}
    assert (entry["rows"], entry["of"], entry["repeated"]) == (26, 16_281, 12)
    assert evidence["gate"]["findings"][0]["rows"] == 16_255
    assert "12 equal another row of census itself, as rows may by chance" in evidence["gate"]["reason"]


def test_what_would_pass_on_the_rest_is_not_decided_above_the_share_that_may_be_seen(
    checkout: Checkout, adult: Census
) -> None:
    """Whoever trained on one row in five may have tuned on the others; no owner may wave that through."""
    training = pd.concat([adult.training, adult.holdout.sample(frac=0.2, random_state=1)])
    evidence = run(checkout, adult, "honest", training[adult.training.columns])
    finding = evidence["gate"]["findings"][0]

    assert (verdicts(evidence), finding["code"], evidence["opens"]) == ({"metrics": "inconclusive"}, "seen_rows", "no")
    assert (
        "(20.1 %) are in data/train.csv, which the candidate was trained on, and max_seen allows 1 %"
        in finding["reason"]
    )
    assert verdict_of(Decided.from_json(finding["decided"]), finding["detail"]) == "inconclusive"
    assert "train without rows of census" in finding["remedy"]


def test_rows_that_are_no_newer_than_the_training_data_are_stopped_by_name(checkout: Checkout, adult: Census) -> None:
    """`after_training` compares the times of rows with the newest of the training data; newer rows pass."""
    training = adult.training.assign(at="2026-01-31T00:00:00Z")
    days = np.where(np.arange(len(adult.holdout)) < 3, "2026-01-30T00:00:00Z", "2026-02-01T00:00:00Z")
    lines = ["after_training", LINE]
    later, earlier = (
        run(checkout, replace(adult, holdout=adult.holdout.assign(at=at)), "honest", training, require=lines, time="at")
        for at in ("2026-02-01T00:00:00Z", days)
    )
    stopped, judged = earlier["gate"]["findings"]

    assert verdicts(later) == {"metrics": "pass"}
    assert verdicts(earlier) == {"metrics": "fail"}
    assert (stopped["subject"], stopped["verdict"], stopped["observed"]) == ("rows_in_training_time", "fail", "3.0")
    assert judged["verdict"] == "pass"
    assert "2026-01-31" in stopped["reason"]


def test_training_data_that_the_run_did_not_log_are_not_known(checkout: Checkout, adult: Census) -> None:
    """What was asked for and could not be looked at is no pass; where nobody asks, the report says so."""
    asked = run(checkout, adult, "honest", adult.training, not_in="training")
    silent = run(checkout, adult, "honest", adult.training, not_in=[])

    assert (verdicts(asked), asked["gate"]["findings"][0]["code"]) == ({"metrics": "inconclusive"}, "seen_unknown")
    assert "whether the candidate was trained on these rows was not checked" in asked["gate"]["findings"][0]["reason"]
    assert verdicts(silent) == {"metrics": "pass"}
    note = "whether the candidate was trained on rows of census was not checked"
    assert f"{note}: data.census.not_in" in silent["said"]
    assert note[1:] in (checkout.run / "report.html").read_text()


def test_training_data_that_cannot_be_had_are_asked_for_once_in_a_run(checkout: Checkout, adult: Census) -> None:
    """However many gates and entries of the evidence count the rows: every gate says the same, and it costs one timeout."""
    adult.scored("honest").to_parquet(checkout.folder / "data" / "census.parquet", index=False)
    with serving(lambda *_: reply(404)) as web:
        checkout.write(
            champion={"version": CHAMPION},
            data={"census": {**DATA, "not_in": {"path": f"{web.url}/train.csv"}}},
            gates=[{"gate": "metrics", "name": name, "data": "census", "require": [LINE]} for name in ("one", "two")],
        )
        answer = checkout.gate("run")

    reason = f"data 'census.not_in': {web.url}/train.csv does not exist"
    assert answer.code == 4
    assert [gate["reason"] for gate in checkout.evidence["gates"]] == [reason, reason]
    assert [request.method for request in web.asked] == ["GET"]
