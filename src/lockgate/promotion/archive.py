"""Archive the standby once Production has held for its soak.

Meant for a schedule: called twice it does it once, it moves nothing early, and it says what it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.errors import Refused, Waiting
from lockgate.promotion.apply import carry_out, settle
from lockgate.promotion.ledger.entry import Entry, version_text
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.soak import Soak, soak_of
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.operator import Operator
from lockgate.promotion.outcome import ForwardedEntry
from lockgate.units import duration_text, utc_text


@dataclass(frozen=True)
class ArchiveResult:
    """What was archived, or is waited for. entry: what was archived now, None where nothing was due. soak: what is waited for, if anything.

    other: somebody else's call that is at it. forwarded: entries that others had left unfinished. warnings: what of the
    decoration could not be set.
    """

    model: str
    at: datetime
    promotion: PromotionPolicy
    standing: Standing
    entry: Entry | None = None
    soak: Soak | None = None
    other: Entry | None = None
    forwarded: tuple[ForwardedEntry, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def retain_until(self) -> datetime | None:
        version = None if self.entry is None else self.entry.source
        return None if version is None else self.standing.retain_until(version, self.promotion.retain)

    @property
    def lines(self) -> list[str]:
        """The result for people, a sentence per line."""
        lines = [forwarded.line for forwarded in self.forwarded]
        if self.entry is not None and self.retain_until is not None:
            return [
                *lines,
                f"{self.model} version {self.entry.source} is Archived since {utc_text(self.entry.at)}, "
                f"and kept until {utc_text(self.retain_until)}",
                "no previous version is left, and no alias previous; gate rollback --to still reaches what is kept",
                *self.warnings,
            ]
        return [*lines, f"{self.model}: nothing is due: {self.waits_for}", *self.warnings]

    @property
    def waits_for(self) -> str:
        if self.other is not None:
            return (
                f"{self.other.actor} is archiving version {self.other.source}; "
                f"unless that is done by {utc_text(self.other.lease_ends)}, the next call finishes it"
            )
        if self.soak is not None:
            return (
                f"version {self.soak.standby} stays the previous version until {utc_text(self.soak.ends)}, when version "
                f"{self.soak.production} will have held Production for {duration_text(self.promotion.soak)}"
            )
        if self.standing.production is None:
            return "the ledger knows no Production"
        return f"there is no previous version behind version {self.standing.production}"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/archive/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "archived": None if self.entry is None else self.entry.source,
            "entry": None if self.entry is None else self.entry.to_json(),
            "retain_until": None if self.retain_until is None else utc_text(self.retain_until),
            "production": self.standing.production,
            "standby": self.standing.standby,
            "due_at": None if self.soak is None else utc_text(self.soak.ends),
            "waits_for": None if self.entry is not None else self.waits_for,
            "finished": [forwarded.to_json() for forwarded in self.forwarded],
        }


def archive(operator: Operator) -> ArchiveResult:
    """Archive the standby if its time has come; called again it finds nothing to do.

    Raises Waiting while somebody moves a version otherwise, Refused where the registry does not show the Production
    whose soak is counted.
    """
    while True:
        try:
            return _archive(operator)
        except Waiting:
            state = operator.read_state()
            other = state.chain.unfinished
            if other is not None and other.kind != "archived":
                raise
            if other is not None and state.chain.is_held(other, operator.clock()):
                return ArchiveResult(operator.model, operator.clock(), operator.promotion, state.standing, other=other)
        except Refused as refused:
            if refused.code != "overtaken":  # nothing that a person decided is lost: look again at what stands now
                raise


def _archive(operator: Operator) -> ArchiveResult:
    model, promotion = operator.model, operator.promotion
    state, forwarded = settle(operator)
    soak, now = soak_of(state.chain, promotion.soak), operator.clock()
    if soak is None or not soak.is_over(now):
        return ArchiveResult(
            model, now, promotion, state.standing, soak=soak, forwarded=forwarded, warnings=state.warnings
        )
    holder = state.aliases.get("production")
    if holder != soak.production:
        raise Refused(
            f"version {soak.production} is Production in the ledger, and the alias points to {version_text(holder)}, "
            f"so it is not known whether it has held; version {soak.standby} stays",
            code="moved_by_hand",
            remedy=f"find out who moved it; gate verify {model} --repair puts it back",
        )
    draft = state.chain.draft(
        "archived",
        source=soak.standby,
        actor=operator.actor,
        target=None,
        reason=f"version {soak.production} has held Production for {duration_text(promotion.soak)}",
        at=now,
        lease=promotion.lease,
        rollback_owners=operator.rollback_owners,
    )
    state = carry_out(operator, state, draft)
    return ArchiveResult(
        model, now, promotion, state.standing, entry=draft, forwarded=forwarded, warnings=state.warnings
    )
