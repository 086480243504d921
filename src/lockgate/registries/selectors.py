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
