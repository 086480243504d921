"""The share of a gain that goes with one column: its values, its error, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.leaks.column_gain import Permuted, PermutedColumns, _Gains, diagnosis, gain_estimate, of_rows
from lockgate.evaluation.leaks.subject import METRICS, NAME, SUBJECT, complaints, metric_line
from lockgate.evaluation.leaks.words import diagnosis_words
from lockgate.evaluation.metrics import catalog
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Finding, Verdict

HALF = {"candidate": 0.5, "champion": 0.5}


class World:
    """A label that is signal plus noise; the champion sees `shared`, the candidate also `better` and a column of its own."""

    def __init__(self, rows: int = 3000, *, own: float, better: float = 0.6, seed: int = 0, columns: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.shared, self.besides = self.rng.normal(size=(2, rows))
        self.columns = self.rng.normal(size=(columns, rows))
        signal = self.shared + better * self.besides + own * self.columns[0] + self.rng.logistic(size=rows)
        self.label, self.own, self.better, self.rows = (signal > 0).astype(int), own, better, rows

    def answer(self, columns: Any) -> Any:
        """Only the first column of its own says anything; the others are asked of in vain."""
        return 1 / (1 + np.exp(-(self.shared + self.better * self.besides + self.own * columns[0])))

    def permuted(self, permutations: int = 5) -> PermutedColumns:
        answers = {}
        for place in range(len(self.columns)):
            donors = [self.rng.permutation(self.rows) for _ in range(permutations)]
            changed = [[c[each] if k == place else c for k, c in enumerate(self.columns)] for each in donors]
            answers[f"c{place}"] = [Permuted(self.answer(c), each) for c, each in zip(changed, donors, strict=True)]
        return PermutedColumns(answers, 5)

    def scored(self, **more: Any) -> Scored:
        champion = 1 / (1 + np.exp(-self.shared))
        table = {"label": self.label, "candidate": self.answer(self.columns), "champion": champion, **more}
        named = {name: name for name in ("weight", "cluster") if name in more}
        return Scored.from_table(
            pa.table(table), DatasetSpec(path="t", label="label", **named), task="binary", positive=1
        )

    def ask(
        self, line: str = "gain_from_one_column <= 80%", permutations: int = 5, **more: Any
    ) -> tuple[Estimate, Finding]:
        requirement = parse(line)
        estimate = gain_estimate(
            "r1", requirement, self.scored(**more), self.permuted(permutations), task="binary", threshold=HALF
        )
        (finding,) = judge("metrics", [("r1", requirement)], [estimate], {NAME: SUBJECT})
        return estimate, finding


def test_an_advantage_that_goes_with_one_column_fails_and_one_that_stays_passes() -> None:
    """By name, with the three values; the share is their ratio."""
    estimate, failed = World(own=1.2).ask()
    gain = failed.detail["column_gain"]
    own, champion, without = (float(gain[name]) for name in ("candidate", "champion", "without"))

    assert failed.verdict is Verdict.FAIL
    assert failed.observed == pytest.approx((own - without) / (own - champion))
    assert "the whole advantage of" in failed.reason or "% of the advantage of" in failed.reason
    assert "comes from column c0: with the values of other rows in c0 its auc is" in failed.reason
    assert estimate.tested is None
    assert World(own=0.1, better=1.0).ask()[1].verdict is Verdict.PASS


def test_the_decision_is_the_end_of_the_interval() -> None:
    """It passes where the upper end is within the limit, and the end is the same at any limit: that which would just pass."""
    ends = set()
    for share in (20, 40, 60, 90, 150):
        estimate, finding = World(own=0.45).ask(f"gain_from_one_column <= {share}%")
        assert estimate.high is not None
        assert (finding.verdict is Verdict.PASS) == (estimate.high <= share / 100)
        ends.add(round(estimate.high, 4))
    assert len(ends) == 1
    unknown, _ = World(400, own=0.3, better=0.05, seed=3).ask()
    assert unknown.problem is not None or unknown.high is None


@pytest.mark.parametrize("metric", ["auc", "average_precision", "log_loss", "brier", "accuracy"])
def test_the_spread_is_that_of_fresh_samples(metric: str) -> None:
    """Of part − share · gain over 150 worlds; with permutations a little wider, never narrower."""
    values, errors = [], []
    for seed in range(150):
        world = World(600, own=0.6, seed=seed)
        gains = _Gains.for_line(
            world.scored(),
            world.permuted(),
            parse(f"gain_from_one_column(metric={metric}) <= 1"),
            task="binary",
            threshold=HALF,
        )
        column = gains.column("c0", world.permuted().columns["c0"])
        values.append(column.values.part - 0.8 * column.values.gain)
        errors.append(np.sqrt((gains.excess(column, 0.8) ** 2).sum()) / 600)

    assert 0.9 <= float(np.mean(errors)) / float(np.std(values)) <= 1.4


def test_clusters_widen_it_and_weights_of_one_size_change_nothing() -> None:
    """As of every metric: each row four times, as clusters, says no more than once."""
    world = World(1000, own=0.6)
    once, _ = world.ask()
    weighted, _ = World(1000, own=0.6).ask(weight=np.full(1000, 3.0))
    clustered, _ = World(1000, own=0.6).ask(cluster=np.arange(1000) // 10)

    assert weighted.se == pytest.approx(once.se)
    assert clustered.method.endswith("by cluster, approximate")
    assert clustered.se == pytest.approx(once.se, rel=0.5)


def test_several_columns_pass_together_and_fail_alone() -> None:
    """The worst is named; a fail pays for how many were looked at."""
    alone, _ = World(own=0.8).ask()
    among, finding = World(own=0.8, columns=4).ask()

    assert finding.detail["column_gain"]["column"] == "c0"
    assert finding.detail["own_columns"] == ["c0", "c1", "c2", "c3"]
    assert among.p_fail is not None
    assert alone.p_fail is not None
    assert among.p_fail <= 1.0


def test_a_fail_says_what_to_ask_of_the_column() -> None:
    """No number tells a good new column from one that is written after the outcome."""
    _, failed = World(own=1.0).ask("gain_from_one_column <= 10%")

    assert failed.verdict is Verdict.FAIL
    assert failed.remedy is not None
    assert failed.remedy.startswith(f"see when {failed.detail['column_gain']['column']} is written: ")


def test_a_candidate_that_is_no_better_shows_nothing() -> None:
    """There is no gain of which a column could bring a share; and that is no pass."""
    world = World(own=0.0, better=0.0)
    scored = world.scored()
    scored.champion = world.answer(world.columns + 0) * 0.9
    estimate = gain_estimate(
        "r1", parse("gain_from_one_column <= 80%"), scored, world.permuted(), task="binary", threshold=HALF
    )
    (finding,) = judge("metrics", [("r1", parse("gain_from_one_column <= 80%"))], [estimate], {NAME: SUBJECT})

    assert (finding.verdict, finding.code) == (Verdict.INCONCLUSIVE, "no_gain")
    assert "no better than the champion's" in finding.reason


def test_a_candidate_without_columns_of_its_own_passes_by_count() -> None:
    """The columns that were compared are the units; none compared is nothing measured."""
    line = parse("gain_from_one_column <= 80%")
    for compared, verdict in ((14, Verdict.PASS), (0, Verdict.INCONCLUSIVE)):
        estimate = gain_estimate(
            "r1", line, World(own=0.5).scored(), PermutedColumns({}, compared), task="binary", threshold=HALF
        )
        (finding,) = judge("metrics", [("r1", line)], [estimate], {NAME: SUBJECT})
        assert finding.verdict is verdict
    assert "is given no column that the champion is not" in finding.reason or compared == 0


def test_the_diagnosis_names_a_column_only_where_it_surely_brings_most() -> None:
    """In a sentence that reports add; its values stand in the evidence either way."""
    leak, honest = World(own=1.2, columns=2), World(own=0.3, better=1.0)
    named = diagnosis(leak.scored(), leak.permuted(1), task="binary", threshold=HALF)
    quiet = diagnosis(honest.scored(), honest.permuted(1), task="binary", threshold=HALF)

    assert named["named"] == ["c0"]
    assert [each["column"] for each in named["columns"]] == ["c0", "c1"]
    assert "comes from column c0" in diagnosis_words({"own_columns": named})
    assert quiet["named"] == []
    assert len(quiet["columns"]) == 1
    assert diagnosis_words({"own_columns": quiet}) == ""
    assert diagnosis_words({"own_columns": {"not_looked_at": "broken"}}) == ""


CLASSES = ("a", "b", "c")


def of_task(task: str, shared: Any, own: Any) -> Any:
    """What a model answers that sees two columns; of several classes (n, 3) shares."""
    signal = shared + own
    if task == "binary":
        return 1 / (1 + np.exp(-signal))
    if task == "regression":
        return np.exp(signal / 2) + 0.1
    classes = np.exp(np.stack([signal, 0 * signal, -signal], axis=1))
    return classes / classes.sum(axis=1, keepdims=True)


def scored_of_task(task: str, shared: Any, own: Any, rng: Any, **more: Any) -> Scored:
    """Labels drawn from what the candidate says; the champion does not see `own`."""
    answers = {"candidate": of_task(task, shared, own), "champion": of_task(task, shared, 0 * own)}
    said, spec = answers["candidate"], {name: name for name in more}
    if task == "multiclass":
        codes = (rng.random((len(said), 1)) > said.cumsum(axis=1)).sum(axis=1)
        label = np.take(CLASSES, codes)
        columns = {f"{role}:{name}": each[:, k] for role, each in answers.items() for k, name in enumerate(CLASSES)}
        scores: Any = {role: {name: f"{role}:{name}" for name in CLASSES} for role in answers}
    else:
        label = (rng.random(said.size) < said).astype(int) if task == "binary" else rng.gamma(2, said / 2) + 1e-3
        columns, scores = answers, {role: role for role in answers}
    dataset = DatasetSpec(path="t", label="label", scores=scores, **spec)
    table: Any = pa.table({"label": label, **columns, **more})
    names = CLASSES if task == "multiclass" else ()
    return Scored.from_table(table, dataset, task=task, positive=1, classes=names)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_each_metric_is_refused_or_measured_whatever_rows_weigh(task: str) -> None:
    """Of every metric that there is: none that a pipeline lets through breaks on weights or clusters, or finds no value."""
    rng, rows = np.random.default_rng(0), 600
    shared, own = rng.normal(size=(2, rows))
    donors = [rng.permutation(rows) for _ in range(5)]
    permuted = PermutedColumns({"own": [Permuted(of_task(task, shared, own[each]), each) for each in donors]}, 3)
    uneven = rng.exponential(size=rows) + 0.01
    kinds = ({}, {"weight": uneven}, {"cluster": np.arange(rows) // 3, "weight": uneven})
    tables = [scored_of_task(task, shared, own, rng, **kind) for kind in kinds]
    measured = set()
    for metric in catalog.SUBJECTS:
        line = parse(f"gain_from_one_column(metric={metric}) <= 80%")
        if [*SUBJECT.misfits(line), *complaints(line, task, decided=True, recorded=False, data="holdout")]:
            continue
        for scored in tables:
            estimate = gain_estimate("r1", line, scored, permuted, task=task, threshold=HALF)
            assert estimate.problem is not None or estimate.se > 0, metric
            measured |= {metric} if estimate.problem is None else set()
    kept = {name for name in METRICS if task in catalog.SUBJECTS[name].tasks}
    # Where a class is decided nowhere its precision is not defined.
    assert kept - measured <= {"precision"}
    assert not {"broken_rate", "fixed_rate"} & set(METRICS)


def test_some_rows_stand_for_all() -> None:
    """A subset keeps labels, scores and weights together."""
    scored = World(100, own=0.5).scored(weight=np.arange(100) + 1.0)
    rows = np.array([3, 50, 99])
    some = of_rows(scored, rows)

    assert some.rows == 3
    assert some.weights is not None
    assert some.weights.tolist() == [4.0, 51.0, 100.0]
    assert of_rows(scored, None).rows == 100


def test_lines_that_nothing_can_satisfy_are_refused_with_the_rewrite() -> None:
    """Slices, recorded scores, and metrics of another task."""

    def said(line: str, task: str = "binary", *, decided: bool = True) -> list[str]:
        return list(complaints(parse(line), task, decided=decided, recorded=False, data="holdout"))

    assert said("gain_from_one_column <= 80%") == []
    (scope,) = said("gain_from_one_column <= 0.5 on each slice")
    assert scope.endswith("write 'gain_from_one_column <= 0.5'")
    assert "is for task regression" in said("gain_from_one_column(metric=rmse) <= 80%")[0]
    assert "is for task binary" in said("gain_from_one_column(metric=false_positive_rate) <= 80%", "multiclass")[0]
    accuracy = "gain_from_one_column(metric=accuracy) <= 80%"
    assert said(accuracy) == said(accuracy, "multiclass", decided=False) == []
    assert "accuracy needs a threshold, and there is none" in said(accuracy, decided=False)[0]
    whole = parse("gain_from_one_column <= 80%")
    (recorded,) = complaints(whole, "binary", decided=True, recorded=True, data="holdout")
    assert "data.holdout.scores says that no model answers" in recorded
    assert str(metric_line(None, "multiclass")) == "auc(average=macro) >= 0"
    assert str(metric_line(parse("gain_from_one_column(metric=log_loss) <= 1"), "binary")) == "log_loss <= 0"
    assert "auc" in METRICS
