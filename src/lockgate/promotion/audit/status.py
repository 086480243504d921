"""Status of a model: where its ledger has every version, and where the registry shows otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.soak import Soak, soak_of
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.ledger.steps import agrees
from lockgate.promotion.operator import stored_chain
from lockgate.registries.ports import Registry, Stages, version_order
from lockgate.units import duration_text, utc_text

_Place = tuple[Entry | None, datetime | None]


@dataclass(frozen=True)
class ModelStatus:
    """One model at one moment. `problems` are what somebody must look at; none where all agrees.

    overridden: by what Production got there against the rules, until it passes its gates.
    """

    model: str
    at: datetime
    promotion: PromotionPolicy
    chain: Chain
    standing: Standing
    aliases: dict[str, str]
    problems: tuple[str, ...]
    overridden: Entry | None = None

    @property
    def unfinished(self) -> Entry | None:
        return self.chain.unfinished

    @property
    def soak(self) -> Soak | None:
        """What `gate archive` waits for; None where nothing stands by."""
        return soak_of(self.chain, self.promotion.soak)

    @property
    def retained(self) -> dict[str, datetime]:
        """Versions that left Production, and until when each is kept; those whose time has passed are not named."""
        retained = {
            version: until
            for version in self.standing.released
            if (until := self.standing.retain_until(version, self.promotion.retain)) is not None and until >= self.at
        }
        return dict(sorted(retained.items(), key=lambda pair: version_order(pair[0])))

    @property
    def lines(self) -> list[str]:
        """The status for people, a sentence per line."""
        standing = self.standing
        lines = [
            self._line("Production", standing.production, self._let_in(standing.production)),
            self._line("Staging", standing.staging, self._staged),
            self._line("previous", standing.standby, self._let_in(standing.standby)),
            *self._standby_lines(),
        ]
        for state in ("archived", "withdrawn"):
            versions = sorted(
                (version for version, other in standing.states.items() if other == state), key=version_order
            )
            lines += [f"{state:<11} {', '.join(self._with_retention(version) for version in versions)}"] * bool(
                versions
            )
        return [self.model, *lines, *(f"! {problem}" for problem in self.problems)]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/status/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "production": self._version(self.standing.production, self._let_in(self.standing.production)),
            "standby": self._version(self.standing.standby, self._let_in(self.standing.standby)),
            "staging": self._version(self.standing.staging, self._staged),
            "archive_due_at": None if self.soak is None else utc_text(self.soak.ends),
            "aliases": self.aliases,
            "epoch": self.chain.last.epoch if self.chain.last else 0,
            "unfinished": self.unfinished.to_json() if self.unfinished else None,
            "overridden": self.overridden.to_json() if self.overridden else None,
            "versions": {version: str(state) for version, state in sorted(self.standing.states.items())},
            "retain_until": {version: utc_text(until) for version, until in self.retained.items()},
            "problems": list(self.problems),
        }

    def _let_in(self, version: str | None) -> _Place:
        """By what a version became Production last, and since when it is where it is."""
        return self.chain.last_of(version, MOVES), self.standing.since.get(version or "")

    @property
    def _staged(self) -> _Place:
        """By what the version that waits was staged last, and since when it waits."""
        return self.chain.last_of(self.standing.staging, {"staged"}), self.standing.staged_at

    def _standby_lines(self) -> list[str]:
        soak = self.soak
        if soak is None:
            return ["  no previous version is left, and no alias previous"] if self.standing.production else []
        if soak.is_over(self.at):
            return [f"  gate archive {self.model} is due since {utc_text(soak.ends)}"]
        for_how_long = duration_text(self.promotion.soak)
        return [
            f"  stays until {utc_text(soak.ends)}, when version {soak.production} will have held for {for_how_long}; "
            f"then gate archive {self.model} archives it"
        ]

    def _with_retention(self, version: str) -> str:
        until = self.retained.get(version)
        return version if until is None else f"{version} (kept until {utc_text(until)})"

    def _line(self, word: str, version: str | None, place: _Place) -> str:
        if version is None:
            return f"{word:<11} nothing"
        entry, since = place
        when = f" since {utc_text(since)}" if since is not None else ""
        who = f", {entry.kind.replace('_', ' ')} by {entry.actor}" if entry is not None else ""
        then = f" on {utc_text(entry.at)}" if entry is not None and entry.at != since else ""
        reason = f": {entry.reason}" if entry is not None and entry.reason else ""
        return f"{word:<11} version {version}{when}{who}{then}{reason}"

    def _version(self, version: str | None, place: _Place) -> dict[str, Any] | None:
        if version is None:
            return None
        entry, since = place
        return {
            "version": version,
            "since": None if since is None else utc_text(since),
            "evidence": self.standing.evidence.get(version),
            "epoch": None if entry is None else entry.epoch,
            "by": None if entry is None else entry.actor.to_json(),
            "reason": None if entry is None else entry.reason,
        }


def status(registry: Registry, model: str, *, promotion: PromotionPolicy, now: datetime) -> ModelStatus:
    """Read ledger, aliases and what the stages that mirror them load, and say where they differ.

    now: used where the registry says no time. Raises Refused for a deleted ledger.
    """
    shown_aliases, stages = registry.loaded(model)
    chain, aliases = stored_chain(registry, model), dict(shown_aliases)
    now = registry.time() or now
    current, entry = chain.standing, chain.override
    problems = _problems(model, chain, current, aliases, now)
    if chain.bad is None and chain.unfinished is None:
        problems += _moved(current, stages)
    if entry is not None:
        problems.append(
            f"version {entry.target} was promoted by override on {utc_text(entry.at)}, by {entry.actor}: "
            f"{entry.reason}; this warning stays until gate run --stage --candidate version={entry.target} passes, or another "
            "version takes its place"
        )
    return ModelStatus(model, now, promotion, chain, current, aliases, tuple(problems), entry)


def _moved(standing: Standing, stages: Stages) -> list[str]:
    due, production = standing.stages_due(stages), stages.names.get("production")
    wrong = [
        f"version {version} is in {stages.by_version[version]} and should be in {stage}"
        for version, stage in due.items()
    ]
    if production and standing.production and production not in (*stages.by_version.values(), *due.values()):
        wrong.append(f"no version is in {production}, and version {standing.production} should be")
    return [f"somebody moved a stage by hand: {', '.join(wrong)}"] if wrong else []


def _problems(model: str, chain: Chain, standing: Standing, aliases: dict[str, str], now: datetime) -> list[str]:
    problems: list[str] = []
    if chain.bad is not None:
        problems.append(f"the ledger does not hold together: {chain.bad}")
    entry = chain.unfinished
    if entry is not None:
        until = utc_text(chain.held_until(entry, now))
        problems.append(
            f"{entry.label} ({entry.kind.replace('_', ' ')} by {entry.actor}) is "
            + (
                f"in progress until {until}"
                if chain.is_held(entry, now)
                else "unfinished; the next command finishes it"
            )
        )
    elif standing.production is None and "production" in aliases:
        problems.append(
            f"version {aliases['production']} holds the alias production, and the ledger knows nothing of it; "
            f'begin with gate adopt {model} --version {aliases["production"]} --reason "…"'
        )
    elif chain.bad is None and not agrees(aliases, standing.aliases):
        wrong = [
            f"{alias} is {aliases.get(alias, 'missing')} and should be {version}"
            for alias, version in standing.aliases.items()
            if aliases.get(alias) != version
        ]
        problems.append("somebody moved an alias by hand: " + ", ".join(wrong))
    return problems
