"""Keys keep the order of scores, slices their rows, and what is ranked together is ranked as alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.evaluation.estimation.rank_sums import Slices, by_code, difference, order_keys, rank

SCORES = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 0.1, 0.5]), max_size=40
)


@given(SCORES, st.booleans())
def test_keys_are_in_the_order_of_scores_and_equal_where_they_are(scores: list[float], positive: bool) -> None:
    """Of numbers of any size and sign, float32 or not; none needs the highest bit."""
    values = np.array(scores, np.float64)
    values = np.abs(values) if positive else values
    keys = order_keys(values)

    assert not (keys >> np.uint32(31)).any()
    for one in range(values.size):
        assert ((keys < keys[one]) == (values < values[one])).all()
        assert ((keys == keys[one]) == (values == values[one])).all()


@pytest.mark.parametrize("slices", [3, 200, 1 << 26])
def test_rows_come_slice_by_slice_and_ascend_in_each(slices: int) -> None:
    """However many slices there are."""
    codes = np.random.default_rng(1).integers(0, slices, 5000).astype(np.uint32)

    assert (by_code(codes, slices) == np.argsort(codes, kind="stable")).all()


def drawn(seed: int) -> tuple[Slices, list[Any]]:
    """Slices of one and of many rows, one without any; the second model's rows are in the order of the first."""
    draw = np.random.default_rng(seed)
    rows = np.array([40, 0, 7, 300, 2])
    bits = [(draw.integers(0, 30, rows.sum()).astype(np.uint32) << np.uint32(1)) for _ in range(2)]
    negative = draw.random(rows.sum()) < 0.6
    for low, high in zip(np.cumsum(rows) - rows, np.cumsum(rows), strict=True):
        negative[low : low + 1], negative[high - 1 : high] = True, False
        order = np.argsort(bits[0][low:high] | negative[low:high], kind="stable")
        for each in (*bits, negative):
            each[low:high] = each[low:high][order]
    starts = Slices(rows, rows).starts
    positives = np.array([int((~negative[low:high]).sum()) for low, high in pairwise(starts)])
    return Slices(rows, positives), [each | negative for each in bits]


@given(st.integers(0, 1000))
def test_what_is_ranked_together_is_ranked_as_alone(seed: int) -> None:
    """Values, sums of influence and of differences, to the last digits."""
    slices, (first, second) = drawn(seed)

    def asked(some: Slices, one: Any, other: Any) -> tuple[Any, Any, Any]:
        candidate = rank(one, some, ordered=True, sums=True, groups=True)
        champion = rank(other, some, ordered=False, sums=False, groups=True)
        groups: Any = [candidate.groups, champion.groups]
        psi: Any = (candidate.psi["auc"], champion.psi["auc"])
        return candidate, champion, difference(*psi, groups, some, 0.9)

    together = asked(slices, first, second)
    for place, (low, rows) in enumerate(zip(slices.starts, slices.rows, strict=False)):
        if rows:
            part = slice(low, low + rows)
            alone = asked(Slices(slices.rows[[place]], slices.positives[[place]]), first[part], second[part])
            for many, single in zip(together[:2], alone[:2], strict=True):
                assert many.values["auc"][place] == pytest.approx(single.values["auc"][0], rel=1e-12)
                assert many.values["average_precision"][place] == pytest.approx(
                    single.values["average_precision"][0], rel=1e-12
                )
            for many, single in (
                (together[0].sums["auc"], alone[0].sums["auc"]),
                (together[0].sums["average_precision"], alone[0].sums["average_precision"]),
                (together[2], alone[2]),
            ):
                found, wanted = many[place], single[0]
                for name in ("second", "third", "fourth"):
                    assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-9, abs=1e-9)
