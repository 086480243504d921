"""The run of the lines on requests that got labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lockgate.data.slices.names import finding_id
from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evaluation.judging.unanswered import not_measured
from lockgate.evaluation.labelling.late_labels import UNLABELLED
from lockgate.evidence.finding import Finding
from lockgate.gates.gate import Gate
from lockgate.runs.run import PipelineRun

if TYPE_CHECKING:
    from lockgate.evaluation.labelling.shares import LabelShares


@dataclass
class LabelledRun(PipelineRun):
    """A run of one gate on requests that got labels, of which too few may leave findings undecided.

    notes: sentences on the labels.
    """

    shares: LabelShares = field(kw_only=True)
    notes: Sequence[str] = ()

    def run_gates_once(self) -> None:
        """Run the gate; no holdout is evaluated by it."""
        self.results = [self.run_gate(gate) for gate in self.pipeline.gates]

    def _check(self, gate: Gate) -> tuple[list[Finding], dict[str, Any], LockgateError | None]:
        context = {"labels": self.shares.to_json(), "notes": list(self.notes)}
        self.exhibits.append(self.folder.keep_exhibit(self.shares.exhibit(gate.title)))
        lines = gate.requirements_for(self.case)
        if not self.shares.overall.judged:
            reason = "of no request that is old enough there is a label"
            return [_unlabelled(not_measured(gate.title, *pair), reason) for pair in lines], context, None
        findings, more, failure = super()._check(gate)
        by_name = dict(lines)
        for name, line, key in list(self.shares.unmeasured(lines, findings)):
            blank = replace(not_measured(gate.title, name, line), id=finding_id(gate.title, name, key), slice=dict(key))
            findings.append(_unlabelled(blank, f"{line.subject_text} on {slice_words(key)}: there is no label"))
        order = list(by_name)
        findings.sort(key=lambda finding: order.index(finding.requirement))
        withheld = [self.shares.withhold(finding, by_name[finding.requirement]) for finding in findings]
        return withheld, {**more, **context}, failure


def _unlabelled(finding: Finding, reason: str) -> Finding:
    return replace(finding, code=UNLABELLED, reason=reason)
