"""Ask every gate in turn, and put what they said together as evidence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lockgate import __version__
from lockgate import hashing as digest
from lockgate.data.slices.names import finding_id
from lockgate.errors import LockgateError, ModelFault
from lockgate.evaluation.case import Case
from lockgate.evaluation.judging.gate_summary import summary
from lockgate.evaluation.judging.judge import owner_may_accept
from lockgate.evidence.evidence import SCHEMA, Evidence, GateResult, Opens
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, FindingLimit, Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.gate import Context, Gate
from lockgate.runs import reuse_budget
from lockgate.text import hide
from lockgate.units import utc_text

if TYPE_CHECKING:
    from lockgate.evaluation.requirements.requirement import Requirement
    from lockgate.gates.gate import Waiver
    from lockgate.pipeline.model import Pipeline


@dataclass
class PipelineRun:
    """One run in progress: the pipeline, its case, its folder, and what the gates said so far.

    inputs: digests of policy, models and data, which a resumed run must find unchanged. circumstances: of this run alone
    (git, ci, machine). only: names of the gates to ask, all where empty; observe: nothing is opened. published: facts of
    everything that is published of the model, by which looks at the same rows are counted; None where nobody can tell.
    hidden: what is written down nowhere, whatever gate or model says it.
    """

    pipeline: Pipeline
    case: Case
    folder: RunFolder
    nonce: str
    started_at: datetime
    circumstances: Mapping[str, Any]
    only: tuple[str, ...] = ()
    observe: bool = False
    published: reuse_budget.Published | None = None
    hidden: Sequence[str] = ()
    show: Callable[[GateResult], None] = lambda result: None
    results: list[GateResult] = field(default_factory=list)
    exhibits: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    evaluations: reuse_budget.Evaluations = field(default_factory=dict)

    def run_gates(self) -> None:
        """Ask the gates in their order; what a resumed run finds finished is not asked again."""
        self.count_evaluations()
        for gate in self._gates:
            kept = self._kept(gate)
            if kept is None:
                started = time.monotonic()
                result = self.run_gate(gate)
                result = GateResult.from_json(hide(result.to_json(), self.hidden)) if self.hidden else result
                self.seconds[gate.title] = time.monotonic() - started
                self._keep(gate, result)
            else:
                result = kept
            self.results.append(result)
            self.show(result)

    @property
    def _gates(self) -> list[Gate]:
        return [gate for gate in self.pipeline.gates if not self.only or gate.title in self.only]

    def count_evaluations(self) -> None:
        """Learn which look this is at each data set; before any gate is asked."""
        self.evaluations = reuse_budget.count_evaluations(
            reuse_budget.judged_data(self.pipeline, self._gates), self.published
        )

    def run_gate(self, gate: Gate) -> GateResult:
        """Ask one gate. Those that it needs have said what stands in `results`."""
        written = gate
        asked = self.pipeline.requirements_of(gate.title)
        blank = GateResult(gate.title, gate.gate, gate.severity != "warn", Verdict.INCONCLUSIVE, "", asked)
        waived = self._waiver(gate.title)
        if waived is not None:
            why = f"skipped: waived by {waived.owner} until {waived.until}: {waived.reason}"
            return replace(blank, counts=False, reason=why)
        said = {result.name: result.verdict for result in self.results}
        unmet = [name for name in gate.needs if said.get(name) is not Verdict.PASS]
        if unmet:
            shown = ", ".join(f"{name} ({said[name]})" if name in said else f"{name} (not asked)" for name in unmet)
            return replace(blank, reason=f"not asked: it needs {shown}")
        try:
            gate = gate.with_metadata_defaults(self.case) if gate.require is None else gate
        except LockgateError as error:
            return _broken(blank, error.message, {"remedy": error.remedy})
        if gate is not written:
            asked = self.pipeline.requirements_of(gate.title, gate)
            blank = replace(blank, requirements=asked)
        findings, context, broken = self._check(gate)
        if gate is not written:
            context = context | {"asked_by": "the candidate's own metadata"}
        if broken is not None:
            return replace(_broken(blank, *broken, context), findings=tuple(findings))
        if gate.remedy_without_requirements and not asked and not findings:
            return replace(blank, reason=f"nothing is asked: {gate.remedy_without_requirements}", context=context)
        put = gate.requirements_for(self.case)
        answered = {finding.requirement for finding in findings}
        if findings:
            findings += [_silence(gate.title, name, line) for name, line in put if name not in answered]
        held = [finding for finding in findings if self._waiver(finding.id) is None]
        reason = summary(
            held,
            not_asked=len(asked) - len(put),
            look=reuse_budget.budget_phrase(self.pipeline, gate, self.evaluations),
        )
        verdict = Verdict.worst(finding.verdict for finding in held)
        away = len(findings) - len(held)
        if away:
            reason = f"{away} waived; {reason}" if held else f"{away} waived, and nothing else was found"
        counts = blank.counts and (bool(held) or not away)
        return replace(blank, counts=counts, verdict=verdict, reason=reason, findings=tuple(findings), context=context)

    def _check(self, gate: Gate) -> tuple[list[Finding], dict[str, Any], tuple[str, dict[str, Any]] | None]:
        """What the gate yielded, and (sentence, more) where it broke; findings made before that are kept.

        What could not be written as evidence, such as a NaN in a detail, breaks the gate here and not the run later.
        """
        findings, context = list[Finding](), dict[str, Any]()
        try:
            for one in gate.check(self.case):
                if isinstance(one, Finding):
                    digest.canonical(one.to_json())
                    findings.append(reuse_budget.apply_budget(self.pipeline, gate, one, self.evaluations))
                elif isinstance(one, Exhibit):
                    self.exhibits.append(self.folder.keep_exhibit(one))
                elif isinstance(one, Context):
                    digest.canonical(dict(one.values))
                    context |= one.values
                else:
                    raise TypeError(f"a gate yields Finding, Exhibit or Context, not {type(one).__name__}")
        except LockgateError as error:
            more: dict[str, Any] = {"remedy": error.remedy}
            if isinstance(error, ModelFault):
                more["stderr"] = error.stderr
            return findings, context, (error.message, more)
        except Exception as error:  # the one broad except: a gate that breaks must not take the others with it
            what = f"the gate {gate.gate!r} broke: {type(error).__name__}: {error}"
            return findings, context, (what, {"remedy": "this is a defect of the gate; report it"})
        return findings, context | self._answered(gate), None

    def _answered(self, gate: Gate) -> dict[str, Any]:
        """Where the models answered that the gate asked, and what was learned there; nothing where none was asked."""
        if not gate.uses_models:
            return {}
        known = {one.role: one.load_facts(gate.own_target) for one in self.case.contenders}
        models = {
            role: {
                "where": facts.where,
                "python": facts.python,
                "versions": dict(facts.versions),
                "threads": dict(facts.threads),
            }
            for role, facts in known.items()
            if facts is not None
        }
        return {"models": models} if models else {}

    def _waiver(self, subject: str) -> Waiver | None:
        today = self.started_at.date()
        return next((one for one in self.pipeline.waivers if one.finding == subject and not one.expired(today)), None)

    def _keep(self, gate: Gate, result: GateResult) -> None:
        if result.verdict is Verdict.ERROR:
            return
        document = {
            "result": result.to_json(),
            "exhibits": [one for one in self.exhibits if one["name"].split("/")[0] == gate.title],
            "seconds": digest.number(self.seconds[gate.title]),
        }
        self.folder.write(f"gates/{gate.title}.json", digest.canonical(document))

    def _kept(self, gate: Gate) -> GateResult | None:
        path = self.folder.path / "gates" / f"{gate.title}.json"
        if not path.is_file():
            return None
        document = json.loads(path.read_bytes())
        self.exhibits += document["exhibits"]
        self.seconds[gate.title] = float(document["seconds"])
        return GateResult.from_json(document["result"])

    def evidence(
        self, *, data: Sequence[Mapping[str, Any]], scored: Sequence[Mapping[str, Any]], finished_at: datetime
    ) -> Evidence:
        """Everything as one document. data, scored: their entries in it."""
        pipeline, case = self.pipeline, self.case
        counting = [result for result in self.results if result.counts]
        verdict = Verdict.worst(result.verdict for result in counting)
        asks = sorted(self._asks(counting))
        return Evidence.of(
            {
                "schema": SCHEMA,
                "run": {
                    "id": self.folder.run_id,
                    "nonce": self.nonce,
                    "started_at": utc_text(self.started_at),
                    "finished_at": utc_text(finished_at),
                    "seconds": {name: f"{seconds:.3f}" for name, seconds in sorted(self.seconds.items())},
                    "tool": f"lockgate {__version__}",
                    "looks": self._looked(),
                    **self.circumstances,
                },
                "policy": {
                    "sha256": pipeline.policy_digest,
                    "files": [{"path": path, "sha256": sha} for path, sha in pipeline.files],
                    "variables": dict(pipeline.variables),
                    "mode": "observe" if self.observe else "enforce",
                    "only": list(self.only),
                    "reuse": None if pipeline.reuse is None else {"budget": pipeline.reuse.budget},
                },
                "model": {
                    "name": pipeline.model,
                    "candidate": _version(case.candidate.version),
                    "champion": None if case.champion is None else _version(case.champion.version),
                },
                "data": [dict(entry) for entry in data],
                "scored": [dict(entry) for entry in scored],
                "exhibits": sorted(self.exhibits, key=lambda entry: str(entry["name"])),
                "waivers": [
                    {
                        "finding": one.finding,
                        "owner": one.owner,
                        "reason": one.reason,
                        "until": str(one.until),
                        "expired": one.expired(self.started_at.date()),
                    }
                    for one in pipeline.waivers
                ],
                "asks": asks,
                "parents": [],
                "gates": [result.to_json() for result in self.results],
                "verdict": verdict.value,
                "opens": self._opens(verdict, counting, asks),
            }
        )

    def _looked(self) -> dict[str, int | None]:
        """Which look this was at each data set whose rows decided something, or would have."""
        judged = {
            result.name
            for result in self.results
            if any(one.decided is not None and one.decided.confidence is not None for one in result.findings)
        }
        gates = [gate for gate in self.pipeline.gates if gate.title in judged]
        return {name: self.evaluations.get(name) for name in sorted(reuse_budget.judged_data(self.pipeline, gates))}

    def _asks(self, counting: Sequence[GateResult]) -> list[str]:
        asking = {
            (gate.title, name)
            for gate in self.pipeline.gates
            for name, line in gate.numbered_requirements
            if line.if_inconclusive == "ask"
        }
        return [
            finding.id
            for result in counting
            for finding in result.findings
            if (result.name, finding.requirement) in asking
            and owner_may_accept(finding)
            and self._waiver(finding.id) is None
        ]

    def _opens(self, verdict: Verdict, counting: Sequence[GateResult], asks: Sequence[str]) -> Opens:
        if self.observe or self.only:
            return "no"
        if verdict is Verdict.PASS:
            return "yes"
        if verdict is not Verdict.INCONCLUSIVE or not asks:
            return "no"
        for result in counting:
            undecided = [
                one.id
                for one in result.findings
                if one.verdict is Verdict.INCONCLUSIVE and self._waiver(one.id) is None
            ]
            if result.verdict is Verdict.INCONCLUSIVE and (not undecided or not set(undecided) <= set(asks)):
                return "no"
        return "by_owner"


def _broken(
    blank: GateResult, why: str, more: Mapping[str, Any], context: Mapping[str, Any] | None = None
) -> GateResult:
    """A gate that could not be asked, or broke. It counts: a warning may be overruled by the model, not by a breakdown."""
    known = {**(context or {}), "broken": dict(more)}
    return replace(blank, counts=True, verdict=Verdict.ERROR, reason=why, context=known)


def _silence(gate: str, name: str, line: Requirement) -> Finding:
    """What stands for a line that a gate was asked and said nothing about: a line unanswered is never met."""
    return Finding(
        id=finding_id(gate, name, ()),
        requirement=name,
        subject=line.subject_text,
        slice={},
        observed=None,
        interval=None,
        champion=None,
        limit=FindingLimit(line.op, None, str(line.limit)),
        decided=None,
        rows=0,
        positives=None,
        rows_needed=None,
        verdict=Verdict.INCONCLUSIVE,
        code="not_measured",
        reason=f"nothing was found about {str(line)!r}",
    )


def now() -> datetime:
    """The time of this moment, in UTC."""
    return datetime.now(UTC)


def _version(version: Any) -> dict[str, Any]:
    return {"version": version.version, "digest": version.digest, "run_id": version.run_id}
