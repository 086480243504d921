"""Soak of Production: when the standby may be archived, from the ledger alone, never from tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lockgate.promotion.ledger.chain import Chain


@dataclass(frozen=True)
class Soak:
    """Production and its standby, which stays until `ends`. held_since: when Production was seen to be in current."""

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
    current = chain.standing
    if current.production is None or current.standby is None:
        return None
    move = next(entry for entry in chain.moves if entry.target == current.production and entry.source != entry.target)
    held_since = max(move.at, chain.done[move.epoch].at)
    return Soak(current.production, current.standby, held_since, held_since + soak)
