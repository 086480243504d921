"""Order statistics of unions of samples."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockgate.stats.partial_ranks import PartialRanks

VALUES = st.floats(0, 10) | st.sampled_from([0.0, 1.0, 2.0, math.inf])


@given(samples=st.lists(st.lists(VALUES, max_size=90), min_size=1, max_size=6))
def test_a_rank_has_the_value_that_sorting_puts_there(samples: list[list[float]]) -> None:
    """Of any union, of any rank, where values are equal or infinite, and where samples are empty."""
    unions = [[bool(code >> i & 1) for i in range(len(samples))] for code in range(2 ** len(samples))]
    sets = [
        np.sort([x for sample, inside in zip(samples, union, strict=True) if inside for x in sample])
        for union in unions
    ]
    cases = [
        (union, values, rank) for union, values in zip(unions, sets, strict=True) for rank in range(1, len(values) + 1)
    ]

    ranks = PartialRanks([np.array(sample, np.float64) for sample in samples])
    found = ranks.values(
        np.array([union for union, _, _ in cases], np.bool_).reshape(len(cases), len(samples)),
        np.array([rank for _, _, rank in cases], np.int64),
    )

    assert found.tolist() == [values[rank - 1] for _, values, rank in cases]
