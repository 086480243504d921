"""When may the standby be archived? A function of the ledger alone, never of tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES
from lockgate.promotion.ledger.standing import standing


@dataclass(frozen=True)
class Soak:
    """Production and its standby, which stays until `ends`. held_since: when Production was seen to be in place."""

    production: str
    standby: str
    held_since: datetime
    ends: datetime

    def is_over(self, now: datetime) -> bool:
        return now >= self.ends


def soak_of(chain: Chain, soak: timedelta) -> Soak | None:
    """The soak that runs or has run out, None where no standby is left.

    It counts from the moment when the move to this Production was done, which may be long after it was claimed: a
    promotion that was left unfinished served nobody meanwhile.
    """
    place = standing(chain.finished)
    if place.production is None or place.standby is None:
        return None
    move = next(
        entry
        for entry in reversed(chain.finished)
        if entry.kind in MOVES and entry.target == place.production and entry.source != entry.target
    )
    held_since = max(move.at, chain.done[move.epoch].at)
    return Soak(place.production, place.standby, held_since, held_since + soak)
