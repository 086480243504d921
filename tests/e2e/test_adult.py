"""Real data: the census, models trained on it, and every number of the evidence held against scikit-learn's."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from helpers.census import BROKEN_JOIN, CHAMPION, GOOD, LABEL, NUMBERS, TEXTS, answers, census
from helpers.checkout import Checkout, findings, verdicts
from helpers.shelf import alone
from lockgate import run_gate

SLICES = ["sex", "race", "workclass", "native_country"]
BINARY = ["accuracy", "precision", "recall", "f1", "auc", "average_precision", "log_loss", "brier"]
REGRESSION = ["rmse", "mae", "r2"]
LOOSE = {"log_loss": "<= 9", "brier": "<= 0.9", "rmse": "<= 90", "mae": "<= 90", "r2": ">= -9"}


@pytest.fixture(scope="module")
def office(
    trained: Path, tmp_path_factory: pytest.TempPathFactory, warm_python: str, warm_gate: str
) -> Iterator[Checkout]:
    """A checkout with `gates/income.yaml` and `gates/hours.yaml`, which ask for every metric there is."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        alone(monkeypatch)
        folder = tmp_path_factory.mktemp("office")
        made = Checkout(folder, base=trained / "mlflow.db", data=trained / "data", python=warm_python, gate=warm_gate)
        holdout = {"path": "data/holdout.parquet", "id": "person", "slices": SLICES}
        holdout["small_slices"] = {"min_rows": 300, "min_positives": 40, "below": "watch"}
        common = {"candidate": {"version": GOOD}, "champion": {"version": CHAMPION}, "signoff": None}
        made.write(
            "income",
            model="income",
            data={"holdout": {**holdout, "label": LABEL}},
            gates=[
                {"gate": "signature", "data": "holdout"},
                {"gate": "metadata"},
                {"gate": "metrics", "data": "holdout", "require": every(BINARY)},
            ],
            **common,
        )
        made.write(
            "hours",
            model="hours",
            task="regression",
            threshold=None,
            data={"holdout": {**holdout, "label": "hours_per_week"}},
            gates=[{"gate": "metrics", "data": "holdout", "require": every(REGRESSION)}],
            **common,
        )
        yield made


def every(metrics: list[str]) -> list[str]:
    """A line that any model meets for each metric, overall and on each slice."""
    lines = [f"{name} {LOOSE.get(name, '>= 0.01')}" for name in metrics]
    return lines + [f"{line} on each slice" for line in lines]


@dataclass(frozen=True)
class Ran:
    """A finished run: its exit code, what it printed, and its folder."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def stored(self) -> bytes:
        return (self.folder / "evidence.json").read_bytes()

    @property
    def evidence(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stored)
        return found


def ran(office: Checkout, *arguments: str) -> Ran:
    answer = office.call("run", *arguments)
    return Ran(answer.code, answer.stdout, answer.stderr, office.run)


@pytest.fixture(scope="module")
def income(office: Checkout) -> tuple[Ran, Ran]:
    """The same run twice, the second time with --json."""
    return ran(office, "gates/income.yaml"), ran(office, "gates/income.yaml", "--json")


@pytest.fixture(scope="module")
def hours(office: Checkout) -> Ran:
    return ran(office, "gates/hours.yaml")


def sklearn_says(metric: str, label: Any, score: Any) -> float | None:
    """scikit-learn's value; None where it is not defined on these rows."""
    from sklearn import metrics

    said = score >= 0.5
    defined = {
        "precision": said.any(),
        "recall": label.any(),
        "f1": (label.astype(bool) | said).any(),
        "auc": 0 < label.sum() < len(label),
        "average_precision": 0 < label.sum() < len(label),
        "r2": len(label) > 1 and label.var() > 0,
    }
    if not defined.get(metric, True):
        return None
    value = {
        "accuracy": lambda: metrics.accuracy_score(label, said),
        "precision": lambda: metrics.precision_score(label, said),
        "recall": lambda: metrics.recall_score(label, said),
        "f1": lambda: metrics.f1_score(label, said),
        "auc": lambda: metrics.roc_auc_score(label, score),
        "average_precision": lambda: metrics.average_precision_score(label, score),
        "log_loss": lambda: metrics.log_loss(label, score, labels=[0, 1]),
        "brier": lambda: metrics.brier_score_loss(label, score),
        "rmse": lambda: metrics.root_mean_squared_error(label, score),
        "mae": lambda: metrics.mean_absolute_error(label, score),
        "r2": lambda: metrics.r2_score(label, score),
    }[metric]()
    return float(value)


def differences(
    evidence: dict[str, Any], metrics: list[str], holdout: pd.DataFrame, label: str, scores: dict[str, Any]
) -> tuple[int, list[str]]:
    """(values compared, ids of findings whose values are not scikit-learn's, that are missing or too many)."""
    truth = holdout[label].to_numpy()
    cells = {"overall": np.ones(len(holdout), bool)}
    for name in SLICES:
        column = holdout[name].fillna("(missing)")
        cells |= {f"{name}={value}": (column == value).to_numpy() for value in column.unique()}
    found = {(one["subject"], unquote(one["id"].split("/")[2])): one for one in findings(evidence).values()
             if one["id"].startswith("metrics/")}  # fmt: skip
    wrong, compared = [], 0
    for metric in metrics:
        for place, mask in cells.items():
            one = found.pop((metric, place), None)
            if one is None:
                wrong.append(f"{metric} on {place} is missing")
                continue
            for role, written in (("candidate", one["observed"]), ("champion", one["champion"])):
                if role == "champion" and written is None:
                    continue  # an absolute line need not say what the champion has
                expected = sklearn_says(metric, truth[mask], scores[role][mask])
                compared += 1
                if (written is None) != (expected is None) or (
                    expected is not None and abs(float(written) - expected) > 1e-12 * max(1.0, abs(expected))
                ):
                    wrong.append(f"{metric} on {place}: {role} has {written}, scikit-learn says {expected}")
            if one["rows"] != int(mask.sum()):
                wrong.append(f"{metric} on {place} has {one['rows']} rows, and there are {int(mask.sum())}")
    return compared, wrong + [f"{metric} on {place} is too many" for metric, place in found]


def test_every_metric_of_the_evidence_is_the_one_of_scikit_learn(trained: Path, income: tuple[Ran, Ran]) -> None:
    """Overall and on every slice, the missing value and the smallest countries included."""
    holdout = census("test")
    inputs = holdout[NUMBERS + TEXTS]
    scores = {
        role: answers(trained, "income", inputs, version)[:, 1]
        for role, version in (("candidate", GOOD), ("champion", CHAMPION))
    }

    compared, wrong = differences(income[0].evidence, BINARY, holdout, LABEL, scores)

    assert wrong == []
    assert compared >= len(BINARY) * (1 + 2 + 5 + 9 + 40)


def test_every_regression_metric_of_the_evidence_is_the_one_of_scikit_learn(trained: Path, hours: Ran) -> None:
    """RMSE, MAE and R², of models that predict how many hours somebody works."""
    holdout = census("test")
    inputs = holdout[[name for name in NUMBERS if name != "hours_per_week"] + TEXTS]
    scores = {
        role: np.asarray(answers(trained, "hours", inputs, version))
        for role, version in (("candidate", GOOD), ("champion", CHAMPION))
    }

    compared, wrong = differences(hours.evidence, REGRESSION, holdout, "hours_per_week", scores)

    assert wrong == []
    assert compared >= len(REGRESSION) * (1 + 2 + 5 + 9 + 40)


def test_a_logged_model_says_where_it_comes_from(income: tuple[Ran, Ran]) -> None:
    """Signature, input example, run, data, commit and requirements are all found in what MLflow logged."""
    said = verdicts(income[0].evidence)

    assert (said["signature"], said["metadata"]) == ("pass", "pass"), income[0].stderr


def test_a_candidate_that_fails_one_group_is_stopped_on_that_slice(office: Checkout) -> None:
    """A broken join mixed up the labels of women; on average it would be good enough."""
    require = ["auc >= 0.7", "auc >= champion - 0.05 on each sex"]
    policy = {
        "model": "income",
        "candidate": {"version": BROKEN_JOIN},
        "champion": {"version": CHAMPION},
        "data": {"holdout": {"path": "data/holdout.parquet", "label": LABEL, "id": "person", "slices": ["sex"]}},
        "gates": [{"gate": "metrics", "data": "holdout", "require": require}],
    }
    office.write("groups", **policy)

    stopped = ran(office, "gates/groups.yaml")
    passed = ran(office, "gates/groups.yaml", "--candidate", f"version={GOOD}")

    said = {name: one["verdict"] for name, one in findings(stopped.evidence).items()}
    assert said == {"metrics/r1/overall": "pass", "metrics/r2/sex=Female": "fail", "metrics/r2/sex=Male": "pass"}
    assert (stopped.code, passed.code) == (1, 0), passed.stderr
    assert "auc on sex=Female is " in stopped.stderr
    assert "below the champion's" in stopped.stderr


def test_what_a_candidate_breaks_and_a_gap_that_it_widens_are_stopped_by_name(trained: Path) -> None:
    """The same candidate: decisions on women that the champion had right, and fewer of them found than of men."""
    rows = census("test")
    table = rows.assign(champion=answers(trained, "income", rows[NUMBERS + TEXTS], CHAMPION)[:, 1])
    lines = ["broken_rate <= 4%", "broken_rate <= 4% on each sex", "recall gap over sex <= champion + 0.05"]

    def judged(version: int) -> dict[str, Any]:
        scored = table.assign(candidate=answers(trained, "income", rows[NUMBERS + TEXTS], version)[:, 1])
        result = run_gate("metrics", table=scored, label=LABEL, slices=["sex"], threshold=0.5, require=lines)
        return {finding.id.removeprefix("metrics/"): finding for finding in result.findings}

    broken, good = judged(BROKEN_JOIN), judged(GOOD)

    said = {name: str(finding.verdict) for name, finding in broken.items()}
    assert said == {"r1/overall": "fail", "r2/sex=Female": "fail", "r2/sex=Male": "pass", "r3/overall": "fail"}
    assert "1,953 rows broken, 133 fixed" in broken["r2/sex=Female"].reason
    assert "above the champion's" in broken["r3/overall"].reason
    assert {str(finding.verdict) for finding in good.values()} == {"pass"}


def test_the_digest_is_the_sha256_of_the_file(income: tuple[Ran, Ran]) -> None:
    """As `sha256sum` computes it, and as evidence.sha256 says it."""
    for one in income:
        computed = hashlib.sha256(one.stored).hexdigest()

        assert (one.folder / "evidence.sha256").read_text() == f"{computed}  evidence.json\n"


def test_a_second_run_differs_only_under_run(income: tuple[Ran, Ran]) -> None:
    """Nothing was timed, so everything else is equal to the byte."""
    first, second = (one.evidence for one in income)

    assert first.pop("run") != second.pop("run")
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def test_json_is_one_document_and_nothing_else(income: tuple[Ran, Ran]) -> None:
    """Standard output holds the evidence with --json and nothing without; people read standard error."""
    plain, asked = income

    assert plain.stdout == ""
    assert json.loads(asked.stdout)["evidence"] == asked.evidence
    assert plain.code == asked.code


def test_the_evidence_names_its_data_and_its_models(income: tuple[Ran, Ran], office: Checkout) -> None:
    """By digest and by number of rows; the scored table is the file that lies there."""
    evidence, folder = income[0].evidence, income[0].folder
    holdout = (office.folder / "data" / "holdout.parquet").read_bytes()
    scored = (folder / "scored" / "holdout.parquet").read_bytes()

    assert evidence["data"] == [
        {
            "name": "holdout",
            "path": "data/holdout.parquet",
            "digest": f"sha256:{hashlib.sha256(holdout).hexdigest()}",
            "rows": 16_281,
        }
    ]
    assert [one["sha256"] for one in evidence["scored"]] == [f"sha256:{hashlib.sha256(scored).hexdigest()}"]
    assert [evidence["model"][role]["version"] for role in ("candidate", "champion")] == ["2", "1"]
    stored = income[0].stored.decode()
    assert [python for python in (sys.executable, office.python) if python in stored] == []
