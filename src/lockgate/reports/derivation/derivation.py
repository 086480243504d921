"""One finding and everything that its verdict rests on, as facts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lockgate.evaluation.judging.flip_points import Crossing, FlipPoints, fail_level, flip_points, tested_beside
from lockgate.evaluation.requirements.grammar import from_text
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import number
from lockgate.reports.derivation.flip_words import flip_sentences
from lockgate.reports.derivation.method_words import Method, method_of
from lockgate.signoff.decision import accepting_option

SCHEMA = "lockgate/explanation/v1"


@dataclass(frozen=True)
class Derivation:
    """How the verdict of a finding came about. finding: None where its gate found nothing, because it broke or did not run."""

    evidence: Evidence
    gate: GateResult
    finding: Finding | None

    @cached_property
    def _entry(self) -> RequirementLine | None:
        """What the evidence has of the line of the finding."""
        name = None if self.finding is None else self.finding.requirement
        return next((line for line in self.gate.requirements if line.id == name), None)

    @cached_property
    def line(self) -> Requirement | None:
        """The line of the pipeline; None where the gate decides by lines of another language."""
        text = self.line_text
        try:
            return None if text is None else from_text(text)
        except ValueError:
            return None

    @property
    def line_text(self) -> str | None:
        """The line as it was written, with what only its mapping form can say."""
        return None if self._entry is None else self._entry.text

    @property
    def position(self) -> str | None:
        """`gates/fraud.yaml:31`, where the line stands in a file."""
        line = self._entry
        files = (self.evidence.document.get("policy") or {}).get("files") or []
        if line is None or line.line is None or line.file >= len(files):
            return None
        return f"{files[line.file]['path']}:{line.line}"

    @property
    def waived(self) -> bool:
        names = {self.gate.name} if self.finding is None else {self.gate.name, self.finding.id}
        return bool(names & self.evidence.waived)

    @property
    def method(self) -> Method | None:
        return None if self.finding is None or self.finding.decided is None else method_of(self.finding.decided)

    @property
    def tested(self) -> int:
        """How many findings of the gate Holm's method corrects for, this one among them; 0 where it has no p-value."""
        finding = self.finding
        if finding is None or finding.detail.get("p_fail_holm") is None:
            return 0
        return 1 + len(tested_beside(finding, self.gate.findings))

    @property
    def fail_level(self) -> float | None:
        """The p-value of a violation with which it fails beside the other findings."""
        finding = self.finding
        if finding is None or finding.decided is None or finding.decided.confidence is None or not self.tested:
            return None
        return fail_level(tested_beside(finding, self.gate.findings), 1 - finding.decided.confidence)

    @cached_property
    def flips(self) -> FlipPoints:
        if self.finding is None or self.line is None:
            return FlipPoints(obstacle="no_value")
        return flip_points(self.finding, self.line, self.gate.findings)

    @property
    def flip_sentences(self) -> list[str]:
        """What would flip the verdict, each a sentence."""
        if self.finding is None or self.line is None:
            return []
        return flip_sentences(self.finding, self.line, self.flips)

    @property
    def remedy(self) -> str | None:
        if self.finding is not None:
            return self.finding.remedy
        return (self.gate.breakdown or {}).get("remedy")

    @property
    def advice(self) -> list[str]:
        """What to do about it; nothing where it passes."""
        advice = [self.remedy] if self.remedy else []
        if self.finding is None or self.waived or self.verdict is Verdict.PASS:
            return advice
        where = "" if self.position is None else f" ({self.position})"
        if self.finding.id in self.evidence.asks:
            advice.append(
                f"or an owner accepts it: gate approve {self.evidence.digest}{accepting_option(self.evidence)}"
            )
        if self.verdict is Verdict.FAIL:
            better = "find out what changed here, and bring a candidate that is better"
            advice += [
                f"where it fails then too, {better}" if self.remedy else better,
                f"where the line asks too much, change it{where}; `waive: [{{finding: {self.finding.id}, …}}]` sets it aside until a day",
            ]
        return advice

    @property
    def verdict(self) -> Verdict:
        return self.gate.verdict if self.finding is None else self.finding.verdict

    def to_json(self) -> dict[str, Any]:
        flips = self.flips
        return {
            "schema": SCHEMA,
            "digest": self.evidence.digest,
            "gate": {
                "name": self.gate.name,
                "kind": self.gate.kind,
                "counts": self.gate.counts,
                "verdict": str(self.gate.verdict),
            },
            "line": {"text": self.line_text, "position": self.position},
            "waived": self.waived,
            "verdict": str(self.verdict),
            "reason": self.gate.reason if self.finding is None else self.finding.reason,
            "remedy": self.remedy,
            "advice": self.advice,
            "finding": None if self.finding is None else self.finding.to_json(),
            "method": None if self.method is None else dict(vars(self.method)),
            "holm": {"findings": self.tested, "level": number(self.fail_level)},
            "flips": {
                "obstacle": flips.obstacle,
                "value": _crossing(flips.value),
                "limit": _crossing(flips.limit),
                "shares": flips.shares,
                "requests_over": flips.over,
                "most_requests_over": flips.most_over,
                "rows_needed": None if self.finding is None else self.finding.rows_needed,
                "sentences": self.flip_sentences,
            },
        }


def _crossing(crossing: Crossing | None) -> dict[str, str | None] | None:
    return None if crossing is None else {"passes": number(crossing.passes), "fails": number(crossing.fails)}
