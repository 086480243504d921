"""Are the rows that models meet like those that their verdict rests on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.data.contract.feature_spec import FeatureSpec
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.evaluation.case import Case
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context
from lockgate.gates.shift import Shift
from lockgate.models.input_plan import InputPlan, InputPlanner
from lockgate.models.model import Task
from lockgate.testing import run_gate

ADULT = Path(__file__).parents[1] / "data" / "files" / "adult_test.csv.gz"


def adult(seed: int = 3) -> pa.Table:
    """The people of the census, in an order of chance."""
    table = pc.read_csv(ADULT).drop_columns(["fnlwgt", "income_over_50k"])
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))


def older(rows: pa.Table, seed: int = 4) -> pa.Table:
    """Rows drawn so that people above fifty come three times as often."""
    chance = np.where(rows.column("age").to_numpy() > 50, 3.0, 1.0)
    drawn = np.random.default_rng(seed).choice(
        rows.num_rows, rows.num_rows // 2, replace=False, p=chance / chance.sum()
    )
    return rows.take(pa.array(drawn))


def case_of(
    holdout: Any,
    traffic: Any,
    *,
    contract: Mapping[str, FeatureSpec] | None = None,
    specs: Mapping[str, Mapping[str, Any]] | None = None,
    task: Task = "binary",
) -> Case:
    """A case that has nothing but two tables. specs: by name, what their data say besides."""
    datasets = {}
    for name, table in (("holdout", holdout), ("traffic", traffic)):
        arrow = table if isinstance(table, pa.Table) else pa.table(dict(table))
        spec = DatasetSpec.model_validate({"path": name, **(specs or {}).get(name, {})})
        datasets[name] = TableDataset(arrow, spec, name=name)

    def scored(name: str) -> Scored:
        data = datasets[name]
        return Scored.from_table(data._table, data.spec, task=task, positive=1)

    return Case(
        candidate=SimpleNamespace(facts=SimpleNamespace(signature=None, metadata={})),  # type: ignore[arg-type]
        champion=SimpleNamespace() if "champion" in datasets["holdout"].columns else None,  # type: ignore[arg-type]
        task=task, folder=Path(), seed=0, datasets=tuple(datasets), input_plan=None,  # type: ignore[arg-type]
        dataset=datasets.__getitem__, scored=scored, replayed=None, sample=None, threshold=lambda _: 0.5,  # type: ignore[arg-type]
        contract=lambda: FeatureContract(dict(contract or {})),
    )  # fmt: skip


def ask(case: Case, require: Sequence[str] | None = None, **fields: Any) -> tuple[list[Finding], list[Exhibit]]:
    """The findings of the gate, and its exhibits."""
    gate = Shift(data="holdout", traffic="traffic", require=None if require is None else tuple(require), **fields)  # type: ignore[arg-type]
    outputs = [output for output in gate.check(case) if not isinstance(output, Context)]
    return [each for each in outputs if isinstance(each, Finding)], [
        each for each in outputs if isinstance(each, Exhibit)
    ]


def failed(findings: Sequence[Finding]) -> set[str]:
    return {finding.slice["feature"] for finding in findings if finding.verdict is Verdict.FAIL}


def test_drifted_ages_are_flagged_on_age_and_what_follows_from_it() -> None:
    """People above fifty come three times as often: age moves, marital status follows, and nothing else is in doubt."""
    rows = adult()
    drifted = case_of(rows.slice(0, 8_000), older(rows.slice(8_000)))
    findings, (table, *_) = ask(drifted, ["distance <= 0.08 on each feature"])

    assert failed(findings) == {"age"}
    assert [point[0] for point in table.points[:3]] == ["age", "marital_status", "relationship"]
    assert {finding.slice["feature"] for finding in findings if finding.verdict is Verdict.PASS} == {
        *(name for name in rows.column_names if name != "age")
    }
    assert findings[0].id == "shift/r1/feature=age"
    assert findings[0].reason == (
        "distance on feature=age is 0.1441; at 95 % confidence at least 0.1045; at most 0.08 is allowed; "
        "65.7 % of traffic are up to 50, and 80.1 % of holdout"
    )


def test_rows_of_one_population_are_not_flagged() -> None:
    """Two halves of the census meet all default lines."""
    rows = adult()
    findings, _ = ask(case_of(rows.slice(0, 8_000), rows.slice(8_000)))

    assert {finding.verdict for finding in findings} == {Verdict.PASS}
    assert len(findings) == 3 * rows.num_columns + 1


def test_no_alarm_for_a_shift_below_the_margin_at_a_million_rows() -> None:
    """A tenth of a standard deviation moves 4 % of the rows, which a p-value of no shift would call certain."""
    draw = np.random.default_rng(7)
    holdout = {"amount": draw.normal(size=100_000), "kind": draw.choice(["a", "b"], 100_000)}
    traffic = {"amount": draw.normal(0.1, 1, 1_000_000), "kind": draw.choice(["a", "b"], 1_000_000, p=[0.51, 0.49])}
    findings, _ = ask(case_of(holdout, traffic), ["distance <= 0.05 on each feature"])

    assert [(finding.slice["feature"], finding.verdict) for finding in findings] == [
        ("amount", Verdict.PASS),
        ("kind", Verdict.PASS),
    ]
    assert findings[0].observed == pytest.approx(0.0399, abs=0.004)


def test_the_distance_of_numbers_is_that_of_kolmogorov_and_smirnov() -> None:
    """Ties, repeated numbers and numbers outside the holdout's range included; missing ones apart."""
    draw = np.random.default_rng(1)
    holdout, traffic = draw.integers(0, 12, 300) / 4, draw.integers(-2, 14, 400) / 4 + draw.choice([0, 0.1], 400)
    both = np.unique(np.concatenate([holdout, traffic]))
    largest = max(abs((holdout <= value).mean() - (traffic <= value).mean()) for value in both)
    missing = pa.array([*traffic.tolist(), None, float("nan")])
    (distance, nulls, new, _), _ = ask(case_of({"x": holdout}, {"x": missing}))

    assert distance.observed == pytest.approx(largest, abs=1e-12)
    assert nulls.observed == pytest.approx(2 / 402)
    assert new.observed == pytest.approx(((traffic < holdout.min()) | (traffic > holdout.max())).mean())


def test_new_categories_are_counted_and_named() -> None:
    """Those of ten rows and more; a value of one row is nobody's business."""
    holdout = {"country": ["AT"] * 600 + ["DE"] * 400}
    traffic = {"country": ["AT"] * 500 + ["DE"] * 300 + ["LU"] * 199 + ["a person"]}
    (distance, new), _ = ask(
        case_of(holdout, traffic), ["distance <= 0.1 on each feature", "new_value_rate <= 5% on each feature"]
    )

    assert distance.observed == pytest.approx(0.2)
    assert (new.observed, new.verdict) == (0.2, Verdict.FAIL)
    assert new.reason.endswith("; in traffic are LU")


def test_one_feature_has_a_line_of_its_own() -> None:
    """`on feature=age` is about that alone, and one that is not there is undecided."""
    rows = {"age": np.arange(1000.0), "sex": ["f", "m"] * 500}
    findings, _ = ask(case_of(rows, rows), ["distance <= 0.1 on feature=age", "distance <= 0.1 on feature=income"])

    assert [(finding.id, finding.verdict, finding.code) for finding in findings] == [
        ("shift/r1/feature=age", Verdict.PASS, "met"),
        ("shift/r2/feature=income", Verdict.INCONCLUSIVE, "no_column"),
    ]


def test_columns_that_cannot_be_compared_are_undecided() -> None:
    """Lists have no order; more than a thousand names are no categories; a column may be empty."""
    holdout = {"tags": [["a"]] * 2000, "name": [f"n{row}" for row in range(2000)], "empty": pa.nulls(2000)}
    findings, _ = ask(case_of(holdout, holdout), ["distance <= 0.1 on each feature"])

    assert [(finding.code, finding.verdict) for finding in findings] == [
        (code, Verdict.INCONCLUSIVE) for code in ("not_compared", "too_many_values", "no_rows")
    ]


def test_a_contract_says_that_numbers_are_categories() -> None:
    """Codes 1 and 3 exchanged with 2 are far apart, though in order they are near."""
    holdout, traffic = {"code": [1, 3] * 500}, {"code": [2, 2] * 500}
    spec = FeatureSpec(values=(1, 2, 3))
    require = ["distance <= 0.9 on each feature"]
    (by_order,), _ = ask(case_of(holdout, traffic), require)
    (by_name,), _ = ask(case_of(holdout, traffic, contract={"code": spec}), require)

    assert (by_order.observed, by_name.observed) == (0.5, 1.0)


def test_rows_of_one_user_count_as_few() -> None:
    """Fifty users of twenty rows each know a share as fifty rows do; weights likewise."""
    draw = np.random.default_rng(5)
    holdout = {"age": draw.normal(size=50_000)}
    users = np.repeat(np.arange(50), 20)
    traffic = {"age": draw.normal(size=50)[users], "user": users, "weight": np.ones(1000)}
    require = ["distance <= 0.2 on each feature"]
    (plain,), _ = ask(case_of(holdout, traffic), require, columns=["age"])
    (by_user,), _ = ask(case_of(holdout, traffic, specs={"traffic": {"cluster": "user"}}), require, columns=["age"])
    uneven = {**traffic, "weight": np.repeat([1.0, 0.0], 500)}
    (weighed,), _ = ask(case_of(holdout, uneven, specs={"traffic": {"weight": "weight"}}), require, columns=["age"])

    assert [finding.decided.n_eff for finding in (plain, by_user, weighed) if finding.decided] == [1000, 50, 500]
    assert (plain.verdict, by_user.verdict) == (Verdict.PASS, Verdict.INCONCLUSIVE)


def test_a_slice_of_the_traffic_that_the_holdout_lacks_is_uncovered() -> None:
    """From 1 % of the traffic on, and below ten rows of the holdout; a smaller one, and one with rows, is not."""
    holdout = {"country": ["AT"] * 900 + ["DE"] * 91 + ["LU"] * 9, "age": [30, 60] * 500}
    traffic = {"country": ["AT"] * 860 + ["DE"] * 100 + ["LU"] * 20 + ["CH"] * 12 + ["BE"] * 8, "age": [30, 60] * 500}
    slices = ["country", {"name": "old", "where": {"age": {"gt": 50}}}, {"cross": ["country", "old"]}]
    case = case_of(holdout, traffic, specs={"holdout": {"slices": slices}})
    findings, (_, mix) = ask(case, ["uncovered_slices <= 0"])
    wider, _ = ask(case, ["uncovered_slices <= 0"], min_share=0.1)

    assert [(finding.slice, finding.verdict, finding.code) for finding in findings[:2]] == [
        ({"country": name}, Verdict.INCONCLUSIVE, "uncovered") for name in ("LU", "CH")
    ]
    assert findings[0].reason == (
        "uncovered_slices on country=LU: 2 % of traffic, and 9 rows of holdout, where 10 are needed (20 rows)"
    )
    assert [(finding.verdict, finding.observed, finding.rows) for finding in wider] == [(Verdict.PASS, 0.0, 6)]
    assert [point[:3] for point in mix.points if point[0] == "country=LU"] == [("country=LU", 9, 20)]


def test_slices_are_told_in_the_traffic_by_its_own_columns() -> None:
    """Quantiles have the edges of the holdout; what the traffic lacks leaves coverage undecided; without slices all rows are one."""
    draw = np.random.default_rng(2)
    holdout = {"age": draw.integers(20, 80, 1000), "country": ["AT"] * 1000}
    traffic = {"age": draw.integers(50, 80, 1000), "land": ["AT"] * 1000}
    quantiles = [{"column": "age", "quantiles": 2}]
    (covered,), (_, mix) = ask(
        case_of(holdout, traffic, specs={"holdout": {"slices": quantiles}}), ["uncovered_slices <= 0"]
    )
    named = {"holdout": {"slices": ["country"]}, "traffic": {"slices": [{"column": "land", "name": "country"}]}}
    (renamed,), _ = ask(case_of(holdout, traffic, specs=named), ["uncovered_slices <= 0"])
    (lacking,), _ = ask(case_of(holdout, traffic, specs={"holdout": named["holdout"]}), ["uncovered_slices <= 0"])
    (whole,), _ = ask(case_of(holdout, traffic), ["uncovered_slices <= 0"])

    edge = np.sort(holdout["age"])[500]
    assert {point[0]: point[4] for point in mix.points} == pytest.approx(
        {f"age=[{edge},inf)": (traffic["age"] >= edge).mean(), f"age=(-inf,{edge})": (traffic["age"] < edge).mean()}
    )
    assert [finding.verdict for finding in (covered, renamed, whole)] == [Verdict.PASS] * 3
    assert (lacking.verdict, lacking.code) == (Verdict.INCONCLUSIVE, "uncovered")
    assert "traffic has no column 'country'" in lacking.reason


def test_the_contract_is_held_against_the_traffic() -> None:
    """Its range, its values; the holdout's own cells do not count, and without a contract nothing is passed."""
    holdout = {"age": [30, 999], "country": ["AT", "DE"]}
    traffic = {"age": [30, 17, 500], "country": ["AT", "CH", "CH"]}
    contract = {"age": FeatureSpec(range=(18, 100)), "country": FeatureSpec(values=("AT", "DE"))}
    (broken,), exhibits = ask(case_of(holdout, traffic, contract=contract), ["contract_violations <= 0"])
    (undeclared,), _ = ask(case_of(holdout, traffic), ["contract_violations <= 0"])

    assert (broken.verdict, broken.observed, broken.rows) == (Verdict.FAIL, 4.0, 6)
    assert "age of traffic is not 18 to 100 in 2 of 3 rows" in broken.reason
    assert [exhibit.name for exhibit in exhibits][:1] == ["shift/contract"]
    assert (undeclared.verdict, undeclared.code) == (Verdict.INCONCLUSIVE, "no_contract")


def answered(rows: pa.Table, seed: int = 6) -> pa.Table:
    """The rows with a label, and answers that are better of the young than of the old, the champion's a little worse."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, 2, rows.num_rows)
    chance = np.where(rows.column("age").to_numpy() > 50, 0.7, 0.95)
    right = draw.random(rows.num_rows)
    answers = {"candidate": right < chance, "champion": right < chance - 0.01}
    scores = {role: np.where(hit == (label == 1), 0.9, 0.1) for role, hit in answers.items()}
    for name, column in {"label": label, **scores}.items():
        rows = rows.append_column(name, pa.array(column))
    return rows


SLICES = ["sex", {"name": "old", "where": {"age": {"gt": 50}}}]
ANSWERED = {"label": "label", "scores": {"candidate": "candidate", "champion": "champion"}, "slices": SLICES}


def test_metrics_are_weighted_as_the_traffic_is_mixed() -> None:
    """By hand: the accuracy of each cell of the slices, times the share of the cell in the traffic."""
    rows = adult()
    holdout, traffic = answered(rows.slice(0, 8_000)), older(rows.slice(8_000))
    case = case_of(holdout, traffic, specs={"holdout": ANSWERED})
    require = ["accuracy >= 0.86", "accuracy >= champion - 0.02", "distance <= 0.2 on each feature"]
    (own, beside, *_), _ = ask(case, require, columns=["age"])

    frame, met = holdout.to_pandas(), traffic.to_pandas()
    hits = {role: (frame[role] >= 0.5) == (frame["label"] == 1) for role in ("candidate", "champion")}
    ours, theirs = ([each["sex"], each["age"] > 50] for each in (frame, met))
    shares = met.groupby(theirs).size() / len(met)
    by_hand = {role: float((hit.groupby(ours).mean() * shares).sum()) for role, hit in hits.items()}

    assert own.observed == pytest.approx(by_hand["candidate"], abs=1e-12)
    assert beside.decided is not None
    assert beside.decided.estimate == pytest.approx(by_hand["candidate"] - by_hand["champion"], abs=1e-12)
    assert (own.verdict, beside.verdict) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert hits["candidate"].mean() > 0.89  # which passes 0.86 on the holdout as it is
    assert own.reason == (
        "accuracy is 0.858; at 95 % confidence at least 0.8493: 0.86 not shown; "
        "holdout weighted by sex and old as traffic is mixed, 7,070 effective of 8,000; unweighted it is 0.8969"
    )


def test_a_mix_that_is_known_from_few_requests_is_known_less() -> None:
    """Forty requests say little of the mix: the bound is far wider than that of as many as the holdout has."""
    rows = adult()
    holdout = answered(rows.slice(0, 8_000))
    widths = []
    for count in (40, 8_000):
        case = case_of(holdout, rows.slice(8_000, count), specs={"holdout": {**ANSWERED, "slices": SLICES[1:]}})
        ((finding,), _) = ask(case, ["accuracy >= 0.5"], min_share=0.5)
        assert finding.decided is not None
        widths.append(finding.decided.high - finding.decided.low)
    share = (rows.column("age").to_numpy()[8_000:8_040] > 50).mean()
    expected = 2 * 1.645 * 0.25 * np.sqrt(share * (1 - share) / 40)

    assert widths[0] == pytest.approx(expected, rel=0.15)
    assert widths[1] < widths[0] / 4


def test_cells_that_the_holdout_lacks_leave_a_metric_undecided() -> None:
    """A metric of nobody's rows is no metric of the traffic; below the share it is said."""
    rows = adult()
    holdout, traffic = answered(rows.slice(0, 8_000)), rows.slice(8_000)
    young = holdout.filter(pa.compute.less_equal(holdout["age"], 50))
    (finding,), _ = ask(case_of(young, traffic, specs={"holdout": ANSWERED}), ["accuracy >= 0.5"])

    assert (finding.verdict, finding.code) == (Verdict.INCONCLUSIVE, "uncovered")
    assert "of the traffic is in cells of sex and old that have too few rows" in finding.reason


def test_nothing_measured_is_no_pass() -> None:
    """No traffic, no holdout, and without slices a holdout of nine rows."""
    rows = {"age": np.arange(500.0), "sex": ["f", "m"] * 250}
    none: dict[str, Any] = {"age": pa.array([], pa.float64()), "sex": pa.array([], pa.string())}
    without_traffic, _ = ask(case_of(rows, none))
    without_holdout, _ = ask(case_of(none, rows))
    (few, covered), _ = ask(
        case_of({"age": np.arange(9.0)}, {"age": np.arange(500.0)}),
        ["distance <= 0.9 on each feature", "uncovered_slices <= 0"],
    )

    assert {finding.verdict for finding in (*without_traffic, *without_holdout)} == {Verdict.INCONCLUSIVE}
    assert "9 effective rows; the test needs 30; at most 0.9 is allowed" in few.reason
    assert (covered.verdict, covered.code, covered.slice) == (Verdict.INCONCLUSIVE, "uncovered", {})


def test_many_small_slices_are_no_gap() -> None:
    """None of two hundred has 1 % of the traffic: none is uncovered."""
    rows = {"zip": [f"z{row % 200}" for row in range(4_000)]}
    (finding,), _ = ask(case_of(rows, rows, specs={"holdout": {"slices": ["zip"]}}), ["uncovered_slices <= 0"])

    assert finding.verdict is Verdict.PASS


def test_moments_are_compared_in_their_order() -> None:
    """Days of another month are all new, and named as days."""
    day, month = np.datetime64("2026-01-01"), np.arange(30)
    holdout, traffic = {"at": np.tile(day + month, 20)}, {"at": np.tile(day + 40 + month, 20)}
    (distance, new), _ = ask(
        case_of(holdout, traffic), ["distance <= 0.1 on each feature", "new_value_rate <= 5% on each feature"]
    )

    assert (distance.observed, new.observed) == (1.0, 1.0)
    assert "0 % of traffic are up to 2026-01-30 00:00:00, and 100 % of holdout" in distance.reason
    assert new.reason.endswith("in traffic are below 2026-01-01 00:00:00 or above 2026-01-30 00:00:00")


def test_metrics_of_a_regression_and_of_several_classes_are_weighted_too() -> None:
    """By the same weights: errors of one group alone, which comes three times as often."""
    draw = np.random.default_rng(8)
    old = np.repeat([True, False], [200, 600])
    label = draw.normal(size=800)
    numbers = {"old": old, "label": label, "candidate": label + np.where(old, 1.0, 0.0)}
    spec = {"holdout": {"label": "label", "scores": {"candidate": "candidate"}, "slices": ["old"]}}
    traffic = {"old": np.repeat([True, False], [600, 200])}
    (error,), _ = ask(case_of(numbers, traffic, specs=spec, task="regression"), ["mae <= 0.5"])
    names = {
        "old": old,
        "label": ["a", "b", "c", "a"] * 200,
        "candidate": np.where(old, "c", ["a", "b", "c", "a"] * 200),
    }
    (share,), _ = ask(case_of(names, traffic, specs=spec, task="multiclass"), ["accuracy >= 0.5"])

    assert error.observed == pytest.approx(0.75)
    assert share.observed == pytest.approx(0.75 * 0.25 + 0.25)


def test_tables_can_be_tried_without_a_pipeline() -> None:
    """`run_gate` with traffic: no scores for features, those of the table for metrics."""
    rows = answered(adult())
    holdout, traffic = rows.slice(0, 8_000), older(rows.slice(8_000)).drop_columns(["label", "candidate", "champion"])
    features = holdout.drop_columns(["label", "candidate", "champion"])
    compared = run_gate("shift", table=features, traffic=traffic, require=["distance <= 0.08 on each feature"])
    weighted = run_gate(
        "shift", table=holdout, traffic=traffic, slices=SLICES, require=["accuracy >= champion - 0.02"], columns=["age"]
    )

    assert compared.reason.startswith("distance on feature=age is 0.1441; at 95 % confidence at least 0.1045")
    assert (compared.verdict, weighted.verdict) == (Verdict.FAIL, Verdict.PASS)


def test_inputs_that_one_of_the_two_lacks_are_undecided() -> None:
    """By the signature: whichever of the two data sets does not have them; and what is no input is not compared."""
    rows = {"age": np.arange(100.0), "sex": ["f", "m"] * 50, "note": ["x"] * 100}
    signature = {"inputs": [{"name": name, "type": "double", "required": True} for name in ("age", "sex", "income")]}

    def plan(_: Any, data: TableDataset) -> InputPlan:
        types = dict(zip(data.columns, data.schema.types, strict=True))
        return InputPlanner(types, {}, {}).plan(signature["inputs"])

    holdout, traffic = {**rows, "income": np.arange(100.0)}, {name: rows[name] for name in ("age", "note")}
    for first, second, lacking in ((holdout, traffic, "traffic"), (traffic, holdout, "holdout")):
        case = case_of(first, second)
        case.candidate.facts.signature = signature  # type: ignore[misc]
        object.__setattr__(case, "input_plan", plan)
        findings, _ = ask(case, ["distance <= 0.3 on each feature"])

        assert [(finding.slice["feature"], finding.verdict) for finding in findings if finding.code != "no_column"] == [
            ("age", Verdict.PASS)
        ]
        assert {finding.slice["feature"] for finding in findings if f"{lacking} has no column" in finding.reason} == {
            "sex",
            "income",
        }
