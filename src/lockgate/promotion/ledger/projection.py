"""Aliases and version tags that the registry must show for a ledger; people and searches read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.standing import Standing
from lockgate.units import utc_text

Tags = dict[str, dict[str, str]]


def tags_after(entry: Entry, before: Standing) -> Tags:
    """version → the tags that an entry sets once it is carried out."""
    after = before.after(entry)
    due: Tags = {}
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
        for version, tags in tags_after(entry, current).items():
            collected.setdefault(version, {}).update(tags)
        current = current.after(entry)
    return collected


def differing_tags(expected: Tags, shown_tags: Mapping[str, Mapping[str, str]]) -> Tags:
    """Of the expected tags those that the registry shows otherwise, or not.

    shown_tags: version → its tags; none for one that is gone.
    """
    differing: Tags = {}
    for version, tags in expected.items():
        if version in shown_tags:
            wrong = {tag: value for tag, value in tags.items() if shown_tags[version].get(tag) != value}
            differing |= {version: wrong} if wrong else {}
    return differing


def differing_aliases(
    expected: Mapping[str, str], shown_aliases: Mapping[str, str], existing: Iterable[str]
) -> dict[str, str]:
    """Of the expected aliases those that point elsewhere, with where they belong: Production, where their version is gone."""
    there = set(existing)
    instead = expected.get("production")
    aliases = {
        alias: version if version in there or instead is None else instead for alias, version in expected.items()
    }
    return {alias: version for alias, version in aliases.items() if shown_aliases.get(alias) != version}
