"""The command gate: what a program of the project's own finds, a test suite, a drift report, a data build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from lockgate.config import Duration
from lockgate.evaluation.case import Case
from lockgate.evaluation.command import variables
from lockgate.evaluation.command.project_files import ProjectFiles, paths_in
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding
from lockgate.gates.gate import Context, Findings, Gate, OfEach, PipelineView
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.target_spec import Serve, Target

Word = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Names = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...],
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value, json_schema_input_type=str | list[str]
    ),
]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_LINE = "failures <= 0"


class Command(Gate):
    """What a command finds that the project brings: its file of findings, JUnit XML or JSON, decides.

    failures: of one test or one thing that it checked; each is held to its own limit.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        "failures": Subject("failures", "lower", counted=True, bounds=(0, None), needs=("no champion",))
    }
    default_require: ClassVar[tuple[str, ...]] = (_LINE,)
    uses_models: ClassVar[Any] = OfEach(lambda gate: any(name.endswith(variables.URL) for name in gate.mentioned))
    judges_candidate: ClassVar[Any] = OfEach(
        lambda gate: gate.trusted or any(name.startswith("CANDIDATE") for name in gate.mentioned)
    )

    gate: Literal["command"] = "command"
    run: tuple[Word, ...] = Field(
        min_length=1,
        description='The program and its arguments, such as `[pytest, "--junitxml=$OUT/j.xml", gates/serving]`; no '
        "shell reads them.",
    )
    findings: str = Field(
        min_length=1,
        pattern=r"^[^/$][^$]*$",
        description="Its file of findings below `$OUT`, JUnit XML or JSON, such as `j.xml`; or a glob of several.",
    )
    data: Names = Field(
        default=(),
        description="Names of the data whose rows it is handed, as Parquet: of `holdout` in `$DATA_HOLDOUT`.",
    )
    labels: bool = Field(
        default=False, description="Whether labels and recorded scores are among the columns of those rows."
    )
    files: Names = Field(
        default=(),
        description="Files and folders of the project that it reads, besides those that `run` names, such as `[src, pyproject.toml]`.",
    )
    env: dict[VariableName, str] = Field(
        default_factory=dict,
        description="Variables that it gets besides those of the job, of which it gets no secret ones.",
    )
    timeout: Duration = Field(
        default=timedelta(minutes=10),
        description="How long it may take; after that it is stopped, and the gate is in error.",
    )
    trusted: bool = Field(
        default=False,
        description="`true`: it works in the project's folder, in no box. Like any program that you start.",
    )
    isolation: Isolation = Field(
        default_factory=Isolation, description="What it may read, write and reach, where it is not trusted."
    )

    @property
    def own_data(self) -> str | None:
        return self.data[0] if self.data else None

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        return self.data

    @property
    def mentioned(self) -> list[str]:
        """The variables that it mentions."""
        return variables.mentioned((*self.run, *self.env.values()))

    @property
    def own_target(self) -> Target | None:
        return Serve(serve="mlflow") if self.uses_models else None

    @property
    def own_code(self) -> tuple[str, ...]:
        return paths_in(self.run, self.files)

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        for number, word in enumerate(self.run):
            yield from ((("run", number), f"run: {message}") for message in variables.unknown([word], self.data))
        for name, text in self.env.items():
            yield from ((("env", name), f"env: {message}") for message in variables.unknown([text], self.data))
        if self.require is not None and [str(line) for line in self.require] != [_LINE]:
            yield (
                ("require",),
                f"require: each finding of a command is held to its own limit; leave it out, or write {_LINE}",
            )
        named: dict[str, str] = {}
        for name in self.data:
            if (other := named.setdefault(variable := variables.data_variable(name), name)) != name:
                yield ("data",), f"{other} and {name} would both be ${variable}; call one of them otherwise"
            if name not in pipeline.data:
                yield ("data",), f"no data is called {name!r}; declared: {', '.join(pipeline.data) or 'none'}"
        for name in self.files:
            if name.startswith("/") or ".." in Path(name).parts:
                yield (
                    ("files",),
                    f"{name!r} leads out of the project; what else it reads is opened by isolation: {{read: […]}}",
                )
        if "." in self.own_code:
            yield (
                (),
                "it names the whole project, which holds data and stores too; name the files and folders that it reads",
            )
        if self.labels and not self.data:
            yield ("labels",), "labels: it is handed no data; write data: one of those declared"
        if self.trusted and "isolation" in self.model_fields_set:
            yield ("isolation",), "isolation: a trusted command is in no box; leave one of both out"

    def origins(self, root: Path) -> Mapping[str, str]:
        return ProjectFiles(root, self.run, self.files).origins()

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.command import prepare, run

        ((requirement, line),) = self.numbered_requirements
        command = prepare.Command(
            self.run,
            self.findings,
            self.env,
            self.data,
            self.labels,
            self.files,
            self.timeout,
            self.trusted,
            self.isolation,
        )
        for output in run.findings_of(command, case, self.title, requirement, line):
            yield output if isinstance(output, Finding) else Context(output)
