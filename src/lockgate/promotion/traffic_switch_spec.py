"""Traffic switch in a pipeline: the command that switches, and the answer that shows it."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from lockgate.config import Config, Duration


class Expect(Config):
    """What an answer must be: its status, and a text that its body contains."""

    status: int = Field(default=200, ge=100, le=599)
    text: str | None = Field(default=None, min_length=1)


class CheckSpec(Config):
    """Ask `url` until the answer is as expected. `{version}` and `{model}` in url and text stand for what is served.

    expect: a text that the body of an answer 200 contains, or a mapping with status and text.
    """

    url: str
    expect: str | Expect = Field(default_factory=Expect)

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
    """run: a command and its arguments, no shell. timeout: for the command and the check together."""

    run: tuple[str, ...] = ()
    timeout: Duration = timedelta(seconds=90)
    check: CheckSpec | None = None

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


def _filled(text: str, *, model: str, version: str) -> str:
    return text.replace("{model}", model).replace("{version}", version)
