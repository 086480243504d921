"""How long is the next block of a load? So that it is neither too large to hold, nor so long that the runner changes meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lockgate.models.load_spec import BLOCK, Load
from lockgate.models.model import Drive


class BlockSchedule:
    """The blocks of one batch size, each for all models in turn.

    Where a number of requests is known, they are divided evenly. Where a closed loop goes on for a duration, a block lasts
    a twentieth of it, a minute at most; and where a model answers the most requests of a block before that, later
    blocks are as much shorter for all models, so that the duration is kept.
    """

    def __init__(self, load: Load) -> None:
        self.done = 0
        self._load = load
        self._left_s = 0.0 if load.planned is not None or load.duration is None else load.duration.total_seconds()
        self._slot_s = self._left_s / load.blocks

    @property
    def remaining(self) -> int:
        """How many blocks are still to come, as far as is known."""
        if self._load.planned is not None:
            return self._load.blocks - self.done
        return math.ceil(self._left_s / self._slot_s - 1e-6)

    @property
    def requests(self) -> int:
        """Of the next block, at most."""
        if self._load.planned is None:
            return BLOCK
        share, rest = divmod(self._load.planned, self._load.blocks)
        return share + (self.done < rest)

    @property
    def seconds(self) -> float | None:
        """After which the next block ends; None where it ends with its requests."""
        return None if self._load.planned is not None else self._left_s / self.remaining

    @property
    def warmup(self) -> int:
        """Requests that are sent before the next block and not counted."""
        warmup = self._load.warmup
        return warmup if self.done == 0 else max(1, min(warmup, self.requests // 20))

    def record(self, drives: Sequence[Drive]) -> None:
        """Every model has had its turn."""
        slot = self.seconds
        self.done += 1
        if slot is None:
            return
        full = [float(drive.done_s.max()) for drive in drives if len(drive.sent_s) >= BLOCK]
        # the longest turn counts: of a model that was full early, less time was measured, and never more than was asked
        self._left_s -= min(slot, max(full)) if len(full) == len(drives) else slot
        self._slot_s = min([self._slot_s, *(0.9 * seconds for seconds in full)])
