"""Judge the evidence of a run under another policy, by the judge that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from lockgate.evaluation.judging.gate_summary import worst_first
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.opening import acceptable, opening
from lockgate.evaluation.judging.stored_estimate import DecidedByItsGate, NotJudgedAnew, StoredEstimate
from lockgate.evaluation.parity.recording import recorded_in
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.evidence import Evidence, GateResult, Opens
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Gate
from lockgate.pipeline.pipeline import Pipeline, requirement_text
from lockgate.runs.evaluation_count import judged_by
from lockgate.runs.parity.who_answered import withheld
from lockgate.runs.reevaluation.line_findings import JudgedLines
from lockgate.runs.reuse_budget import withhold
from lockgate.runs.training.seen_rows import judges_rows, withhold_stored
from lockgate.units import utc

Outcome = Literal["passes", "by_owner", "blocked", "unknown"]
LISTED = 20  # findings in the way of one run
_OUTCOMES: Mapping[Opens, Outcome] = {"yes": "passes", "by_owner": "by_owner", "no": "blocked"}


@dataclass(frozen=True)
class GateReevaluation:
    """A gate judged anew. result: with the findings that could be judged. unknown: what could not, a sentence each.

    beyond: ids of findings that do not pass in any case, while only their rows say whether they fail.
    """

    result: GateResult
    unknown: tuple[str, ...] = ()
    beyond: frozenset[str] = frozenset()

    @property
    def known(self) -> Verdict:
        """The verdict of what could be judged; pass where nothing could."""
        return Verdict.PASS if self.unknown and not self.result.findings else self.result.verdict


@dataclass(frozen=True)
class Reevaluation:
    """Evidence judged anew. verdict: None where only rows would say which it is."""

    evidence: Evidence
    gates: tuple[GateReevaluation, ...]
    verdict: Verdict | None
    outcome: Outcome
    asks: tuple[str, ...] = ()

    @property
    def before(self) -> Outcome:
        """What the evidence came to by its own policy, also where it was only to be looked at."""
        return "passes" if self.evidence.verdict is Verdict.PASS else _OUTCOMES[self.evidence.opens]

    @property
    def unknown(self) -> list[str]:
        """What could not be judged anew, each with its gate."""
        return [f"{gate.result.name}: {reason}" for gate in self.gates for reason in gate.unknown]

    @property
    def stopped(self) -> list[str]:
        """Gates that are in the way without a finding: they broke, or did not run."""
        return [
            f"{gate.result.name}: {gate.result.reason}"
            for gate in self.gates
            if gate.result.counts
            and not gate.unknown
            and not gate.result.findings
            and gate.result.verdict is not Verdict.PASS
        ]

    @property
    def deciding(self) -> list[Finding]:
        """The findings that are in the way, the worst first."""
        return worst_first([finding for gate in self.gates if gate.result.counts for finding in gate.result.findings])

    def to_json(self) -> dict[str, Any]:
        run, deciding = self.evidence.document.get("run") or {}, self.deciding
        stored = {finding.id: str(finding.verdict) for gate in self.evidence.gates for finding in gate.findings}
        return {
            "digest": self.evidence.digest,
            "run": run.get("id"),
            "version": str(self.evidence.candidate["version"]),
            "finished_at": run.get("finished_at"),
            "before": {"verdict": str(self.evidence.verdict), "outcome": self.before},
            "after": {
                "verdict": None if self.verdict is None else str(self.verdict),
                "outcome": self.outcome,
                "asks": len(self.asks),
            },
            "gates": [
                {
                    "name": gate.result.name,
                    "counts": gate.result.counts,
                    "verdict": None if gate.unknown else str(gate.result.verdict),
                }
                for gate in self.gates
            ],
            "deciding": [
                {
                    "id": finding.id,
                    "verdict": str(finding.verdict),
                    "code": finding.code,
                    "reason": finding.reason,
                    "before": stored.get(finding.id),
                }
                for finding in deciding[:LISTED]
            ],
            "deciding_more": max(0, len(deciding) - LISTED),
            "stopped": self.stopped,
            "unknown": self.unknown,
        }


def reevaluate(pipeline: Pipeline, evidence: Evidence) -> Reevaluation:
    """What the run would have come to under this policy, as far as its evidence says. Waivers hold as on the day of the run."""
    judging = _Judging(pipeline, evidence)
    gates = tuple(judging.gates())
    counting = [gate for gate in gates if gate.result.counts]
    results = [replace(gate.result, verdict=gate.known) for gate in counting]
    verdict: Verdict | None = Verdict.worst(result.verdict for result in results)
    unsure = frozenset().union(*(gate.beyond for gate in counting))
    asks = [
        name
        for name in acceptable(results, pipeline.asking, judging.is_waived, signed=pipeline.signed)
        if name not in unsure
    ]
    outcome = _OUTCOMES[opening(Verdict.worst(result.verdict for result in results), results, asks, judging.is_waived)]
    if any(gate.unknown for gate in counting):
        # What is known to be in the way is in the way whatever the rest would be.
        outcome = "blocked" if outcome == "blocked" else "unknown"
        verdict = verdict if verdict in (Verdict.FAIL, Verdict.ERROR) else None
    elif verdict is Verdict.INCONCLUSIVE and unsure:
        verdict = None
    return Reevaluation(evidence, gates, verdict, outcome, tuple(asks))


@dataclass
class _Judging:
    pipeline: Pipeline
    evidence: Evidence
    results: list[GateResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stored = {result.name: result for result in self.evidence.gates}
        self.data = {str(entry["name"]) for entry in self.evidence.document.get("data") or ()}
        self.recorded = recorded_in(self.evidence.document)
        started = (self.evidence.document.get("run") or {}).get("started_at")
        self.day: date | None = None if started is None else utc(started).date()

    def is_waived(self, subject: str) -> bool:
        return self.day is not None and self.pipeline.waiver(subject, self.day) is not None

    def gates(self) -> list[GateReevaluation]:
        again = []
        for gate in self.pipeline.gates:
            judged = self._gate(gate)
            self.results.append(judged.result)
            again.append(judged)
        return again

    def _gate(self, gate: Gate) -> GateReevaluation:
        blank = GateResult(
            gate.title,
            gate.gate,
            gate.severity != "warn",
            Verdict.INCONCLUSIVE,
            "",
            self.pipeline.requirements_of(gate.title),
        )
        if self.is_waived(gate.title):
            return GateReevaluation(replace(blank, counts=False, reason="waived"))
        stored = self.stored.get(gate.title)
        if stored is None:
            return _unknown(blank, "it is not in this evidence")
        if stored.kind != gate.gate:
            return _unknown(blank, f"it was a gate of the kind {stored.kind}")
        if stored.verdict is Verdict.ERROR:
            return GateReevaluation(replace(blank, counts=True, verdict=Verdict.ERROR, reason=stored.reason))
        if (obstacle := gate.obstacle(self.results)) is not None:
            return GateReevaluation(replace(blank, reason=f"not run{obstacle}"))
        if not stored.findings:
            return _unknown(blank, stored.reason or "it found nothing")
        name = gate.own_data
        if name is not None and name not in self.data:
            return _unknown(
                blank, f"it is to be measured on {name}, and the run had {', '.join(sorted(self.data)) or 'no data'}"
            )
        if (difference := gate.measured_otherwise(stored)) is not None:
            return _unknown(blank, difference)
        return self._judged(gate, stored, blank)

    def _judged(self, gate: Gate, stored: GateResult, blank: GateResult) -> GateReevaluation:
        lines = self._lines(gate, stored)
        dataset = self.pipeline.data.get(self.pipeline.data_of(gate) or "") if gate.by_group else None
        small = None if dataset is None else dataset.small_slices
        judged, unknown = JudgedLines.from_result(stored), list[str]()
        estimates, as_stored = list[StoredEstimate](), list[Finding]()
        for name, line in lines:
            try:
                estimates += judged.estimates(name, line, dataset, small)
            except DecidedByItsGate as reason:
                kept = judged.unchanged(name, line)
                as_stored += kept
                unknown += [] if kept else [f"{requirement_text(line)}: {reason}"]
            except NotJudgedAnew as reason:
                unknown.append(f"{requirement_text(line)}: {reason}")
        again = judge(
            gate.title, lines, [each.estimate for each in estimates], gate.subjects, small=small, advise=False
        )
        uncertain = any(each.surely_no_pass for each in estimates)
        beyond = frozenset(
            finding.id
            for finding, each in zip(again, estimates, strict=True)
            if finding.verdict is Verdict.INCONCLUSIVE
            and (each.surely_no_pass or (uncertain and finding.code == "beyond_unadjusted"))
        )
        counts = self._evaluations(gate)
        untold = counts is None and not self.evidence.is_of_champion  # which is no evaluation
        if untold and self.pipeline.reuse is not None and judged_by(self.pipeline, gate) is not None:
            unknown.append("the evidence does not say how often its rows were evaluated, which reuse.budget limits")
        findings = (*(withhold(self.pipeline, gate, finding, counts) for finding in again), *as_stored)
        findings = self._by_own_answers(gate, self._on_unseen_rows(gate, findings, unknown), unknown)
        counted = [finding for finding in findings if not self.is_waived(finding.id)]
        waived = len(findings) - len(counted)
        result = replace(
            blank,
            counts=blank.counts and (bool(counted) or bool(unknown) or not waived),
            verdict=Verdict.worst(finding.verdict for finding in counted) if findings else Verdict.INCONCLUSIVE,
            findings=findings,
        )
        return GateReevaluation(result, tuple(unknown), beyond)

    def _on_unseen_rows(self, gate: Gate, findings: tuple[Finding, ...], unknown: list[str]) -> tuple[Finding, ...]:
        """The findings, undecided where their rows were seen in training beyond `max_seen`; unknown gets that nobody looked."""
        name = self.pipeline.data_of(gate)
        dataset = self.pipeline.data.get(name or "")
        if not findings or name is None or dataset is None or not dataset.not_in or not judges_rows(gate):
            return findings
        entries = {str(entry["name"]): entry.get("seen") for entry in self.evidence.document.get("data") or ()}
        entry = entries.get(name)
        if entry is None:
            unknown.append(
                f"the run did not look for rows of {name} that the candidate was trained on, as not_in wants it"
            )
            return findings
        return tuple(withhold_stored(finding, entry, name, most=dataset.max_seen) for finding in findings)

    def _by_own_answers(self, gate: Gate, findings: tuple[Finding, ...], unknown: list[str]) -> tuple[Finding, ...]:
        """The findings, undecided where they rest on recorded answers that nobody confirmed; unknown gets that nobody tried to."""
        name = self.pipeline.data_of(gate)
        dataset = self.pipeline.data.get(name or "")
        if name is None or dataset is None or not dataset.scores or dataset.trusts_recorded or not judges_rows(gate):
            return findings
        entries = self.recorded.get(name, {})
        if findings and (not entries or any(entry["state"] == "trusted" for entry in entries.values())):
            unknown.append(f"the run did not ask the models again whether the recorded answers of {name} are theirs")
            return findings
        return tuple(withheld(gate, findings, {name: entries}))

    def _lines(self, gate: Gate, stored: GateResult) -> list[tuple[str, Requirement]]:
        """The lines of the policy that could be decided; those that the candidate's own metadata brought stay."""
        lines = gate.numbered_requirements
        if gate.require is None and "asked_by" in stored.context:
            lines = list(JudgedLines.from_result(stored).lines.items())
        compared = self.evidence.champion is not None
        return [(name, line) for name, line in lines if compared or not gate.needs_champion(line)]

    def _evaluations(self, gate: Gate) -> int | None:
        """How often the rows of the gate were evaluated when it ran, as far as the evidence says."""
        run, name = self.evidence.document.get("run") or {}, self.pipeline.data_of(gate)
        entry = (run.get("evaluations") or {}).get(name) or {}
        count = entry.get("counted", (run.get("looks") or {}).get(name))
        return None if count is None else int(count)


def _unknown(blank: GateResult, reason: str) -> GateReevaluation:
    return GateReevaluation(replace(blank, reason=reason), (reason,))
