"""The signature gate: whether the candidate can be called, also by those who call the champion."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, PrivateAttr

from lockgate.data.contract.declared import contract_in_metadata
from lockgate.errors import DataError, GateBroken, ModelFault, UsageError
from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.number_format import counted_words
from lockgate.evaluation.pictures.broken_features import broken_features
from lockgate.evaluation.pictures.signature_changes import signature_changes
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Findings, Gate, PipelineView
from lockgate.hashing import sha256_file
from lockgate.models import signature_diff
from lockgate.models.input_check import in_order, misfits, refusals
from lockgate.models.input_plan import LEAK
from lockgate.models.model import AnswersExample

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset

_REMEDIES = {
    "missing": "log the model with its signature and an input example",
    "breaking_changes": "keep the old column, give a new one required=False, or register under a new model name",
    "data_mismatches": "name the columns with inputs: {signature column: data column}, or log the model with its real columns",
    "leak": "train and log the model without that column; a model that is given the truth passes every metric",
    "contract_violations": "mend the rows (the finding's detail has their ids), or the contract where it is too narrow",
    "example_errors": "log an input example that the model answers; try model.predict(example) where it is logged",
}
_SUBJECTS = {
    "missing": "parts", "breaking_changes": "columns", "data_mismatches": "inputs", "example_errors": "rows",
    "contract_violations": "cells",
}  # fmt: skip
_CONTRACT = "contract_violations"
_NO_FEATURES = "write features: into the pipeline, such as user_age: {type: float, range: [18, 100]}"
_NEEDS = {"breaking_changes": ("champion",)}

Count = tuple[
    int, list[str], dict[str, object]
]  # (units among which it was counted, what was found, the finding's detail)


class Signature(Gate):
    """The candidate's signature and input example, compared with the champion's signature and the data.

    missing: of signature and input example. breaking_changes: columns removed, retyped or newly required since the
    champion. data_mismatches: signature columns that `data` lacks, has in another type, or
    with values that the model's own process refuses. A leak, an input that is the label or says the same in every row, fails under the code `leak`.
    example_errors: rows of the input example that the candidate does not answer. contract_violations: cells of the data
    that break what `features` of the pipeline, or the candidate's own metadata, say of them.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        name: Subject(
            name,
            "lower",
            counted=True,
            bounds=(0, None),
            needs=(*_NEEDS.get(name, ()), "no champion"),
            counted_in=counted_in,
        )
        for name, counted_in in _SUBJECTS.items()
    }
    default_require: ClassVar[tuple[str, ...]] = tuple(f"{name} <= 0" for name in _SUBJECTS if name != _CONTRACT)
    uses_models: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    needs_rows: ClassVar[bool] = False
    runs_unloaded: ClassVar[bool] = True

    gate: Literal["signature"] = "signature"
    data: str | None = Field(
        default=None,
        description="Name of the data that the signature is compared with; the first by default, and all for `features`.",
    )

    _has_features: bool = PrivateAttr(default=False)
    _schema: str | None = PrivateAttr(default=None)

    @property
    def lines(self) -> tuple[Requirement, ...]:
        """The requirements: `require`, else the gate's own, with that on `features` where the pipeline declares them."""
        lines = super().lines
        return (*lines, parse(f"{_CONTRACT} <= 0")) if self.require is None and self._has_features else lines

    def with_features(self, schema: str | None = None) -> Gate:
        gate = self.model_copy()
        gate._has_features, gate._schema = True, schema
        return gate

    @property
    def own_code(self) -> tuple[str, ...]:
        return () if self._schema is None else (posixpath.normpath(self._schema),)

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        if any(path.startswith(("/", "../")) for path in self.own_code):
            yield (
                (),
                f"features_from: {self._schema!r} leads out of the project, so it is not read; keep the file in the project",
            )

    def origins(self, root: Path) -> Mapping[str, str]:
        try:
            return {path: sha256_file(root / path) for path in self.own_code}
        except OSError as error:
            raise UsageError(f"{self._schema}, which features_from names, cannot be read: {error.strerror}") from error

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        if self.data:
            return (self.data,)
        return tuple(datasets if any(line.subject == _CONTRACT for line in self.lines) else datasets[:1])

    def check(self, case: Case) -> Findings:
        leaks = lru_cache(lambda: self._leaks(case))
        compared = lru_cache(lambda: _compared(case))
        count: dict[str, Callable[[], Count]] = {
            "missing": lambda: _missing(case),
            "breaking_changes": lambda: _breaking(case, compared()),
            "data_mismatches": lambda: self._mismatches(case, leaks()),
            "example_errors": lambda: _example(case),
            _CONTRACT: lambda: self._contract_violations(case),
        }
        is_said = False
        for name, line in self.requirements_for(case):
            estimate, remedy = self._estimate(case, name, line, count[line.subject])
            remedies = {**_REMEDIES, **case.candidate.facts.remedies} | ({line.subject: remedy} if remedy else {})
            for finding in judge(self.title, [(name, line)], [estimate], self.subjects):
                explained = _explained(finding, remedies)
                is_said = is_said or explained.code == "leak"
                yield explained
                yield from broken_features(self.title, explained.detail.get("offenders", ()))
        if not is_said and leaks():
            raise GateBroken(f"leak: {'; '.join(leaks())}; and no requirement fails by it", remedy=_REMEDIES["leak"])
        if (changes := compared()) is not None:
            yield from signature_changes(self.title, changes[1])

    def _estimate(
        self, case: Case, name: str, line: Requirement, count: Callable[[], Count]
    ) -> tuple[Estimate, str | None]:
        """What was counted, and the line to write where that is known."""
        try:
            units, problems, more = count()
        except ModelFault:
            if case.candidate.obstacle is None:
                raise
            units, problems, more = 0, [], {"why": f"not run{case.candidate.obstacle.short}"}
        remedy, value = more.pop("remedy", None), more.pop("value", len(problems))
        estimate = counted(name, line, value=float(str(value)), units=units, detail={"found": problems, **more})
        estimate = replace(estimate, counted_in=self.subjects[line.subject].counted_in)
        return estimate, None if remedy is None else str(remedy)

    def _dataset(self, case: Case) -> Dataset | None:
        names = self.reads(case.datasets)
        return case.dataset(names[0]) if names else None

    def _contract_violations(self, case: Case) -> Count:
        """The cells that break the contract, of all data that the gate reads."""
        contract = case.contract().over(contract_in_metadata(case.candidate.facts.metadata))
        if not contract.features:
            return 0, [], {"why": "no features are declared", "remedy": _NO_FEATURES}
        datasets = [case.dataset(name) for name in self.reads(case.datasets)]
        checks = [contract.check(dataset, self._columns(case, dataset)) for dataset in datasets]
        breaches = [breach for check in checks for breach in check.breaches]
        cells = sum(check.cells for check in checks)
        more: dict[str, object] = {} if cells else {"why": "the data have no rows"}
        more |= {"offenders": [breach.to_json() for breach in breaches]} if breaches else {}
        more |= {"value": sum(breach.cells for breach in breaches), "features": dict(sorted(contract.sources.items()))}
        return cells, [str(breach) for breach in breaches], more

    def _columns(self, case: Case, dataset: Dataset) -> dict[str, str]:
        """Input of the candidate → the column of the data that feeds it, where its signature says which inputs it has."""
        if case.candidate.facts.signature is None:
            return {}
        return {column.name: column.column for column in case.input_plan(case.candidate, dataset).columns}

    def _mismatches(self, case: Case, leaks: tuple[str, ...]) -> Count:
        signature = case.candidate.facts.signature
        if signature is None and not leaks:
            return 0, [], {"why": "there is no signature to compare with the data"}
        dataset = self._dataset(case)
        if dataset is None:
            return 0, [], {"why": "there is no data to compare the signature with"}
        plan = case.input_plan(case.candidate, dataset)
        columns = list((signature or {}).get("inputs") or ())
        problems = [problem for problem in plan.problems if not problem.startswith(LEAK)]
        refused = refusals(columns, plan, dataset)
        problems = in_order([*problems, *misfits(columns, plan, dataset), *refused], columns)
        more: dict[str, object] = {"leaks": list(leaks)} if leaks else {}
        remedies = [plan.remedy if plan.problems else None, *refused.values()]
        if any(remedies):
            more["remedy"] = "; ".join(dict.fromkeys(filter(None, remedies)))
        return max(len(signature_diff.named(columns)), len(plan.columns)), [*leaks, *problems], more

    def _leaks(self, case: Case) -> tuple[str, ...]:
        """Inputs of the candidate that are the label, or say the same in every row, or are its own recorded score."""
        from lockgate.data.label_copies import label_copies

        dataset = self._dataset(case)
        if dataset is None:
            return ()
        try:
            plan = case.input_plan(case.candidate, dataset)
        except ModelFault:  # without a signature it is loaded for its plan; who needs it to answer says what broke
            return ()
        inputs = plan.columns
        truths = {"label": "the label", "recorded score of the candidate": "its own recorded score"}
        named = {column.name: truths[role] for column in inputs if (role := case.roles.get(column.column)) in truths}
        rest = {column.column: column.name for column in inputs if column.name not in named}
        copies = label_copies(dataset, list(rest), numbers=case.task in ("regression", "ranking"))
        return (
            *(problem.removeprefix(LEAK) for problem in plan.problems if problem.startswith(LEAK)),
            *(f"input {name} is {truth}" for name, truth in named.items()),
            *(f"input {rest[column]} says the same as the label in every row" for column in copies),
        )


def _explained(finding: Finding, remedies: Mapping[str, str]) -> Finding:
    """The finding with what was counted in its reason; a leak under a code of its own."""
    remedy = remedies[finding.subject]
    subject = finding.subject.replace("_", " ")
    notes = finding.detail.get("notes", {})
    problems = "; ".join(
        f"{problem} ({notes[problem]})" if problem in notes else str(problem)
        for problem in finding.detail.get("found", [])
    )
    if finding.verdict is Verdict.PASS:
        among = counted_words(finding.rows, finding.counted_in)
        harmless = "; ".join(finding.detail.get("fine", []))
        counted_text = f"{problems}; {finding.limit.text} allowed" if problems else f"none among {among}"
        return replace(finding, reason=f"{subject}: {counted_text}{f' ({harmless})' if harmless else ''}")
    if finding.verdict is Verdict.FAIL and finding.detail.get("leaks"):
        return replace(finding, code="leak", reason=f"leak: {problems}", remedy=_REMEDIES["leak"])
    if finding.verdict is Verdict.FAIL:
        return replace(finding, code=finding.subject, reason=f"{subject}: {problems}", remedy=remedy)
    cause = finding.detail.get("why")
    return replace(finding, reason=f"{subject}: {cause}" if cause else finding.reason, remedy=remedy)


def _missing(case: Case) -> Count:
    facts = case.candidate.facts
    parts = {"a signature": facts.signature, "an input example": facts.input_example}
    return 2, [part for part, value in parts.items() if value is None], {}


def _compared(case: Case) -> tuple[int, tuple[signature_diff.Change, ...]] | None:
    """(number of columns compared, the changes since the champion); None where one of the two has no signature."""
    new = case.candidate.facts.signature
    old = None if case.champion is None else case.champion.facts.signature
    return None if new is None or old is None else signature_diff.diff(old, new)


def _breaking(case: Case, compared: tuple[int, tuple[signature_diff.Change, ...]] | None) -> Count:
    if compared is None:
        lacking = "candidate" if case.candidate.facts.signature is None else "champion"
        return 0, [], {"why": f"the {lacking} has no signature to compare"}
    columns, changes = compared
    breaking = [str(change) for change in changes if change.breaking]
    notes = {str(change): change.note for change in changes if change.breaking and change.note}
    more: dict[str, object] = {"notes": notes} if notes else {}
    if breaking and all(change.side == "outputs" for change in changes if change.breaking):
        more["remedy"] = (
            "log it with pyfunc_predict_fn and the signature of the champion's answers, infer_signature(inputs, outputs), "
            "or register under a new model name"
        )
    renamed = [change for change in changes if change.kind == "removed" and change.other_name is not None]
    if renamed:
        former = ", ".join(change.name for change in renamed)
        more["remedy"] = (
            f"where only names changed, log the model with the old ones: {former}; else {_REMEDIES['breaking_changes']}"
        )
    return columns, breaking, {"fine": [str(change) for change in changes if not change.breaking], **more}


def _example(case: Case) -> Count:
    if case.candidate.facts.input_example is None:
        return 0, [], {"why": "there is no input example to predict on"}
    model = case.candidate.model
    if isinstance(model, AnswersExample):
        return _own_example(model)
    try:
        batch = case.sample(case.candidate, None, 100)
    except DataError as error:
        return 0, [], {"why": str(error)}
    if batch.num_rows == 0:
        return 0, [], {"why": "the input example has no rows"}
    try:
        answer = next(iter(model.predict([batch])))
    except ModelFault as error:
        if not error.alive:
            raise
        return batch.num_rows, [error.message], {}
    return batch.num_rows, [] if answer.num_rows == batch.num_rows else ["answers and rows differ"], {}


def _own_example(model: AnswersExample) -> Count:
    """Whether the model answers its example as MLflow reads it."""
    try:
        rows = model.answer_example()
    except ModelFault as error:
        if not error.alive:
            raise
        return 1, [error.message], {}
    return rows, [], {} if rows else {"why": "the input example has no rows"}
