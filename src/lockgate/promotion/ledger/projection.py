"""Aliases, version tags and stages that the registry must show for a ledger; people and searches read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.registries.ports import Stages
from lockgate.units import utc_text

Tags = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class ShownProjections:
    """What a registry shows of a ledger. tags: version → its tags, of every version that exists."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)
    stages: Stages = field(default_factory=Stages)


@dataclass(frozen=True)
class DueProjections:
    """What must be set for a registry to show a ledger: alias → version, version → tags, version → stage.

    idle: aliases that stand for nothing, with what they point to.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """What setting these does, a sentence each."""
        return [
            *(f"point the alias {alias} to version {version}" for alias, version in self.aliases.items()),
            *(f"delete the alias {alias}, which stands for nothing" for alias in self.idle),
            *(f"move version {version} to the stage {stage}" for version, stage in self.stages.items()),
            *(
                f"set {tag} of version {version} to {value}"
                for version, tags in self.tags.items()
                for tag, value in tags.items()
            ),
        ]


def due_projections(
    finished: Sequence[Entry], projections: ShownProjections, storable: Callable[[Tags], Tags] = lambda tags: tags
) -> DueProjections:
    """What the registry shows otherwise than these entries, done in this order, have it.

    storable: tags as the registry can hold them.
    """
    current = standing(finished)
    gone = set(current.states) - set(projections.tags)
    return DueProjections(
        differing_aliases(current.aliases, projections.aliases, projections.tags),
        differing_tags(storable(all_tags(finished)), projections.tags),
        current.stages_due(projections.stages),
        current.idle(projections.aliases, gone),
    )


def _tags_of(entry: Entry, before: Standing, after: Standing) -> Tags:
    """version → the tags that an entry sets once it is carried out."""
    due: dict[str, dict[str, str]] = {}
    for version, state in after.states.items():
        if before.state(version) == state:
            continue
        due[version] = {"lockgate.state": str(state)}
        if version == entry.target:
            due[version] |= {"lockgate.evidence": entry.evidence} if entry.evidence else {}
            if state == "production":
                due[version] |= {
                    "lockgate.promoted_by": str(entry.actor),
                    "lockgate.promoted_at": utc_text(entry.at),
                }
    return due


def all_tags(entries: Iterable[Entry]) -> Tags:
    """version → the tags that all of these entries, done in this order, left on it."""
    current, collected = Standing(), dict[str, dict[str, str]]()
    for entry in entries:
        after = current.after(entry)
        for version, tags in _tags_of(entry, current, after).items():
            collected.setdefault(version, {}).update(tags)
        current = after
    return collected


def differing_tags(expected: Tags, shown_tags: Tags) -> Tags:
    """Of the expected tags those that the registry shows otherwise, or not.

    shown_tags: version → its tags; none for one that is gone.
    """
    differing = {
        version: {tag: value for tag, value in tags.items() if shown_tags[version].get(tag) != value}
        for version, tags in expected.items()
        if version in shown_tags
    }
    return {version: tags for version, tags in differing.items() if tags}


def differing_aliases(
    expected: Mapping[str, str], shown_aliases: Mapping[str, str], existing: Iterable[str]
) -> dict[str, str]:
    """Of the expected aliases those that point elsewhere, with where they belong; nothing but production can point to a
    version that is gone."""
    there = {*existing, expected.get("production")}
    return {
        alias: version
        for alias, version in expected.items()
        if version in there and shown_aliases.get(alias) != version
    }
