"""Small slices pooled into one: by counts alone, listed, and never those that somebody named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.scoring.merge_small_slices import pool_small_slices
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

COUNTRIES = {"US": 1200, "BR": 900, "LU": 40, "MT": 30, "CY": 25}


def table(counts: dict[str, int] | None = None, *, seed: int = 0) -> dict[str, Any]:
    """Rows of countries, in random order, with scores that are better than chance."""
    draw = np.random.default_rng(seed)
    country = draw.permutation(np.repeat(list(counts or COUNTRIES), list((counts or COUNTRIES).values())))
    label = (draw.random(country.size) < 0.4).astype(int)
    score = np.clip(0.5 + 0.35 * (label - 0.5) + draw.normal(0, 0.2, country.size), 0, 1)
    return {"label": label, "candidate": score, "country": country, "age": draw.integers(18, 80, country.size)}


def scored(rows: dict[str, Any], *slices: Any) -> Scored:
    spec = DatasetSpec.model_validate({"path": "t", "label": "label", "slices": slices})
    return Scored.from_table(pa.table(rows), spec, task="binary", positive=1)


def test_small_slices_are_one_slice_that_lists_its_members() -> None:
    """In the finding's detail and in its sentence."""
    result = run_gate(
        "metrics", table=table(), slices=["country"], require=["accuracy >= 0.5 on each slice"],
        small_slices={"min_rows": 80, "below": "merge"},
    )  # fmt: skip
    found = {one.slice["country"]: one for one in result.findings}

    assert list(found) == ["BR", "US", "other"]
    assert result.verdict is Verdict.PASS
    assert found["other"].id == "metrics/r1/country=other"
    assert found["other"].rows == 95
    assert found["other"].detail["members"] == ["CY", "LU", "MT"]
    assert found["other"].detail["member_rows"] == [25, 40, 30]
    assert found["other"].reason.endswith("(other pools small slices, with their rows: LU 40, MT 30, CY 25)")
    assert "members" not in found["US"].detail


def test_a_pool_that_is_still_small_is_inconclusive() -> None:
    """As with block; nothing passes for lack of rows."""
    result = run_gate(
        "metrics", table=table(), slices=["country"], require=["accuracy >= 0.5 on each slice"],
        small_slices={"min_rows": 500, "below": "merge"},
    )  # fmt: skip
    other = next(one for one in result.findings if one.slice == {"country": "other"})

    assert (other.verdict, other.code) == (Verdict.INCONCLUSIVE, "too_small")
    assert "95 rows; 500 are required" in other.reason
    assert "LU 40" in other.reason


def test_positives_count_as_well_as_rows() -> None:
    """A large slice with few positives is small."""
    rows = table()
    rows["label"] = np.where(rows["country"] == "BR", np.arange(rows["label"].size) % 300 == 0, rows["label"])
    view, pools = pool_small_slices(scored(rows, "country"), SmallSlices(min_positives=20, below="merge"))

    assert [pool.members for pool in pools] == [("BR", "CY", "LU", "MT")]
    assert view.codes("country")[0][-1] == "other"


def test_without_numbers_the_floors_of_the_tests_say_what_is_small() -> None:
    """Nine rows of a class can show nothing whatever they hold."""
    rows = table({"US": 1000, "LU": 12, "MT": 8})
    _, pools = pool_small_slices(scored(rows, "country"), SmallSlices(below="merge"))

    assert [pool.members for pool in pools] == [("LU", "MT")]


def test_declared_values_and_where_slices_never_merge() -> None:
    """Who named a slice is told about that slice."""
    slices = [
        {"column": "country", "values": ["US", "LU", "MT"]},
        {"name": "cyprus", "where": {"country": "CY"}},
        {"name": "band", "column": "age", "bins": [18, 19, 80]},
    ]
    result = run_gate(
        "metrics", table=table(), slices=slices, require=["accuracy >= 0.5 on each slice"],
        small_slices={"min_rows": 200, "below": "merge"},
    )  # fmt: skip
    codes = {"&".join(f"{name}={value}" for name, value in one.slice.items()): one.code for one in result.findings}

    assert codes == {
        "country=US": "met",
        "country=LU": "too_small",
        "country=MT": "too_small",
        "cyprus=true": "too_small",
        "band=[19,80)": "met",
        "band=other": "too_small",
    }


def test_a_cell_that_a_line_names_is_judged_on_its_own_rows() -> None:
    """It was named, whatever is pooled elsewhere."""
    result = run_gate(
        "metrics", table=table(), slices=["country"],
        require=["accuracy >= 0.5 on country=LU", "accuracy >= 0.5 on each slice"],
        small_slices={"min_rows": 80, "below": "merge"},
    )  # fmt: skip

    assert [(one.requirement, one.slice["country"], one.rows) for one in result.findings] == [
        ("r1", "LU", 40), ("r2", "BR", 900), ("r2", "US", 1200), ("r2", "other", 95),
    ]  # fmt: skip


def test_a_bin_without_rows_is_not_hidden_in_the_pool() -> None:
    """A declared bin that is empty stays inconclusive."""
    result = run_gate(
        "metrics", table=table(), slices=[{"name": "band", "column": "age", "bins": [0, 18, 19, 80]}],
        require=["accuracy >= 0.5 on each slice"], small_slices={"min_rows": 200, "below": "merge"},
    )  # fmt: skip

    assert {one.slice["band"]: one.code for one in result.findings}["[0,18)"] == "no_rows"


def test_a_value_that_is_called_other_is_not_mixed_with_the_pool() -> None:
    """The pool takes another name."""
    view, pools = pool_small_slices(scored(table({"other": 500, "US": 500, "LU": 5, "MT": 5}), "country"), SmallSlices(min_rows=50, below="merge"))  # fmt: skip

    assert view.codes("country")[0] == ("US", "other", "other (merged)")
    assert pools[0].members == ("LU", "MT")


def test_many_members_are_listed_whole_in_the_detail() -> None:
    """The sentence names the largest; the report lists all."""
    counts = {"US": 500} | {f"c{number:02}": 5 + number for number in range(30)}
    result = run_gate(
        "metrics", table=table(counts), slices=["country"], require=["accuracy >= 0.5 on each slice"],
        small_slices={"min_rows": 100, "below": "merge"},
    )  # fmt: skip
    other = result.findings[-1]

    assert len(other.detail["members"]) == 30
    assert sum(other.detail["member_rows"]) == other.rows
    assert other.reason.endswith("with their rows: c29 34, c28 33, c27 32, and 27 more)")


@pytest.mark.parametrize("below", ["watch", "block"])
def test_nothing_is_merged_unless_it_is_asked_for(below: Any) -> None:
    """The rows are handed on as they are."""
    rows = scored(table(), "country")

    assert pool_small_slices(rows, SmallSlices(min_rows=100, below=below)) == (rows, ())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(0, 20), st.integers(0, 10))
def test_no_row_is_lost_and_scores_do_not_matter(values: list[str], min_rows: int, min_positives: int) -> None:
    """Every row has one label; who is pooled depends on rows and positives only."""
    n = len(values)
    rows = {"label": [place % 2 for place in range(n)], "candidate": np.linspace(0, 1, n), "country": pa.array(values, pa.string())}  # fmt: skip
    small = SmallSlices(min_rows=min_rows, min_positives=min_positives, below="merge")
    before = scored(rows, "country")
    view, pools = pool_small_slices(before, small)
    again, same = pool_small_slices(scored(rows | {"candidate": np.linspace(1, 0, n) ** 3}, "country"), small)
    labels, codes = view.codes("country")
    own, own_codes = before.codes("country")

    assert same == pools
    assert np.array_equal(again.codes("country")[1], codes)
    gone = set(pools[0].members) if pools else set()
    for row in range(n):
        value = own[own_codes[row]]
        assert labels[codes[row]] == (pools[0].label if value in gone else value)
    assert sum(sum(pool.rows) for pool in pools) == sum(value in gone for value in values)
