"""Name a version in a pipeline: by number, alias, file, commit or tag."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, model_validator

from lockgate.config import Config
from lockgate.errors import UsageError
from lockgate.registries.spec import RegistrySpec

# as MLflow writes versions: models:/fraud/8, models:/fraud@staging; in short fraud@staging, @staging
_URI = re.compile(r"models:/(?P<model>[^/@]+)[/@](?P<name>[^/@]+)|(?P<short>[^/@]*)@(?P<alias>[^/@]+)")


def _model_name(name: str) -> str:
    if name != name.strip() or any(sign in name for sign in "/:"):
        raise ValueError(
            f"{name!r} cannot be the name of a registered model: it holds no / and no :, nor spaces around"
        )
    return name


ModelName = Annotated[
    str,
    AfterValidator(_model_name),
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"^[^/:\s]([^/:]*[^/:\s])?$"}),
]


def _as_number(version: int | str) -> int | str:
    """The number that a text writes as Python would; other text, `v12` or `007`, is a version as it stands."""
    return int(version) if isinstance(version, str) and re.fullmatch(r"0|[1-9][0-9]{0,17}", version) else version


Version = Annotated[int | str, AfterValidator(_as_number)]


class CandidateSelector(Config):
    """Which version is the candidate: exactly one of the keys."""

    file: str | None = Field(
        default=None, description="A file of the repository that holds one version, such as `models/fraud.version`."
    )
    version: Version | None = Field(default=None, description="The version itself, such as `8`.")
    alias: str | None = Field(default=None, description="The version that has this alias in the registry.")
    git_commit: str | None = Field(
        default=None, description="The newest version that was logged from this commit: a hash, or `head`."
    )
    tag: dict[str, str] | None = Field(
        default=None, description="The newest version with this tag, such as `{release: may}`."
    )
    newest: Literal[True] | None = Field(default=None, description="The newest version of all.")

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
    """Which version is the champion."""

    alias: str | None = Field(
        default=None, description="The version that has this alias in the registry, usually `production`."
    )
    version: Version | None = Field(default=None, description="The version itself, such as `7`.")
    otherwise: Literal["none"] | None = Field(
        default=None,
        alias="else",
        description="`none`: where there is no such version yet, lines that compare with the champion are left out.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> ChampionSelector:
        if (self.alias is None) == (self.version is None):
            raise ValueError("give alias or version, for example {alias: production, else: none}")
        return self


def parse_candidate(text: str, *, model: str, registry: RegistrySpec) -> CandidateSelector:
    """What `--candidate` names: KEY=VALUE, a version alone, `MODEL@alias`, or MLflow's address of a version. Raises UsageError."""
    key, _, value = text.partition("=")
    name, colon, content = value.partition(":")
    criterion: Any = value
    if key == "tag":
        criterion = {name: content} if name and colon else None
    elif text in ("newest", "newest=true"):
        criterion = True
    elif "=" not in text:
        key, criterion = _short(text, model=model, registry=registry)
    try:
        if not criterion:
            raise ValueError
        return CandidateSelector.model_validate({key: criterion})
    except (ValidationError, ValueError):
        raise UsageError(
            f"--candidate {text!r} names no version",
            remedy="write version=8, alias=name, file=PATH, git_commit=HASH, tag=key:value or newest; "
            f"or in short 8 or {model}@name",
        ) from None


def _short(text: str, *, model: str, registry: RegistrySpec) -> tuple[str, str | None]:
    """(key, value) of a candidate that names no key; the value is None where it names nothing."""
    uri = _URI.fullmatch(text)
    if uri is None:
        return "version", text if registry.accepts(text) else None
    if (uri["model"] or uri["short"] or model) != model:
        raise UsageError(
            f"--candidate {text!r} is of another model than {model}, which the pipeline is about",
            remedy="name the pipeline of that model, or a version of this one",
        )
    return ("alias", uri["alias"] or uri["name"]) if "@" in text else ("version", uri["name"])
