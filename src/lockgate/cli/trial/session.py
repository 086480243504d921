"""One call of `gate try`: load the models in their box, judge them, keep evidence and reports in a folder that no command reads."""

from __future__ import annotations

import os
import secrets
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from glob import has_magic
from pathlib import Path
from threading import Event
from typing import Any

from lockgate.cli.console import Screen
from lockgate.cli.drafting.other_pipelines import OtherPipelines
from lockgate.cli.trial import document
from lockgate.cli.trial.question import Contestant, Question, Subject
from lockgate.cli.trial.requirements import EXAMPLES
from lockgate.data import remote
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import ModelFault, UsageError, guess
from lockgate.evaluation.judging.number_format import counted_words, slice_words
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import TRIES, RunFolder, keep_out_of_git, new_run_id, own_folder
from lockgate.foreign.files import siblings
from lockgate.models import environment
from lockgate.models.isolation.box import boxed
from lockgate.models.model import Model, Starts
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelVersion, VersionFacts
from lockgate.registries.unregistered import UnregisteredModels
from lockgate.reports import keep_reports
from lockgate.runs.case_builder import CaseBuilder, open_case
from lockgate.runs.circumstances import read_circumstances
from lockgate.runs.model_factory import start_model
from lockgate.runs.run import PipelineRun, now
from lockgate.runs.scratch_folder import scratch_folder
from lockgate.text import listed, secret_forms

_FRACTIONS = ("float", "double", "halffloat", "decimal")
_ROWS_ASKED = 100
_NAMED = 6  # slices


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that came to its end; nothing can be promoted by it."""

    evidence: Evidence
    folder: RunFolder
    subject: Subject
    root: Path
    observed: bool = False
    published: bool = False

    @property
    def exit_code(self) -> int:
        return self.evidence.verdict.exit_code

    @cached_property
    def _pipelines(self) -> tuple[Pipeline, ...]:
        return OtherPipelines.of(self.root).pipelines

    @cached_property
    def commands(self) -> list[str]:
        """What judges the version by the pipeline of its model, or writes one for versions to come; nothing where a gate broke."""
        if self.evidence.verdict is Verdict.ERROR:
            return []
        subject = self.subject
        registered, version = subject.question.candidate.startswith("models:/"), str(self.evidence.candidate["version"])
        for pipeline in self._pipelines if registered else ():
            if pipeline.model == self.evidence.model:
                return [shlex.join(["gate", "run", os.path.relpath(pipeline.path), "--candidate", version])]
        options = {
            "--model": self.evidence.model if registered else "NAME", "--data": subject.question.shown_data, "--label": subject.label,
            "--task": subject.task, "--query": subject.question.query,
        }  # fmt: skip
        words = [word for name, value in options.items() if value is not None for word in (name, value)]
        return [shlex.join(["gate", "init", *words])]

    @property
    def notes(self) -> list[str]:
        """What was assumed, and by which option that is changed; nothing where a gate broke."""
        if self.evidence.verdict is Verdict.ERROR:
            return []
        subject, question = self.subject, self.subject.question
        label = "" if question.label else f"{subject.label} is taken for the truth (--label COLUMN for another one)"
        positive = f"scores are taken to speak for {subject.positive} (--positive LABEL for the other one)"
        if question.require:
            lines = ""
        elif question.champion is None:
            lines = "no line was named, so it is held to what guessing reaches: "
            lines += f'--require "{EXAMPLES[subject.kind]}" names one'
        else:
            texts = "; ".join(
                line.text for gate in self.evidence.gates for line in gate.requirements if "champion" in line.text
            )
            lines = (
                f"no line was named, so it is held to the champion: {texts}. Each tolerance is the smallest that these rows "
                "can decide, on slices at least the usual one (--require LINE for a limit of your own)"
            )
            if subject.slices and not question.slices:
                lines += "; on slices, which nobody named, only for harm (--slice COLUMN to have it shown, --no-slices for none)"
        order = ", ".join([*list(subject.sources())[:5], *["…"] * (len(subject.sources()) > 5)])
        order = f"it names no columns, and was given {order} in the order of the data (--features a,b,c for another)"
        notes = (
            label,
            positive if subject.guessed_positive else "",
            order if subject.guesses_order else "",
            lines,
            self._watched,
            self.uncounted,
        )
        return [note for note in notes if note]

    @property
    def _watched(self) -> str:
        """Which slices were too small for the claim of their line; nothing where none was."""
        findings = [finding for gate in self.evidence.gates for finding in gate.findings if finding.code == "watched"]
        rows = {
            slice_words(tuple(finding.slice.items())): counted_words(finding.rows, finding.counted_in)
            + ("" if finding.positives is None else f", {finding.positives:,} positive")
            for finding in findings
        }
        if not rows:
            return ""
        slices = listed([f"{name} ({count})" for name, count in rows.items()], _NAMED)
        return f"too few rows for a proof on {slices}: a pass there says only that no loss showed"

    @property
    def uncounted(self) -> str:
        """That these rows are a holdout whose evaluations are counted, and this one is not; nothing of other rows."""
        data, folder = self.subject.question.data, Path.cwd()
        for pipeline in self._pipelines:
            for name, spec in pipeline.data.items():
                if data == spec.path or (folder / data).resolve() == (self.root / spec.path).resolve():
                    return (
                        f"these rows are {name} of {os.path.relpath(pipeline.path)}, and this evaluation of them is counted nowhere: "
                        "whoever chooses by it has used them, so keep other rows for trying"
                    )
        return ""


def data_path(text: str, root: Path) -> str:
    """The data as a pipeline at `root` names them. Raises UsageError where a file is not there."""
    if remote.is_url(text) or has_magic(text):
        return text
    path = Path(text)
    if not path.exists():
        raise UsageError(
            f"there are no data at {text}{guess(path.name, siblings(path))}", remedy="name a file with --data"
        )
    absolute = path.absolute()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(absolute)


def try_models(question: Question, *, root: Path, environ: Mapping[str, str], screen: Screen) -> FinishedTrial:
    """Judge the models of a question. root: of the project, in whose `.gate/tries` the result stays. Raises LockgateError."""
    path, uri = data_path(question.data, root), environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    source = UnregisteredModels(question.addresses, uri, root)
    versions = {role: source.version_of(role) for role in question.addresses}
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder("try-", own_folder(root, "tmp")))
        trial = _Trial(question, root, environ, screen, source, versions, scratch, Event())
        stack.callback(trial.stop.set)
        draft = document.bare(versions["candidate"].name, question, path)
        models = trial.start(document.read(draft, root=root), stack)
        data = Dataset(document.DATA, DatasetSpec(path=path), root, scratch=scratch / "data")
        subject = Subject(question, data, {})
        _ = subject.rows  # read while the models load
        subject = replace(subject, models=trial.load(models))
        complete = document.complete(draft, subject)
        if (clear := trial.ask_unclear(subject, complete, models)) is not subject:
            subject, complete = clear, document.complete(draft, clear)
        return trial.judge(subject, complete, models)


@dataclass(frozen=True)
class _Trial:
    question: Question
    root: Path
    environ: Mapping[str, str]
    screen: Screen
    source: UnregisteredModels
    versions: Mapping[str, ModelVersion]
    scratch: Path
    stop: Event
    facts: dict[str, VersionFacts] = field(default_factory=dict)

    def start(self, pipeline: Pipeline, stack: ExitStack) -> dict[str, Model]:
        """The models, beginning to load."""
        if not boxed(pipeline.isolation):
            self.screen.say(
                "warning  this machine has no box for models: what is in these files runs with your rights",
                style="yellow",
            )
        models = dict[str, Model]()
        for role, version in self.versions.items():
            folder = Path(tempfile.mkdtemp(prefix="model-", dir=self.scratch))  # no path tells a model its role
            files = self.source.fetch(version, folder)
            self.facts[role] = self.source.facts(version, files)  # they are looked at before anything of it runs
            model = models[role] = start_model(
                pipeline, files, role=role, environ=self.environ, scratch=self.scratch, cancelled=self.stop.is_set
            )
            stack.callback(model.close)
            if isinstance(model, Starts):
                model.start()
        return models

    def load(self, models: Mapping[str, Model]) -> dict[str, Contestant]:
        """What the models and their files say. Raises ModelFault with what to do."""
        loaded = {}
        for role, model in models.items():
            try:
                loaded[role] = Contestant(self.facts[role], model.load())
            except ModelFault as fault:
                if self.question.python is None and any(word in str(fault.remedy) for word in ("pip", "versions")):
                    fault.remedy = f"{fault.remedy}; --python PATH names another python for it to answer under"
                raise
        return loaded

    def ask_unclear(self, subject: Subject, draft: Mapping[str, Any], models: Mapping[str, Model]) -> Subject:
        """The subject, with whether those models answer with classes of which only their answers tell."""
        unclear = [role for role, model in subject.models.items() if model.is_unclear and subject.task == "binary"]
        if not unclear:
            return subject
        contestants = dict(subject.models)
        with self._case(document.read(draft, root=self.root), RunFolder(self.scratch), models) as builder:
            for contender in builder.case.contenders:
                if contender.role in unclear:
                    batch = builder.case.sample(contender, document.DATA, _ROWS_ASKED)
                    answer = next(iter(contender.model.predict([batch])))
                    classes = answer.num_columns == 1 and not str(answer.schema.types[0]).startswith(_FRACTIONS)
                    contestants[contender.role] = replace(contestants[contender.role], answers_classes=classes)
        return replace(subject, models=contestants)

    def judge(self, subject: Subject, draft: Mapping[str, Any], models: Mapping[str, Model]) -> FinishedTrial:
        """Run the gates, and keep what they found."""
        pipeline, started = document.read(draft, root=self.root), now()
        folder = RunFolder(own_folder(self.root, TRIES, new_run_id(started)))
        keep_out_of_git(self.root)
        with self._case(pipeline, folder, models, began=started) as builder:
            run = PipelineRun(
                pipeline=pipeline,
                case=builder.case,
                folder=folder,
                nonce=secrets.token_hex(16),
                started_at=started,
                circumstances=read_circumstances(self.root, self.environ),
                observe=True,
                hidden=secret_forms(environment.secrets(self.environ)),
                show=self.screen.show_gate,
                inputs=builder.digests(),
                published=tuple,
                unrecorded=True,
            )
            self.screen.show_versions(builder.case, not_compared=())
            run.run_gates()
            builder.end_models()
            evidence = run.evidence(data=builder.data_entries(), scored=builder.scored_entries(), finished_at=now())
        folder.keep_evidence(evidence)
        folder.write(document.FILE, document.text(document.redacted(draft)).encode())
        keep_reports(evidence, folder)
        return FinishedTrial(evidence, folder, subject, self.root)

    @contextmanager
    def _case(
        self, pipeline: Pipeline, folder: RunFolder, models: Mapping[str, Model], *, began: datetime | None = None
    ) -> Iterator[CaseBuilder]:
        with (
            self.screen.progress([gate.title for gate in pipeline.gates]) as progress,
            open_case(
                pipeline,
                self.source,
                folder,
                environ=self.environ,
                began=began,
                cancelled=self.stop.is_set,
                progress=progress,
                started=models,
            ) as builder,
        ):
            try:
                yield builder
            except BaseException:
                self.stop.set()  # nobody waits for a model while the run is unwound
                raise
