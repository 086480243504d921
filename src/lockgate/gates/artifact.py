"""The artifact gate: what lies in the candidate's files, before anything of them is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from lockgate.config import Config
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context, Findings, Gate
from lockgate.models.artifact.scanners import Scanner
from lockgate.text import clauses
from lockgate.text import counted as number_of

if TYPE_CHECKING:
    from lockgate.models.artifact.inspection import Inspection, InspectionPolicy
    from lockgate.models.artifact.problem import Problem

_REMEDIES = {
    "unsafe_files": "log the model without what its own library does not bring",
    "broken_files": "log the model again, and upload it whole",
    "unknown_files": "leave these files out of the model",
    "code_files": "log the model without code of its own",
    "unsafe_paths": "log the model as plain files under plain names, inside its folder",
    "missing_files": "log the model again with all its files",
    "size_mb": "log a smaller model, or leave out what it does not need",
}
_BYTE_CODE = "log the model with PYTHONDONTWRITEBYTECODE=1, so that MLflow stores its code without byte code beside it"
_NO_PICKLE = 'log the model with serialization_format="skops", or in its library\'s own format'
_LISTED, _TABLE = 20, 400
Text = Annotated[str, StringConstraints(min_length=1)]


class AllowedParts(Config):
    """What somebody has looked at, and lets pass."""

    imports: tuple[Text, ...] = Field(
        default=(),
        description="Names that pickles may import and call, such as `acme.features.Scaler`, or whole packages; and loaders.",
    )
    files: tuple[Text, ...] = Field(
        default=(),
        description="Patterns of files that are code, or in formats that the gate does not read: `code/*.py`.",
    )


class Signing(Config):
    """Who must have signed the files, with OpenSSF Model Signing."""

    public_key: Text = Field(description="The PEM text of the signer's public key, of an elliptic curve.")
    signature: Text = Field(default="model.sig", description="Where the signature lies among the model's files.")


class Artifact(Gate):
    """The candidate's files: formats, pickles, archives, links, names and sizes. No other gate loads it before this one passes.

    unsafe_files: files that would run something when they are loaded: pickles that import or call what is not on the list for
    the model's packages, Keras layers with code, graphs that touch the machine; a signature that does not hold. broken_files:
    not whole, or not what they begin as. unknown_files: in formats that nothing here reads. code_files: source, byte code and
    libraries, and loaders that are not MLflow's. unsafe_paths: links, pipes, devices, and names that lead out of the folder.
    missing_files: that MLmodel names. size_mb: of all files, in millions of bytes.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        name: Subject(name, "lower", counted=True, unit="MB" if name == "size_mb" else "", bounds=(0, None), counted_in="files")
        for name in _REMEDIES
    }  # fmt: skip
    default_require: ClassVar[tuple[str, ...]] = tuple(f"{name} <= 0" for name in _REMEDIES if name != "size_mb")
    repeatable: ClassVar[bool] = True
    guards_loading: ClassVar[bool] = True

    gate: Literal["artifact"] = "artifact"
    allow: AllowedParts = Field(
        default_factory=AllowedParts, description="What somebody has looked at, and lets pass: `imports`, `files`."
    )
    scanners: tuple[Scanner, ...] = Field(
        default=(), description="Scanners of others whose findings are added: `picklescan`, `skops`."
    )
    signing: Signing | None = Field(default=None, description="Who must have signed the files; anybody may by default.")

    @property
    def _policy(self) -> InspectionPolicy:
        from lockgate.models.artifact.inspection import InspectionPolicy
        from lockgate.models.artifact.signing import Signer

        signer = None if self.signing is None else Signer(self.signing.public_key, self.signing.signature)
        return InspectionPolicy(self.allow.imports, self.allow.files, self.scanners, signer)

    def accepting(self, imports: Sequence[str], files: Sequence[str]) -> Gate:
        allow = AllowedParts(imports=(*self.allow.imports, *imports), files=(*self.allow.files, *files))
        return self.model_copy(update={"allow": allow, "signing": None})

    def check(self, case: Case) -> Findings:
        inspection = self._inspection(case.candidate)
        by_kind: dict[str, list[Problem]] = {}
        for problem in inspection.problems:
            by_kind.setdefault(problem.kind, []).append(problem)
        for name, line in self.requirements_for(case):
            problems = by_kind.get(line.subject, [])
            estimate = self._estimate(case, inspection, name, line, problems)
            for finding in judge(self.title, [(name, line)], [estimate], self.subjects):
                yield _explained(finding, inspection, problems)
        yield Context({"files": inspection.files, "formats": dict(inspection.formats)})
        if inspection.problems:
            yield _table(self.title, inspection.problems[:_TABLE])

    def _inspection(self, contender: Contender) -> Inspection:
        from lockgate.models.artifact.inspection import inspect

        policy = self._policy
        return contender.examined(policy, lambda files: inspect(files, policy))

    def _estimate(
        self, case: Case, inspection: Inspection, name: str, line: Requirement, problems: Sequence[Problem]
    ) -> Estimate:
        champion = None
        if case.champion is not None and line.limit.relative:
            champion = _value(self._inspection(case.champion), line.subject)
        detail: dict[str, Any] = {"found": [str(problem) for problem in problems[:_LISTED]]}
        if len(problems) > _LISTED:
            detail["more"] = len(problems) - _LISTED
        return replace(
            counted(name, line, value=_value(inspection, line.subject), units=inspection.files, champion=champion, detail=detail),
            counted_in="files",
        )  # fmt: skip


def _value(inspection: Inspection, subject: str) -> float:
    return inspection.size / 1e6 if subject == "size_mb" else float(inspection.counts.get(subject, 0))


def _explained(finding: Finding, inspection: Inspection, problems: Sequence[Problem]) -> Finding:
    """The finding with the first problems in its reason, and what to do about them."""
    from lockgate.models.artifact.imports import OWN_CODE, RUNS

    if finding.subject == "size_mb" or finding.verdict is Verdict.INCONCLUSIVE:
        remedy = _REMEDIES[finding.subject] if finding.verdict is Verdict.FAIL else finding.remedy
        return replace(finding, remedy=remedy)
    subject = finding.subject.replace("_", " ")
    if not problems:
        formats = ", ".join(f"{count} {kind}" for kind, count in inspection.formats.items())
        return replace(finding, reason=f"{subject}: none among {number_of(inspection.files, 'file')} ({formats})")
    sentences = clauses(problems, 3)
    if finding.verdict is Verdict.PASS:
        return replace(finding, reason=f"{subject}: {sentences}; {finding.limit.text} allowed")
    allow: dict[str, list[str]] = {}
    for problem in problems:
        if problem.allow is not None and problem.allow[1] not in allow.setdefault(problem.allow[0], []):
            allow[problem.allow[0]].append(problem.allow[1])
    remedy = _REMEDIES[finding.subject]
    if finding.subject == "unsafe_files" and any(problem.offset is not None for problem in problems):
        remedy = _NO_PICKLE
    if any(RUNS in problem.text for problem in problems):
        remedy = f"find out who made this file, and load it nowhere; {remedy}"
    elif any(problem.text.startswith(OWN_CODE) for problem in problems):
        remedy = (
            "a lambda, or a function or class of the script that trained it, is part of it: move it into a module of a package that "
            f'the requirements name, or log a PythonModel from its file, python_model="model.py"; then {remedy}'
        )
    elif any("__pycache__/" in problem.file for problem in problems):
        remedy = _BYTE_CODE
    if allow:
        parts = ", ".join(f"{key}: [{', '.join(map(_quoted, names[:5]))}]" for key, names in allow.items())
        more = " and so on" if any(len(names) > 5 for names in allow.values()) else ""
        remedy += f"; or have somebody look at it, and write allow: {{{parts}}}{more} into this gate"
    return replace(finding, code=finding.subject, reason=f"{subject}: {sentences}", remedy=remedy)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _table(gate: str, problems: Sequence[Problem]) -> Exhibit:
    points = tuple(
        (
            problem.kind.replace("_", " "),
            problem.file,
            "" if problem.offset is None else str(problem.offset),
            problem.text,
        )
        for problem in problems
    )
    return Exhibit(f"{gate}/problems", "table", ("counted as", "file", "byte", "problem"), points)
