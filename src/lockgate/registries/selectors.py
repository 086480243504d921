"""Name a version in a pipeline: by number, alias, file, commit or tag."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lockgate.config import Config


def _as_number(version: int | str) -> int | str:
    """The number that a text writes as Python would; other text, `v12` or `007`, is a version as it stands."""
    return int(version) if isinstance(version, str) and re.fullmatch(r"0|[1-9][0-9]{0,17}", version) else version


Version = Annotated[int | str, AfterValidator(_as_number)]


class CandidateSelector(Config):
    """Which version is the candidate: exactly one of the keys. `version` and `alias` of the registry, `file` holds one
    version, `git_commit` (a hash, or `head`) and `tag` pick the newest version that carries them, `newest` the newest
    of all."""

    file: str | None = None
    version: Version | None = None
    alias: str | None = None
    git_commit: str | None = None
    tag: dict[str, str] | None = None
    newest: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> CandidateSelector:
        keys = sorted(self.model_fields_set)
        if len(keys) != 1:
            raise ValueError(
                f"give exactly one of file, version, alias, git_commit, tag, newest (found: {', '.join(keys) or 'none'})"
            )
        if self.tag is not None and not self.tag:
            raise ValueError("tag names no key; write tag: {key: value}")
        return self


class ChampionSelector(Config):
    """Which version is the champion. `else: none`: where there is none yet, requirements relative to it are left out."""

    alias: str | None = None
    version: Version | None = None
    otherwise: Literal["none"] | None = Field(default=None, alias="else")

    @model_validator(mode="after")
    def _exactly_one(self) -> ChampionSelector:
        if (self.alias is None) == (self.version is None):
            raise ValueError("give alias or version, for example {alias: production, else: none}")
        return self
