"""A bar shows where an interval lies, on the scale of its table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.report_evidence import EMPTY, finding
from lockgate.evidence.finding import Decided, Finding
from lockgate.reports.interval_bars import WIDTH, bars

numbers = st.floats(-1e6, 1e6) | st.floats(-1e300, 1e300) | st.just(float("inf"))


def on(estimate: float | None, low: float | None, high: float | None, limit: float = 0.0) -> Finding:
    return finding(
        decided=Decided("difference", "not_worse", estimate, low, high, (">=", limit), 0.95, None, None, "m")
    )


def test_a_table_of_bars_has_one_scale() -> None:
    """The limit stands in one column, and a longer interval is a longer line."""
    assert bars([on(-3, -4, -2), on(1, -1, 3), on(0, -0.5, 0.5)]) == [
        "·───●───····│··········",
        "··········──│──●──────·",
        "···········─○──········",
    ]


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (on(1, None, None), "·│···················●·"),
        (on(1, None, 2), "─│─────────●──────────·"),
        (on(1, 0.5, None), "·│·········──────────●─"),
        (on(0, 0, 0), "···········○···········"),
        (on(None, None, None), ""),
        (EMPTY, ""),
    ],
)
def test_what_is_not_known_is_not_drawn(one: Finding, shown: str) -> None:
    """An open end reaches the edge; without a number there is no bar."""
    assert bars([one])[0] == shown


def test_one_wide_interval_does_not_squeeze_the_others() -> None:
    """It reaches both edges, and a narrow one beside it still has a length."""
    wide, narrow = bars([on(0.1, -900, 900), on(-1, -1.3, -0.7)])

    assert (wide[0], wide[-1]) == ("─", "─")
    assert narrow.count("─") >= 3


@given(st.lists(st.tuples(numbers, numbers, numbers, st.floats(-1e6, 1e6)), min_size=1, max_size=5))
def test_every_bar_has_one_limit_and_one_measured_number(rows: list[tuple[float, float, float, float]]) -> None:
    """Whatever the numbers: the same width, and each sign where its number lies among the others."""
    given_ = [on(estimate, *sorted((low, high)), limit) for estimate, low, high, limit in rows]
    for one, bar in zip(given_, bars(given_), strict=True):
        if one.decided is not None and one.decided.estimate in (float("inf"), float("-inf")):
            assert bar == ""
            continue
        assert len(bar) == WIDTH
        assert bar.count("○") == 1 or (bar.count("●"), bar.count("│")) == (1, 1)
        assert one.decided is not None
        assert one.decided.estimate is not None
        if "●" in bar:
            assert (bar.index("●") < bar.index("│")) == (one.decided.estimate < one.decided.required[1])


def test_the_interval_of_a_ratio_is_drawn_around_it() -> None:
    """The dot lies inside its line."""
    one = finding()
    assert one.decided is not None
    shown = bars(
        [replace(one, decided=replace(one.decided, on="ratio", estimate=1.5, low=1.4, high=1.6, required=("<=", 1.1)))]
    )

    assert shown == ["·│···········────●────·"]
