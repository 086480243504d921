"""Run the gates of a pipeline in turn, and collect their results as evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from lockgate import __version__
from lockgate import hashing as digest
from lockgate.data.recordings.record_count import RecordCount
from lockgate.data.time_window import TimeWindow
from lockgate.errors import GateBroken, LockgateError, ModelFault, VersionFault, machine_fault
from lockgate.evaluation.case import Case
from lockgate.evaluation.judging.explanations import worst_class_words
from lockgate.evaluation.judging.gate_summary import summary, threshold_outside, unrepeatable
from lockgate.evaluation.judging.opening import acceptable, opening
from lockgate.evaluation.judging.unanswered import not_measured, unreadable
from lockgate.evaluation.leaks.words import diagnosis_words
from lockgate.evidence.evaluations import EvaluationRecord
from lockgate.evidence.evidence import SCHEMA, Evidence, GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.gate import Context, Gate, Waiver
from lockgate.models.safe_text import RowText
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelVersion
from lockgate.runs import evaluation_count, reuse_budget
from lockgate.runs.parity.who_answered import recorded_words, withheld
from lockgate.runs.training import seen_rows
from lockgate.text import hide
from lockgate.units import utc_text


@dataclass
class PipelineRun:
    """One run in progress: the pipeline, its case, its folder, and the results so far.

    circumstances: of this run alone (git, ci, machine). only: names of the gates to run, all where empty. observe: the
    evidence can promote nothing. resumed: take up what the run has sealed. published, inputs, record, unrecorded: by which evaluations of the same rows are
    counted, as of `evaluation_count.begin`. hidden: what is written down nowhere, whichever gate or model reports it.
    """

    pipeline: Pipeline
    case: Case
    folder: RunFolder
    nonce: str
    started_at: datetime
    circumstances: Mapping[str, Any]
    only: tuple[str, ...] = ()
    observe: bool = False
    resumed: bool = False
    published: evaluation_count.Published | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    record: EvaluationRecord | None = None
    unrecorded: bool = False
    hidden: Sequence[str] = ()
    show: Callable[[GateResult], None] = lambda result: None
    results: list[GateResult] = field(default_factory=list)
    exhibits: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    evaluations: evaluation_count.Evaluations = field(default_factory=dict)

    def run_gates(self) -> None:
        """Run the gates in their order; those that a resumed run has finished are read back."""
        self.count_evaluations()
        for gate in self._gates:
            result = self._stored_result(gate)
            if result is None:
                started = time.monotonic()
                result = self.run_gate(gate)
                result = GateResult.from_json(hide(result.to_json(), self._forms))
                self.seconds[gate.title] = time.monotonic() - started
                self._store_result(gate, result)
            self.results.append(result)
            self.show(result)
        self.evaluations = evaluation_count.end(
            self.pipeline, self.evaluations, self.results, self.folder.run_id, self._versions, record=self.record
        )

    @property
    def _gates(self) -> list[Gate]:
        return [gate for gate in self.pipeline.gates if not self.only or gate.title in self.only]

    @property
    def _versions(self) -> tuple[str, str | None]:
        champion = self.case.champion
        return self.case.candidate.version.version, None if champion is None else champion.version.version

    def count_evaluations(self) -> None:
        """Learn the number of this evaluation of each data set; before any gate runs."""
        self.evaluations = evaluation_count.begin(
            self.pipeline, self._gates, self.folder.run_id, self._versions, inputs=self.inputs, published=self.published,
            record=self.record, unrecorded=self.unrecorded,
        )  # fmt: skip

    def run_gate(self, gate: Gate) -> GateResult:
        """Run one gate. The results of those that it needs stand in `results`."""
        requirements = self.pipeline.requirements_of(gate.title)
        blank = GateResult(gate.title, gate.gate, gate.severity != "warn", Verdict.INCONCLUSIVE, "", requirements)
        waiver = self._waiver(gate.title)
        if waiver is not None:
            reason = f"skipped: waived by {waiver.owner} until {waiver.until}: {waiver.reason}"
            return replace(blank, counts=False, reason=reason)
        obstacle = self._obstacle(gate)
        if obstacle is not None:
            return replace(blank, reason=f"not run{obstacle}")
        origin: dict[str, Any] = {}
        if gate.asks_metadata:
            try:
                completed = gate.with_metadata_defaults(self.case)
            except LockgateError as error:
                return self._stopped(gate, blank, error)
            if completed is not gate:
                origin = {"asked_by": "the candidate's own metadata"} if gate.require is None else {}
                gate = completed
                blank = replace(blank, requirements=self.pipeline.requirements_of(gate.title, gate))
        rows_read = list(self._rows_read(gate))
        problems = [problem for name, *read in rows_read for each in read if each and (problem := each.problem(name))]
        windows = {name: window.to_json() for name, window, _ in rows_read if window is not None}
        origin |= {"windows": windows} if windows else {}
        if problems:
            return replace(blank, reason="; ".join(problems), context=origin)
        findings, context, failure = self._check(gate)
        context |= origin
        if failure is not None:
            return self._stopped(gate, blank, failure, context, findings)
        if gate.remedy_without_requirements and not blank.requirements and not findings:
            return replace(blank, reason=f"nothing is required: {gate.remedy_without_requirements}", context=context)
        return self._judged(gate, replace(blank, context=context), findings)

    def _obstacle(self, gate: Gate) -> str | None:
        """Why a gate is not run, to be read behind *not run*; None where it is."""
        return gate.obstacle(self.results) or (
            self._loading_obstacle() if gate.uses_models and not gate.runs_unloaded else None
        )

    def _loading_obstacle(self) -> str | None:
        """Why nothing of the candidate is loaded, its cause only where no earlier gate of this run gives it."""
        obstacle = self.case.candidate.obstacle
        if obstacle is None:
            return None
        return obstacle.short if obstacle.gate in {result.name for result in self.results} else str(obstacle)

    def _stopped(
        self,
        gate: Gate,
        blank: GateResult,
        error: LockgateError,
        context: Mapping[str, Any] | None = None,
        findings: Sequence[Finding] = (),
    ) -> GateResult:
        """A gate that could not run, or broke. It counts: a warning may be overruled by the model, not by a breakdown.

        Where the candidate says of itself what nobody can read, no gate broke: each line that needed it fails, and where none
        is written nothing is decided. Neither counts where files of the candidate stopped an earlier gate: that decides,
        whatever else breaks at them.
        """
        if not gate.guards_loading and (obstacle := self._loading_obstacle()) is not None:
            return replace(blank, reason=f"not run{obstacle}", findings=tuple(findings))
        if isinstance(error, VersionFault):
            open_lines = [
                pair
                for pair in gate.requirements_for(self.case)
                if pair[0] not in {each.requirement for each in findings}
            ]
            judged = [*findings, *(unreadable(gate.title, *pair, error) for pair in open_lines)]
            blank = replace(blank, context=dict(context or {}))
            return self._judged(gate, blank, judged) if judged else replace(blank, reason=str(error))
        more: dict[str, Any] = {"remedy": error.remedy}
        if isinstance(error, ModelFault) or (isinstance(error, GateBroken) and error.stderr):
            more["stderr"] = error.stderr
        more |= {"code": error.code} if isinstance(error, GateBroken) and error.code else {}
        context = {**(context or {}), "broken": more}
        return replace(
            blank, counts=True, verdict=Verdict.ERROR, reason=error.message, context=context, findings=tuple(findings)
        )

    def _rows_read(self, gate: Gate) -> Iterator[tuple[str, TimeWindow | None, RecordCount | None]]:
        """(name, what `last` keeps, what was read of its records) of the data that a gate reads; nothing of data that cannot be read,
        as the gate will say."""
        for name in gate.reads(self.case.datasets) if gate.needs_rows else ():
            dataset = self.case.dataset(name)
            with suppress(LockgateError):
                yield name, dataset.window, None if dataset.lifted is None else dataset.lifted.recording

    def _judged(self, gate: Gate, blank: GateResult, findings: list[Finding]) -> GateResult:
        """The result of a gate that ran to its end; waived findings neither decide nor are summarised."""
        evaluated = gate.requirements_for(self.case)
        answered = {finding.requirement for finding in findings}
        if findings:
            findings = findings + [not_measured(gate.title, *pair) for pair in evaluated if pair[0] not in answered]
        counted = [finding for finding in findings if self._waiver(finding.id) is None]
        reason = summary(
            counted,
            not_asked=len(blank.requirements) - len(evaluated),
            look=reuse_budget.budget_phrase(self.pipeline, gate, self.evaluations),
        )
        reason = "; ".join([reason, *recorded_words(self.case.recorded, but_for=reason)])
        earlier = " ".join(result.reason for result in self.results)
        reason = "; ".join([reason, *(note for note in self.case.notes() if note not in earlier)])
        rows_read = (each.sentence(name) for name, *read in self._rows_read(gate) for each in read if each is not None)
        reason = "; ".join([reason, *filter(None, rows_read)])
        reason = "; ".join([reason, *seen_rows.sentences(self.pipeline, gate, self.case, but_for=earlier)])
        for role, outcome in blank.context.get("unrepeatable", {}).items():
            reason += f"; {unrepeatable(role, outcome)}"
        reason += "".join(f"; {threshold_outside(entry)}" for entry in blank.context.get("threshold_outside", ()))
        reason += diagnosis_words(blank.context)
        notes = blank.context.get("notes")  # of a gate of one's own they may be anything
        reason += "".join(f"; {note}" for note in notes) if isinstance(notes, list) else ""
        verdict = Verdict.worst(finding.verdict for finding in counted)
        if (
            verdict is Verdict.PASS
        ):  # which a loss of one class does not show; another sentence names it where it is in the way
            reason += worst_class_words("recall", blank.context)
        waived = len(findings) - len(counted)
        if waived:
            reason = f"{waived} waived; {reason}" if counted else f"{waived} waived, and nothing else was found"
        return replace(
            blank,
            counts=blank.counts and (bool(counted) or not waived),
            verdict=verdict,
            reason=reason,
            findings=tuple(findings),
        )

    def _check(self, gate: Gate) -> tuple[list[Finding], dict[str, Any], LockgateError | None]:
        """What the gate yielded, and the error where it broke; findings made before that are kept.

        What could not be written as evidence, such as a NaN in a detail, breaks the gate here and not the run later.
        """
        findings, context, names = list[Finding](), dict[str, Any](), set[str]()
        self.case.recorded.clear()
        try:
            for output in gate.check(self.case):
                if isinstance(output, Finding):
                    digest.canonical(output.to_json())
                    if output.id in names:
                        raise ValueError("it yields two findings of one id")
                    names.add(output.id)
                    finding = reuse_budget.apply_budget(self.pipeline, gate, output, self.evaluations)
                    findings.append(seen_rows.withhold(finding, seen_rows.judged_rows(self.pipeline, gate, self.case)))
                elif isinstance(output, Exhibit):
                    self.exhibits.append(self.folder.keep_exhibit(self._masked(output)))
                elif isinstance(output, Context):
                    digest.canonical(dict(output.values))
                    context |= output.values
                else:
                    raise TypeError(f"a gate yields Finding, Exhibit or Context, not {type(output).__name__}")
        except LockgateError as error:
            return findings, context, error
        except Exception as error:  # the one broad except: a gate that breaks must not take the others with it
            if (fault := machine_fault(error)) is not None:
                return findings, context, fault
            message = f"the gate {gate.gate!r} broke: {RowText().error(type(error).__name__, str(error))}"
            return findings, context, GateBroken(message, remedy="this is a defect of the gate; report it")
        context |= {"recorded": sorted(self.case.recorded)} if self.case.recorded else {}
        return withheld(gate, findings, self.case.recorded), context | self._model_context(gate), None

    def _model_context(self, gate: Gate) -> dict[str, Any]:
        """Where the gate's models answered, and what was learned there; nothing where it uses none."""
        if not gate.uses_models:
            return {}
        models = {
            contender.role: {
                "where": facts.where,
                "python": facts.python,
                "versions": dict(facts.versions),
                "threads": dict(facts.threads),
                "isolation": dict(facts.isolation),
            }
            for contender in self.case.contenders
            if (facts := contender.load_facts(gate.own_target)) is not None
        }
        return {"models": models} if models else {}

    def _waiver(self, subject: str) -> Waiver | None:
        """The waiver of a finding or a gate that holds on the day of the run."""
        return self.pipeline.waiver(subject, self.started_at.date())

    @property
    def _forms(self) -> list[str]:
        """What is hidden, but words of the document itself, such as a password `inconclusive`: it could not be read."""
        own = {*Verdict, *(each.name for kind in (GateResult, Finding, Decided, FindingLimit) for each in fields(kind))}
        return [form for form in self.hidden if not any(form in word for word in own)]

    def _masked(self, exhibit: Exhibit) -> Exhibit:
        """The exhibit with no secret in its texts."""
        columns, points = hide([exhibit.columns, exhibit.points], self._forms)
        return replace(exhibit, columns=tuple(columns), points=tuple(map(tuple, points)))

    def _store_result(self, gate: Gate, result: GateResult) -> None:
        """For people, and sealed for a resumed run; a gate that broke is run again, and so is one that was left out."""
        if result.verdict is Verdict.ERROR:
            return
        document = {
            "result": result.to_json(),
            "exhibits": [entry for entry in self.exhibits if entry["name"].split("/")[0] == gate.title],
            "seconds": digest.number(self.seconds[gate.title]),
        }
        self.folder.write(f"gates/{gate.title}.json", digest.canonical(document))
        if self._obstacle(gate) is None:
            self.folder.keep_sealed(f"{gate.title}.gate", document)

    def _stored_result(self, gate: Gate) -> GateResult | None:
        document = self.folder.sealed(f"{gate.title}.gate") if self.resumed else None
        if document is None:
            return None
        self.exhibits += document["exhibits"]
        self.seconds[gate.title] = float(document["seconds"])
        return GateResult.from_json(document["result"])

    def evidence(
        self,
        *,
        data: Sequence[Mapping[str, Any]],
        scored: Sequence[Mapping[str, Any]],
        finished_at: datetime,
        registry: Mapping[str, int] | None = None,
        parents: Sequence[str] = (),
    ) -> Evidence:
        """Everything as one document. data, scored: their entries. registry: how far its record has come. parents: of which evidence."""
        case = self.case
        counting = [result for result in self.results if result.counts]
        verdict = Verdict.worst(result.verdict for result in counting)
        asks = sorted(acceptable(counting, self.pipeline.asking, self._is_waived, signed=self.pipeline.signed))
        opens = "no" if self.observe or self.only else opening(verdict, counting, asks, self._is_waived)
        return Evidence.from_document(
            {
                "schema": SCHEMA,
                "run": {**self._run_entry(finished_at), "registry": registry},
                "policy": self._policy_entry(),
                "model": {
                    "name": self.pipeline.model,
                    "candidate": _version_entry(case.candidate.version),
                    "champion": None if case.champion is None else self._champion_entry(case.champion.version),
                },
                "data": [dict(entry) for entry in data],
                "scored": [hide(dict(entry), self._forms) for entry in scored],
                "exhibits": sorted(self.exhibits, key=lambda entry: str(entry["name"])),
                "waivers": [
                    waiver.model_dump(mode="json") | {"expired": waiver.expired(self.started_at.date())}
                    for waiver in self.pipeline.waivers
                ],
                "asks": asks,
                "parents": list(parents),
                "gates": [result.to_json() for result in self.results],
                "verdict": verdict.value,
                "opens": opens,
            }
        )

    def _champion_entry(self, version: ModelVersion) -> dict[str, Any]:
        """With the model that it belongs to, where that is another than the candidate's."""
        elsewhere = {} if version.name == self.case.candidate.version.name else {"model": version.name}
        return _version_entry(version) | elsewhere

    def _run_entry(self, finished_at: datetime) -> dict[str, Any]:
        evaluated = sorted(self.evaluations.items())
        return {
            "id": self.folder.run_id,
            "nonce": self.nonce,
            "started_at": utc_text(self.started_at),
            "finished_at": utc_text(finished_at),
            "seconds": {name: f"{seconds:.3f}" for name, seconds in sorted(self.seconds.items())},
            "tool": f"lockgate {__version__}",
            "looks": {name: count.number for name, count in evaluated},
            **({"evaluations": {name: count.to_json() for name, count in evaluated}} if evaluated else {}),
            **self.circumstances,
        }

    def _policy_entry(self) -> dict[str, Any]:
        pipeline = self.pipeline
        return {
            "sha256": pipeline.policy_digest,
            "files": [{"path": path, "sha256": sha} for path, sha in pipeline.files],
            "variables": dict(pipeline.variables),
            "mode": "observe" if self.observe else "enforce",
            "only": list(self.only),
            "reuse": None if pipeline.reuse is None else {"budget": pipeline.reuse.budget},
        }

    def _is_waived(self, subject: str) -> bool:
        return self._waiver(subject) is not None


def now() -> datetime:
    """The time of this moment, in UTC."""
    return datetime.now(UTC)


def _version_entry(version: ModelVersion) -> dict[str, Any]:
    return {"version": version.version, "digest": version.digest, "run_id": version.run_id}
