"""Discrepancies of published evidence: files, facts and votes that are not as they were published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lockgate import hashing
from lockgate.errors import Edited, NotFound, RegistryError, Unavailable
from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.exhibit import exhibit_file
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.discrepancy import Discrepancy
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.publish import published_facts
from lockgate.registries.ports import EvidenceStore
from lockgate.signoff.vote import Vote

_COMPARED = ("version", "verdict", "opens", "run_id", "at")


class PublishedEvidence:
    """The evidence of a model as it is stored; each piece is downloaded once, and counted in `checked`."""

    def __init__(self, store: EvidenceStore, chain: Chain, scratch: Path) -> None:
        self.store, self.chain, self.scratch = store, chain, scratch
        self.checked = 0

    def problems(self) -> list[Discrepancy]:
        """Everything about evidence and votes that is not as it was published."""
        named = {entry.evidence: entry for entry in self.chain.entries if entry.evidence is not None}
        try:
            facts = {run["digest"]: run for run in self.store.all()}
        except Unavailable:
            raise
        except RegistryError as error:
            return [Discrepancy("evidence_gone", "the published evidence", error.message, error.remedy or "restore it")]
        discrepancies: list[Discrepancy] = []
        for digest in dict.fromkeys([*(named_digest for named_digest in named if named_digest is not None), *facts]):
            discrepancies += self._look_at(digest, named.get(digest), facts.get(digest))
        return discrepancies

    def _look_at(self, digest: str, entry: Entry | None, facts: Mapping[str, str] | None) -> list[Discrepancy]:
        where = f"the evidence {digest}" + ("" if entry is None else f" of epoch {entry.epoch}")
        folder = self.scratch / digest.removeprefix("sha256:")
        try:
            stored = self.store.fetch(digest, folder)
        except NotFound as error:
            return [
                Discrepancy(
                    "evidence_gone",
                    where,
                    f"it is not there any more: {error.message}",
                    "restore it in the registry, or its files from a backup",
                )
            ]
        except Edited as error:
            return [
                Discrepancy(
                    "evidence_edited",
                    where,
                    error.message,
                    "find out who edited it; the digest in the ledger is what was approved",
                )
            ]
        self.checked += 1
        try:
            evidence = Evidence.read((stored / "evidence.json").read_bytes())
        except EvidenceError as error:
            return [Discrepancy("evidence_unreadable", where, error.message, error.remedy or "evaluate again")]
        return [
            *self._exhibits(where, evidence, stored),
            *self._facts(where, evidence, facts or {}),
            *self._votes(where, stored / "votes", [other for other in self.chain.entries if other.evidence == digest]),
            *self._objections(where, stored / "votes", facts or {}),
        ]

    def _exhibits(self, where: str, evidence: Evidence, stored: Path) -> Iterator[Discrepancy]:
        for exhibit in evidence.document.get("exhibits") or ():
            path = stored / exhibit_file(exhibit["name"])
            if not path.is_file() or hashing.sha256_file(path) != exhibit["sha256"]:
                state = "was edited since" if path.is_file() else "is gone"
                yield Discrepancy(
                    "exhibit_edited",
                    where,
                    f"its exhibit {exhibit['name']} {state}",
                    "gate report of the run folder shows the true one, where it is kept",
                )

    def _facts(self, where: str, evidence: Evidence, facts: Mapping[str, str]) -> list[Discrepancy]:
        true = published_facts(evidence)
        return [
            Discrepancy(
                "fact_edited",
                where,
                f"its tag lockgate.{name} is {facts[name]}, and the evidence says {true[name]}",
                f"set the tag lockgate.{name} of its run back",
            )
            for name in _COMPARED
            if name in facts and facts[name] != true[name]
        ]

    def _objections(self, where: str, folder: Path, facts: Mapping[str, str]) -> Iterator[Discrepancy]:
        """Votes that object, and are not among the facts by which history shows them: the tag was refused, or deleted."""
        for path in sorted(folder.glob("*.json")):
            try:
                vote = Vote.read(path.read_bytes())
            except (OSError, ValueError):
                continue
            if vote.objects and f"vote.{path.stem}" not in facts:
                yield Discrepancy(
                    "objection_unlisted",
                    where,
                    f"{vote.by} objects by the vote {path.stem}, which counts, and gate history does not show it",
                    f"set the tag lockgate.vote.{path.stem} of its run to the bytes of that vote",
                )

    def _votes(self, where: str, folder: Path, entries: list[Entry]) -> list[Discrepancy]:
        stored = {path.stem: hashing.sha256_file(path) for path in sorted(folder.glob("*.json")) if path.is_file()}
        edited = [
            Discrepancy(
                "vote_edited",
                where,
                f"the vote {name} was edited since: its hash is {now}",
                "find out who edited it; the ledger names the votes that counted",
            )
            for name, now in stored.items()
            if f"sha256:{name}" != now
        ]
        gone = [
            Discrepancy(
                "vote_gone",
                where,
                f"the vote {vote}, on which {entry.label} rests, is gone",
                "restore its file from a backup",
            )
            for entry in entries
            for vote in entry.votes
            if vote.removeprefix("sha256:") not in stored
        ]
        return edited + gone
