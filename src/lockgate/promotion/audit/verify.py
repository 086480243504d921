"""Verify the registry against the ledger: the chain, aliases, versions, evidence and votes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from lockgate.errors import NotFound, Refused
from lockgate.promotion.audit.published_evidence import PublishedEvidence
from lockgate.promotion.ledger.backward_times import backward_times
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.discrepancy import Discrepancy
from lockgate.promotion.ledger.entry import Entry, is_elsewhere
from lockgate.promotion.ledger.export import LedgerCopy, changed_since, uncovered
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.projection import DueProjections, ShownProjections, due_projections
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.operator import held_chain
from lockgate.promotion.registry_writes import storable
from lockgate.registries.ports import Registry, Stages, version_order
from lockgate.text import counted
from lockgate.units import utc_text


@dataclass(frozen=True)
class Verification:
    """What was checked, and the discrepancies between it and the ledger.

    in_progress: an entry that somebody is carrying out right now, whose projections nobody can expect yet.
    due: what `repair` would set. notices: what nobody can put right any more, and so is no discrepancy.
    """

    model: str
    at: datetime
    chain: Chain
    discrepancies: tuple[Discrepancy, ...]
    versions: int = 0
    evidence: int = 0
    in_progress: Entry | None = None
    due: DueProjections = field(default_factory=DueProjections)

    @property
    def notices(self) -> list[Discrepancy]:
        return list(backward_times(self.model, self.chain))

    @property
    def lines(self) -> list[str]:
        """The result for people, a sentence per line."""
        lines = [f"! {discrepancy}" for discrepancy in self.discrepancies]
        if self.in_progress is not None:
            until = utc_text(self.chain.held_until(self.in_progress, self.at))
            lines.append(f"{self.model}: {self.in_progress.label} is in progress until {until}; run this again then")
        elif not self.discrepancies:
            lines.append(
                f"{self.model}: all agrees: {counted(len(self.chain.entries), 'entry', 'entries')}, "
                f"{counted(self.versions, 'version')}, {counted(self.evidence, 'published run')}"
            )
        lines += [f"~ {notice}" for notice in self.notices]
        gap = uncovered(self.chain)
        return [*lines, f"  {gap}"] if gap else lines

    @property
    def exit_code(self) -> int:
        return 1 if self.discrepancies else 3 if self.in_progress is not None else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/verify/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "agrees": not self.discrepancies and self.in_progress is None,
            "found": [discrepancy.to_json() for discrepancy in self.discrepancies],
            "notices": [notice.to_json() for notice in self.notices],
            "in_progress": None if self.in_progress is None else self.in_progress.to_json(),
            "checked": {"entries": len(self.chain.entries), "versions": self.versions, "evidence": self.evidence},
            "uncovered": uncovered(self.chain),
            "repairs": self.repairs,
        }

    @property
    def repairs(self) -> list[str]:
        """What putting the registry back to the ledger would do, a sentence each."""
        return self.due.lines


def verify(
    registry: Registry,
    model: str,
    *,
    promotion: PromotionPolicy,
    now: datetime,
    scratch: Path,
    exported: LedgerCopy | None = None,
) -> Verification:
    """Compare everything with the ledger. It changes nothing.

    now: used where the registry says no time. scratch: where published evidence is downloaded to. exported: an earlier copy of the ledger, to compare it with too.
    Raises Unavailable where the registry does not answer: that says nothing about anybody's hand.
    """
    try:
        ledger = registry.ledger(model)
        keys = ledger.keys()
        chain = held_chain(ledger, keys)
    except Refused as refused:
        gone = Discrepancy("ledger_deleted", f"the ledger of {model}", refused.message, refused.remedy or "restore it")
        return Verification(model, now, Chain(), (gone,))
    now, unfinished = registry.time() or now, chain.unfinished
    discrepancies: list[Discrepancy] = []
    if exported is not None:
        discrepancies += changed_since(keys, exported, name="the copy")
    if chain.bad is not None:
        discrepancies.append(
            Discrepancy(
                "ledger_edited",
                f"the ledger of {model}",
                f"it does not hold together: {chain.bad}",
                "find out who changed it; nothing is promoted until the entry is as it was",
            )
        )
    projections = ShownProjections()
    try:
        projections = _shown(registry, model)
    except NotFound as error:
        remedy = "restore the registry's database from a backup"
        discrepancies.append(Discrepancy("model_gone", f"the model {model}", error.message, remedy))
    due, busy = DueProjections(), unfinished is not None and chain.is_held(unfinished, now)
    if unfinished is not None and not busy:
        discrepancies.append(_unfinished(model, unfinished))
    elif unfinished is None and chain.bad is None:
        due = due_projections(chain.finished, projections, partial(storable, registry))
        discrepancies += _differences(model, chain, projections, due)
        due = replace(
            due, aliases={alias: version for alias, version in due.aliases.items() if version in projections.tags}
        )
    discrepancies += _gone(model, chain.standing, projections.tags, promotion, now)
    runs = PublishedEvidence(registry.evidence(model), chain, scratch)
    discrepancies += runs.problems()
    in_progress = unfinished if busy else None
    return Verification(model, now, chain, tuple(discrepancies), len(projections.tags), runs.checked, in_progress, due)


def _shown(registry: Registry, model: str) -> ShownProjections:
    aliases = registry.aliases(model)
    tags = {version.version: version.tags for version in registry.versions(model)}
    return ShownProjections(aliases, tags, registry.stages(model))


def _differences(model: str, chain: Chain, projections: ShownProjections, due: DueProjections) -> Iterator[Discrepancy]:
    """What the registry shows otherwise than the ledger, and what holds Production where the ledger has none."""
    current = chain.standing
    for alias, expected in due.aliases.items():
        yield _alias(model, chain, current, alias, projections.aliases.get(alias), expected)
    for alias, holder in due.idle.items():
        yield Discrepancy(
            "alias_left",
            f"the alias {alias} of {model}",
            f"it stands for nothing, and still points to version {holder}, which whoever loads it gets",
            f"gate verify {model} --repair deletes it, with a credential that may",
        )
    for version, expected in due.stages.items():
        yield _stage(model, chain, current, version, projections.stages, expected)
    if current.production is None:
        yield from _strangers(model, current, projections)
    for version, tags in due.tags.items():
        for tag, value in tags.items():
            yield Discrepancy(
                "tag_edited",
                f"the tag {tag} of {model} version {version}",
                f"it is {projections.tags[version].get(tag, 'missing')}, and the ledger says {value}",
                f"gate verify {model} --repair sets it again",
            )


def _unfinished(model: str, entry: Entry) -> Discrepancy:
    return Discrepancy(
        "unfinished",
        f"epoch {entry.epoch} of {model}",
        f"{entry.kind.replace('_', ' ')} by {entry.actor} on {utc_text(entry.at)}, and never done",
        f"the next command that moves a version finishes it, gate verify {model} --repair too",
    )


def _alias(model: str, chain: Chain, standing: Standing, alias: str, holder: str | None, expected: str) -> Discrepancy:
    message = f"it was moved by hand: it {f'points to version {holder}' if holder else 'is missing'}, and the ledger says version {expected}"
    if alias == "production":
        message += _by_whom(chain, standing)
    keep = f", or promote version {holder} if it is meant" if holder and alias == "production" else ""
    return Discrepancy(
        "alias_moved", f"the alias {alias} of {model}", message, f"gate verify {model} --repair points it back{keep}"
    )


def _by_whom(chain: Chain, standing: Standing) -> str:
    """Who made the version Production that is, and when."""
    entry = next((move for move in chain.moves if move.target == standing.production), None)
    return "" if entry is None else f", {entry.kind.replace('_', ' ')} by {entry.actor} on {utc_text(entry.at)}"


def _stage(model: str, chain: Chain, standing: Standing, version: str, stages: Stages, expected: str) -> Discrepancy:
    stage = stages.by_version[version]
    message, keep = f"it was moved by hand: it stands in the stage {stage}, and the ledger", ""
    if version not in standing.states:
        message += f" does not know it: version {standing.production} is Production{_by_whom(chain, standing)}"
    else:
        state = standing.state(version)
        message += f" says {expected}" + ("" if stages.names[state].lower() == state else f", because it is {state}")
        message += _by_whom(chain, standing) if state == "production" else ""
    if stage == stages.names["production"]:
        keep = f", or promote version {version} if it is meant"
    return Discrepancy(
        "stage_moved",
        f"version {version} of {model}",
        message,
        f"gate verify {model} --repair moves it to {expected}{keep}",
    )


def _strangers(model: str, standing: Standing, projections: ShownProjections) -> Iterator[Discrepancy]:
    """What holds Production where the ledger has none."""
    adopted, stages = projections.aliases.get("production"), projections.stages
    holders = [] if adopted is None else [("alias production", "points to", adopted)]
    holders += [
        (f"stage {stage}", "holds", version)
        for version, stage in stages.by_version.items()
        if stage == stages.names["production"] and version not in standing.states and version != adopted
    ]
    for where, does, version in holders:
        yield Discrepancy(
            "not_adopted",
            f"the {where} of {model}",
            f"it {does} version {version}, and the ledger knows nothing of it",
            f'begin with gate adopt {model} --version {version} --reason "…"',
        )


def _gone(
    model: str, standing: Standing, versions: Mapping[str, Any], promotion: PromotionPolicy, now: datetime
) -> Iterator[Discrepancy]:
    """Versions that somebody deleted though they are in use or were to be kept."""
    uses = {
        "production": (
            "it is Production",
            f'gate rollback {model} --reason "…" (or --to another version that is kept) makes one that exists Production',
        ),
        "standby": (
            "it is the previous version, to which a rollback goes",
            "a rollback can only go --to an older version; find out who deleted it",
        ),
        "staging": ("it waits for sign-off", "evaluate another candidate with gate run --stage"),
    }
    here = {version for version in standing.states if not is_elsewhere(version)}
    for version in sorted(here - set(versions), key=version_order):
        use, until = uses.get(standing.state(version)), standing.retain_until(version, promotion.retain)
        if use is None and until is not None and until >= now:
            use = (
                f"was to be kept until {utc_text(until)}",
                "find out who deleted it, and restore the registry's database from a backup if it is needed",
            )
        if use is not None:
            message = f"it was deleted from the registry, and {use[0]}"
            yield Discrepancy("version_deleted", f"version {version} of {model}", message, use[1])
