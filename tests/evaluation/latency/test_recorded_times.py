"""What stays in memory of requests that were measured."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.evaluation.latency.recorded_times import STRETCHES, RecordedTimes
from lockgate.models.model import Drive
from lockgate.stats.latency import percentile
from lockgate.stats.latency_samples import WIDTH, pooled, spanned


def drive(seed: int, *, requests: int = 40) -> Drive:
    draw = np.random.default_rng(seed)
    due = np.arange(requests) / 100
    failed = draw.random(requests) < 0.01
    error = "KeyError: 'age'" if failed.any() else None
    return Drive(due, due, due + draw.lognormal(-5, 0.3, requests), failed, np.zeros(requests), error)


def measured(blocks: int, *, fold_from: int | None = None, seed: int = 0) -> RecordedTimes:
    known = RecordedTimes(blocks=blocks)
    for block in range(blocks):
        known.add(drive(seed * 100_000 + block))
        if fold_from is not None and block >= fold_from:
            known.fold()
    return known


@pytest.mark.parametrize(("blocks", "fold_from"), [(20, 3), (99, 0), (100, 0), (101, 90), (333, 150), (500, 0)])
def test_there_are_never_a_hundred_stretches_nor_a_request_too_few(blocks: int, fold_from: int) -> None:
    """However many blocks came: all of one length but for the last, and the same of both models."""
    ours, theirs = (measured(blocks, fold_from=fold_from, seed=seed) for seed in (1, 2))
    lengths = [stretch.blocks for stretch in ours.stretches]

    assert len(lengths) < STRETCHES
    assert len(lengths) >= min(blocks, STRETCHES // 2)
    assert sum(lengths) == blocks
    assert len(set(lengths[:-1])) <= 1
    assert lengths[-1] <= lengths[0]
    assert lengths == [stretch.blocks for stretch in theirs.stretches]
    assert ours.requests == sum(len(stretch.times) for stretch in ours.stretches) == 40 * blocks
    assert ours.failed == sum(stretch.times.failed for stretch in ours.stretches)


def test_what_was_folded_is_what_was_measured() -> None:
    """Percentiles to within a bin, counts, seconds, the schedule, and the picture over time."""
    exact, folded = measured(60), measured(60, fold_from=10)
    whole, bins = (pooled([stretch.times for stretch in one.stretches]) for one in (exact, folded))

    assert (exact.folded, folded.folded) == (False, True)
    for p in (0.5, 0.9, 0.95):
        low, high = spanned(percentile(p), bins)
        assert low <= spanned(percentile(p), whole)[0] <= high <= low * (1 + WIDTH)
    for name in ("requests", "failed", "blocks", "longest_ms", "first_error", "moments"):
        assert getattr(exact, name) == getattr(folded, name)
    assert sum(one.seconds for one in exact.stretches) == pytest.approx(sum(one.seconds for one in folded.stretches))
    assert exact.pace.quarters == pytest.approx(folded.pace.quarters)
    assert exact.pace.alone == folded.pace.alone


def test_neighbours_stay_together_in_the_order_of_time() -> None:
    """So that a trend is still seen: the first stretch holds the first blocks."""
    folded = measured(150, fold_from=0)
    first = pooled([measured(2).stretches[0].times, measured(2).stretches[1].times])

    assert folded.stretches[0].blocks == 2
    assert len(folded.stretches[0].times) == len(first)
    assert spanned(percentile(0.5), folded.stretches[0].times) == spanned(percentile(0.5), first.folded())
