"""What rows of each class add to an AUC before anything is scored: held against DeLong on simulated scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from lockgate.stats import delong, delong_paired
from lockgate.stats.auc_variance import placements


@pytest.mark.parametrize("area", [0.7, 0.85, 0.95])
def test_the_error_is_delongs(area: float) -> None:
    """One model, and two that correlate 0.9, on 4,000 positives and 12,000 negatives: within 6 %."""
    draw = np.random.default_rng(11)
    label = np.arange(16_000) < 4_000
    shared = draw.normal(size=16_000)
    one, other = (
        math.sqrt(2) * special.ndtri(area) * label + math.sqrt(0.9) * shared + math.sqrt(0.1) * draw.normal(size=16_000)
        for _ in range(2)
    )
    paired = delong_paired(label, one, other)

    assert placements(area).se(4_000, 12_000) == pytest.approx(math.sqrt(delong(label, one).variance), rel=0.06)
    assert placements(area, correlation=0.9).se(4_000, 12_000) == pytest.approx(
        abs(paired.difference / paired.z), rel=0.06
    )


def test_few_rows_of_a_class_carry_little() -> None:
    """However many of the other there are; and an area near 1 is carried by fewer."""
    law = placements(0.85, correlation=0.9)

    assert law.n_eff(20, 400) < 7 < law.n_eff(200, 400)
    assert law.n_eff(20, 100_000) < 7
    assert placements(0.99).n_eff(200, 200) < placements(0.85).n_eff(200, 200)


@pytest.mark.parametrize("area", [0.0, 1.0, 1.5])
def test_an_area_without_errors_has_no_law(area: float) -> None:
    """Nothing can be planned from it."""
    with pytest.raises(ValueError, match="leaves no placements"):
        placements(area)
