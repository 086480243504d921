"""From scored rows to estimates: which slices, which test, and what is said where nothing varies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.estimation.estimate import Estimate, counted, estimate
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.stats.effective_size import unseen_number


def scored(table: dict[str, Any], *, task: Any = "binary", **spec: Any) -> Scored:
    given = {"path": "table", "label": "y", **spec}
    return Scored.from_table(pa.table(table), DatasetSpec.model_validate(given), task=task, positive=1)


def ask(lines: list[str], table: dict[str, Any], *, task: Any = "binary", **spec: Any) -> tuple[Estimate, ...]:
    asked = [(f"r{place}", parse(line)) for place, line in enumerate(lines, start=1)]
    threshold = {"candidate": 0.5, "champion": 0.5}
    return estimate(scored(table, task=task, **spec), asked, METRICS, threshold=threshold)


def people(n: int = 400, *, seed: int = 0) -> dict[str, Any]:
    """Two similar models on people of three countries."""
    draw = np.random.default_rng(seed)
    y = draw.random(n) < 0.4
    candidate = np.clip(0.35 * y + draw.normal(0.3, 0.15, n), 0, 1)
    return {
        "y": y.astype(int),
        "candidate": candidate,
        "champion": np.clip(candidate + draw.normal(0, 0.05, n), 0, 1),
        "geo": draw.choice(["BR", "EU", "US"], n),
        "amount": draw.uniform(-5, 25, n),
        "user": draw.integers(0, n // 8, n),
        "w": draw.choice([0.5, 2.0], n),
    }


SLICES = [
    "geo",
    {"name": "declared", "column": "geo", "values": ["US", "LU"]},
    {"name": "band", "column": "amount", "bins": [0, 10, 20]},
    {"name": "risky", "where": {"amount": {"gt": 20}, "geo": "BR"}},
]


def keys(found: tuple[Estimate, ...], name: str) -> list[str]:
    return ["&".join(f"{column}={value}" for column, value in one.slice) for one in found if one.requirement == name]


def test_each_scope_names_its_slices() -> None:
    """In the order of requirements, then of declarations; rows outside declared values and `false` are not judged."""
    lines = [
        "auc >= 0.5", "auc >= 0.5 on each slice", "auc >= 0.5 on each geo", "auc >= 0.5 on slice risky",
        "auc >= 0.5 on geo=BR & declared=US", "auc >= 0.5 on geo=BR",
    ]  # fmt: skip
    found = ask(lines, people(), slices=SLICES)

    assert [keys(found, f"r{number}") for number in range(1, 7)] == [
        [""],
        [
            "geo=BR", "geo=EU", "geo=US", "declared=US", "declared=LU", "band=(-inf,0)", "band=[0,10)", "band=[10,20)",
            "band=[20,inf)", "risky=true",
        ],
        ["geo=BR", "geo=EU", "geo=US"],
        ["risky=true"],
        ["geo=BR&declared=US"],
        ["geo=BR"],
    ]  # fmt: skip


def test_a_slice_is_estimated_on_exactly_its_rows() -> None:
    """Value, rows and positives are those of the rows alone, as if nothing else were in the table."""
    table = people()
    mine = table["geo"] == "BR"
    alone = ask(["auc >= champion - 0.1"], {name: column[mine] for name, column in table.items()})[0]
    sliced = ask(["auc >= champion - 0.1 on geo=BR"], table, slices=["geo"])[0]
    fields = ["rows", "positives", "candidate", "champion", "value", "low", "high", "p_pass", "p_fail", "se", "n_eff"]

    found, wanted = ([getattr(one, name) for name in fields] for one in (sliced, alone))
    assert found == pytest.approx(wanted, rel=1e-12)


def test_a_declared_value_without_rows_is_an_estimate_without_a_value() -> None:
    """It is never left out in silence."""
    lacking = ask(["accuracy >= 0.5 on declared=LU"], people(), slices=SLICES)[0]

    assert (lacking.rows, lacking.value, lacking.p_pass, lacking.problem) == (
        0, None, None, ("no_rows", "there are no rows"),
    )  # fmt: skip


def test_an_empty_table_estimates_nothing() -> None:
    """Zero rows: a problem, no value, no p-values."""
    table = {name: column[:0] for name, column in people().items()}
    found = ask(["auc >= 0.5", "auc >= champion - 0.1 on declared=US"], table, slices=SLICES)

    assert [(one.value, one.p_pass, one.problem and one.problem[0]) for one in found] == [(None, None, "no_rows")] * 2


METHODS = [
    ("accuracy >= 0.5", {}, "clopper-pearson"),
    ("accuracy >= 0.5", {"weight": "w"}, "clopper-pearson, effective rows"),
    ("f1 >= 0.5", {"weight": "w"}, "influence, t, logit"),
    ("recall >= 0.5", {"cluster": "user"}, "influence, t, logit, by cluster"),
    ("f1 >= 0.5", {}, "influence, t, logit"),
    ("auc >= 0.5", {}, "delong, t, logit"),
    ("log_loss <= 0.9", {}, "influence, t, skew-corrected"),
    ("accuracy >= champion - 0.1", {}, "tango score"),
    ("accuracy >= champion * 0.9", {}, "influence paired, t"),
    ("accuracy >= champion - 0.1", {"weight": "w"}, "tango score, effective rows"),
    ("accuracy >= champion - 0.1", {"cluster": "user"}, "influence paired, t, by cluster"),
    ("precision >= champion - 0.1", {}, "influence paired, t"),
    ("auc >= champion - 0.1", {}, "delong paired, t"),
    ("brier <= champion + 0.1", {}, "influence paired, t, skew-corrected"),
]


@pytest.mark.parametrize(("line", "spec", "method"), METHODS)
def test_the_method_is_said(line: str, spec: dict[str, Any], method: str) -> None:
    """Exact shares and Tango only where rows are independent; of effective rows where they weigh unlike."""
    assert ask([line], people(), **spec)[0].method == method


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(30, 300), limit=st.floats(0.02, 0.98), margin=st.floats(0.001, 0.3),
    name=st.sampled_from(["accuracy", "recall", "precision", "f1", "auc", "average_precision", "log_loss", "brier"]),
    spec=st.sampled_from([{}, {"weight": "w"}, {"cluster": "user"}]),
    relative=st.sampled_from(["", "-", "*"]),
)  # fmt: skip
def test_the_decisive_end_and_the_two_p_values_agree(
    seed: int, n: int, limit: float, margin: float, name: str, spec: dict[str, str], relative: str
) -> None:
    """A claim holds exactly where the interval's decisive end meets what is required, by every method."""
    lower = name in ("log_loss", "brier")
    op = "<=" if lower else ">="
    right = {"": limit, "-": f"champion {'+' if lower else '-'} {margin:.4f}", "*": f"champion * {1 + margin:.4f}"}
    one = ask([f"{name} {op} {right[relative]}"], people(n, seed=seed), **spec)[0]
    if one.value is None or one.p_pass is None or one.p_fail is None or one.low is None or one.high is None:
        return
    null = one.required[1]
    decisive, other = (one.high, one.low) if lower else (one.low, one.high)
    assert one.low <= one.value + 1e-9
    assert one.value <= one.high + 1e-9
    if abs(decisive - null) > 1e-9:
        assert (one.p_pass <= 0.05) == ((decisive <= null) if lower else (decisive >= null))
    if abs(other - null) > 1e-9:
        assert (one.p_fail <= 0.05) == ((other > null) if lower else (other < null))


CONSTANT: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("mae <= 0.3", "regression", {"candidate": 0.1}, 0.0),
    ("rmse <= 0.3", "regression", {"candidate": 0.1}, 0.0),
    ("mae <= champion + 0.01", "regression", {"candidate": 0.1, "champion": 0.2}, 0.0),
]


@pytest.mark.parametrize(("line", "task", "scores", "label"), CONSTANT)
@pytest.mark.parametrize(("n", "passes"), [(6, False), (58, False), (60, True), (600, True)])
def test_rows_that_do_not_vary_prove_only_what_59_rows_prove(
    line: str, task: Any, scores: dict[str, float], label: Any, n: int, passes: bool
) -> None:
    """The same error on every row is no proof from six rows, whatever the last digits of a float say.

    59 equal rows show with 95 % confidence that 95 % of all rows are like them; below that nothing bounds the value.
    """
    y = np.arange(n) % 2 if label is None else np.full(n, label)
    one = ask([line], {"y": y, **{role: np.full(n, value) for role, value in scores.items()}}, task=task)[0]

    assert one.method in ("the same on every row, approximate", "identical on every row, approximate")
    assert one.p_pass is not None
    assert (one.p_pass <= 0.05) == passes
    assert (one.high == one.value) == passes
    assert passes or (one.low in (-math.inf, 0.0) and one.high == math.inf)  # no loss is below 0


def perfect(n: int, positives: int, **more: Any) -> dict[str, Any]:
    y = (np.arange(n) < positives).astype(int)
    return {"y": y, "candidate": y * 0.8 + 0.1, "champion": y * 0.8 + 0.1, **more}


@pytest.mark.parametrize(
    ("line", "spec", "units"),
    [
        ("f1 >= 0.9", {}, 20),
        ("recall >= 0.9", {"weight": "w"}, 20),
        ("precision >= 0.9", {"weight": "w"}, 20),
        ("recall >= 0.9", {"cluster": "user"}, 2),
        ("accuracy >= 0.9", {"cluster": "user"}, 100),
        ("accuracy >= 0.9", {"weight": "w"}, 1000),
        ("auc >= 0.9", {}, 20),
        ("f1 >= champion - 0.1", {}, 20),
        ("auc >= champion - 0.1", {}, 20),
    ],
)
def test_a_perfect_value_is_bounded_by_the_rows_that_carry_it(line: str, spec: dict[str, str], units: int) -> None:
    """Twenty positives found without a miss bound the recall at 0.05^(1/20), though there are a thousand rows."""
    table = perfect(1000, 20, w=np.ones(1000), user=np.arange(1000) // 10)
    one = ask([line], table, **spec)[0]
    bound = 0.05 ** (1 / units)

    assert one.low is not None
    assert one.low == pytest.approx(bound if one.on == "value" else bound - 1, abs=1e-12)
    assert one.n_eff == units


@pytest.mark.parametrize("weight", [None, "w"])
def test_rows_that_no_draw_showed_bring_as_much_as_a_row_can(weight: str | None) -> None:
    """A squared error of 0.25 in each of 60 rows: a share of 1 − 0.05^(1/60) could move it by as much as the metric is wide."""
    w = np.where(np.arange(60) < 30, 2.0, 1.0)
    one = ask(["brier <= 0.3"], {"y": np.arange(60) % 2, "candidate": np.full(60, 0.5), "w": w}, weight=weight)[0]
    units = 60 if weight is None else unseen_number(w)

    assert one.high == pytest.approx(0.25 + 1 - 0.05 ** (1 / units))
    assert one.low == pytest.approx(0.25 - 1 + 0.05 ** (1 / units))


def test_models_that_answer_alike_differ_on_few_rows_at_most() -> None:
    """Equal scores on n positives and n negatives leave a share of 1 − 0.05^(1/n) where they could differ."""
    table = perfect(300, 100)
    table["candidate"] = table["champion"] = np.random.default_rng(0).random(300)
    one = ask(["auc >= champion - 0.05"], table)[0]

    assert (one.value, one.method) == (0.0, "identical on every row, exact")
    assert one.low == pytest.approx(-(1 - 0.05**0.01))


def test_a_single_cluster_decides_nothing() -> None:
    """Rows of one user are one observation."""
    table = people() | {"user": np.zeros(400, dtype=int)}
    for line in ("accuracy >= 0.01", "auc >= champion - 0.9"):
        one = ask([line], table, cluster="user")[0]
        assert (one.p_pass, one.p_fail) == (1.0, 1.0)
        assert one.too_few == "1 clusters; the test needs 10"


def test_fewer_than_ten_of_a_class_are_too_few_for_a_ranking() -> None:
    """Nine positives among a thousand rows: the floor says so, and names the class."""
    assert ask(["auc >= 0.5"], people() | {"y": (np.arange(400) < 9).astype(int)})[0].too_few == (
        "9 positive rows; the test needs 10"
    )
    assert ask(["auc >= 0.5"], people() | {"y": (np.arange(400) >= 9).astype(int)})[0].too_few == (
        "9 negative rows; the test needs 10"
    )


def test_a_point_claim_has_a_value_and_no_bounds() -> None:
    """No p-values: there is no error rate to keep."""
    from lockgate.evaluation.requirements.grammar import from_mapping

    asked = [("r1", from_mapping({"metric": "auc", "at_least": "champion - 0.1", "claim": "point"}))]
    one = estimate(scored(people()), asked, METRICS, threshold={})[0]

    assert one.value == pytest.approx((one.candidate or 0) - (one.champion or 0))
    assert (one.low, one.high, one.p_pass, one.p_fail, one.method) == (None, None, None, None, "point")


def test_confidence_moves_the_bound() -> None:
    """A line's own confidence is one-sided; its interval is the two-sided one at 2·confidence − 1."""
    from lockgate.evaluation.requirements.grammar import from_mapping

    def low(confidence: float) -> float:
        line = from_mapping({"metric": "accuracy", "at_least": 0.5, "confidence": confidence})
        found = estimate(scored(people()), [("r1", line)], METRICS, threshold={"candidate": 0.5})[0].low
        assert found is not None
        return found

    assert low(0.99) < low(0.95) < low(0.9)


def test_what_was_counted_is_exact() -> None:
    """Estimate, low and high are the count; zero units count nothing, and say so."""
    line = parse("errors <= champion + 2")
    three = counted("r1", line, value=3, units=10, champion=2.0)
    none = counted("r1", line, value=0, units=0)

    assert (three.value, three.low, three.high, three.required, three.limit) == (3.0, 3.0, 3.0, ("<=", 4.0), 4.0)
    assert (none.value, none.low, none.problem) == (None, None, ("nothing_counted", "nothing was there to be counted"))


@pytest.mark.parametrize("line", ["mae <= 0.2", "rmse <= 0.2", "mae <= champion + 0.1"])
@pytest.mark.parametrize("rows", [2, 3, 5, 8])
def test_a_handful_of_rows_shows_nothing_of_rows_that_may_be_anything(line: str, rows: int) -> None:
    """Where one row in ten is lost by far, eight are all near in two samples of five: no pass, and no fail, rests on that."""
    near = 0.1 + 0.01 * np.random.default_rng(1).normal(size=rows)
    for scores in (near, near + 5):
        table = {"y": np.zeros(rows), "candidate": scores, "champion": near[::-1].copy()}
        assert ask([line], table, task="regression")[0].too_few is not None


@pytest.mark.parametrize("line", ["mae <= 0.5", "mae <= champion + 0.5", "rmse <= 0.9"])
def test_one_row_that_carries_the_variance_shows_what_rows_ten_times_as_bad_would_leave(line: str) -> None:
    """Where nothing bounds a loss, ends are far away and no number of fifty digits; of what has a largest loss, that stands."""
    draw = np.random.default_rng(0)
    scores = np.where(np.arange(300) == 0, 12.0, 0.1 + draw.normal(0, 1e-3, 300))
    table = {"y": np.zeros(300), "candidate": scores, "champion": np.full(300, 0.1)}
    one = ask([line], table, task="regression")[0]

    assert 1 < (one.n_eff or 0) < 2
    worst = 12.0 if "rmse" not in line else 144.0
    farthest = (10 * worst * 9 / 300) ** (1.0 if "rmse" not in line else 0.5)  # nine of 300 rows may not have come
    assert one.high is not None
    assert 0.5 < one.high < farthest
    assert one.p_pass > 0.05
    assert one.too_few is None
    assert one.method.endswith("score, approximate")
    chance = {
        "y": np.ones(300, int),
        "candidate": np.where(scores > 1, 1e-12, 1 - scores),
        "champion": np.full(300, 0.9),
    }
    bounded = ask([line.replace("mae", "log_loss").replace("rmse", "log_loss")], chance)[0]
    assert bounded.high is not None
    assert bounded.high < 1  # of at most 13.8, which one row in three hundred can bring
