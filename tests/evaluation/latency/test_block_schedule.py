"""Into how many blocks a load is divided, and how long each is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.evaluation.latency.block_schedule import BlockSchedule
from lockgate.models.load_spec import BLOCK, Load
from lockgate.models.model import Drive


def driven(requests: int, *, rate: float) -> Drive:
    sent = np.arange(requests) / rate
    return Drive(sent, sent, sent + 1e-3, np.zeros(requests, bool), np.zeros(requests))


@pytest.mark.parametrize(
    ("load", "blocks", "first", "last"),
    [
        ({"requests": 3000}, 20, 150, 150),
        ({"requests": 3010}, 20, 151, 150),
        ({"requests": 7}, 7, 1, 1),
        ({"requests": 1_000_000}, 20, 50_000, 50_000),
        ({"rate": "500/s", "duration": "2h"}, 72, 50_000, 50_000),
        ({"requests": 100_000_000}, 2000, 50_000, 50_000),
        ({"rate": "500/s", "duration": "45m"}, 27, 50_000, 50_000),
    ],
)
def test_a_long_run_has_more_blocks_and_no_longer_ones(
    load: dict[str, Any], blocks: int, first: int, last: int
) -> None:
    """Twenty, until they would hold more than 50,000 requests each; all together are those that were asked."""
    schedule = BlockSchedule(Load.model_validate(load))
    sizes = []
    while schedule.remaining:
        sizes.append(schedule.requests)
        assert schedule.seconds is None
        schedule.record([])

    assert len(sizes) == blocks == Load.model_validate(load).blocks
    assert (sizes[0], sizes[-1]) == (first, last)
    assert sum(sizes) == Load.model_validate(load).planned


@pytest.mark.parametrize(("duration", "blocks", "seconds"), [("10s", 20, 0.5), ("20m", 20, 60.0), ("24h", 1440, 60.0)])
def test_a_closed_loop_takes_turns_every_minute_at_least(duration: str, blocks: int, seconds: float) -> None:
    """Of a short one, twenty schedule."""
    schedule = BlockSchedule(Load.model_validate({"closed": {}, "duration": duration}))
    slots = []
    while schedule.remaining:
        slots.append(schedule.seconds)
        schedule.record([driven(3, rate=100)] * 2)

    assert slots == pytest.approx([seconds] * blocks)


def test_a_block_that_is_full_early_makes_later_ones_shorter() -> None:
    """2,000 answers a second fill a minute's block in 25 s; the time that was asked is kept, and every block after is whole."""
    schedule = BlockSchedule(Load.model_validate({"closed": {}, "duration": "1h"}))
    fast, measured = 0.0, 0.0
    counts = []
    while schedule.remaining:
        assert schedule.seconds is not None
        counts.append(min(BLOCK, round(schedule.seconds * 2000)))
        drives = [driven(counts[-1], rate=2000), driven(round(schedule.seconds * 20), rate=20)]
        fast += counts[-1] / 2000
        measured += schedule.seconds
        schedule.record(drives)

    assert measured == pytest.approx(3600)
    assert fast == pytest.approx(3600 - 35, abs=1)
    assert counts[0] == BLOCK
    assert max(counts[1:]) < BLOCK


@pytest.mark.parametrize(("requests", "size"), [(90, 1), (90, 3), (400, 2), (7, 1)])
def test_rows_go_on_where_the_last_block_ended(requests: int, size: int) -> None:
    """Over all blocks, request by request, and from the first row again after the last."""
    schedule = BlockSchedule(Load.model_validate({"rate": "100/s", "requests": requests}))
    batch = pa.RecordBatch.from_pydict({"x": range(31)})
    sent: list[int] = []
    while schedule.remaining:
        rows = schedule.rows(batch, size=size).column("x").to_pylist()
        sent += (rows * schedule.requests)[: schedule.requests * size]  # as a model takes them in turn
        schedule.record([driven(schedule.requests, rate=100)])

    whole = 31 // size * size
    assert sent == [row % whole for row in range(requests * size)]


def test_a_batch_smaller_than_a_request_is_sent_as_it_is() -> None:
    """It is repeated until it fills one."""
    batch = pa.RecordBatch.from_pydict({"x": [1, 2]})

    assert BlockSchedule(Load.model_validate({"rate": "100/s", "requests": 90})).rows(batch, size=32) is batch
