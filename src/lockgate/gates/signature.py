"""The signature gate: whether the candidate can be called, also by those who call the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from lockgate.errors import DataError, ModelFault
from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Findings, Gate
from lockgate.models import signature_diff

_REMEDIES = {
    "missing": "log the model with its signature and an input example",
    "breaking_changes": "keep the old column, give a new one required=False, or register under a new model name",
    "data_mismatches": "name the columns with inputs: {signature column: data column}, or log the model with its real columns",
    "example_errors": "log an input example that the model answers; try model.predict(example) where it is logged",
}
_NEEDS = {"breaking_changes": ("champion",)}


class Signature(Gate):
    """The candidate's signature and input example, compared with the champion's signature and the data.

    missing: of signature and input example. breaking_changes: columns removed, retyped or newly required since the
    champion. data_mismatches: signature columns that `data` (else the first data set) lacks or has in another type.
    example_errors: rows of the input example that the candidate does not answer.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        name: Subject(name, "lower", counted=True, bounds=(0, None), needs=(*_NEEDS.get(name, ()), "no champion"))
        for name in _REMEDIES
    }
    default_require: ClassVar[tuple[str, ...]] = tuple(f"{name} <= 0" for name in _REMEDIES)
    uses_models: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    needs_rows: ClassVar[bool] = False

    gate: Literal["signature"] = "signature"
    data: str | None = None

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        return (self.data,) if self.data else tuple(datasets[:1])

    def check(self, case: Case) -> Findings:
        for name, line in self.requirements_for(case):
            estimate = self._estimate(case, name, line)
            remedies = {**_REMEDIES, **case.candidate.facts.remedies}
            for finding in judge(self.title, [(name, line)], [estimate], self.subjects):
                yield _explained(finding, remedies[finding.subject])

    def _estimate(self, case: Case, name: str, line: Requirement) -> Estimate:
        count = {
            "missing": _missing,
            "breaking_changes": _breaking,
            "data_mismatches": self._mismatches,
            "example_errors": _example,
        }[line.subject]
        units, problems, more = count(case)
        return counted(name, line, value=len(problems), units=units, detail={"found": problems, **more})

    def _mismatches(self, case: Case) -> tuple[int, list[str], dict[str, object]]:
        signature = case.candidate.facts.signature
        if signature is None:
            return 0, [], {"why": "there is no signature to compare with the data"}
        names = self.reads(case.datasets)
        if not names:
            return 0, [], {"why": "there is no data to compare the signature with"}
        columns = signature_diff.named(signature.get("inputs") or ())
        if any(column.get("type") == "tensor" for column in columns.values()):
            return 0, [], {"why": "the signature is of tensors, which have no columns to compare with the data"}
        arrow_types = {field.name: str(field.type) for field in case.dataset(names[0]).schema}
        return len(columns), signature_diff.input_mismatches(columns, arrow_types, case.inputs), {}


def _explained(finding: Finding, remedy: str) -> Finding:
    """The finding with what was counted in its reason."""
    subject = finding.subject.replace("_", " ")
    problems = "; ".join(map(str, finding.detail.get("found", [])))
    if finding.verdict is Verdict.PASS:
        harmless = "; ".join(finding.detail.get("fine", []))
        counted_text = f"{problems}; {finding.limit.text} allowed" if problems else f"none among {finding.rows}"
        return replace(finding, reason=f"{subject}: {counted_text}{f' ({harmless})' if harmless else ''}")
    if finding.verdict is Verdict.FAIL:
        return replace(finding, code=finding.subject, reason=f"{subject}: {problems}", remedy=remedy)
    cause = finding.detail.get("why")
    return replace(finding, reason=f"{subject}: {cause}" if cause else finding.reason, remedy=remedy)


def _missing(case: Case) -> tuple[int, list[str], dict[str, object]]:
    facts = case.candidate.facts
    parts = {"a signature": facts.signature, "an input example": facts.input_example}
    return 2, [part for part, value in parts.items() if value is None], {}


def _breaking(case: Case) -> tuple[int, list[str], dict[str, object]]:
    new = case.candidate.facts.signature
    old = None if case.champion is None else case.champion.facts.signature
    if new is None or old is None:
        return 0, [], {"why": f"the {'candidate' if new is None else 'champion'} has no signature to compare"}
    compared, changes = signature_diff.diff(old, new)
    breaking = [str(change) for change in changes if change.breaking]
    return compared, breaking, {"fine": [str(change) for change in changes if not change.breaking]}


def _example(case: Case) -> tuple[int, list[str], dict[str, object]]:
    if case.candidate.facts.input_example is None:
        return 0, [], {"why": "there is no input example to predict on"}
    try:
        batch = case.sample(case.candidate, None, 100)
    except DataError as error:
        return 0, [], {"why": str(error)}
    if batch.num_rows == 0:
        return 0, [], {"why": "the input example has no rows"}
    try:
        answer = next(iter(case.candidate.model.predict([batch])))
    except ModelFault as error:
        if not error.alive:
            raise
        return batch.num_rows, [error.message], {}
    return batch.num_rows, [] if answer.num_rows == batch.num_rows else ["answers and rows differ"], {}
