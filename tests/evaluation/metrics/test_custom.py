"""A metric of one's own is a function: its mean is exact where it answers by row, else it is asked again and again."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from helpers.owned import FILE, amount_at_risk, broken, cost, profit
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import GateBroken, UsageError
from lockgate.evaluation.metrics import custom
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evaluation.metrics.custom import Function
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.bootstrap import BoundFunction, Resampled, decide, function_metric, resampled
from lockgate.evaluation.uncertainty.comparison import Comparison
from lockgate.evaluation.uncertainty.metric_value import Undefined, mean_of
from lockgate.evidence.finding import Verdict
from lockgate.gates.metrics import Metrics
from lockgate.hashing import sha256_file
from lockgate.testing import run_gate

ROOT = Path(__file__).parents[3]


def table(n: int = 1000, *, seed: int = 3, noise: float = 0.05) -> dict[str, Any]:
    """A fifth of rows are fraud; the candidate is the champion with a little noise. Users have five rows each."""
    draw = np.random.default_rng(seed)
    label = (draw.random(n) < 0.2).astype(int)
    champion = np.clip(0.5 * label + draw.normal(0.25, 0.15, n), 0, 1)
    return {
        "label": label,
        "candidate": np.clip(champion + draw.normal(0, noise, n), 0, 1),
        "champion": champion,
        "amount": draw.lognormal(3, 1, n),
        "user": np.arange(n) // 5,
        "geo": np.where(draw.random(n) < 0.25, "BR", "US"),
    }


def opened(rows: dict[str, Any], **spec: Any) -> tuple[Scored, TableDataset]:
    known = pa.table(rows)
    given = DatasetSpec.model_validate(
        {"path": "table", "label": "label", "scores": {"candidate": "candidate", "champion": "champion"}, **spec}
    )
    return Scored.from_table(known, given, task="binary", positive=1), TableDataset(known, given)


def held(
    metric: Metric,
    scored: Scored,
    limit: float,
    *,
    factor: float | None = None,
    at: Any = None,
    confidence: float = 0.95,
) -> Comparison:
    """The candidate's own value beside a limit, or with a factor its distance from the champion's."""
    at = np.arange(scored.rows) if at is None else at
    assert metric.decide is not None
    assert metric.measure_rows is not None
    own = metric.measure_rows("candidate", at, None)
    other = None if factor is None else metric.measure_rows("champion", at, None)
    return metric.decide(own, other, factor or 1.0, scored.clusters, limit, confidence)


def whole(ask: Any, scored: Scored, **columns: Any) -> Metric:
    return function_metric("mine", BoundFunction(ask, scored, columns), per_row=False, seed=1, resamples=400)


def test_a_function_by_row_is_a_mean_with_influence_values() -> None:
    """Of each model, on any rows: exactly what the built-in means give."""
    rows = table()
    scored, _ = opened(rows)
    metric = function_metric("cost", BoundFunction(cost, scored), per_row=True, seed=1)
    at = np.flatnonzero(rows["geo"] == "BR")
    for role in ("candidate", "champion"):
        found = metric.measure_rows(role, at, None)
        expected = mean_of(cost(rows["label"], rows[role], {})[at], None)

        assert found.value == expected.value
        assert (found.psi == expected.psi).all()


def test_a_gate_asks_for_a_function_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overall, beside the champion and on slices; the evidence says which file it was."""
    monkeypatch.chdir(ROOT)
    rows = table(4000)
    found = run_gate(
        "metrics", table=rows, slices=["geo"],
        functions={"cost": {"function": f"./{FILE}:cost", "better": "lower", "per_row": True}},
        require=[
            "cost <= 0", "cost <= champion + 0.3 on each geo",
            {"metric": "cost", "at_most": "champion - 1", "claim": "superior"},
        ],
    )  # fmt: skip

    assert found.context["functions"] == {"cost": sha256_file(ROOT / FILE)}
    assert [one.slice for one in found.findings] == [{}, {"geo": "BR"}, {"geo": "US"}, {}]
    for one in found.findings:
        inside = rows["geo"] == one.slice["geo"] if one.slice else np.ones(4000, bool)
        assert one.observed == pytest.approx(cost(rows["label"], rows["candidate"], {})[inside].mean())
        assert one.decided is not None
        assert "skew-corrected" in one.decided.method
    assert [one.verdict for one in found.findings] == [Verdict.PASS, Verdict.PASS, Verdict.PASS, Verdict.FAIL]


def test_a_function_of_whole_rows_is_decided_by_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads columns of the data, stands beside the built-in metrics, and says that its interval is approximate."""
    monkeypatch.chdir(ROOT)
    rows = table(2000)
    superior = {"metric": "at_risk", "at_most": "champion - 0.3", "claim": "superior"}
    asked = ["at_risk <= champion + 0.1 on each geo", "auc >= 0.5", "at_risk <= 0.5", superior]
    found = run_gate(
        "metrics", table=rows, slices=["geo"], require=asked,
        functions={
            "at_risk": {"function": f"{FILE}:amount_at_risk", "better": "lower", "columns": ["amount"]},
            "unasked": {"function": "nowhere.py:f", "better": "lower"},
        },
    )  # fmt: skip
    risks = [one for one in found.findings if one.subject == "at_risk"]

    assert [(one.requirement, one.verdict.value) for one in found.findings] == [
        ("r1", "pass"), ("r1", "pass"), ("r2", "pass"), ("r3", "pass"), ("r4", "fail"),
    ]  # fmt: skip
    for one in risks:
        inside = rows["geo"] == one.slice["geo"] if one.slice else np.ones(2000, bool)
        part = {name: values[inside] for name, values in rows.items()}
        assert one.observed == pytest.approx(amount_at_risk(part["label"], part["candidate"], part))
        assert one.decided is not None
        assert one.decided.method == "bootstrap of 500, t, approximate"


def test_the_interval_of_a_function_is_that_of_a_mean_where_it_is_one() -> None:
    """Resampling finds about the standard error that influence values give, own and paired, and says how it was found."""
    scored, _ = opened(table(1500))
    by_row = function_metric("cost", BoundFunction(cost, scored), per_row=True, seed=1)
    candidate, champion = (
        by_row.measure_rows(role, np.arange(scored.rows), None).psi for role in ("candidate", "champion")
    )
    for factor, psi in ((None, candidate), (1.0, candidate - champion), (0.9, candidate - 0.9 * champion)):
        found = held(whole(profit, scored), scored, 0.0, factor=factor)

        assert found.se == pytest.approx(math.sqrt(float(psi @ psi)) / psi.size, rel=0.12)
        assert found.low < found.value < found.high
        assert "bootstrap" in found.method
        assert "approximate" in found.method


def test_the_bound_meets_the_limit_exactly_where_the_test_passes() -> None:
    """At any confidence: the interval and the p-values are one thing."""
    scored, _ = opened(table(300))
    metric = whole(profit, scored)
    for confidence in (0.8, 0.95, 0.99):
        middle = held(metric, scored, 0.0, confidence=confidence)
        for end, sign in ((middle.low, 1), (middle.high, -1)):
            inside, outside = (
                held(metric, scored, end - sign * shift, confidence=confidence) for shift in (1e-6, -1e-6)
            )
            claims = [one.p_above if sign > 0 else one.p_below for one in (inside, outside)]
            assert claims[0] < 1 - confidence < claims[1]


def test_both_models_are_asked_on_the_same_resamples() -> None:
    """Two models that differ little differ with certainty; equal ones differ by nothing at all."""
    scored, _ = opened(table(1000, noise=0.002))
    paired, own = (held(whole(profit, scored), scored, 0.0, factor=factor) for factor in (1.0, None))
    assert paired.se is not None
    assert own.se is not None
    assert paired.se < 0.5 * own.se

    same, _ = opened(table(1000, noise=0.0))
    found = held(whole(profit, same), same, -0.01, factor=1.0)
    assert (found.value, found.low, found.high, found.se) == (0.0, 0.0, 0.0, 0.0)
    assert found.p_above < 0.05
    assert "the same on every resample" in found.method


def test_the_same_seed_draws_the_same_rows() -> None:
    """A run can be repeated; another policy draws others."""
    scored, _ = opened(table(200))
    one, two, other = (
        held(function_metric("mine", BoundFunction(profit, scored), per_row=False, seed=seed), scored, 0.0)
        for seed in (1, 1, 2)
    )

    assert one == two
    assert one.se != other.se


def test_a_false_claim_is_made_rarely() -> None:
    """A function that is held to its true value passes about one time in twenty."""
    runs, hits = 200, 0
    for seed in range(runs):
        rows = table(120, seed=seed)
        rows["candidate"] = np.random.default_rng(seed).normal(0, 1, 120)
        scored, _ = opened(rows)
        metric = function_metric(
            "mine", BoundFunction(lambda _, scores, __: scores.std() + 0.0, scored), per_row=False, seed=1
        )
        hits += held(metric, scored, 1.0).p_above <= 0.05

    assert hits / runs <= 0.07 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_a_function_reads_columns_of_the_data(tmp_path: Path) -> None:
    """Numbers as floats with NaN for what is missing, texts as they are, rows in order; on a slice those of the slice."""
    rows = table(60)
    rows["count"] = pa.array([None, *range(1, 60)])
    scored, dataset = opened(rows)
    (tmp_path / "mine.py").write_text(
        "def mine(labels, scores, rows):\n"
        "    assert str(rows['count'].dtype) == 'float64' and rows['geo'].dtype == object\n"
        "    assert set(rows) == {'count', 'geo', 'amount'}\n"
        "    return rows['amount'][rows['geo'] == 'BR'].sum() / len(scores)\n"
    )
    function = Function(function="./mine.py:mine", better="higher", columns=("count", "geo", "amount"))
    found, files = custom.metrics({"mine": function}, scored, dataset, root=tmp_path, seed=1)
    at = np.arange(40, 60)

    inside = (rows["geo"] == "BR")[at]
    assert found["mine"].measure_rows("candidate", at, None).value == pytest.approx(
        rows["amount"][at][inside].sum() / 20
    )
    assert files == {"mine": sha256_file(tmp_path / "mine.py")}


def test_clusters_are_drawn_whole() -> None:
    """Five equal rows a user carry the error of one."""
    rows = table(200)
    five = {name: np.repeat(values, 5) for name, values in rows.items()} | {"user": np.repeat(np.arange(200), 5)}
    alone, _ = opened(rows)
    together, _ = opened(five, cluster="user")
    naive, _ = opened(five)
    errors = [held(whole(profit, one), one, 0.0).se or 0.0 for one in (alone, together, naive)]

    assert errors[1] == pytest.approx(errors[0], rel=0.15)
    assert errors[2] < 0.6 * errors[0]
    assert held(whole(profit, together), together, 0.0).method.endswith(", by cluster")
    clusters = np.array([3, 1, 3, 2, 1, 3])
    for drawn in resampled(6, clusters, 50, 0):
        names, counts = np.unique(clusters[drawn], return_counts=True)
        assert sum(count // {1: 2, 2: 1, 3: 3}[name] for name, count in zip(names, counts, strict=True)) == 3
        assert all(count % {1: 2, 2: 1, 3: 3}[name] == 0 for name, count in zip(names, counts, strict=True))


@pytest.mark.parametrize(("rows", "few"), [(29, "29 rows; resampling needs 30"), (30, None)])
def test_few_rows_decide_nothing(rows: int, few: str | None) -> None:
    """The spread of a resample of a handful of rows means little."""
    scored, _ = opened(table(rows))

    assert held(whole(profit, scored), scored, -100.0).too_few == few


def test_a_function_without_a_value_on_many_resamples_decides_nothing() -> None:
    """As a rate among positives where there are three of them."""
    rows = table(60)
    rows["label"][:] = 0
    rows["label"][:2] = 1
    scored, _ = opened(rows)
    metric = whole(lambda labels, scores, _: (scores[labels] >= 0.0).sum() / int(labels.sum()), scored)

    assert "resamples" in (held(metric, scored, 0.5).too_few or "")


def test_what_breaks_on_all_rows_breaks_the_gate_and_on_a_slice_has_no_value() -> None:
    """Somebody must repair the one; the other is inconclusive there, and no pass."""
    scored, _ = opened(table(100))
    with pytest.raises(GateBroken, match="mine raised KeyError: 'amount'"):
        held(whole(broken, scored), scored, 0.0)
    with pytest.raises(GateBroken, match="mine raised KeyError: '…'"):
        held(whole(lambda *_: {}["Alice"], scored), scored, 0.0)
    with pytest.raises(Undefined) as caught:
        held(whole(broken, scored), scored, 0.0, at=np.arange(50))
    assert caught.value.code == "function_failed"
    with pytest.raises(Undefined, match="answered nan"):
        held(whole(lambda *_: math.nan, scored), scored, 0.0)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda labels, *_: labels[:-1] * 1.0, "one number a row"),
        (lambda labels, *_: 1.0, "one number a row"),
        (lambda labels, *_: np.where(np.arange(labels.size) == 4, np.nan, 1.0), "first in row 5"),
        (broken, "raised KeyError"),
    ],
)
def test_a_function_by_row_answers_one_number_for_each(answer: Any, why: str) -> None:
    """A shorter answer, one for all rows or a hole in it breaks the gate."""
    scored, _ = opened(table(100))
    with pytest.raises(GateBroken, match=why):
        function_metric("mine", BoundFunction(answer, scored), per_row=True, seed=1).measure_rows(
            "candidate", np.arange(scored.rows), None
        )


def test_a_function_by_row_with_bounds_is_bounded_by_them() -> None:
    """The bounds that a project declares are those of its metric, whose mean then has a valid bound; half of them are not."""
    scored, _ = opened(table(100))
    by_row = partial(function_metric, "cost", BoundFunction(cost, scored), per_row=True, seed=1)

    assert by_row(bounds=(-2, 9)).bounds == (-2, 9)
    assert [by_row(bounds=ends).approximate for ends in ((-2, 9), (-2, None), (None, None))] == [False, True, True]


@pytest.mark.parametrize(("bounds", "worst"), [((0, 0.5), 1), ((0.25, None), 0), ((None, 0.1), 1)])
def test_a_value_beyond_its_bounds_breaks_the_gate(bounds: Any, worst: float) -> None:
    """What the error rate rests on must hold for every row; rounding is no breach."""
    scored, _ = opened(table(100))

    def share(labels: Any, scores: Any, rows: Any) -> Any:
        return np.linspace(0, 1 + 1e-9, labels.size)

    with pytest.raises(GateBroken, match=f"mine of the candidate answered {worst:g}, and its bounds are"):
        function_metric("mine", BoundFunction(share, scored), per_row=True, seed=1, bounds=bounds).measure_rows(
            "candidate", np.arange(100), None
        )
    rounded = function_metric("mine", BoundFunction(share, scored), per_row=True, seed=1, bounds=(0, 1))
    assert rounded.measure_rows("candidate", np.arange(100), None).value == pytest.approx(0.5)


def test_no_rows_have_no_value() -> None:
    """By row and whole."""
    scored, _ = opened(table(100))
    for per_row in (True, False):
        metric = function_metric("mine", BoundFunction(cost, scored), per_row=per_row, seed=1)
        with pytest.raises(Undefined) as caught:
            metric.measure_rows("candidate", np.zeros(0, int), None)
        assert caught.value.code == "no_rows"


def test_columns_reach_a_function_of_whole_rows() -> None:
    """The weighted share that a team would ask for."""
    rows = table(500)
    scored, _ = opened(rows)
    found = held(whole(amount_at_risk, scored, amount=rows["amount"]), scored, 0.5)

    assert found.value == pytest.approx(amount_at_risk(rows["label"], rows["candidate"], rows))
    assert found.p_below < 0.05


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("nowhere.py:profit", "there is no file nowhere.py below the project's root"),
        ("../owned.py:profit", "there is no file ../owned.py below the project's root"),
        (f"{FILE}:nothing", f"{FILE} has no 'nothing'"),
        (f"{FILE}:NOT_A_FUNCTION", "cannot be called: it is of type int"),
    ],
)
def test_a_function_that_is_not_there_is_said(function: str, why: str) -> None:
    """With the file and the name."""
    with pytest.raises(UsageError) as caught:
        Function(function=function, better="higher").load(ROOT)

    assert why in str(caught.value)


def test_a_file_that_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    """What it raised, too."""
    (tmp_path / "bad.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(UsageError, match=r"could not be loaded: ModuleNotFoundError"):
        Function(function="bad.py:f", better="lower").load(tmp_path)


@pytest.mark.parametrize(
    "given", [{"function": "mine.py:f"}, {"function": "mine.f", "better": "higher"}, {"better": "higher"}]
)
def test_a_declaration_says_where_the_function_is_and_which_way_is_better(given: dict[str, Any]) -> None:
    """No direction is assumed: it would change verdicts quietly."""
    with pytest.raises(ValidationError):
        Function.model_validate(given)


def test_a_function_is_a_subject() -> None:
    """Light data, like that of any metric."""
    found = custom.subjects({"profit": Function(function="m.py:f", better="higher", unit="EUR", bounds=(0, None))})

    assert found["profit"].better == "higher"
    assert (found["profit"].unit, found["profit"].bounds, found["profit"].counted) == ("EUR", (0, None), False)


def test_a_taken_name_and_an_unread_weight_are_refused() -> None:
    """A function of whole rows cannot know of weights that it does not read."""
    whole_rows = Function(function="m.py:f", better="higher")
    given = {
        "auc": whole_rows.model_copy(update={"per_row": True}),
        "profit": whole_rows,
        "reads": whole_rows.model_copy(update={"columns": ("w",)}),
    }

    assert list(custom.complaints(given, SUBJECTS, "w")) == [
        (("functions", "auc"), "functions: auc is a metric already; give yours a name of its own"),
        (
            ("functions", "profit"),
            "functions: the data is weighted by 'w', and profit does not read it; write columns: [w], or per_row: true",
        ),
    ]


def test_influence_values_of_a_function_of_whole_rows_are_zero() -> None:
    """It decides by itself."""
    scored, _ = opened(table(50))
    metric: Any = whole(profit, scored)
    found = metric.measure_rows("candidate", np.arange(scored.rows), None)

    assert metric.decide is decide
    assert isinstance(found, Resampled)
    assert not found.psi.any()


def test_a_package_brings_a_function_by_its_entry_point(acme: None) -> None:
    """Asked for by that name; the evidence, and what a resumed run must find, name the package and its version."""
    given = {"profit": {"function": "acme_profit", "better": "higher"}}
    rows = table(500)
    found = run_gate("metrics", table=rows, functions=given, require=["profit >= champion - 1"])

    assert found.verdict is Verdict.PASS
    assert found.context["functions"] == {"profit": "acme-metrics 1.2"}
    assert found.findings[0].observed == pytest.approx(profit(rows["label"], rows["candidate"], {}))
    gate = Metrics.model_validate(
        {"data": "holdout", "functions": {**given, "cost": {"function": f"{FILE}:cost", "better": "lower"}}}
    )
    assert gate.origins(ROOT) == {"profit": "acme-metrics 1.2", "cost": sha256_file(ROOT / FILE)}


def test_an_entry_point_that_is_no_function_is_said(acme: None) -> None:
    """As soon as it is loaded; one that is not installed, without loading anything."""
    with pytest.raises(UsageError, match="'acme_state' cannot be called: it is of type str"):
        Function(function="acme_state", better="higher").load(ROOT)

    absent = {"profit": Function(function="acme_profits", better="higher")}
    assert list(custom.complaints(absent, SUBJECTS, None)) == [
        (
            ("functions", "profit", "function"),
            "functions: no metric is called 'acme_profits'; known: acme_profit, acme_state; did you mean "
            "'acme_profit'?; a file is named as ./file.py:function",
        )
    ]
