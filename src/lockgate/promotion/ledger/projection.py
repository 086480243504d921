"""What must the registry show, given the ledger: aliases, and tags on the versions, for people and searches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.standing import Standing
from lockgate.units import utc_text

Tags = dict[str, dict[str, str]]


def tags_after(entry: Entry, before: Standing) -> Tags:
    """version → the tags that an entry sets once it is carried out."""
    after = before.after(entry)
    found: Tags = {}
    for version, state in after.states.items():
        if before.state(version) == state:
            continue
        found[version] = {"lockgate.state": str(state)}
        if version == entry.target:
            found[version] |= {"lockgate.evidence": entry.evidence} if entry.evidence else {}
            if state == "production":
                found[version] |= {
                    "lockgate.promoted_by": str(entry.actor),
                    "lockgate.promoted_at": utc_text(entry.at),
                }
    return found


def all_tags(entries: Iterable[Entry]) -> Tags:
    """version → the tags that all of these entries, done in this order, left on it."""
    place, found = Standing(), dict[str, dict[str, str]]()
    for entry in entries:
        for version, tags in tags_after(entry, place).items():
            found.setdefault(version, {}).update(tags)
        place = place.after(entry)
    return found


def differing_tags(wanted: Tags, shown: Mapping[str, Mapping[str, str]]) -> Tags:
    """Of the wanted tags those that the registry shows otherwise, or not. shown: version → its tags; none for one that is gone."""
    found: Tags = {}
    for version, tags in wanted.items():
        if version in shown:
            wrong = {tag: value for tag, value in tags.items() if shown[version].get(tag) != value}
            found |= {version: wrong} if wrong else {}
    return found


def differing_aliases(wanted: Mapping[str, str], seen: Mapping[str, str], existing: Iterable[str]) -> dict[str, str]:
    """Of the wanted aliases those that point elsewhere, with where they belong: Production, where their version is gone."""
    there = set(existing)
    instead = wanted.get("production")
    aliases = {alias: version if version in there or instead is None else instead for alias, version in wanted.items()}
    return {alias: version for alias, version in aliases.items() if seen.get(alias) != version}
