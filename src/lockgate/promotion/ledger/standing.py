"""Where every version of a model stands, from the entries of its ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from lockgate.promotion.ledger.entry import Entry, is_elsewhere
from lockgate.promotion.ledger.policy import RETAIN_FLOOR
from lockgate.registries.ports import Stages, version_order

VersionState = Literal["none", "staging", "production", "standby", "archived", "withdrawn"]


@dataclass(frozen=True)
class Standing:
    """Where every version of a model stands.

    standby: what a rollback goes to, None where nothing is left. staging: the version that waits for sign-off, which may be
    the standby, too; staged_at: since when it does.
    states, since: of each version the ledger names, and the moment it got there.
    line: versions that held Production and may again, latest first. evidence: on what each version was let in.
    released: how and when each version was last let go from Production or standby. dead: digests that open nothing any more.
    """

    production: str | None = None
    standby: str | None = None
    staging: str | None = None
    staged_at: datetime | None = None
    states: Mapping[str, VersionState] = field(default_factory=dict)
    since: Mapping[str, datetime] = field(default_factory=dict)
    line: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    released: Mapping[str, tuple[VersionState, datetime]] = field(default_factory=dict)
    dead: frozenset[str] = frozenset()

    @property
    def aliases(self) -> dict[str, str]:
        """alias → version as the registry must show it; an empty place has none, nor has what is not copied yet."""
        aliases = {"production": self.production, "previous": self.standby, "staging": self.staging}
        return {
            alias: version for alias, version in aliases.items() if version is not None and not is_elsewhere(version)
        }

    def idle(self, shown_aliases: Mapping[str, str], gone: Collection[str] = ()) -> dict[str, str]:
        """Of the aliases that are shown those of ours that stand for nothing, with what they point to.

        gone: versions that the registry has no longer. Before the ledger has a Production nothing is ours to delete.
        """
        if self.production is None:
            return {}
        used = {alias for alias, version in self.aliases.items() if version not in gone}
        return {
            alias: shown_aliases[alias]
            for alias in ("previous", "staging")
            if alias in shown_aliases and alias not in used
        }

    def stages_due(self, stages: Stages, versions: Collection[str] | None = None) -> dict[str, str]:
        """version → stage for what a mirror of this standing shows otherwise; the move to Production comes first.

        versions: those that are compared, all where it is None. A version that the ledger does not know is left where it
        is, unless that is Production and the ledger has another.
        """
        due = {}
        for version in sorted(
            stages.by_version, key=lambda version: (version != self.production, version_order(version))
        ):
            recorded = version in self.states
            stage = stages.names[self.state(version) if recorded else "archived"]
            stranger = self.production is not None and stages.by_version[version] == stages.names["production"]
            strange = stages.by_version[version] != stage and (recorded or stranger)
            if strange and (versions is None or version in versions):
                due[version] = stage
        return due

    def changed(self, before: Standing) -> set[str]:
        """The versions that stand elsewhere than before."""
        return {version for version, state in self.states.items() if before.state(version) != state}

    def state(self, version: str) -> VersionState:
        return self.states.get(version, "none")

    def is_withdrawn(self, version: str) -> bool:
        """Whether a rollback took it out of Production and nothing brought it back; evaluating it anew does not."""
        in_use = self.state(version) in ("production", "standby")
        return not in_use and version in self.released and self.released[version][0] == "withdrawn"

    def retain_until(self, version: str, retain: timedelta) -> datetime | None:
        """Until when a version that left Production is kept, None for one that is in use again or never held it."""
        in_use = self.state(version) in ("production", "standby")
        return None if in_use or version not in self.released else self.released[version][1] + retain

    def after(self, entry: Entry) -> Standing:
        """The standing once the entry is done."""
        if entry.kind == "staged" and entry.target is not None:
            return self._staged(entry, entry.target)
        if entry.kind in ("adopted", "promoted", "override") and entry.target is not None:
            return self._promoted(entry, entry.target)
        if entry.kind == "rolled_back" and entry.target is not None:
            return self._rolled_back(entry, entry.target)
        if entry.kind == "archived" and entry.source is not None:
            standby = None if entry.source == self.standby else self.standby
            return self._moved(entry.at, {entry.source: "archived"}, standby=standby)
        return self

    def _staged(self, entry: Entry, version: str) -> Standing:
        if version == self.production:  # it passed after an override had let it in: it waits for nothing
            return self
        changes: dict[str, VersionState] = {}
        if self.staging not in (None, version):
            changes |= self._unstaged()
        if self.state(version) not in ("production", "standby"):
            changes[version] = "staging"
        staged_at = self.staged_at if self.staging == version else entry.at
        evidence = self._knowing(version, entry.evidence)
        return self._moved(entry.at, changes, staging=version, staged_at=staged_at, evidence=evidence)

    def _promoted(self, entry: Entry, version: str) -> Standing:
        outgoing = self.production if self.production != version else None
        changes = self._unstaged()
        if self.standby is not None and outgoing is not None:
            changes[self.standby] = "archived"
        if outgoing is not None:
            changes[outgoing] = "standby"
        changes[version] = "production"
        standby = outgoing or (self.standby if self.standby != version else None)
        return self._moved(
            entry.at,
            changes,
            production=version,
            standby=standby,
            staging=None,
            line=(version, *(other for other in self.line if other != version)),
            evidence=self._knowing(version, entry.evidence),
        )

    def _rolled_back(self, entry: Entry, version: str) -> Standing:
        withdrawn = self.production
        older = self.line[self.line.index(version) + 1 :] if version in self.line else self.line
        line = (version, *(other for other in older if other != withdrawn))
        standby = next((other for other in line[1:] if self._kept(other, entry.at)), None)
        changes: dict[str, VersionState] = {}
        if self.standby is not None:
            changes[self.standby] = "archived"
        if standby is not None:
            changes[standby] = "standby"
        dead = self.dead
        if withdrawn is not None:
            changes[withdrawn] = "withdrawn"
            dead = dead | ({self.evidence[withdrawn]} if withdrawn in self.evidence else set())
        changes[version] = "production"
        return self._moved(
            entry.at,
            changes,
            production=version,
            standby=standby,
            staging=None if self.staging in (withdrawn, version) else self.staging,
            line=line,
            dead=dead,
        )

    def _kept(self, version: str, at: datetime) -> bool:
        """Whether every policy still keeps this version: retention has a floor."""
        until = self.retain_until(version, RETAIN_FLOOR)
        return not self.is_withdrawn(version) and (until is None or at <= until)

    def _unstaged(self) -> dict[str, VersionState]:
        """What becomes of the version that waits for sign-off once it does not: what it was before."""
        if self.staging is None or self.state(self.staging) != "staging":
            return {}
        return {self.staging: self.released[self.staging][0] if self.staging in self.released else "none"}

    def _knowing(self, version: str, evidence: str | None) -> Mapping[str, str]:
        return self.evidence if evidence is None else {**self.evidence, version: evidence}

    def _moved(self, at: datetime, changes: Mapping[str, VersionState], **fields: Any) -> Standing:
        moved = {version: state for version, state in changes.items() if self.state(version) != state}
        let_go: dict[str, tuple[VersionState, datetime]] = {
            version: (state, at)
            for version, state in moved.items()
            if state in ("archived", "withdrawn") and self.state(version) in ("production", "standby")
        }
        return replace(
            self,
            states={**self.states, **moved},
            since={**self.since, **dict.fromkeys(moved, at)},
            released={**self.released, **let_go} if let_go else self.released,
            **fields,
        )


def standing(entries: Iterable[Entry], at: datetime | None = None) -> Standing:
    """Where every version stood at a moment, now if none is given. entries: those that are done, in order.

    The order of the entries counts, not that of clocks which disagree: all up to the last one from before the moment.
    """
    done = list(entries)
    if at is not None:
        done = done[: max((number for number, entry in enumerate(done, start=1) if entry.at <= at), default=0)]
    current = Standing()
    for entry in done:
        current = current.after(entry)
    return current
