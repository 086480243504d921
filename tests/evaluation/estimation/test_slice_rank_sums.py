"""Which slices are ranked together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockgate.evaluation.estimation.slice_rank_sums import together


@given(st.lists(st.sampled_from([0, 1, 50_000, 100_000, 200_000]), min_size=1, max_size=12))
def test_every_slice_is_ranked_once_and_few_rowstogether(sizes: list[int]) -> None:
    """A large slice is alone."""
    rows = np.array(sizes)
    parts = list(together(rows))

    assert [code for low, high in parts for code in range(low, high)] == list(range(rows.size))
    assert all(high - low == 1 or rows[low:high].sum() <= 1 << 17 for low, high in parts)
