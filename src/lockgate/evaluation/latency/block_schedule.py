"""Block schedule: size of the next block of a load, from the load and how long the last blocks took, and how far it is.

A block must fit in memory, and must be short, so that the runner is the same for both models of a pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Event, Thread
from typing import TYPE_CHECKING

from lockgate.models.load_spec import BLOCK, Load
from lockgate.models.model import Drive

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.evaluation.case import Case

_REPEAT_S = 1.0


class BlockSchedule:
    """The blocks of one batch size, each for all models in turn.

    Where a number of requests is known, they are divided evenly. Where a closed loop goes on for a duration, a block lasts
    a twentieth of it, a minute at most; and where a model answers the most requests of a block before that, later
    blocks are as much shorter for all models, so that the duration is kept.
    """

    def __init__(self, load: Load) -> None:
        self.done = self.sent = 0
        self._load = load
        self._left_s = 0.0 if load.planned is not None or load.duration is None else load.duration.total_seconds()
        self._slot_s = self._left_s / load.blocks

    @property
    def remaining(self) -> int:
        """Number of blocks to come; where time ends the load, as estimated from the blocks so far."""
        if self._load.planned is not None:
            return self._load.blocks - self.done
        # a hair less, so that what rounding leaves of the last block is not another block
        return math.ceil(self._left_s / self._slot_s - 1e-6)

    @property
    def requests(self) -> int:
        """Requests of the next block, at most."""
        if self._load.planned is None:
            return BLOCK
        share, rest = divmod(self._load.planned, self._load.blocks)  # the first `rest` blocks get one more
        return share + (self.done < rest)

    @property
    def seconds(self) -> float | None:
        """Seconds after which the next block ends; None where it ends with its requests."""
        return None if self._load.planned is not None else self._left_s / self.remaining

    @property
    def warmup(self) -> int:
        """Unrecorded requests before the next block: all of `warmup` once, later fewer."""
        return self._load.warmup if self.done == 0 else later_warmup(self._load, self.requests)

    def rows(self, batch: pa.RecordBatch, *, size: int) -> pa.RecordBatch:
        """Return the rows of the next block's requests, `size` each: they go on where those of the last block ended.

        They are the same for all models, so that request i of a block is the same request; after a model that sent fewer,
        they go on where the other ended. A batch with fewer rows than a request is returned as it is.
        """
        import pyarrow as pa

        requests = batch.num_rows // size
        if requests < 2:
            return batch
        numbers = [(self.sent + request) % requests for request in range(min(requests, self.requests))]
        return batch.take(pa.array([number * size + row for number in numbers for row in range(size)]))

    def record(self, drives: Sequence[Drive]) -> None:
        """Count a block that every model has answered; shorten the next ones where all models filled it early."""
        slot = self.seconds
        self.done += 1
        self.sent += max((len(drive.sent_s) for drive in drives), default=0)
        if slot is None:
            return
        full = [float(drive.done_s.max()) for drive in drives if len(drive.sent_s) >= BLOCK]
        # Time is spent as the slowest model spent it: a faster one, whose block was full early, was measured for less
        # time than the load's duration, and none for more.
        self._left_s -= min(slot, max(full)) if len(full) == len(drives) else slot
        # a tenth less than the fastest model needed to fill a block, so that blocks end by time for all models alike
        self._slot_s = min([self._slot_s, *(0.9 * seconds for seconds in full)])


def later_warmup(load: Load, requests: int) -> int:
    """Unrecorded requests before a block of so many, after the first one: a twentieth of them at most."""
    return max(1, min(load.warmup, requests // 20))


class Progress:
    """How far a run is, said after every step, and every second between two: a block of slow requests takes long."""

    def __init__(self, case: Case, text: str) -> None:
        self.done = self.total = 0
        self._case, self._text, self._ended = case, text, Event()
        self._thread = Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def step(self) -> None:
        self.done += 1
        self._case.progress(self._text, self.done, self.total)

    def _repeat(self) -> None:
        while not self._ended.wait(_REPEAT_S):
            if self.done < self.total:
                self._case.progress(self._text, self.done, self.total)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self.done < self.total:  # ended early
            self._case.progress(self._text, self.total, self.total)
