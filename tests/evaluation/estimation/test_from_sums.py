"""Sums by slice are those of the rows: what is fast says what is slow."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SliceSpec
from lockgate.evaluation.estimation import calibration_sums, segment_sums, slice_rank_sums
from lockgate.evaluation.estimation import from_sums as sliced
from lockgate.evaluation.estimation import in_memory_sums as tally
from lockgate.evaluation.estimation import rank_sums as ranked
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.metrics.catalog import METRICS, of_lines
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.grammar import parse
from lockgate.stats.influence import Sums

LINES = [
    f"{name} {op} {limit}"
    for name, op, limits in (
        ("auc", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("average_precision", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("log_loss", "<=", ("0.6", "champion + 0.05", "champion * 1.1")),
        ("brier", "<=", ("0.2", "champion + 0.05", "champion * 1.1")),
        ("accuracy", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("recall", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("precision", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("f1", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("balanced_accuracy", ">=", ("0.6", "champion - 0.05", "champion * 0.9")),
        ("mcc", ">=", ("0.2", "champion - 0.05")),
        ("kappa", ">=", ("0.2", "champion - 0.05")),
        ("positive_rate", "<=", ("0.6", "champion + 0.05", "champion * 1.1")),
        ("false_positive_rate", "<=", ("0.6", "champion + 0.05", "champion * 1.1")),
        ("recall(threshold=0.3)", ">=", ("0.6", "champion - 0.05")),
    )
    for limit in limits
]
CALIBRATED = ("<=", 0.1)
LINES += ["calibration_error <= 0.1"]
SCOPES = ["", " on each slice", " on geo=v0", " on geo=v1 & wide=v2"]


class Table:
    """Rows for `estimate`, made of arrays."""

    weights = None
    clusters = None

    def __init__(
        self, labels: NDArray[np.bool_], candidate: NDArray[Any], champion: NDArray[Any] | None, codes: dict[str, Any]
    ) -> None:
        self.rows, self.labels, self.candidate, self.champion = labels.size, labels, candidate, champion
        self._codes = codes
        self.slices = tuple(
            Slice.from_spec(
                SliceSpec.model_validate(
                    {"column": name, "values": ["v0", "nobody"]} if name == "geo" else {"column": name}
                )
            )
            for name in codes
        )

    def cut(self, _: str, threshold: float | None) -> float | None:
        return threshold

    def codes(self, name: str) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        return self._codes[name]


def codes(draw: np.random.Generator, rows: int, many: int) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Uneven slices, the last one without a row."""
    share = np.sort(draw.random(many))[::-1] ** 3 + 1e-3
    found = draw.choice(many, rows, p=share / share.sum())
    return (*(f"v{place}" for place in range(many)), "nobody"), found.astype(np.int32)


def table(seed: int, rows: int, *, kind: str, prevalence: float) -> Table:
    """Two models that agree, mostly; kind: how their scores look."""
    draw = np.random.default_rng(seed)
    labels = draw.random(rows) < prevalence
    first = np.clip(0.3 * labels + draw.normal(0.4, 0.2, rows), 0, 1)
    second = np.clip(first + draw.normal(0, 0.05, rows), 0, 1)
    known = {"geo": codes(draw, rows, 3), "wide": codes(draw, rows, 12), "pair": codes(draw, rows, 2)}
    if kind == "float32":
        first, second = first.astype(np.float32).astype(float), second.astype(np.float32).astype(float)
    elif kind == "tied":
        first, second = first.round(1), second.round(1)
    elif kind == "constant":
        first = np.full(rows, 0.3)
    elif kind == "identical":
        second = first
    elif kind == "constant by slice":
        first = known["geo"][1] / 7 + 0.1 * labels
    elif kind == "ranks":
        first, second = first * 20 - 7, second * -3e30
        first[::7] = -0.0
        first[3::7] = 0.0
    return Table(labels, first, second, known)


@pytest.mark.parametrize("limit", ["0.6", "champion + 0.05"])
def test_clipped_rows_are_counted_by_slice(limit: str) -> None:
    """Of both models where both are compared; another clip beside it is another loss, and an even score is not clipped."""
    rows = table(3, 400, kind="tied", prevalence=0.5)
    lines = [f"{name} <= {limit} on each slice" for name in ("log_loss", "log_loss(clip=0.1)", "log_loss(0.3)")]
    asked = [(f"r{place}", parse(line)) for place, line in enumerate(lines)]
    metrics = of_lines(line for _, line in asked)
    fast = estimate(rows, asked, metrics, threshold={})
    slow = estimate(rows, asked, {name: replace(each, sums=None) for name, each in metrics.items()}, threshold={})

    assert [one.detail for one in fast] == [one.detail for one in slow]
    assert [one.candidate for one in fast] == pytest.approx([one.candidate for one in slow], nan_ok=True)
    own = np.where(rows.labels, rows.candidate, 1 - rows.candidate)
    inside = {slice.name: rows.codes(slice.name)[1] for slice in rows.slices}
    for one in fast:
        [(name, label)] = one.slice
        if one.rows:
            members = inside[name] == rows.codes(name)[0].index(label)
            assert one.detail["clipped"] == (own[members] < float(one.detail["clip"])).sum()
            assert ("champion_clipped" in one.detail) == limit.startswith("champion")


def slow() -> dict[str, Metric]:
    """The same metrics, which no engine sums up."""
    return {name: replace(metric, sums=None) for name, metric in METRICS.items()}


def both(
    rows: Any, lines: list[str], *, claim: Any = None, **more: Any
) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...]]:
    asked = [(f"r{place}", replace(parse(line), claim=claim)) for place, line in enumerate(lines)]
    threshold = {"candidate": 0.5, "champion": 0.45}
    return (
        estimate(rows, asked, METRICS, threshold=threshold, **more),
        estimate(rows, asked, slow(), threshold=threshold),
    )


FIELDS = tuple(field.name for field in fields(Estimate) if field.compare)


def near(found: Any, wanted: Any, *, rel: float, least: float) -> bool:
    """As pytest.approx says it, of two numbers or of as many; it would take a third of this file's time."""
    if isinstance(wanted, tuple):
        return len(found) == len(wanted) and all(
            near(one, other, rel=rel, least=least) for one, other in zip(found, wanted, strict=True)
        )
    if found == wanted or found is None or wanted is None or not math.isfinite(wanted):
        return bool(found == wanted)
    return bool(abs(found - wanted) <= max(rel * abs(wanted), least))


def assert_close(fast: Estimate, exact: Estimate) -> None:
    """All fields alike; numbers to 1e-9 of their size, or of the value's where they are sums to nothing.

    Fewer than five rows may differ by next to nothing, of which rounding is a larger part.
    """
    few = exact.n_eff is not None and exact.n_eff < 5
    least = 1e-8 if exact.required == CALIBRATED else 1e-12  # the root of next to nothing
    for name in FIELDS:
        found, wanted = getattr(fast, name), getattr(exact, name)
        if name in ("p_pass", "p_fail") and None not in (found, wanted):
            # A value on its limit lies above or below it by the last digit; one half and one both show nothing.
            found, wanted = min(found, 0.5), min(wanted, 0.5)
        if wanted is not None and (isinstance(wanted, float) or name == "interval"):
            assert near(found, wanted, rel=1e-5 if few else 1e-9, least=least), (name, fast, exact)
        elif name == "detail":
            assert found.keys() == wanted.keys(), (fast, exact)
            for key, value in wanted.items():
                assert near(float(found[key]), float(value), rel=1e-9, least=1e-12), (key, fast, exact)
        else:
            assert found == wanted, (name, fast, exact)


KINDS = ["float64", "float32", "tied", "constant", "identical", "constant by slice", "ranks"]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000), rows=st.integers(1, 700), kind=st.sampled_from(KINDS),
    prevalence=st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.95, 1.0]),
)  # fmt: skip
def test_sums_say_what_rows_say(seed: int, rows: int, kind: str, prevalence: float) -> None:
    """With ties, slices of one class or no rows, constant scores and such outside 0 to 1, by every method."""
    lines = [line + scope for line in LINES for scope in SCOPES]
    for fast, exact in zip(*both(table(seed, rows, kind=kind, prevalence=prevalence), lines), strict=True):
        assert_close(fast, exact)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 300), kind=st.sampled_from(KINDS))
def test_points_are_those_of_the_rows(seed: int, rows: int, kind: str) -> None:
    """Where no line asks for more than two numbers, fewer sums are made."""
    lines = [line + scope for line in LINES for scope in SCOPES]
    for fast, exact in zip(*both(table(seed, rows, kind=kind, prevalence=0.3), lines, claim="point"), strict=True):
        assert_close(fast, exact)


@pytest.mark.parametrize("line", ["auc >= champion - 0.1", "calibration_error <= 0.1", "brier <= champion + 0.05"])
def test_one_line_is_answered_as_among_others(line: str) -> None:
    """Only what it needs is summed."""
    lines = [line + scope for scope in SCOPES]
    for fast, exact in zip(*both(table(3, 400, kind="float64", prevalence=0.3), lines), strict=True):
        assert_close(fast, exact)


@pytest.mark.parametrize("kind", ["float64", "float32", "tied", "ranks"])
def test_threads_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in many blocks, on one thread or three, give the same bits, and those of the rows."""
    monkeypatch.setattr(tally, "_FEW_ROWS", 1000)
    for module in (tally, ranked, calibration_sums, segment_sums, slice_rank_sums):
        monkeypatch.setattr(module, "BLOCK", 1 << 10)
    monkeypatch.setattr(ranked, "_RUNS", 1 << 8)
    rows = table(5, 30_000, kind=kind, prevalence=0.2)
    lines = [line + scope for line in LINES[::4] for scope in SCOPES[:2]]
    one, exact = both(rows, lines, threads=1)
    three, _ = both(rows, lines, threads=3)

    assert one == three
    for fast, slow in zip(one, exact, strict=True):
        assert_close(fast, slow)


def test_rows_without_a_champion_are_summed_too() -> None:
    """Absolute lines need one model."""
    rows = table(1, 500, kind="float64", prevalence=0.3)
    rows.champion = None
    lines = [line + scope for line in LINES if "champion" not in line for scope in SCOPES]
    for fast, exact in zip(*both(rows, lines), strict=True):
        assert_close(fast, exact)


def test_a_score_that_is_missing_is_left_to_the_metric() -> None:
    """One NaN, and nothing is summed."""
    rows = table(1, 500, kind="float64", prevalence=0.3)
    rows.candidate[3] = np.nan
    asked = [((0, 0), parse("auc >= 0.5"))]

    engine = tally.InMemoryEngine(rows, {}, threads=1)
    assert not sliced.SummedMetrics(engine, asked, METRICS, threshold={}).covers(asked[0][1])


def test_a_sum_of_fourth_powers_that_rounds_below_zero_has_no_complex_root() -> None:
    """Parts of slices are pooled by differences, which may leave a little less than nothing."""
    found = sliced._summary(0.3, Sums(1e-30, 0.0, -1e-40), 100, units=100)

    assert (found.size, found.error.se) == (0.3, 0.0)
