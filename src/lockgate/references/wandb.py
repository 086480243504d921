"""Artifacts of Weights & Biases by version: `wandb-artifact://entity/project/name:v3`."""

from __future__ import annotations

import re

from lockgate.references.reference import Reference, moving, pinned

_PREFIX = re.compile(r"wandb(?:-artifact)?:(?:/{2,3})?", re.IGNORECASE)
_PAGE = re.compile(
    r"https?://[^/\s]*wandb\.ai/(?P<owner>[\w.-]+/[\w.-]+)/artifacts/[^/\s]+/(?P<name>[^/\s]+)/(?P<alias>[^/?#\s]+).*"
)
_BARE = re.compile(r"(?P<owner>[\w.-]+/[\w.-]+)/(?P<name>[\w.-]+):(?P<alias>[\w.-]+)")
_ARTIFACT = re.compile(r"(?P<owner>(?:[\w. -]+/){0,2})(?P<name>[\w.-]+)(?::(?P<alias>[^:/?\s]+))?(?:/.*)?")
_VERSION = re.compile(r"v\d{1,9}")


def parse(text: str) -> Reference | None:
    """An artifact, by its prefix or its whole name; None of any other text."""
    bare = _PREFIX.sub("", text, count=1)
    match = _PAGE.fullmatch(text) or (_ARTIFACT.fullmatch(bare) if bare != text else _BARE.fullmatch(text))
    if match is None:
        return None if bare == text else _moving(text, bare, "it names no artifact, entity/project/name")
    name = f"{match['owner'].rstrip('/')}/{match['name']}".lstrip("/")
    alias = match["alias"] or ""
    if _VERSION.fullmatch(alias):
        return pinned("wandb", text, f"it is version {alias} of the artifact", artifact=name, version=alias)
    reason = f"{alias} is an alias, which moves" if alias else "it names no version, and W&B then takes latest"
    return _moving(text, name, reason)


def _moving(text: str, name: str, reason: str) -> Reference:
    artifact = name if re.fullmatch(r"[\w./-]+", name) else "entity/project/name"
    remedy = (
        f"write wandb-artifact://{artifact}:vN, with what wandb.Api().artifact({f'{artifact}:latest'!r}).version says"
    )
    return moving("wandb", text, reason, remedy, artifact=name)
