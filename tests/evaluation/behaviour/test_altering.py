"""Rows are altered as lines say, and nothing else of them is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import DataError
from lockgate.evaluation.behaviour.alteration import Alteration
from lockgate.evaluation.behaviour.altering import Altering, Ends, facts_of, inputs_of


def altered(
    alteration: Alteration, *batches: pa.RecordBatch, ends: dict[str, Ends] | None = None, seed: int = 7
) -> tuple[pa.Table, Any]:
    """(the rows altered, which of them could be)."""
    names = batches[0].schema.names if alteration.way == "noise" else [alteration.column]
    whole = pa.Table.from_batches(batches).combine_chunks().to_batches()
    chosen = inputs_of(alteration, facts_of(whole, names), data="holdout")
    altering = Altering(alteration, chosen, ends or {}, seed)
    return pa.Table.from_batches(list(altering.batches(batches))), altering.altered


def rows(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()],
        names=list(columns),
    )


def test_of_two_values_each_row_takes_the_other_one() -> None:
    """A missing value is none to be swapped, and its row is not judged."""
    batch = rows(sex=["F", "M", None, "F"], age=[1, 2, 3, 4])
    table, mask = altered(Alteration("swap", "sex"), batch)

    assert table.column("sex").to_pylist() == ["M", "F", None, "M"]
    assert table.column("age").to_pylist() == [1, 2, 3, 4]
    assert mask.tolist() == [True, True, False, True]


def test_of_several_values_each_row_takes_one_of_the_others_with_the_same_chance() -> None:
    """Never its own, by the seed, and however rows are cut into batches."""
    race = np.array(["a", "b", "c", "d"] * 3000)
    whole = rows(race=race.tolist())
    table, mask = altered(Alteration("swap", "race"), whole)
    swapped = np.array(table.column("race").to_pylist())

    assert mask.all()
    assert not (swapped == race).any()
    counts = [int(((race == old) & (swapped == new)).sum()) for old in "abcd" for new in "abcd" if old != new]
    assert min(counts) > 880 and max(counts) < 1120  # noqa: PT018  # of 1,000 expected each
    again, _ = altered(Alteration("swap", "race"), whole.slice(0, 5), whole.slice(5))
    assert again.column("race").to_pylist() == swapped.tolist()
    other, _ = altered(Alteration("swap", "race"), whole, seed=8)
    assert other.column("race").to_pylist() != swapped.tolist()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False, None]),
        pa.array([0, 1, None], pa.int8()),
        pa.array([0.5, 1.5, None], pa.float32()),
        pa.array(["a", "b", None], pa.large_string()),
        pa.array(["a", "b", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), pa.array(["b", "a"]), ordered=True),
        pa.array([1, 2, None], pa.timestamp("s", "UTC")),
    ],
)
def test_types_and_categories_stay(column: pa.Array) -> None:
    """A model that was trained on categories compares them."""
    table, mask = altered(Alteration("swap", "c"), rows(c=column))
    (swapped,) = table.column("c").chunks

    assert swapped.type == column.type
    assert swapped.to_pylist() == [column[1].as_py(), column[0].as_py(), None]
    assert mask.tolist() == [True, True, False]
    if pa.types.is_dictionary(column.type):
        assert swapped.dictionary.equals(column.dictionary)
    gone, there = altered(Alteration("drop", "c"), rows(c=column))
    assert gone.column("c").to_pylist() == [None, None, None]
    assert gone.schema.field("c").type == column.type
    assert there.tolist() == [True, True, False]


def test_a_row_at_the_top_of_its_range_is_not_raised() -> None:
    """Of its feature, as the contract says; and of its type. It is not judged."""
    batch = rows(years=pa.array([1, 15, 16, None], pa.int8()), full=pa.array([126, 127, 0, 1], pa.int8()))
    table, mask = altered(Alteration("raise", "years", 1.0), batch, ends={"years": (None, 16.0)})
    full, fits = altered(Alteration("raise", "full", 2.0), batch)

    assert table.column("years").to_pylist() == [2, 16, 16, None]
    assert mask.tolist() == [True, True, False, False]
    assert full.column("full").to_pylist() == [126, 127, 2, 3]
    assert fits.tolist() == [False, False, True, True]


def test_a_column_is_lowered_by_a_negative_number() -> None:
    """Down to the end of its range; floats by any number."""
    batch = rows(debt=[0.5, 2.0, float("nan")])
    table, mask = altered(Alteration("raise", "debt", -0.75), batch, ends={"debt": (0.0, None)})

    assert table.column("debt").to_pylist()[:2] == [0.5, 1.25]
    assert mask.tolist() == [False, True, False]


def test_whole_numbers_too_large_for_floats_are_raised_exactly() -> None:
    """Two to the power of 53, and one more."""
    table, _ = altered(Alteration("raise", "n", 1.0), rows(n=[2**53, 2**53 + 1]))

    assert table.column("n").to_pylist() == [2**53 + 1, 2**53 + 2]


def test_a_step_may_be_larger_than_any_whole_number_of_its_column() -> None:
    """Rows that it leads out of their type stay, be it all of them."""
    batch = rows(n=pa.array([2**62, -5], pa.int64()), few=pa.array([1, 2], pa.int8()))
    table, mask = altered(Alteration("raise", "n", -1e19), batch)
    same, none = altered(Alteration("raise", "few", 1e20), batch)

    assert table.column("n").to_pylist() == [2**62 - 10**19, -5]
    assert mask.tolist() == [True, False]
    assert same.column("few").to_pylist() == [1, 2]
    assert none.tolist() == [False, False]


def test_noise_is_a_share_of_each_columns_deviation() -> None:
    """Whole numbers stay whole, 0 stays 0, flags and texts stay what they are."""
    draw = np.random.default_rng(3)
    batch = rows(
        age=draw.integers(18, 90, 20_000), score=draw.normal(100.0, 25.0, 20_000), flag=draw.integers(0, 2, 20_000),
        gain=np.where(draw.random(20_000) < 0.9, 0.0, 5000.0), sex=["F", "M"] * 10_000,
    )  # fmt: skip
    table, mask = altered(Alteration("noise", amount=0.1), batch)
    moves = {
        name: table.column(name).to_numpy() - batch.column(name).to_numpy() for name in ("age", "score", "flag", "gain")
    }

    assert mask.all()
    assert table.schema == batch.schema
    assert moves["score"].std() == pytest.approx(2.5, rel=0.05)
    assert moves["age"].mean() == pytest.approx(0.0, abs=0.05)
    assert np.abs(moves["age"]).max() >= 4  # of a deviation of 2.1
    assert (table.column("age").to_numpy() >= 18).all()
    assert not moves["flag"].any()
    assert not moves["gain"][batch.column("gain").to_numpy() == 0].any()
    assert table.column("sex").equals(pa.chunked_array([batch.column("sex")]))


@pytest.mark.parametrize(
    ("alteration", "column", "problem"),
    [
        (Alteration("swap", "c"), ["a", "a", None], "holds one value in all of its 3 rows"),
        (Alteration("swap", "c"), pa.nulls(3, pa.string()), "holds no value"),
        (Alteration("swap", "c"), list(range(1001)), "holds more than 1,000 different values"),
        (Alteration("swap", "c"), [[1], [2]], "swap= is for single values"),
        (Alteration("raise", "c", 1.0), [3, 3], "holds one value in all of its 2 rows"),
        (Alteration("raise", "c", 1.0), ["a", "b"], "raise= adds to whole numbers and floats"),
        (
            Alteration("raise", "c", 1.0),
            pa.array([1, 2]).dictionary_encode(),
            "raise= adds to whole numbers and floats",
        ),
        (
            Alteration("noise", amount=0.01),
            pa.array([1, 2, 3]).dictionary_encode(),
            "the model is given none that varies",
        ),
        (Alteration("raise", "c", 0.5), [1, 2], "holds whole numbers, and by=0.5"),
        (Alteration("noise", amount=0.01), ["a", "b"], "the model is given none that varies"),
        (Alteration("noise", amount=0.01), [4.0, 4.0], "the model is given none that varies"),
    ],
)
def test_what_would_show_nothing_is_refused(alteration: Alteration, column: Any, problem: str) -> None:
    """Nothing altered is never a pass."""
    with pytest.raises(DataError, match=problem):
        altered(alteration, rows(c=column))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), min_size=2, max_size=40),
    cut=st.integers(0, 40),
    share=st.floats(0.001, 1.0),
)
def test_noise_does_not_depend_on_batches_and_leaves_no_range(values: list[int | None], cut: int, share: float) -> None:
    """What is missing stays missing, and every number lies between the least and the largest that there are."""
    batch = rows(c=pa.array(values, pa.int32()))
    present = [value for value in values if value is not None]
    if len(set(present)) < 3:
        return
    table, _ = altered(Alteration("noise", amount=share), batch)
    again, _ = altered(Alteration("noise", amount=share), batch.slice(0, cut), batch.slice(cut))
    moved = table.column("c").to_pylist()

    assert again.column("c").to_pylist() == moved
    assert [value is None for value in moved] == [value is None for value in values]
    assert all(min(present) <= value <= max(present) for value in moved if value is not None)
