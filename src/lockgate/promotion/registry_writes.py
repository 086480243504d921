"""Put aliases and stages where an entry says, and read them back; then the decoration, on which nothing rests.

Tags say what the ledger says, for people and searches. They are written once an entry is done, as well as can be; what is
refused is a warning, and `gate verify` names it until it is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from lockgate.errors import Denied, LockgateError, NotFound, RegistryError, Unavailable
from lockgate.promotion.ledger.projection import Tags, differing_tags
from lockgate.promotion.ledger.steps import Apply
from lockgate.promotion.operator import Operator, RegistryState
from lockgate.promotion.outcome import describe
from lockgate.registries.ports import Registry
from lockgate.text import cut

_TRIES = 3  # the first one, and two in which somebody else may set an alias between our write and our read
_MESSAGE = 300  # characters of what went wrong
REFUSALS = (LockgateError, OSError, ValueError)  # what a registry's own client may raise, too
_HOPELESS = (Denied, Unavailable)  # the next tag would fare no better
_PATIENCE_S = 10.0  # for tags that are not answered


def apply_entry(operator: Operator, state: RegistryState, step: Apply, *, tries: int) -> RegistryState:
    """Set what differs and read back. tries: how often that was done in vain; raises RegistryError after the last one."""
    registry, model = operator.registry, operator.model
    if tries == _TRIES:
        raise RegistryError(
            f"the registry does not show {describe(step.entry)} after {tries} tries: {dict(state.aliases)}",
            remedy=f"see who else sets the aliases of {model}, then run the same command again",
        )
    moves: dict[str, str] | None = None
    try:
        lost, moves = _set(registry, model, step, state)
        state = replace(state, gone=state.gone | lost)
    except NotFound:
        state = _find_gone(operator, state, (step.entry.target, *step.aliases.values()))
    return _read_back(registry, model, state, moves)


def _read_back(registry: Registry, model: str, state: RegistryState, moves: Mapping[str, str] | None) -> RegistryState:
    """The state as the registry shows it now. moves: version → stage as they were written, None where that is not known.

    One version that became Production shows in the one read that has the aliases; after anything else all versions are
    looked at.
    """
    aliases, loaded = registry.loaded(model)
    names, before = state.stages.names, state.stages.by_version
    production = names.get("production")
    if moves is not None and set(moves.values()) <= {production}:
        after = {
            version: names["archived"] if stage == production and moves else stage for version, stage in before.items()
        }
        after |= moves
        expected = [version for version, stage in after.items() if stage == production]
        if [version for version, stage in loaded.by_version.items() if stage == production] == expected:
            return replace(state, aliases=aliases, stages=replace(state.stages, by_version=after))
    return replace(state, aliases=aliases, stages=registry.stages(model))


def _set(registry: Registry, model: str, step: Apply, state: RegistryState) -> tuple[frozenset[str], dict[str, str]]:
    """Set what differs, the alias production first: (versions of other aliases that are gone, version → stage written)."""
    lost, written = set[str](), dict[str, str]()
    for alias, version in step.aliases.items():
        if state.aliases.get(alias) == version:
            continue
        try:
            registry.set_alias(model, alias, version)
        except NotFound:
            if alias == "production" or "production" not in step.aliases:
                raise
            lost.add(version)
    stages = state.stages
    moved = stages.names.get("production") in step.stages.values()
    for version, stage in step.stages.items():
        if moved and stage == stages.names["archived"] and stages.by_version.get(version) == stages.names["production"]:
            continue  # it left with the same write that brought the other one in; reading back shows it
        with suppress(NotFound):  # deleted since it was looked at
            registry.set_stage(model, version, stage)
        written[version] = stage
    return frozenset(lost), written


def _find_gone(operator: Operator, state: RegistryState, versions: Iterable[str | None]) -> RegistryState:
    """The state with those of the versions that the registry has no longer. Raises NotFound where it has all of them."""
    model, missing = operator.model, set[str]()
    for version in {version for version in versions if version is not None} - state.gone:
        try:
            operator.registry.version(model, version)
        except NotFound:
            missing.add(version)
    if not missing:
        raise NotFound(f"the registry says that a version of {model} is gone, and shows all", remedy="try again")
    return replace(state, gone=state.gone | missing)


def storable(registry: Registry, tags: Tags) -> Tags:
    """version → its tags as the registry can hold them."""
    return {version: registry.storable_tags(of_version) for version, of_version in tags.items()}


def show_tags(
    registry: Registry, model: str, tags: Tags, *, shown: Tags | None = None, remedy: str | None = None
) -> list[str]:
    """Set what differs; returns a warning for what could not be set. It never raises, and passes over versions that are gone.

    shown: version → its tags, where they were read before. remedy: where `gate verify` does not know of these tags.
    """
    warnings: list[str] = []
    unset, began, remedy = 0, time.monotonic(), remedy or _remedy(model)
    try:
        if not shown:
            shown = {version.version: version.tags for version in registry.versions(model)}
        due = differing_tags(storable(registry, tags), shown)
    except REFUSALS as error:
        return [f"the tags of {model} were not set: {refusal_text(error)}; {remedy}"]
    for version, key, value in ((version, *tag) for version, tags in due.items() for tag in tags.items()):
        if unset:
            unset += 1
            continue
        try:
            registry.set_tags(model, version, {key: value})
        except REFUSALS as error:
            warnings.append(f"the tag {key} of version {version} was not set: {refusal_text(error)}; {remedy}")
            unset = int(isinstance(error, _HOPELESS) or time.monotonic() - began > _PATIENCE_S)
    if unset > 1:
        warnings.append(f"{unset - 1} more tags were not tried")
    return warnings


def remove_aliases(registry: Registry, model: str, aliases: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """Delete aliases that stand for nothing: (those that are gone now, a warning for each other one). It never raises.

    aliases: alias → the version that it points to.
    """
    gone, warnings = set[str](), list[str]()
    for alias, version in aliases.items():
        try:
            registry.delete_alias(model, alias)
            gone.add(alias)
        except REFUSALS as error:
            warnings.append(
                f"the alias {alias} stands for nothing and still points to version {version}, which whoever loads it gets: "
                f"it was not deleted: {refusal_text(error)}; {_remedy(model)}"
            )
    return gone, warnings


def refusal_text(error: Exception) -> str:
    return cut(error.message if isinstance(error, LockgateError) else f"{type(error).__name__}: {error}", _MESSAGE)


def _remedy(model: str) -> str:
    return f"gate verify {model} --repair does it later"
