"""Re-run: run the repeatable gates again, in another job, by the default branch's pipeline, and compare with evidence."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.data import remote
from lockgate.errors import LockgateError, Refused
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding
from lockgate.gates.gate import Gate
from lockgate.hashing import number
from lockgate.models.target_spec import Server
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.publish import published_at
from lockgate.promotion.rollback_proof import RerunResult
from lockgate.registries.ports import Registry
from lockgate.registries.selectors import ChampionSelector
from lockgate.registries.spec import RegistrySpec
from lockgate.runs.case_builder import temporary_case
from lockgate.runs.run import PipelineRun
from lockgate.text import clauses
from lockgate.units import utc

# Another processor rounds the same model's float32 differently; a number forged by less than this gains nothing.
TOLERANCE = 1e-6
_LISTED = 3


@dataclass(frozen=True)
class EvidenceScope:
    """The versions, the digests of data and of their training data by name, and the start of the run that evidence is about."""

    candidate: str
    champion: str | None
    data: Mapping[str, str]
    training: Mapping[str, list[str]]
    began: datetime

    @classmethod
    def from_evidence(cls, evidence: Evidence, registry: RegistrySpec) -> EvidenceScope:
        """Raises Refused for evidence that says none of it, because somebody else wrote it."""
        try:
            champion = evidence.champion
            return cls(
                _version_text(evidence.candidate["version"], registry),
                None if champion is None else _version_text(champion["version"], registry),
                {str(entry["name"]): str(entry["digest"]) for entry in evidence.document["data"]},
                {
                    str(entry["name"]): [str(source["digest"]) for source in entry["seen"]["in"]]
                    for entry in evidence.document["data"]
                    if "seen" in entry
                },
                utc(evidence.document["run"]["started_at"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _mismatch([f"it has another shape ({type(error).__name__}: {error})"]) from error


def _version_text(version: Any, registry: RegistrySpec) -> str:
    if not isinstance(version, str) or not registry.accepts(version):
        raise TypeError(f"{version!r} is no version")
    return version


def rerun(
    pipeline: Pipeline, registry: Registry, evidence: Evidence, *, environ: Mapping[str, str], seconds: float = 600.0
) -> RerunResult:
    """Run the repeatable gates again on the versions of the evidence, and compare with it.

    seconds: what is spent on it; gates that are not done by then are left out, and listed as such. Models run in processes
    of their own as in a run. Raises Refused with the code `evidence_mismatch` for any difference in a verdict or a value,
    and for any part that the evidence should have and has not.
    """
    scope, recorded = (
        EvidenceScope.from_evidence(evidence, pipeline.registry),
        {result.name: result for result in evidence.gates},
    )
    champion = "none" if scope.champion is None else ChampionSelector(version=scope.champion)
    same_versions = pipeline.model_copy(update={"champion": champion})
    deadline = time.monotonic() + seconds

    def late() -> bool:
        return time.monotonic() > deadline

    with temporary_case(
        same_versions, registry, scope.candidate, environ=environ, began=scope.began, cancelled=late
    ) as builder:
        _refuse(_other_subject(pipeline, builder.case, evidence, recorded))
        run = PipelineRun(
            pipeline=pipeline,
            case=builder.case,
            folder=builder.folder,
            nonce="",
            started_at=scope.began,
            circumstances={},
            published=lambda: _before(scope.began, registry.evidence(pipeline.model).all()),
            inputs=builder.digests(),
            results=list(evidence.gates),
        )
        run.count_evaluations()
        same, left_out = list[str](), dict[str, str]()
        for gate in pipeline.gates:
            reason = _why_left_out(gate, pipeline, builder.case, scope)
            if reason is None:
                result = GateResult.from_json(run.run_gate(gate).to_json())  # as it would be read from evidence
                if not late():  # a gate under way then proves nothing: its models are cancelled
                    _refuse(differences(recorded[gate.title], result))
                    same.append(gate.title)
                    continue
                reason = "it took longer than is spent on the re-run"
            left_out[gate.title] = reason
        builder.end_models()
        return RerunResult(tuple(same), left_out)


def differences(recorded: GateResult, repeated: GateResult) -> Iterator[str]:
    """What is not as the evidence has it, a sentence each."""
    before, after = ({finding.id: finding for finding in result.findings} for result in (recorded, repeated))
    same = True
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old.verdict is not new.verdict or not _equal(old.observed, new.observed):
            same = False
            yield f"{name} is {_finding_text(old)} in the evidence, and {_finding_text(new)} in the re-run{_reason(new)}"
    if same and (recorded.verdict, recorded.counts) != (repeated.verdict, repeated.counts):
        yield (
            f"{repeated.name} is {_result_text(recorded)} in the evidence, and {_result_text(repeated)} "
            f"in the re-run: {repeated.reason}"
        )


def _other_subject(
    pipeline: Pipeline, case: Case, evidence: Evidence, recorded: Mapping[str, GateResult]
) -> Iterator[str]:
    """Where it is not evidence of this pipeline and of these files."""
    if evidence.document["policy"]["sha256"] != pipeline.policy_digest:
        raise Refused(
            "the pipeline is not the one that was evaluated: its policy has changed since",
            code="policy_changed",
            remedy="evaluate again with gate run, and ask for sign-off on that",
        )
    expected = [(gate.title, gate.gate) for gate in pipeline.gates]
    actual = [(result.name, result.kind) for result in evidence.gates]
    if expected != actual or len(recorded) != len(actual):
        names = [", ".join(name for name, _ in gates) or "none" for gates in (actual, expected)]
        yield f"the evidence has the gates {names[0]}, and the pipeline {names[1]}"
    for contender in case.contenders:
        entry: Mapping[str, Any] = evidence.document["model"][contender.role] or {}
        if entry.get("digest") != contender.version.digest:
            yield (
                f"the files of {contender.version} are {contender.version.digest}, "
                f"and the evidence is about {entry.get('digest')}"
            )


def _why_left_out(gate: Gate, pipeline: Pipeline, case: Case, scope: EvidenceScope) -> str | None:
    """Why a gate is not run again, None where it is."""
    if not gate.repeatable:
        return f"{gate.gate} is no gate that says the same each time"
    if gate.uses_models and isinstance(gate.own_target or pipeline.target, Server):
        return "it uses servers that others run"
    for name in gate.reads(case.datasets):
        try:
            digest = case.dataset(name).digest
            training = [] if (overlap := case.dataset(name).seen_rows) is None else overlap.digests
        except LockgateError as error:
            return f"its data {name} cannot be opened here: {error.message}"
        recorded = scope.data.get(name)
        if recorded not in (None, digest):
            if remote.is_url(pipeline.data[name].path):
                return f"its data {name} has changed since: it was {recorded} and is {digest}"
            _refuse(
                [f"the data {name} is {digest} here, and was {recorded} when the gates ran"],
                remedy="bring the data to the default branch first, fetch here what the gate's job fetched, and evaluate again",
            )
        if training != scope.training.get(name, training):
            return f"the training data whose rows {name} may not hold have changed since"
    return None


def _before(began: datetime, published: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """What was published before the evidence began, so that its evaluation gets the number that it had."""
    return [facts for facts in published if "at" not in facts or published_at(facts) < began]


def _refuse(sentences: Iterator[str] | Sequence[str], *, remedy: str | None = None) -> None:
    listed = list(sentences)
    if listed:
        raise _mismatch(listed, remedy=remedy)


def _mismatch(sentences: Sequence[str], *, remedy: str | None = None) -> Refused:
    return Refused(
        f"the evidence is not what a re-run of its gates comes to: {clauses(sentences, _LISTED)}",
        code="evidence_mismatch",
        remedy=remedy
        or "bring code, data and requirements that the candidate needs to the default branch, evaluate again, and find "
        "out who made this evidence where it differs still",
    )


def _equal(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE**2)


def _finding_text(finding: Finding | None) -> str:
    return "not there" if finding is None else f"{finding.verdict} ({number(finding.observed) or 'no value'})"


def _reason(finding: Finding | None) -> str:
    return "" if finding is None or finding.observed is not None else f", because {finding.reason}"


def _result_text(result: GateResult) -> str:
    return str(result.verdict) if result.counts else f"{result.verdict} that does not count"
