"""What no row showed bounds every bounded metric, and rows that are better or more alike never cost a pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockgate.testing import run_gate

from .test_estimate import ask, people

Table = dict[str, Any]
SHARES = ["accuracy", "recall", "precision", "f1", "auc", "average_precision"]


def carriers(name: str, table: Table, *, clustered: bool) -> int:
    """The rows or clusters that could behave otherwise: of the smaller class where a metric needs both."""
    y = np.asarray(table["y"]) == 1
    groups = {"recall": [y], "auc": [y, ~y], "average_precision": [y, ~y]}.get(name, [np.ones(y.size, bool)])
    if name in ("precision", "f1"):
        decided = [np.asarray(table[role]) >= 0.5 for role in ("candidate", "champion")]
        groups = [each | y if name == "f1" else each for each in decided]
    return min(np.unique(np.asarray(table["user"])[rows]).size if clustered else int(rows.sum()) for rows in groups)


@pytest.mark.parametrize("cluster", [None, "user"])
@pytest.mark.parametrize("right", ["champion - 0.1", "champion * 0.9"])
@pytest.mark.parametrize("name", [*SHARES, "brier"])
def test_no_difference_lies_nearer_than_what_no_unit_showed(name: str, right: str, cluster: str | None) -> None:
    """A breath of noise shows no more than none: 1 − 0.05^(1/m) of the units that carry a metric may do as badly as can be."""
    table = people(400)
    table["champion"] = np.clip(table["candidate"] + np.random.default_rng(1).normal(0, 1e-4, 400), 0, 1)
    line = f"brier <= {right.replace('-', '+').replace('0.9', '1.1')}" if name == "brier" else f"{name} >= {right}"
    one = ask([line], table, cluster=cluster)[0]
    distance = 1 - 0.05 ** (1 / carriers(name, table, clustered=cluster is not None))

    assert one.value is not None
    assert one.low is not None
    assert one.high is not None
    assert one.value - one.low >= distance - 1e-9
    assert one.high - one.value >= distance - 1e-9


@pytest.mark.parametrize(("n", "passes"), [(298, False), (299, True)])
@pytest.mark.parametrize("noise", [0, 1e-9, 1e-5])
def test_a_squared_error_needs_299_rows_for_a_hundredth(n: int, noise: float, passes: bool) -> None:
    """Whatever varies: of 298 rows, one in a hundred stays away once in twenty times."""
    draw = np.random.default_rng(0)
    score = draw.uniform(0.2, 0.8, n)
    table = {
        "y": np.arange(n) % 2,
        "candidate": score + draw.permutation(np.arange(n) % 2 - 0.5) * noise,
        "champion": score,
    }
    one = ask(["brier <= champion + 0.01"], table)[0]

    assert one.p_pass is not None
    assert one.value is not None
    assert (one.p_pass <= 0.05) == passes or abs(one.value) > 1e-6


@pytest.mark.parametrize("line", ["f1 >= 0.98", "accuracy >= 0.98", "accuracy >= champion * 0.98", "brier <= 0.02"])
@pytest.mark.parametrize("cluster", [None, "user"])
def test_fewer_wrong_rows_are_never_worse(line: str, cluster: str | None) -> None:
    """Of 2,000 rows eight wrong ones pass, and so do one and none."""
    y = np.arange(2000) % 2
    ends = list[float]()
    for wrong in range(8, -1, -1):
        right = np.where(y, 0.999, 0.001)
        candidate = right.copy()
        candidate[: wrong * 241 : 241] = 1 - candidate[: wrong * 241 : 241]
        table = {"y": y, "candidate": candidate, "champion": right, "user": np.arange(2000) // 2}
        one = ask([line], table, cluster=cluster)[0]
        assert one.too_few is None
        assert one.p_pass is not None
        assert one.p_pass <= 0.05
        ends.append(one.low or 0.0 if ">=" in line else -(one.high or 1.0))

    assert ends == sorted(ends)


@pytest.mark.parametrize("line", ["auc >= champion - 0.02", "f1 >= champion - 0.02", "brier <= champion + 0.01"])
def test_a_slice_that_is_clearly_better_is_not_too_small(line: str) -> None:
    """Of 308 rows the candidate mends two and is the champion's equal on all others: few rows carry the difference."""
    y = np.arange(308) % 2
    right = np.where(y, 0.9, 0.1)
    champion = right.copy()
    champion[[3, 8]] = 1 - champion[[3, 8]]
    one = ask([line], {"y": y, "candidate": right, "champion": champion})[0]

    assert one.too_few is None
    assert one.p_pass is not None
    assert one.p_pass <= 0.05


def drawn(seed: int, n: int, kind: str) -> Table:
    """Two models that differ by wrong rows, by noise on every row, or strongly on a few."""
    draw = np.random.default_rng(seed)
    y = (draw.random(n) < draw.choice([0.2, 0.5])).astype(int)
    if kind == "wrong rows":
        roles = [np.where(y, 0.9, 0.1) for _ in range(2)]
        for scores in roles:
            some = draw.choice(n, draw.integers(0, 12), replace=False)
            scores[some] = 1 - scores[some]
    else:
        noise, share = (0.03, 1.0) if kind == "noise" else (0.5, 0.05)
        champion = np.clip(0.35 * y + draw.normal(0.3, 0.15, n), 0, 1)
        moved = draw.normal(0, noise, n) * (draw.random(n) < share)
        roles = [np.clip(champion + moved, 0, 1), champion]
    return {"y": y, "candidate": roles[0], "champion": roles[1], "user": np.arange(n) // 2}


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(30, 400), kind=st.sampled_from(["wrong rows", "noise", "few"]),
    change=st.sampled_from(["right", "alike", "more"]), cluster=st.sampled_from([None, None, "user"]),
    margin=st.sampled_from([0.01, 0.03, 0.05, 0.1, 0.2]), limit=st.sampled_from([0.5, 0.7, 0.9, 0.97]),
    share=st.floats(0.05, 1.0),
)  # fmt: skip
def test_a_better_model_never_loses(
    seed: int, n: int, kind: str, change: str, cluster: str | None, margin: float, limit: float, share: float
) -> None:
    """More rows right, more rows as the champion has them, and more rows on which both are right: what passed, passes."""
    table, draw = drawn(seed, n, kind), np.random.default_rng(seed + 1)
    y, candidate, champion = table["y"] == 1, table["candidate"], table["champion"]
    after = {name: values.copy() for name, values in table.items()}
    if change == "more":
        right = np.flatnonzero(((candidate >= 0.5) == y) & ((champion >= 0.5) == y))
        assume(right.size)
        rows = draw.choice(right, max(1, round(share * n)))
        after = {name: np.append(values, values[rows]) for name, values in table.items()}
        after["champion"][n:] = after["candidate"][n:]
        after["user"][n:] = n + np.arange(rows.size)
    else:
        worse = (candidate >= 0.5) != y if change == "right" else np.abs(candidate - y) > np.abs(champion - y)
        chosen = np.flatnonzero(worse & (draw.random(n) < share))
        after["candidate"][chosen] = (1 - candidate if change == "right" else champion)[chosen]
    lines = [
        f"{name} >= {right}" for name in SHARES for right in (f"champion - {margin}", f"champion * {1 - margin}", limit)
    ]
    lines += [f"brier <= {right}" for right in (f"champion + {margin}", f"champion * {1 + margin}", 1 - limit)]
    for line, first, second in zip(
        lines, ask(lines, table, cluster=cluster), ask(lines, after, cluster=cluster), strict=True
    ):
        if first.p_pass is None or second.p_pass is None or first.value is None or second.value is None:
            continue
        if first.too_few or second.too_few:
            continue
        # Rows on which both are right draw a difference towards nothing, also where the candidate is the better one.
        if change == "more" and (second.value < first.value) == (">=" in line) and second.value != first.value:
            continue
        assert first.p_pass > 0.05 or second.p_pass <= 0.05, (line, first, second)


@pytest.mark.parametrize("line", ["brier <= champion + 0.01", "accuracy >= champion - 0.01"])
@pytest.mark.parametrize("cluster", [None, "user"])
def test_the_rows_that_are_said_to_be_needed_are_enough(line: str, cluster: str | None) -> None:
    """Of models that are alike on these: 299 rows, or clusters, for a hundredth."""

    def alike(n: int) -> Any:
        scores = np.random.default_rng(0).random(n)
        table = {"label": np.arange(n) % 2, "candidate": scores, "champion": scores, "user": np.arange(n) // 2}
        result = run_gate("metrics", table=table, require=[line], task="binary", threshold=0.5, cluster=cluster)
        return result.findings[0]

    first = alike(60)
    assert first.rows_needed is not None
    assert alike(first.rows_needed + 1).verdict.value == "pass"  # one more makes clusters whole
    assert first.rows_needed == (299 if cluster is None else 597)
    assert alike(first.rows_needed - 4).verdict.value == "inconclusive"


@pytest.mark.parametrize(
    ("line", "end"),
    [("brier <= {}", "high"), ("f1 >= {}", "low"), ("auc >= {}", "low"), ("brier <= champion + {}", "high")],
)
@pytest.mark.parametrize("wrong", [1, 3, 30])
def test_a_line_passes_exactly_where_its_end_meets_the_limit(line: str, end: str, wrong: int) -> None:
    """Whether few rows or many are wrong."""
    label = np.arange(400) % 2
    scores = np.where((np.arange(400) < wrong) == (label == 1), 0.1, 0.9)
    table = {"y": label, "candidate": scores, "champion": np.where(label == 1, 0.9, 0.1)}
    limit = getattr(ask([line.format(0.5)], table)[0], end)
    inside = 1e-6 if end == "high" else -1e-6

    for step, passes in ((inside, True), (-inside, False)):
        p_pass = ask([line.format(f"{limit + step:.12f}")], table)[0].p_pass
        assert p_pass is not None
        assert (p_pass <= 0.05) is passes
