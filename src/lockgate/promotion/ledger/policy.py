"""The pipeline's promotion policy: when a version moves, and how long the one before it stays within reach."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import field_validator, model_validator

from lockgate import units
from lockgate.config import Config, Duration
from lockgate.promotion.ledger.standing import RETAIN_FLOOR
from lockgate.promotion.rollback_proof import Waived, waived
from lockgate.promotion.traffic_switch_spec import SwitchSpec


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
        waived(value)
        return value

    @model_validator(mode="after")
    def _lease_outlasts_the_switch(self) -> PromotionPolicy:
        if self.switch is not None and self.lease <= self.switch.timeout:
            raise ValueError(
                f"others would take over after {units.duration_text(self.lease)} (lease) while the switch may still run "
                f"({units.duration_text(self.switch.timeout)}); make lease longer, at least a minute more"
            )
        return self

    @property
    def waived(self) -> Waived | None:
        """Why the way back need not be proven, and until when; None where it must be."""
        return waived(self.way_back)

    @field_validator("retain")
    @classmethod
    def _floor(cls, value: timedelta) -> timedelta:
        if value < RETAIN_FLOOR:
            raise ValueError(f"{units.duration_text(value)} is too short; archived versions are kept at least 30d")
        return value

    @field_validator("lease")
    @classmethod
    def _some(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("a lease under 1s would let every promotion be taken over; write one like 10m")
        return value
