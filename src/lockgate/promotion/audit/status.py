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
from lockgate.units import duration_text, minute_text, utc_text

EVALUATE = "gate run --stage", "evaluates a candidate, and stages it on a pass"
_NAMED = 5  # versions of a kind that are named
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
    def sections(self) -> list[tuple[str, list[str]]]:
        """The status for people, sentences under a word each; a word without sentences is left out."""
        standing = self.standing
        gone = [("Archived", "archived"), ("Withdrawn", "withdrawn")]
        sections = [
            ("Production", [self._line(standing.production, self._let_in(standing.production))]),
            ("Staging", [self._line(standing.staging, self._staged), *self._withdrawal(standing.staging)]),
            ("Rollback", self._rollback_lines()),
            *((word, self._listed(state)) for word, state in gone),
            ("Problems", list(self.problems) or ["none"]),
        ]
        return [(word, sentences) for word, sentences in sections if sentences]

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What can be called for, and what it does; not for what waits in Staging."""
        model, soak = self.model, self.soak
        commands = [(f"gate verify {model}", "names everything that does not fit together")] * bool(self.problems)
        if soak is not None and soak.is_over(self.at):
            commands.append((f"gate archive {model}", f"is due since {minute_text(soak.ends)}"))
        if self.standing.standby is not None:
            back = f"makes version {self.standing.standby} Production again"
            commands.append((f'gate rollback {model} --reason "…"', back))
        if self.standing.staging is None and not self.problems:
            commands.append(EVALUATE)
        return commands

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

    def _withdrawal(self, version: str | None) -> list[str]:
        """That a rollback took a version out of Production, and why; nothing of others."""
        if version is None or not self.standing.is_withdrawn(version):
            return []
        mine = (each for each in reversed(self.chain.finished) if each.kind == "rolled_back" and each.source == version)
        entry = next(mine, None)
        reason = f": {entry.reason}" if entry is not None and entry.reason else ""
        return [f"a rollback took it out of Production on {minute_text(self.standing.released[version][1])}{reason}"]

    def _rollback_lines(self) -> list[str]:
        """To what a rollback goes, for how long, and what else is kept."""
        standby, soak = self.standing.standby, self.soak
        lines = [self._line(standby, self._let_in(standby))] if standby is not None else []
        if soak is not None and not soak.is_over(self.at):
            for_how_long = duration_text(self.promotion.soak)
            lines.append(
                f"stays until {minute_text(soak.ends)}, when version {soak.production} will have held for {for_how_long}; "
                f"then gate archive {self.model} archives it"
            )
        if standby is None and self.standing.production:
            several = len(self.chain.past_production) > 1
            lines.append("no previous version is left" if several else "there is no previous version yet")
        kept = [(version, until) for version, until in self.retained.items() if version != standby]
        return lines + [
            f"version {version} is kept until {minute_text(until)}: gate rollback {self.model} --to {version}"
            + (" --withdrawn-ok" if self.standing.is_withdrawn(version) else "")
            for version, until in kept[-_NAMED:]
        ]

    def _listed(self, state: str) -> list[str]:
        """The newest versions in a state, and how many others."""
        versions = sorted((version for version, its in self.standing.states.items() if its == state), key=version_order)
        others = len(versions) - _NAMED
        more = [f"and {others} more"] if others > 0 else []
        return [", ".join([*reversed(versions[-_NAMED:]), *more])] if versions else []

    def _line(self, version: str | None, place: _Place) -> str:
        if version is None:
            return "nothing"
        entry, since = place
        when = f" since {minute_text(since)}" if since is not None else ""
        who = f", {entry.kind.replace('_', ' ')} by {entry.actor}" if entry is not None else ""
        at = None if entry is None else minute_text(entry.at)
        then = "" if at is None or (since is not None and at == minute_text(since)) else f" on {at}"
        reason = f": {entry.reason}" if entry is not None and entry.reason else ""
        return f"version {version}{when}{who}{then}{reason}"

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
