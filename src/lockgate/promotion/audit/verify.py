"""Is everything as the ledger says: the chain, what the registry shows, the versions, the evidence and the votes?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lockgate import hashing as digest
from lockgate.errors import Edited, NotFound, Refused, RegistryError, Unavailable
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import exhibit_file
from lockgate.promotion.ledger import export as ledger_copy
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.discrepancy import Disagreement
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.ledger.export import LedgerCopy
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.projection import Tags, all_tags, differing_aliases, differing_tags
from lockgate.promotion.ledger.standing import STAGES, Standing, standing
from lockgate.promotion.publish import published_facts
from lockgate.registries.ports import EvidenceStore, Registry
from lockgate.units import utc_text

_COMPARED = ("version", "verdict", "opens", "run_id", "at")


@dataclass(frozen=True)
class Verification:
    """What was looked at and what was not as the ledger says.

    in_progress: an entry that somebody is carrying out right now, whose projections nobody can expect yet.
    aliases, tags, stages: what `repair` would set; stages only where they mirror the aliases.
    """

    model: str
    at: datetime
    chain: Chain
    found: tuple[Disagreement, ...]
    versions: int = 0
    evidence: int = 0
    in_progress: Entry | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        lines = [f"! {one}" for one in self.found]
        if self.in_progress is not None:
            lines.append(f"{self.model}: epoch {self.in_progress.epoch} is in progress until {self._lease}; ask again")
        elif not self.found:
            lines.append(
                f"{self.model}: all agrees: {_count(len(self.chain.entries), 'entry', 'entries')}, "
                f"{_count(self.versions, 'version')}, {_count(self.evidence, 'published run')}"
            )
        uncovered = ledger_copy.uncovered(self.chain)
        return [*lines, f"  {uncovered}"] if uncovered else lines

    @property
    def exit_code(self) -> int:
        return 1 if self.found else 3 if self.in_progress is not None else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/verify/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "agrees": not self.found and self.in_progress is None,
            "found": [one.to_json() for one in self.found],
            "in_progress": None if self.in_progress is None else self.in_progress.to_json(),
            "checked": {"entries": len(self.chain.entries), "versions": self.versions, "evidence": self.evidence},
            "uncovered": ledger_copy.uncovered(self.chain),
            "repairs": self.repairs,
        }

    @property
    def repairs(self) -> list[str]:
        """What putting the registry back to the ledger would do, a sentence each."""
        return repairs(self.aliases, self.tags, self.stages)

    @property
    def _lease(self) -> str:
        return utc_text(self.in_progress.lease_ends) if self.in_progress is not None else ""


def verify(
    registry: Registry,
    model: str,
    *,
    promotion: PromotionPolicy,
    now: datetime,
    scratch: Path,
    known: LedgerCopy | None = None,
) -> Verification:
    """Hold everything against the ledger. It changes nothing.

    scratch: where published evidence is downloaded to. known: an earlier copy of the ledger, to hold it against too.
    Raises Unavailable where the registry does not answer: that says nothing about anybody's hand.
    """
    try:
        keys = registry.ledger(model).keys()
    except Refused as refused:
        gone = Disagreement("ledger_deleted", f"the ledger of {model}", refused.message, refused.remedy or "restore it")
        return Verification(model, now, Chain(), (gone,))
    chain = read_chain(keys)
    found = [] if known is None else ledger_copy.missing_from(keys, known, name="the copy")
    if chain.bad is not None:
        found.append(
            Disagreement(
                "ledger_edited",
                f"the ledger of {model}",
                f"it does not hold together: {chain.bad}",
                "find out who changed it; nothing is promoted until the entry is as it was",
            )
        )
    shown, seen, mirror = _shown(registry, model, found)
    place, left = standing(chain.finished), chain.unfinished
    aliases: dict[str, str] = {}
    tags: Tags = {}
    stages: dict[str, str] = {}
    if left is not None and now >= chain.held_until(left):
        found.append(_unfinished(model, left))
    elif left is None and chain.bad is None:
        aliases = differing_aliases(place.aliases, seen, shown)
        tags = differing_tags(all_tags(chain.finished), shown)
        found += [_alias(model, chain, place, alias, seen.get(alias), right) for alias, right in aliases.items()]
        stages = place.stages_due(mirror)
        found += [_stage(model, chain, place, version, mirror[version], right) for version, right in stages.items()]
        found += _strangers(model, place, seen, mirror)
        found += _tags(model, tags, shown)
    found += _gone(model, place, shown, promotion, now)
    runs = _Published(registry.evidence(model), chain, scratch)
    found += runs.problems()
    busy = left if left is not None and now < chain.held_until(left) else None
    movable = {alias: version for alias, version in aliases.items() if version in shown}
    return Verification(model, now, chain, tuple(found), len(shown), runs.checked, busy, movable, tags, stages)


def repairs(aliases: Mapping[str, str], tags: Tags, stages: Mapping[str, str]) -> list[str]:
    """What setting these aliases, tags and stages does, a sentence each."""
    return [
        *(f"point the alias {alias} to version {version}" for alias, version in aliases.items()),
        *(f"move version {version} to the stage {stage}" for version, stage in stages.items()),
        *(
            f"set {tag} of version {version} to {value}"
            for version, wrong in tags.items()
            for tag, value in wrong.items()
        ),
    ]


def _shown(
    registry: Registry, model: str, found: list[Disagreement]
) -> tuple[dict[str, Mapping[str, str]], Mapping[str, str], Mapping[str, str]]:
    """version → tags of all that exist, the aliases, and version → stage where stages mirror those.

    Nothing where the model itself is gone, which is then found.
    """
    try:
        seen = registry.aliases(model)
        shown = {one.version: one.tags for one in registry.versions(model)}
        return shown, seen, registry.stages(model) or {}
    except NotFound as error:
        found.append(
            Disagreement(
                "model_gone", f"the model {model}", error.message, "restore the registry's database from a backup"
            )
        )
        return {}, {}, {}


def _unfinished(model: str, left: Entry) -> Disagreement:
    return Disagreement(
        "unfinished",
        f"epoch {left.epoch} of {model}",
        f"{left.kind.replace('_', ' ')} by {left.actor} on {utc_text(left.at)}, and never done",
        f"the next command that moves a version finishes it, gate verify {model} --repair too",
    )


def _alias(model: str, chain: Chain, place: Standing, alias: str, seen: str | None, right: str) -> Disagreement:
    what = f"it was moved by hand: it {f'points to version {seen}' if seen else 'is missing'}, and the ledger says version {right}"
    if alias == "production":
        what += _by_whom(chain, place)
    keep = f", or promote version {seen} if it is meant" if seen and alias == "production" else ""
    return Disagreement(
        "alias_moved", f"the alias {alias} of {model}", what, f"gate verify {model} --repair points it back{keep}"
    )


def _by_whom(chain: Chain, place: Standing) -> str:
    """Who made the version Production that is, and when."""
    entry = next(
        (one for one in reversed(chain.finished) if one.kind in MOVES and one.target == place.production), None
    )
    return "" if entry is None else f", {entry.kind.replace('_', ' ')} by {entry.actor} on {utc_text(entry.at)}"


def _stage(model: str, chain: Chain, place: Standing, version: str, shown: str, right: str) -> Disagreement:
    what, keep = f"it was moved by hand: it stands in the stage {shown}, and the ledger", ""
    if version not in place.states:
        what += f" does not know it: version {place.production} is Production{_by_whom(chain, place)}"
    else:
        state = place.state(version)
        what += f" says {right}" + ("" if STAGES[state].lower() == state else f", because it is {state}")
        what += _by_whom(chain, place) if state == "production" else ""
    if shown == "Production":
        keep = f", or promote version {version} if it is meant"
    return Disagreement(
        "stage_moved",
        f"version {version} of {model}",
        what,
        f"gate verify {model} --repair moves it to {right}{keep}",
    )


def _strangers(model: str, place: Standing, seen: Mapping[str, str], mirror: Mapping[str, str]) -> list[Disagreement]:
    """What holds Production where the ledger has none."""
    if place.production is not None:
        return []
    held = [one for one, stage in mirror.items() if stage == "Production" and one != seen.get("production")]
    holders = [("alias production", "points to", seen["production"])] if "production" in seen else []
    holders += [("stage Production", "holds", version) for version in held if version not in place.states]
    return [
        Disagreement(
            "not_adopted",
            f"the {where} of {model}",
            f"it {does} version {version}, and the ledger knows nothing of it",
            f'begin with gate adopt {model} --version {version} --reason "…"',
        )
        for where, does, version in holders
    ]


def _tags(model: str, tags: Tags, shown: Mapping[str, Mapping[str, str]]) -> list[Disagreement]:
    return [
        Disagreement(
            "tag_edited",
            f"the tag {tag} of {model} version {version}",
            f"it is {shown[version].get(tag, 'missing')}, and the ledger says {value}",
            f"gate verify {model} --repair sets it again",
        )
        for version, wrong in tags.items()
        for tag, value in wrong.items()
    ]


def _gone(
    model: str, place: Standing, shown: Mapping[str, Any], promotion: PromotionPolicy, now: datetime
) -> list[Disagreement]:
    """Versions that somebody deleted though they are in use or were to be kept."""
    remedies = {
        "production": f'gate rollback {model} --reason "…" (or --to another version that is kept) makes one that exists Production',
        "standby": "a rollback has nowhere to go but --to an older version; find out who deleted it",
        "staging": "evaluate another candidate with gate run --stage",
    }
    words = {
        "production": "it is Production",
        "standby": "it stands by for a rollback",
        "staging": "it waits for sign-off",
    }
    found = []
    for version in sorted(set(place.states) - set(shown), key=int):
        state, until = place.state(version), place.retain_until(version, promotion.retain)
        where = f"version {version} of {model}"
        if state in remedies:
            found.append(
                Disagreement(
                    "version_deleted", where, f"it was deleted from the registry, and {words[state]}", remedies[state]
                )
            )
        elif until is not None and until >= now:
            found.append(
                Disagreement(
                    "version_deleted",
                    where,
                    f"it was deleted from the registry, and was to be kept until {utc_text(until)}",
                    "find out who deleted it, and restore the registry's database from a backup if it is needed",
                )
            )
    return found


class _Published:
    """The evidence of a model as it is stored, each piece looked at once."""

    def __init__(self, store: EvidenceStore, chain: Chain, scratch: Path) -> None:
        self.store, self.chain, self.scratch = store, chain, scratch
        self.checked = 0

    def problems(self) -> list[Disagreement]:
        """Everything about evidence and votes that is not as it was published."""
        named = {entry.evidence: entry for entry in self.chain.entries if entry.evidence is not None}
        try:
            facts = {one["digest"]: one for one in self.store.all()}
        except Unavailable:
            raise
        except RegistryError as error:
            return [
                Disagreement("evidence_gone", "the published evidence", error.message, error.remedy or "restore it")
            ]
        found: list[Disagreement] = []
        for wanted in dict.fromkeys([*(one for one in named if one is not None), *facts]):
            found += self._look_at(wanted, named.get(wanted), facts.get(wanted))
        return found

    def _look_at(self, wanted: str, entry: Entry | None, facts: Mapping[str, str] | None) -> list[Disagreement]:
        where = f"the evidence {wanted}" + ("" if entry is None else f" of epoch {entry.epoch}")
        folder = self.scratch / wanted.removeprefix("sha256:")
        try:
            stored = self.store.fetch(wanted, folder)
        except NotFound as error:
            return [
                Disagreement(
                    "evidence_gone",
                    where,
                    f"it is not there any more: {error.message}",
                    "restore its run (mlflow runs restore) or its files from a backup",
                )
            ]
        except Edited as error:
            return [
                Disagreement(
                    "evidence_edited",
                    where,
                    error.message,
                    "find out who edited it; the digest in the ledger is what was approved",
                )
            ]
        self.checked += 1
        evidence = Evidence.read((stored / "evidence.json").read_bytes())
        return [
            *self._exhibits(where, evidence, stored),
            *self._facts(where, evidence, facts or {}),
            *self._votes(where, stored / "votes", [one for one in self.chain.entries if one.evidence == wanted]),
        ]

    def _exhibits(self, where: str, evidence: Evidence, stored: Path) -> list[Disagreement]:
        found = []
        for one in evidence.document["exhibits"]:
            path = stored / exhibit_file(one["name"])
            if not path.is_file() or digest.sha256_file(path) != one["sha256"]:
                state = "was edited since" if path.is_file() else "is gone"
                found.append(
                    Disagreement(
                        "exhibit_edited",
                        where,
                        f"its exhibit {one['name']} {state}",
                        "gate report of the run folder shows the true one, where it is kept",
                    )
                )
        return found

    def _facts(self, where: str, evidence: Evidence, facts: Mapping[str, str]) -> list[Disagreement]:
        true = published_facts(evidence)
        return [
            Disagreement(
                "fact_edited",
                where,
                f"its tag lockgate.{name} is {facts[name]}, and the evidence says {true[name]}",
                f"set the tag lockgate.{name} of its run back",
            )
            for name in _COMPARED
            if name in facts and facts[name] != true[name]
        ]

    def _votes(self, where: str, folder: Path, entries: list[Entry]) -> list[Disagreement]:
        stored = {path.stem: digest.sha256_file(path) for path in sorted(folder.glob("*.json"))}
        found = [
            Disagreement(
                "vote_edited",
                where,
                f"the vote {name} was edited since: its hash is {now}",
                "find out who edited it; the ledger names the votes that counted",
            )
            for name, now in stored.items()
            if f"sha256:{name}" != now
        ]
        found += [
            Disagreement(
                "vote_gone",
                where,
                f"the vote {vote}, on which epoch {entry.epoch} rests, is gone",
                "restore its file from a backup",
            )
            for entry in entries
            for vote in entry.votes
            if vote.removeprefix("sha256:") not in stored
        ]
        return found


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
