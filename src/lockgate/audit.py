"""Where does everything stand: the ledger's word, held against what the registry shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.ledger import Chain, Entry, Standing, agrees, read_chain, standing
from lockgate.registry import Registry, utc_text


@dataclass(frozen=True)
class Status:
    """One model at one moment. `problems` are what somebody must look at; none where all agrees."""

    model: str
    at: datetime
    chain: Chain
    standing: Standing
    aliases: dict[str, str]
    problems: tuple[str, ...]

    @property
    def unfinished(self) -> Entry | None:
        return self.chain.unfinished

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        place = self.standing
        lines = [self._line("Production", place.production), self._line("Staging", place.staging)]
        lines.append(self._line("standby", place.standby))
        if place.production is not None and place.standby is None:
            lines.append("  no standby is left: the alias previous equals production")
        rest: dict[str, list[str]] = {}
        for version, state in place.states.items():
            if state in ("archived", "withdrawn"):
                rest.setdefault(state, []).append(version)
        lines += [f"{state:<11} {', '.join(sorted(found, key=int))}" for state, found in sorted(rest.items())]
        return [self.model, *lines, *(f"! {problem}" for problem in self.problems)]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/status/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "production": self._version(self.standing.production),
            "standby": self._version(self.standing.standby),
            "staging": self._version(self.standing.staging),
            "aliases": self.aliases,
            "epoch": self.chain.last.epoch if self.chain.last else 0,
            "unfinished": self.unfinished.to_json() if self.unfinished else None,
            "versions": {version: str(state) for version, state in sorted(self.standing.states.items())},
            "problems": list(self.problems),
        }

    def entry_of(self, version: str) -> Entry | None:
        """The last entry that moved a version to where it is."""
        entries = reversed(self.chain.finished)
        return next((entry for entry in entries if version in (entry.target, entry.source)), None)

    def _line(self, word: str, version: str | None) -> str:
        if version is None:
            return f"{word:<11} nothing"
        entry, since = self.entry_of(version), self.standing.since.get(version)
        when = f" since {utc_text(since)}" if since is not None else ""
        who = f", {entry.kind.replace('_', ' ')} by {entry.actor}" if entry is not None else ""
        why = f": {entry.reason}" if entry is not None and entry.reason else ""
        return f"{word:<11} version {version}{when}{who}{why}"

    def _version(self, version: str | None) -> dict[str, Any] | None:
        if version is None:
            return None
        entry = self.entry_of(version)
        since = self.standing.since.get(version)
        return {
            "version": version,
            "since": None if since is None else utc_text(since),
            "evidence": self.standing.evidence.get(version),
            "epoch": None if entry is None else entry.epoch,
            "by": None if entry is None else entry.actor.to_json(),
            "reason": None if entry is None else entry.reason,
        }


def status(registry: Registry, model: str, *, now: datetime) -> Status:
    """Read ledger and aliases, and say where they differ. Raises Refused for a deleted ledger."""
    aliases = dict(registry.aliases(model))
    chain = read_chain(registry.ledger(model).keys())
    place = standing(chain.finished)
    return Status(model, now, chain, place, aliases, tuple(_problems(model, chain, place, aliases, now)))


def _problems(model: str, chain: Chain, place: Standing, aliases: dict[str, str], now: datetime) -> list[str]:
    problems: list[str] = []
    if chain.bad is not None:
        problems.append(f"the ledger does not hold together: {chain.bad}")
    entry = chain.unfinished
    if entry is not None:
        until = utc_text(entry.lease_ends)
        problems.append(
            f"epoch {entry.epoch} ({entry.kind.replace('_', ' ')} by {entry.actor}) is "
            + (f"in progress until {until}" if now < entry.lease_ends else "unfinished; the next command finishes it")
        )
    elif place.production is None and "production" in aliases:
        problems.append(
            f"version {aliases['production']} holds the alias production, and the ledger knows nothing of it; "
            f'begin with gate adopt {model} --version {aliases["production"]} --reason "…"'
        )
    elif chain.bad is None and not agrees(aliases, place.aliases):
        wrong = [
            f"{alias} is {aliases.get(alias, 'missing')} and should be {version}"
            for alias, version in place.aliases.items()
            if aliases.get(alias) != version
        ]
        problems.append("somebody moved an alias by hand: " + ", ".join(wrong))
    return problems
