"""Promotion policy of a pipeline: when a version moves, how long the previous one is kept, how traffic is switched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from lockgate.config import Config, Duration
from lockgate.registries.selectors import ModelName
from lockgate.units import duration_text, utc, utc_text

RETAIN_FLOOR = timedelta(days=30)  # no policy lets go of a version that left Production sooner

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


class Expect(Config):
    """What an answer must be: its status, and a text that its body contains."""

    status: int = Field(default=200, ge=100, le=599, description="HTTP status of the answer.")
    text: str | None = Field(default=None, min_length=1, description="A text that the body contains.")


class CheckSpec(Config):
    """Ask an address until the answer is as expected. `{version}` and `{model}` in url and text stand for what is served."""

    url: str = Field(description="Address that is asked, such as `https://fraud.example.org/version`.")
    expect: str | Expect = Field(
        default_factory=Expect,
        description="What it must answer: a text in the body of a 200, such as `'{version}'`, or a mapping with status "
        "and text.",
    )

    @field_validator("url")
    @classmethod
    def _of_the_web(cls, value: str) -> str:
        if not re.match(r"https?://[^\s/]", value):
            raise ValueError(f"{value!r} is no address to ask; write one that begins with http:// or https://")
        if "@" in urlsplit(value).netloc:
            raise ValueError("must not hold a user or a password, which would stand in the ledger and in logs")
        return value

    @field_validator("expect")
    @classmethod
    def _something(cls, value: str | Expect) -> str | Expect:
        if value == "":
            raise ValueError("is empty, and every answer contains that; write a text such as '{version}'")
        return value

    def address(self, *, model: str, version: str) -> str:
        return _filled(self.url, model=quote(model, safe=""), version=version)

    def expected(self, *, model: str, version: str) -> Expect:
        expected = Expect(text=self.expect) if isinstance(self.expect, str) else self.expect
        text = None if expected.text is None else _filled(expected.text, model=model, version=version)
        return Expect(status=expected.status, text=text)


class SwitchSpec(Config):
    """How traffic is switched to the version that is Production now: a command, a check, or both."""

    run: tuple[str, ...] = Field(
        default=(), description="A command and its arguments, no shell: `[./switch.sh, production]`."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=90), description="How long command and check may take together, 1h at most."
    )
    check: CheckSpec | None = Field(
        default=None, description="Asks an address until it answers that the version is served."
    )

    @field_validator("run")
    @classmethod
    def _command(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in word for word in value) or (value and not value[0].strip()):
            raise ValueError("names no command; write one like [./switch.sh, production]")
        return value

    @field_validator("timeout")
    @classmethod
    def _some(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= timedelta(hours=1):
            raise ValueError("must be more than nothing and at most 1h; write one like 90s")
        return value

    @model_validator(mode="after")
    def _does_something(self) -> SwitchSpec:
        if not self.run and self.check is None:
            raise ValueError("switch says neither run nor check; write run: [./switch.sh], check: {url: …}, or both")
        return self


class PromotionPolicy(Config):
    """When a version moves, and how long the one before it stays within reach."""

    when: Literal["approved", "merged"] = Field(
        default="approved", description="Whether a version may move once it is approved, or once its commit is merged."
    )
    branch: str | None = Field(
        default=None,
        pattern=r"^[^\s~^:?*\[\\]+$",
        description="Branch that the commit is merged into, with `when: merged`; the default branch of `origin` by "
        "default.",
    )
    soak: Duration = Field(
        default=timedelta(hours=48),
        description="How long a version must hold Production before the previous one may be archived.",
    )
    retain: Duration = Field(
        default=RETAIN_FLOOR, description="How long a version that left Production can be rolled back to, 30d at least."
    )
    lease: Duration = Field(
        default=timedelta(minutes=1),
        description="How long others leave an unfinished move to a process that they cannot see.",
    )
    way_back: str = Field(
        default="prove",
        description='`prove`: a rollback is tried before each promotion; or `"waived: REASON, until 2026-12-31"`.',
    )
    switch: SwitchSpec | None = Field(
        default=None, description="What switches traffic to the new version, and how that is checked."
    )
    copy_to: ModelName | None = Field(
        default=None,
        min_length=1,
        description="Another registered model, into which the version is copied to become Production there.",
    )

    @field_validator("way_back")
    @classmethod
    def _proven_or_waived(cls, value: str) -> str:
        parse_waiver(value)
        return value

    @model_validator(mode="after")
    def _branch_is_looked_at(self) -> PromotionPolicy:
        if self.branch is not None and self.when != "merged":
            raise ValueError("branch says what a commit is merged into, and nothing waits for that; write when: merged")
        return self

    @model_validator(mode="after")
    def _lease_outlasts_the_switch(self) -> PromotionPolicy:
        named = "lease" in self.model_fields_set  # the usual one is renewed while the switch runs
        if self.switch is not None and named and self.lease <= self.switch.timeout:
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


def _filled(text: str, *, model: str, version: str) -> str:
    return text.replace("{model}", model).replace("{version}", version)
