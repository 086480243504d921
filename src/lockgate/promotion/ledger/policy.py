"""The pipeline's promotion policy: when a version moves, and how long the one before it stays within reach."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import field_validator, model_validator

from lockgate.config import Config, Duration
from lockgate.promotion.ledger.standing import RETAIN_FLOOR
from lockgate.promotion.traffic_switch_spec import SwitchSpec
from lockgate.units import duration_text, utc, utc_text

_WAIVED = re.compile(r"waived:\s*(?P<reason>\S.*?)\s*,\s*until\s+(?P<until>[0-9]{4}-[0-9]{2}-[0-9]{2})\s*", re.DOTALL)


@dataclass(frozen=True)
class ProofWaiver:
    """Why no rollback proof is required, and the last day (UTC) on which that holds."""

    reason: str
    until: date

    def holds(self, now: datetime) -> bool:
        return utc(utc_text(now)).date() <= self.until

    def __str__(self) -> str:
        return f"{self.reason}, until {self.until.isoformat()}"


def parse_waiver(text: str) -> ProofWaiver | None:
    """The waiver in `promotion.way_back`: None for `prove`. Raises ValueError for what is neither."""
    if text == "prove":
        return None
    match = _WAIVED.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is no value of way_back; write prove, or "waived: REASON, until 2026-12-31"')
    try:
        return ProofWaiver(match["reason"], date.fromisoformat(match["until"]))
    except ValueError as error:
        raise ValueError(f"{match['until']!r} is no day; write one like 2026-12-31") from error


class PromotionPolicy(Config):
    """When a version moves, and how long the one before it stays within reach."""

    when: Literal["approved", "merged"] = "approved"
    soak: Duration = timedelta(hours=48)
    retain: Duration = RETAIN_FLOOR
    lease: Duration = timedelta(minutes=10)
    way_back: str = "prove"
    switch: SwitchSpec | None = None

    @field_validator("way_back")
    @classmethod
    def _proven_or_waived(cls, value: str) -> str:
        parse_waiver(value)
        return value

    @model_validator(mode="after")
    def _lease_outlasts_the_switch(self) -> PromotionPolicy:
        if self.switch is not None and self.lease <= self.switch.timeout:
            raise ValueError(
                f"others would take over after {duration_text(self.lease)} (lease) while the switch may still run "
                f"({duration_text(self.switch.timeout)}); make lease longer, at least a minute more"
            )
        return self

    @property
    def waiver(self) -> ProofWaiver | None:
        """Why no rollback proof is required, and until when; None where one is."""
        return parse_waiver(self.way_back)

    @field_validator("retain")
    @classmethod
    def _floor(cls, value: timedelta) -> timedelta:
        if value < RETAIN_FLOOR:
            raise ValueError(f"{duration_text(value)} is too short; archived versions are kept at least 30d")
        return value

    @field_validator("lease")
    @classmethod
    def _some(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("a lease under 1s would let every promotion be taken over; write one like 10m")
        return value
