"""Times in a ledger that run backwards, against the order in which it was written: somebody's clock was wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.discrepancy import Discrepancy
from lockgate.signoff.identity import Identity
from lockgate.signoff.vote import CLOCK_SKEW
from lockgate.units import utc_text


def backward_times(model: str, chain: Chain) -> Iterator[Discrepancy]:
    """What is dated before that after which it was written, by more than clocks may differ; each step back once."""
    latest: tuple[datetime, str, Identity] | None = None
    for at, key, actor in _writes(chain):
        if latest is not None and at < latest[0] - CLOCK_SKEW:
            minutes = math.ceil((latest[0] - at) / timedelta(minutes=1))
            yield Discrepancy(
                "clock_backwards",
                f"{key} of {model}",
                f"its time runs backwards: {actor} wrote it at {utc_text(at)}, {minutes:,} minutes before {latest[1]}, after which it "
                f"was written, by {latest[2]} at {utc_text(latest[0])}",
                "set the clock that is wrong; soak, retention and gate history --at go by these times, and the ledger is not rewritten",
            )
            latest = (at, key, actor)
        elif latest is None or at > latest[0]:
            latest = (at, key, actor)


def _writes(chain: Chain) -> Iterator[tuple[datetime, str, Identity]]:
    """(time, key, who) of everything that was written, in its order."""
    for entry in chain.entries:
        yield entry.at, f"epoch-{entry.epoch}", entry.actor
        for word, marks in (("failed", chain.failed), ("done", chain.done)):
            if (mark := marks.get(entry.epoch)) is not None:
                yield mark.at, f"{word}-{entry.epoch}", mark.actor
