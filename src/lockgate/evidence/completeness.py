"""Whether evidence that would open a promotion is whole: each gate of the policy decided, nothing twice, verdicts that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.units import utc

# Codes of undecided findings that no owner may accept: beyond the limit as it stands, on a holdout that is used up, or on rows
# that the candidate was trained on or may have been.
NEVER_ACCEPTED = ("beyond_unadjusted", "budget_spent", "seen_rows", "seen_unknown")
RECORDED = "recorded"
"""The code of what would pass, but for recorded answers that nobody confirmed to be those of the versions: for an owner to accept."""
_LISTED = 5


@dataclass(frozen=True)
class PolicyGate:
    """What the policy says of one gate. blocks: its verdict counts.

    lines: the ids of its requirements, None where the candidate's metadata may bring them. comparing: those of them that
    are decided only where there is a champion; None where that is not known. asking: those whose undecided findings an
    owner may accept.
    """

    name: str
    kind: str
    blocks: bool
    lines: tuple[str, ...] | None
    comparing: frozenset[str] | None = frozenset()
    asking: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PolicyGates:
    """The gates of a policy in their order, and its waivers: (finding or gate, last day).

    observed: the policy only looks, and opens nothing. signed: somebody's approval is required.
    """

    gates: tuple[PolicyGate, ...]
    waivers: tuple[tuple[str, date], ...] = ()
    observed: bool = field(default=False, kw_only=True)
    signed: bool = field(default=False, kw_only=True)

    def gaps(self, evidence: Evidence) -> list[str]:
        """Why this evidence does not open what it says it does, a sentence each; none for evidence that opens nothing."""
        if evidence.opens == "no":
            return []
        try:
            day = utc(evidence.document["run"]["started_at"]).date()
            waived = {subject for subject, until in self.waivers if day <= until}
            listed = list(self._gaps(evidence, waived))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return [f"it has another shape ({type(error).__name__})"]
        more = [f"and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
        return [*listed[:_LISTED], *more]

    def _gaps(self, evidence: Evidence, waived: Collection[str]) -> Iterator[str]:
        policy = evidence.document["policy"]
        if self.observed or policy.get("only") or policy.get("mode") == "observe":
            yield "it is of a run that only looks, or of some of the gates"
        expected = [(gate.name, gate.kind) for gate in self.gates]
        actual = [(result.name, result.kind) for result in evidence.gates]
        if expected != actual:
            names = [", ".join(f"{name} ({kind})" for name, kind in gates) or "none" for gates in (actual, expected)]
            yield f"it has the gates {names[0]}, and the pipeline {names[1]}"
            return
        counts = Counter(finding.id for result in evidence.gates for finding in result.findings)
        yield from (f"the finding {name} is there {count} times" for name, count in counts.items() if count > 1)
        for gate, result in zip(self.gates, evidence.gates, strict=True):
            yield from _gate_gaps(gate, result, waived, has_champion=evidence.champion is not None)
        yield from self._verdict_gaps(evidence, waived)

    def _verdict_gaps(self, evidence: Evidence, waived: Collection[str]) -> Iterator[str]:
        counting = [result for result in evidence.gates if result.counts]
        verdict = Verdict.worst(result.verdict for result in counting)
        if verdict is not evidence.verdict:
            yield f"its verdict is {evidence.verdict}, and its gates come to {verdict}"
        acceptable = {
            finding.id
            for gate, result in zip(self.gates, evidence.gates, strict=True)
            for finding in result.findings
            if finding.verdict is Verdict.INCONCLUSIVE
            and (finding.requirement in gate.asking or (self.signed and finding.code == RECORDED))
            and finding.code not in NEVER_ACCEPTED
        }
        asks = evidence.asks
        if len(set(asks)) != len(asks) or not set(asks) <= acceptable:
            yield "it lets an owner accept findings that no owner may accept"
        if evidence.opens == "by_owner":
            yield from _unasked(counting, set(asks), waived)
        elif verdict is not Verdict.PASS:
            yield f"it opens by itself, and its gates come to {verdict}"


def _gate_gaps(gate: PolicyGate, result: GateResult, waived: Collection[str], *, has_champion: bool) -> Iterator[str]:
    counted = _counted(result.findings, waived)
    excused = gate.name in waived or (bool(result.findings) and not counted)
    if gate.blocks and not result.counts and not excused:
        yield f"{gate.name} counts by the policy, and not in the evidence"
    verdict = Verdict.worst(finding.verdict for finding in counted)
    if result.verdict not in (verdict, Verdict.ERROR):
        yield f"{gate.name} is {result.verdict}, and its findings come to {verdict}"
    lines = [line.id for line in result.requirements]
    if len(set(lines)) != len(lines) or (gate.lines is not None and tuple(lines) != gate.lines):
        yield f"{gate.name} has the requirements {', '.join(lines) or 'none'}, and the policy {len(gate.lines or ())}"
    if result.verdict is Verdict.ERROR or not result.findings:
        return
    answered = {finding.requirement for finding in result.findings}
    excepted = frozenset() if has_champion else frozenset(lines) if gate.comparing is None else gate.comparing
    yield from (f"{gate.name}/{name} has no finding" for name in lines if name not in answered | excepted)


def _unasked(counting: Sequence[GateResult], asks: Collection[str], waived: Collection[str]) -> Iterator[str]:
    """Undecided gates that hold what no owner is asked to accept."""
    for result in counting:
        undecided = {
            finding.id for finding in _counted(result.findings, waived) if finding.verdict is Verdict.INCONCLUSIVE
        }
        if result.verdict is Verdict.INCONCLUSIVE and not (undecided and undecided <= set(asks)):
            yield f"{result.name} is undecided, and not all of it is for an owner to accept"


def _counted(findings: Sequence[Finding], waived: Collection[str]) -> list[Finding]:
    return [finding for finding in findings if finding.id not in waived]
