"""What a run established: verdicts, findings, exhibits, and the canonical bytes whose SHA-256 people sign."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from lockgate import hashing as digest
from lockgate.errors import LockgateError
from lockgate.hashing import number

SCHEMA = "lockgate/evidence/v1"

Claim = Literal["not_worse", "superior", "no_harm", "point", "at_limit"]
Opens = Literal["yes", "by_owner", "no"]


class EvidenceError(LockgateError):
    """Bytes that are not evidence of a version that this lockgate reads."""


class Verdict(StrEnum):
    """The four words, from best to worst."""

    PASS = "pass"  # noqa: S105  # a verdict
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    ERROR = "error"

    @property
    def exit_code(self) -> int:
        return {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}[self.value]

    @property
    def rank(self) -> int:
        return list(Verdict).index(self)

    @staticmethod
    def worst(verdicts: Iterable[Verdict]) -> Verdict:
        """The worst of them; none at all is inconclusive, because nothing was shown."""
        return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.INCONCLUSIVE)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class FindingLimit:
    """The right side of a requirement as it was asked: `value` is the number it came to, `text` how it was written."""

    op: Literal[">=", "<="]
    value: float | None
    text: str


@dataclass(frozen=True)
class Decided:
    """The comparison that the verdict rests on.

    on: what was compared: value | difference | ratio (of candidate to champion) | count.
    claim: not_worse | superior | no_harm for lines relative to the champion, at_limit for absolute ones, point where no
    bound is asked. required: (op, number) that `estimate` is held against. low, high: the two-sided interval at
    2·confidence − 1, None where no bound exists. confidence: one-sided; None for counts and points: no error rate.
    """

    on: Literal["value", "difference", "ratio", "count"]
    claim: Claim
    estimate: float | None
    low: float | None
    high: float | None
    required: tuple[str, float]
    confidence: float | None
    se: float | None
    n_eff: float | None
    method: str

    def to_json(self) -> dict[str, Any]:
        return {
            "on": self.on,
            "claim": self.claim,
            "estimate": number(self.estimate),
            "low": number(self.low),
            "high": number(self.high),
            "required": [self.required[0], number(self.required[1])],
            "confidence": number(self.confidence),
            "se": number(self.se),
            "n_eff": number(self.n_eff),
            "method": self.method,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Decided:
        return cls(
            on=value["on"],
            claim=value["claim"],
            estimate=_float(value["estimate"]),
            low=_float(value["low"]),
            high=_float(value["high"]),
            required=(value["required"][0], float(value["required"][1])),
            confidence=_float(value["confidence"]),
            se=_float(value["se"]),
            n_eff=_float(value["n_eff"]),
            method=value["method"],
        )


@dataclass(frozen=True)
class Finding:
    """One fact held against one limit. `detail` holds JSON whose measured numbers are strings (`digest.number`)."""

    id: str
    requirement: str
    subject: str
    slice: Mapping[str, str]
    observed: float | None
    interval: tuple[float | None, float | None] | None
    champion: float | None
    limit: FindingLimit
    decided: Decided | None
    rows: int
    positives: int | None
    rows_needed: int | None
    verdict: Verdict
    code: str
    reason: str
    remedy: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counted_in(self) -> str:
        """Of what `rows` and `rows_needed` are: rows, or queries."""
        return str(self.detail.get("counted_in", "rows"))

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "requirement": self.requirement,
            "subject": self.subject,
            "slice": dict(self.slice),
            "observed": number(self.observed),
            "interval": None if self.interval is None else [number(end) for end in self.interval],
            "champion": number(self.champion),
            "limit": {"op": self.limit.op, "value": number(self.limit.value), "text": self.limit.text},
            "decided": None if self.decided is None else self.decided.to_json(),
            "rows": self.rows,
            "positives": self.positives,
            "rows_needed": self.rows_needed,
            "verdict": self.verdict.value,
            "code": self.code,
            "reason": self.reason,
            "remedy": self.remedy,
            "detail": dict(self.detail),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        ends = value["interval"]
        return cls(
            id=value["id"],
            requirement=value["requirement"],
            subject=value["subject"],
            slice=dict(value["slice"]),
            observed=_float(value["observed"]),
            interval=None if ends is None else (_float(ends[0]), _float(ends[1])),
            champion=_float(value["champion"]),
            limit=FindingLimit(value["limit"]["op"], _float(value["limit"]["value"]), value["limit"]["text"]),
            decided=None if value["decided"] is None else Decided.from_json(value["decided"]),
            rows=value["rows"],
            positives=value["positives"],
            rows_needed=value["rows_needed"],
            verdict=Verdict(value["verdict"]),
            code=value["code"],
            reason=value["reason"],
            remedy=value["remedy"],
            detail=dict(value["detail"]),
        )


@dataclass(frozen=True)
class Exhibit:
    """The points of one picture: a JSON document of its own, bound to the evidence by hash.

    points: at most 2,000 rows of numbers or texts under `columns`.
    """

    name: str
    kind: Literal["curve", "bars", "ecdf", "timeline", "table"]
    columns: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        if len(self.points) > 2000:
            raise ValueError(f"exhibit {self.name} has {len(self.points)} points; at most 2,000 can be shown")

    def to_bytes(self) -> bytes:
        """The exhibit as canonical JSON."""

        def cell(value: Any) -> Any:
            return number(value) if isinstance(value, float) else value

        return digest.canonical(
            {
                "schema": "lockgate/exhibit/v1",
                "name": self.name,
                "kind": self.kind,
                "columns": list(self.columns),
                "points": [[cell(value) for value in point] for point in self.points],
            }
        )


def exhibit_file(name: str) -> str:
    """Where an exhibit lies in its run folder, and where it is published."""
    return f"exhibits/{name.replace('/', '-')}.json"


@dataclass(frozen=True)
class Asked:
    """One requirement as a gate asked it: `id` is rN, file an index into policy.files, line 1-based or None."""

    id: str
    text: str
    file: int = 0
    line: int | None = None


@dataclass(frozen=True)
class GateResult:
    """What one gate said. `counts` is false where its verdict is shown but not held against the candidate."""

    name: str
    kind: str
    counts: bool
    verdict: Verdict
    reason: str
    requirements: tuple[Asked, ...] = ()
    findings: tuple[Finding, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    exhibits: tuple[Exhibit, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "counts": self.counts,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "context": dict(self.context),
            "requirements": [
                {"id": asked.id, "text": asked.text, "file": asked.file, "line": asked.line}
                for asked in self.requirements
            ],
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
                Asked(asked["id"], asked["text"], asked["file"], asked["line"]) for asked in value["requirements"]
            ),
            findings=tuple(Finding.from_json(finding) for finding in value["findings"]),
            context=value["context"],
        )


@dataclass(frozen=True)
class Evidence:
    """Everything one run established, as the JSON document of schema lockgate/evidence/v1.

    `stored` are the bytes that are kept and hashed: the digest never covers a re-dump.
    """

    document: Mapping[str, Any]
    stored: bytes

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Evidence:
        return cls(document, digest.canonical(document))

    @classmethod
    def read(cls, data: bytes) -> Evidence:
        """Evidence from stored bytes; unknown fields are left alone. Raises EvidenceError."""
        try:
            document = json.loads(data)
            evidence = cls(document, data)
            if document["schema"] != SCHEMA:
                raise EvidenceError(
                    f"this evidence has the schema {document['schema']!r}; this lockgate reads {SCHEMA}",
                    remedy="use the version of lockgate that wrote it, or evaluate again",
                )
            _ = (evidence.gates, evidence.verdict, evidence.opens, document["model"]["name"], document["run"]["id"])
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise EvidenceError(
                f"these bytes are not evidence: {error!r}", remedy="evaluate again with gate run"
            ) from error
        return evidence

    @property
    def digest(self) -> str:
        return digest.sha256(self.stored)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.document["verdict"])

    @property
    def opens(self) -> Opens:
        opens: Opens = self.document["opens"]
        if opens not in ("yes", "by_owner", "no"):
            raise ValueError(f"opens: {opens!r}")
        return opens

    @property
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
    def run_id(self) -> str:
        return str(self.document["run"]["id"])

    @property
    def asks(self) -> tuple[str, ...]:
        """Ids of the inconclusive findings that the owner may accept; a vote must say how many there are."""
        return tuple(self.document["asks"])


def _float(value: str | None) -> float | None:
    return None if value is None else float(value)
