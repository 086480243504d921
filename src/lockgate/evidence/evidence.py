"""The evidence of a run: gate results, and the canonical bytes whose SHA-256 people sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from lockgate.errors import LockgateError
from lockgate.evidence import stored_json
from lockgate.evidence.evidence_shape import check_shape
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import canonical, sha256
from lockgate.text import counted
from lockgate.units import utc

SCHEMA = "lockgate/evidence/v1"
SCORE_FACT = "scores"
"""The published fact that says what the candidate's scores of each data set were, in a few numbers."""

Opens = Literal["yes", "by_owner", "no"]


class EvidenceError(LockgateError):
    """Bytes that are not evidence of a version that this lockgate reads."""


@dataclass(frozen=True)
class RequirementLine:
    """One requirement as it stands in a pipeline: `id` is rN, file an index into policy.files, line 1-based or None."""

    id: str
    text: str
    file: int = 0
    line: int | None = None


@dataclass(frozen=True)
class GateResult:
    """Verdict and findings of one gate. `counts` is false where its verdict does not block promotion."""

    name: str
    kind: str
    counts: bool
    verdict: Verdict
    reason: str
    requirements: tuple[RequirementLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    exhibits: tuple[Exhibit, ...] = ()

    @property
    def breakdown(self) -> Mapping[str, Any] | None:
        """What is known of why the gate broke: remedy, and what the model wrote; None where it did not break."""
        broken = self.context.get("broken")
        return broken if isinstance(broken, Mapping) else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "counts": self.counts,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "context": dict(self.context),
            "requirements": [dict(vars(requirement)) for requirement in self.requirements],
            "findings": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GateResult:
        return cls(
            name=value["name"],
            kind=value["kind"],
            counts=value["counts"],
            verdict=Verdict(value["verdict"]),
            reason=value["reason"],
            requirements=tuple(
                RequirementLine(line["id"], line["text"], line["file"], line["line"]) for line in value["requirements"]
            ),
            findings=tuple(Finding.from_json(finding) for finding in value["findings"]),
            context=value["context"],
        )


@dataclass(frozen=True)
class Evidence:
    """The results of one run, as the JSON document of schema lockgate/evidence/v1.

    `stored` are the bytes that are kept and hashed: the digest never covers a re-dump.
    """

    document: Mapping[str, Any]
    stored: bytes

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Evidence:
        return cls(document, canonical(document))

    @classmethod
    def read(cls, data: bytes) -> Evidence:
        """Evidence from stored bytes, checked by `check_shape`; unknown fields are left alone. Raises EvidenceError."""
        try:
            document = stored_json.read_object(data)
            evidence = cls(document, data)
            if (schema := stored_json.field(document, "schema")) != SCHEMA:
                raise EvidenceError(
                    f"this evidence has the schema {stored_json.excerpt(schema)}; this lockgate reads {SCHEMA}",
                    remedy="use the version of lockgate that wrote it, or evaluate again",
                )
            check_shape(document)
            _ = (evidence.gates, evidence.verdict)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise EvidenceError(
                f"these bytes are not evidence: {reason}", remedy="evaluate again with gate run"
            ) from error
        return evidence

    @property
    def digest(self) -> str:
        return sha256(self.stored)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.document["verdict"])

    @property
    def opens(self) -> Opens:
        opens: Opens = self.document["opens"]
        if opens not in ("yes", "by_owner", "no"):
            raise ValueError(f"opens: {opens!r}")
        return opens

    @cached_property
    def gates(self) -> tuple[GateResult, ...]:
        return tuple(GateResult.from_json(gate) for gate in self.document["gates"])

    @property
    def model(self) -> str:
        return str(self.document["model"]["name"])

    @property
    def candidate(self) -> Mapping[str, Any]:
        candidate: Mapping[str, Any] = self.document["model"]["candidate"]
        return candidate

    @property
    def champion(self) -> Mapping[str, Any] | None:
        champion: Mapping[str, Any] | None = self.document["model"]["champion"]
        return champion

    @property
    def is_of_champion(self) -> bool:
        """Whether the candidate is the champion, and so was compared with itself."""
        candidate, champion = self.candidate, self.champion
        if champion is None:
            return False
        if "model" in champion:  # of another registered model, where it is a copy
            return candidate.get("digest") is not None and candidate["digest"] == champion.get("digest")
        return str(champion["version"]) == str(candidate["version"])

    @property
    def run_id(self) -> str:
        return str(self.document["run"]["id"])

    @property
    def finished_at(self) -> datetime | None:
        """When the run ended; None where the evidence does not say."""
        try:
            return utc(self.document["run"]["finished_at"])
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def parents(self) -> tuple[str, ...]:
        """Digests of the evidence that it goes on from: of a run, where labels that came later judge its requests."""
        return tuple(self.document.get("parents") or ())

    @property
    def waived(self) -> set[str]:
        """Ids of findings and names of gates whose waiver held on the day of the run."""
        return {str(waiver["finding"]) for waiver in self.document.get("waivers") or () if not waiver.get("expired")}

    @property
    def can_be_approved(self) -> bool:
        """Whether approvals can promote it: a pass, or what is undecided alone by lines that say `if_inconclusive: ask`."""
        if self.opens == "by_owner":
            return self.verdict is Verdict.INCONCLUSIVE and bool(self.asks)
        return self.opens == "yes" and self.verdict is Verdict.PASS

    @property
    def asks(self) -> tuple[str, ...]:
        """Ids of the inconclusive findings that the owner may accept; an approval must say how many there are."""
        return tuple(self.document["asks"])

    @property
    def undecided(self) -> str:
        """`2 findings of latency/r2`: what the owner may accept, by lines, as slices name data."""
        lines = dict.fromkeys("/".join(finding.split("/")[:2]) for finding in self.asks)
        return f"{counted(len(self.asks), 'finding')} of {', '.join(lines)}"
