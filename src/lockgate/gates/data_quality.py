"""The data_quality gate: what a schema of pandera or a suite of Great Expectations asks of the data."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from lockgate.config import Duration
from lockgate.errors import GateBroken
from lockgate.evaluation.case import Case
from lockgate.evaluation.data_quality.expectation_file import ExpectationFile
from lockgate.evaluation.requirements.subject import Subject, by_name
from lockgate.gates.gate import Context, Findings, Gate, PipelineView

if TYPE_CHECKING:
    from lockgate.evidence.evidence import GateResult

_LINE = "offenders <= 0"


class DataQuality(Gate):
    """Expectations on the rows of `data`, each a finding with the verdict of its own library.

    offenders: rows that do not meet an expectation, of those that it looks at; it may allow some itself (`mostly`).
    """

    subjects: ClassVar[Mapping[str, Subject]] = by_name(
        Subject("offenders", "lower", counted=True, unit="rows", bounds=(0, None), needs=("no champion",))
    )
    default_require: ClassVar[tuple[str, ...]] = (_LINE,)
    judges_candidate: ClassVar[bool] = False

    gate: Literal["data_quality"] = "data_quality"
    data: str = Field(description="Name of the data whose rows are checked, label and weight among their columns.")
    pandera: str | None = Field(
        default=None,
        pattern=r"^([^:]+\.py:[A-Za-z_][A-Za-z0-9_]*|[^:]+\.(yaml|yml|json))$",
        description="A schema of pandera: `./schemas/x.py:schema`, or a YAML or JSON file as pandera writes it.",
    )
    great_expectations: str | None = Field(
        default=None,
        pattern=r"^[^:]+\.json$",
        description="A suite of Great Expectations 1.x as a JSON file, such as `./suites/x.json`.",
    )
    python: str | None = Field(
        default=None,
        min_length=1,
        description="The Python that has the library, such as `.venv-quality/bin/python`; by default that of the models.",
    )
    timeout: Duration = Field(
        default=timedelta(minutes=10), description="How long the checks may take; after that the gate is in error."
    )

    @model_validator(mode="after")
    def _one_library(self) -> DataQuality:
        if (self.pandera is None) == (self.great_expectations is None):
            raise ValueError("name the expectations by one of `pandera` and `great_expectations`")
        return self

    @property
    def own_code(self) -> tuple[str, ...]:
        return (posixpath.normpath(str(self.pandera or self.great_expectations).partition(":")[0]),)

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        (path,) = self.own_code
        if path.startswith(("/", "../")):
            key = "pandera" if self.pandera else "great_expectations"
            yield (key,), f"{key}: {path!r} leads out of the project, so it is not read; keep the file in the project"
        if self.require is not None and [str(line) for line in self.require] != [_LINE]:
            yield (
                ("require",),
                f"require: the expectations say themselves what must hold; leave it out, or write {_LINE}",
            )

    def origins(self, root: Path) -> Mapping[str, str]:
        file = self._file(root)
        return {file.text: file.read()[1]}

    def measured_otherwise(self, stored: GateResult) -> str | None:
        text, facts = self.pandera or self.great_expectations, stored.context.get("expectations")
        checked = facts.get("file") if isinstance(facts, Mapping) else None
        return None if checked == text else f"it is to be checked against {text}, and was against {checked or 'others'}"

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.data_quality.quality_findings import QualityJudge
        from lockgate.evaluation.data_quality.quality_run import QualityRun

        if case.programs is None:
            raise GateBroken("there is no project whose expectations could be checked", remedy="run it with gate run")
        (line,) = self.numbered_requirements
        file = self._file(case.programs.root)
        run = QualityRun(case.dataset(self.data), file, case.programs, self.python, self.timeout.total_seconds())
        judge = QualityJudge(self.title, line, self.subjects, file.text, (), {}, ids=False)
        for output in run.outputs(judge):
            yield Context(output) if isinstance(output, Mapping) else output

    def _file(self, root: Path) -> ExpectationFile:
        if self.pandera is not None:
            return ExpectationFile("pandera", self.pandera, root)
        return ExpectationFile("great_expectations", str(self.great_expectations), root)
