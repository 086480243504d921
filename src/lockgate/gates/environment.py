"""The environment gate: whether the candidate serves where it was made for, and answers there as it did."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.number_format import counted_words
from lockgate.evaluation.parity.package_parity import PackageParity, pin_line
from lockgate.evaluation.parity.packages import CLOSENESS, DEFAULT, OTHERS, Closeness, ParityPolicy
from lockgate.evaluation.pictures.parity_tables import golden_table, package_table
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context, Findings, Gate, OfEach, PipelineView
from lockgate.hashing import sha256_file
from lockgate.models.packages.serving_spec import Serving, ServingPython

if TYPE_CHECKING:
    from lockgate.evaluation.parity.golden_rows import GoldenRows
    from lockgate.models.packages.package_list import PackageList

_GOLDEN = ("golden_differences", "golden_errors")
_REMEDIES = {
    "golden_differences": "compare the packages and the preprocessing of training and serving, row by row (report.html has both answers)",
    "golden_errors": "send these rows to the server; what it refuses, or what was recorded, has to change",
}
_NOTHING = {
    "differences": "name what is installed where it serves: serving: FILE of pip list --format=json, a lock file or an SBOM",
    "unpinned": pin_line(["numpy"]),
    **dict.fromkeys(
        _GOLDEN,
        "record a few rows with the answers of training: as data:, or beside the model by input_example=rows, "
        "metadata={'golden_outputs': model.predict(rows).tolist()}",
    ),
}
PackageName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._\-]*[A-Za-z0-9])?|\*)$")]
Packages = tuple[PackageName, ...]


class Environment(Gate):
    """The packages that the candidate declares, compared with those where it serves, and its answers to golden rows there.

    differences: packages, Python among them, that serve in a version which the policy does not let stand for the declared
    one; or that it names and that are not there. unpinned: requirements that name no exact version. golden_differences: rows
    of `data` whose answers are further than `tolerance` from the recorded ones. golden_errors: rows that are refused.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        name: Subject(name, "lower", counted=True, bounds=(0, None), counted_in=counted_in)
        for name, counted_in in (
            ("differences", "packages"), ("unpinned", "requirements"), ("golden_differences", "rows"),
            ("golden_errors", "rows"),
        )
    }  # fmt: skip
    default_require: ClassVar[tuple[str, ...]] = ("differences <= 0",)
    # for golden rows, or for what a server says of itself
    uses_models: ClassVar[Any] = OfEach(lambda gate: gate.asks_golden_rows or not isinstance(gate.serving, str))
    repeatable: ClassVar[bool] = True
    needs_rows: ClassVar[bool] = False

    gate: Literal["environment"] = "environment"
    serving: Serving | None = Field(
        default=None,
        description="What is installed where the model serves: a file (lock file, `pip freeze`, SBOM), `{python: PATH}`, or "
        "`{server: /path}` of the target. By default where the models answer in this run.",
    )
    python: str | None = Field(
        default=None,
        pattern=r"^\d+\.\d+(\.\d+)?$",
        description="Version of the Python that serves, such as `3.11`, where the list does not say it.",
    )
    exact: Packages = Field(
        default=(), description="Packages of which the same version must serve; `*` for all others."
    )
    same_minor: Packages = Field(
        default=(),
        description="Packages whose first two numbers must be the same; python, numpy, pandas and scikit-learn by default.",
    )
    same_major: Packages = Field(
        default=(), description="Packages whose first number must be the same; all others by default."
    )
    ignore: Packages = Field(
        default=(), description="Packages that are not compared; pip, setuptools and wheel by default."
    )
    data: str | None = Field(
        default=None,
        description="Name of the data with golden rows, whose `scores` are the answers that are expected; else lines on them "
        "are about those that the model brings.",
    )
    tolerance: float = Field(
        default=1e-5,
        ge=0,
        allow_inf_nan=False,
        description="How far an answer may be from the recorded one; of values above 1 as a share of them.",
    )

    @property
    def lines(self) -> tuple[Requirement, ...]:
        golden = (
            () if self.require is not None or self.data is None else tuple(parse(f"{name} <= 0") for name in _GOLDEN)
        )
        return (*super().lines, *golden)

    @property
    def asks_golden_rows(self) -> bool:
        return any(line.subject in _GOLDEN for line in self.lines)

    @property
    def policy(self) -> ParityPolicy:
        """The default, and over it what is written."""
        named: dict[str, Closeness] = {}
        for closeness in CLOSENESS:
            named |= dict.fromkeys(map(_normalized, getattr(self, closeness)), closeness)
        expected = [name for name, closeness in named.items() if closeness != "ignore" and name != OTHERS]
        return ParityPolicy({**DEFAULT, **named}, expected)

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        where: dict[str, str] = {}
        for closeness in CLOSENESS:
            for number, package in enumerate(getattr(self, closeness)):
                other = where.setdefault(_normalized(package), closeness)
                if other != closeness:
                    yield (closeness, number), f"{package} stands under {other} too; name it once"
        data = pipeline.data.get(self.data or "")
        if data is not None and data.scores is None:
            yield (
                ("data",),
                f"data.{self.data} says no answers; write scores: {{candidate: COLUMN}} of the recorded ones there",
            )
        if self.serving is None and pipeline.environment == "declared":
            yield (
                (),
                "environment: declared builds what each model declares, which never differs; name what serves with serving:",
            )
        if getattr(self.serving, "server", None) is not None and not hasattr(pipeline.target, "protocol"):
            yield ("serving",), "serving: {server: …} asks the servers of target, and target names none"

    def origins(self, root: Path) -> Mapping[str, str]:
        path = root / self.serving if isinstance(self.serving, str) else None
        return {"serving": sha256_file(path)} if path is not None and path.is_file() else {}

    def check(self, case: Case) -> Findings:
        requirements = self.requirements_for(case)
        subjects = {line.subject for _, line in requirements}
        parities = self._parities(case) if subjects - {*_GOLDEN} else {}
        golden = case.golden(self.data) if self.asks_golden_rows else {}
        estimates = [self._estimate(name, line, parities, golden) for name, line in requirements]
        for finding in judge(self.title, requirements, estimates, self.subjects):
            yield self._explained(finding, parities)
        if parities:
            yield Context({"serving": {role: parity.facts for role, parity in parities.items()}})
            yield from package_table(self.title, parities)
        yield from golden_table(self.title, golden, self.tolerance)

    def _parities(self, case: Case) -> dict[str, PackageParity]:
        serving: PackageList | None = None
        parities: dict[str, PackageParity] = {}
        for contender in case.contenders:
            if serving is None or not isinstance(self.serving, str | ServingPython):  # these serve both roles
                serving = case.packages(contender, self.serving, self.python)
            parities[contender.role] = PackageParity.read(contender, serving, self.policy)
        return parities

    def _estimate(
        self, name: str, line: Requirement, parities: Mapping[str, PackageParity], golden: Mapping[str, GoldenRows]
    ) -> Estimate:
        if line.subject in _GOLDEN:
            from lockgate.evaluation.parity import golden_rows

            count = golden_rows.refused if line.subject == "golden_errors" else golden_rows.differing
            return count(name, line, golden, self.tolerance)
        own, champion = parities["candidate"], parities.get("champion")
        if line.subject == "unpinned":
            return own.unpinned_count(name, line, champion)
        return own.differences(name, line, champion)

    def _explained(self, finding: Finding, parities: Mapping[str, PackageParity]) -> Finding:
        """The finding with what was counted in its reason, and the line that mends it."""
        subject, detail = finding.subject.replace("_", " "), finding.detail
        found = "; ".join(detail.get("found", ()))
        notes = "; ".join([*detail.get("fine", ()), *detail.get("notes", ())])
        own = parities.get("candidate")
        if finding.verdict is Verdict.PASS:
            among = counted_words(finding.rows, finding.counted_in)
            counted = f"{found}; {finding.limit.text} allowed" if found else f"none among {among}"
            return replace(finding, reason=f"{subject}: {counted}{f' ({notes})' if notes else ''}")
        if finding.verdict is Verdict.FAIL:
            remedy = _REMEDIES.get(finding.subject)
            if own is not None and remedy is None:
                unpinned = [line.name for line in own.unpinned if line.name]
                remedy = own.remedy() if finding.subject == "differences" else pin_line(unpinned)
            return replace(finding, code=finding.subject, reason=f"{subject}: {found}", remedy=remedy)
        cause = detail.get("why") or detail.get("too_few") or finding.reason
        open_remedy = own.pinning() if own is not None and detail.get("too_few") else _NOTHING.get(finding.subject)
        return replace(finding, reason=f"{subject}: {cause}", remedy=open_remedy)


def _normalized(package: str) -> str:
    """The name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", package).lower()
