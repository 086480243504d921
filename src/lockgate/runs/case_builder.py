"""Build the case of a run: choose versions, fetch and hash their files, start models, score data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.data.dataset import Dataset
from lockgate.errors import LockgateError, ModelFault, RegistryError
from lockgate.evaluation.case import Case, Contender, once
from lockgate.evaluation.scoring import row_metrics
from lockgate.evaluation.scoring.replay import replay
from lockgate.evidence.run_folder import RunFolder, own_folder, salt
from lockgate.hashing import folder_digest
from lockgate.models.isolation.box import boxed
from lockgate.models.model import Model, Starts
from lockgate.models.output import scorer
from lockgate.models.target_spec import Target
from lockgate.pipeline.pipeline import Pipeline
from lockgate.references.existence import look_up
from lockgate.registries.ports import ModelSource, ModelVersion
from lockgate.registries.selectors import CandidateSelector
from lockgate.runs.answers.altered_answers import altered_answers
from lockgate.runs.answers.champion_twice import champion_twice
from lockgate.runs.answers.early_replay import replayed_until
from lockgate.runs.answers.permuted_answers import permuted_answers
from lockgate.runs.answers.scored_files import ScoredFiles
from lockgate.runs.circumstances import input_digests
from lockgate.runs.data_check import require_data
from lockgate.runs.model_factory import loading_guard, program_runner, start_model
from lockgate.runs.parity.golden_answers import golden_rows
from lockgate.runs.parity.recorded_answers import as_recorded, score_entry
from lockgate.runs.parity.serving_packages import serving_packages
from lockgate.runs.parity.who_answered import refuse, who_answered
from lockgate.runs.scoring_inputs import ScoringInputs
from lockgate.runs.scratch_folder import scratch_folder
from lockgate.runs.training.seen_rows import TrainingRows
from lockgate.runs.version_selection import select_candidate, select_champion

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.repeat import RepeatCheck
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.gates.gate import Gate
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.runs.evaluation_count import Published
Progress = Callable[[str, int, int | None], None]


@contextmanager
def open_case(
    pipeline: Pipeline,
    registry: ModelSource,
    folder: RunFolder,
    *,
    environ: Mapping[str, str],
    candidate: CandidateSelector | None = None,
    only: Sequence[str] = (),
    warm_up: bool = True,
    began: datetime | None = None,
    cancelled: Callable[[], bool] | None = None,
    progress: Progress | None = None,
    resumed: bool = False,
    measuring: Sequence[Gate] = (),
    started: Mapping[str, Model] | None = None,
    published: Published | None = None,
) -> Iterator[CaseBuilder]:
    """The case of a run: versions chosen, files fetched and hashed, models ready to start. All is closed behind it.

    only: names of the gates that will run, all where empty. warm_up: let models begin to load before they are needed.
    began: the moment of the run, from which `last` of data counts back, the same where it is resumed; now where None.
    resumed: take up what the folder has sealed. measuring: gates whose data behind addresses are looked at before anything
    else; raises DataMisfits where these cannot serve them. started: role → a model that runs already, and is closed by others.
    published: facts of what is published of the model, which say what the champion answered when it was evaluated.
    """
    with ExitStack() as stack:
        parent = own_folder(pipeline.root, "tmp")
        builder = CaseBuilder(
            pipeline, registry, folder, stack.enter_context(scratch_folder("run-", parent)), environ, stack, cancelled, progress,
            began or datetime.now(UTC), resumed, started or {}, published,
        )  # fmt: skip
        require_data(pipeline, measuring, builder.dataset, remote_ones=True)
        builder.choose(candidate)
        gates = (gate for gate in pipeline.gates if not only or gate.title in only)
        asks = any(gate.uses_models and gate.own_target is None for gate in gates)
        if warm_up and asks and pipeline.task != "text" and any(data.asks_models for data in pipeline.data.values()):
            builder.warm_up()
        yield builder


@contextmanager
def temporary_case(
    pipeline: Pipeline,
    registry: ModelSource,
    version: str,
    *,
    environ: Mapping[str, str],
    began: datetime | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[CaseBuilder]:
    """The case of a version outside any run, of which nothing is kept. began: as of a run."""
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder("lockgate-"))
        builder = CaseBuilder(
            pipeline, registry, RunFolder(scratch), scratch, environ, stack, cancelled, began=began or datetime.now(UTC)
        )
        builder.choose(CandidateSelector(version=version))
        yield builder


@dataclass
class CaseBuilder:
    """Everything that a case's lazy parts are made of. stack: closes the models that were started."""

    pipeline: Pipeline
    registry: ModelSource
    folder: RunFolder
    scratch: Path
    environ: Mapping[str, str]
    stack: ExitStack
    cancelled: Callable[[], bool] | None = None
    progress: Progress | None = None
    began: datetime | None = None
    resumed: bool = False
    started: Mapping[str, Model] = field(default_factory=dict)
    published: Published | None = None
    case: Case = field(init=False)
    _made: dict[str, Dataset] = field(default_factory=dict, init=False)
    _opened: dict[str, Dataset] = field(default_factory=dict, init=False)
    _models: list[Model] = field(default_factory=list, init=False)

    @cached_property
    def scored_files(self) -> ScoredFiles:
        return ScoredFiles(self.folder, self.resumed)

    @cached_property
    def inputs(self) -> ScoringInputs:
        return ScoringInputs(self.pipeline, lambda: self.case.contenders)

    def choose(self, selector: CandidateSelector | None) -> None:
        """Choose the two versions and fetch their files."""
        candidate = select_candidate(self.pipeline, self.registry, selector)
        champion = select_champion(self.pipeline, self.registry)
        versions = {str(version): version for version in (candidate, champion) if version is not None}
        with ThreadPoolExecutor(len(versions)) as pool:
            fetched = dict(zip(versions, pool.map(self._fetch, versions.values()), strict=True))
        self.case = Case(
            candidate=self._contender("candidate", candidate, *fetched[str(candidate)]),
            champion=None if champion is None else self._contender("champion", champion, *fetched[str(champion)]),
            task=self.pipeline.task,
            folder=self.folder.path,
            seed=int(self.pipeline.policy_digest.removeprefix("sha256:")[:8], 16),
            datasets=tuple(self.pipeline.data),
            input_plan=self.inputs.plan,
            dataset=self._open_dataset,
            scored=lambda name: self.with_origin(name, as_recorded(self, name, self.score(name))),
            replayed=lambda name: self.with_origin(name, self.score(name, replayed=True)),
            altered=partial(altered_answers, self),
            champion_twice=partial(champion_twice, self),
            replayed_until=partial(replayed_until, self),
            permuted=partial(permuted_answers, self),
            sample=lambda contender, name, rows: self.inputs.sample(
                contender, None if name is None else self.case.dataset(name), rows
            ),
            look_up=cache(partial(look_up, root=self.pipeline.root)),
            packages=partial(serving_packages, self.pipeline, environ=self.environ, cancelled=self.cancelled),
            golden=lambda name: golden_rows(self.case, self.inputs, name, recorded=self.score),
            threshold=lambda role: self.inputs.threshold(
                next((contender for contender in self.case.contenders if contender.role == role), None)
            ),
            row_functions=lambda: self.inputs.row_function_digests,
            roles=self.inputs.roles,
            notes=lambda: (*self.inputs.notes, *self._repeats()),
            programs=program_runner(self.pipeline, self.environ, self.scratch, self.cancelled),
            progress=self.progress or (lambda *_: None),
            contract=self.inputs.contract,
        )

    def _fetch(self, version: ModelVersion) -> tuple[Path, str]:
        # a folder for each: no path tells a model where the other one is, or which of the two it is
        files = self.registry.fetch(version, Path(tempfile.mkdtemp(prefix="model-", dir=self.scratch)))
        return files, folder_digest(files)

    def _contender(self, role: Any, version: ModelVersion, files: Path, digest: str) -> Contender:
        hashed = replace(version, digest=digest)
        contender = Contender(
            role, hashed, fetch=lambda: files, read=lambda folder: self.registry.facts(hashed, folder),
            start=lambda folder, target: self._start(contender, folder, target),
            guard=loading_guard(self.pipeline, lambda: self.case, self.began) if role == "candidate" else lambda: None,
        )  # fmt: skip
        return contender

    def _start(self, contender: Contender, files: Path, target: Target | None) -> Model:
        if target is None and contender.role in self.started:
            return self.started[contender.role]
        _ = contender.facts  # its files are looked at before anything of it runs
        if self.pipeline.environment == "declared" and self.progress is not None:
            self.progress(f"environment of {contender.role}", 0, None)
        model = start_model(
            self.pipeline,
            files,
            role=contender.role,
            environ=self.environ,
            scratch=self.scratch,
            cancelled=self.cancelled,
            target=target,
            signature=lambda: (contender.facts.signature or {}).get("inputs"),
        )
        self.stack.callback(model.close)
        self._models.append(model)
        return model

    def warm_up(self) -> None:
        """Let the models begin to load while the data is read; one that cannot start fails when it is first used."""
        for contender in self.case.contenders:
            with suppress(ModelFault):
                if isinstance(contender.model, Starts):
                    contender.model.start()

    def end_models(self) -> None:
        """End the models. Raises RegistryError where one that was in no box changed files that were hashed."""
        models = [*self._models, *self.started.values()]
        for model in models:
            model.close()
        if boxed(self.pipeline.isolation) or not models:
            return
        edited = [one for one in self.case.contenders if folder_digest(one.files) != one.version.digest]
        changed = [f"files of the {contender.role}" for contender in edited]
        changed += [f"scored rows of {name}" for name in self.folder.altered_scores(self.scored_files.entries)]
        if changed:
            raise RegistryError(
                f"the {changed[0]} changed while models ran, so nobody knows what was evaluated",
                remedy="run where models have a box (gate doctor), or find out which of the models writes there",
            )

    def _open_dataset(self, name: str) -> Dataset:
        return self._opened.setdefault(name, self.dataset(name))

    def dataset(self, name: str) -> Dataset:
        """The data of that name, made once and not yet read."""
        if name not in self._made:
            rows = TrainingRows(self.pipeline, self.inputs, lambda: self.case.candidate, self.scratch / "training")
            self._made[name] = Dataset(
                name, self.pipeline.data[name], self.pipeline.root,
                scratch=self.scratch / "data", now=self.began, find_seen=once(rows.find),
            )  # fmt: skip
        return self._made[name]

    def with_origin(self, name: str, scored: Scored) -> Scored:
        """The table with what is known of who gave recorded answers. Raises GateBroken where somebody else did."""
        if self.case.dataset(name).spec.scores:
            scored.recorded = self.scored_files.recorded(name, lambda: who_answered(self, name, scored))
            refuse(scored.recorded, name)
        return scored

    def score(self, name: str, *, replayed: bool = False) -> Scored:
        """The scored table, of whose recorded answers nobody has asked who gave them."""
        from lockgate.evaluation.scoring.scored_table import build_scored

        key = f"{name}-replayed" if replayed else name
        dataset = self.case.dataset(name)
        if (stored := self.scored_files.stored(key, dataset.slices)) is not None:
            return stored
        classes = self.inputs.classes(dataset)
        readers = self.readers(dataset, classes, replayed=replayed)
        scorers, columns, checks = self.scorers(dataset, readers, replayed=replayed)
        progress = self.progress
        scored = build_scored(
            dataset,
            scorers=scorers,
            task=self.pipeline.task,
            positive=self.pipeline.positive,
            salt=salt(self.pipeline.root),
            path=self.scored_files.path(key),
            classes=classes,
            readers=readers,
            columns=columns,
            may_fail=replayed,
            forms=self.inputs.answer_forms(name),
            timed=replayed and self.inputs.awaits_labels(name),
            progress=None if progress is None else lambda done, total: progress(f"scoring {name}", done, total),
        )
        scored.unrepeatable = self.unrepeatable(scored, readers, checks)
        more: dict[str, Any] = {"unrepeatable": scored.unrepeatable} if scored.unrepeatable else {}
        more |= {"repeated": dataset.repeated} if dataset.repeated else {}
        more |= score_entry(scored, dataset) if scorers and not replayed else {}
        self.scored_files.keep(key, scored, more)
        return scored

    def readers(self, dataset: Dataset, classes: tuple[str, ...], *, replayed: bool) -> dict[str, AnswerReader]:
        """Role → what makes scores of its answers, or of its column in the data where a column of two classes is there."""
        reader = partial(self.reader, dataset, classes, replayed=replayed)
        recorded = dataset.spec.scores or {}
        columns = recorded.items() if self.pipeline.task == "binary" else ()
        readers = {str(role): reader(role, column) for role, column in columns if isinstance(column, str)}
        return readers | {contender.role: reader(contender.role) for contender in self._asked(dataset)}

    def reader(
        self, dataset: Dataset, classes: tuple[str, ...], role: str, column: str | None = None, *, replayed: bool
    ) -> AnswerReader:
        """That of a role which is asked, or of its column in the data."""
        from lockgate.models.answers.answer_reader import AnswerReader

        reading = self.inputs.reading(
            dataset.name, role, threshold=self.threshold(role), classes=classes, replayed=replayed, recorded=column
        )
        return AnswerReader(
            reading, may_fail=replayed or column is not None, recorded=None if column is None else role, role=role
        )

    def _asked(self, dataset: Dataset) -> list[Contender]:
        """The versions that answer the rows now; what the others answered lies in the data."""
        return [contender for contender in self.case.contenders if dataset.spec.asks(contender.role)]

    def threshold(self, role: str) -> float | None:
        """The threshold of a role; None where there is none, or none that can be read."""
        try:
            return self.case.threshold(role)
        except LockgateError:  # a tag without a number: what needs it says so
            return None

    def unrepeatable(
        self, scored: Scored, readers: Mapping[str, AnswerReader], checks: Mapping[str, RepeatCheck]
    ) -> dict[str, dict[str, Any]]:
        """Role → how its answers differed when a sample of rows was sent again; none where they did not."""
        from lockgate.models.class_scores import predicted_class

        outcomes: dict[str, dict[str, Any] | None] = {}
        for role, check in checks.items():
            reader, cut = readers[role], scored.cut(role, self.threshold(role))
            decide: Any = predicted_class if self.pipeline.task == "multiclass" else None
            if self.pipeline.task == "binary" and (cut is not None or reader.holds_labels):
                decide = partial(reader.decided, 0.5 if cut is None else cut)
            outcomes[role] = check.outcome(decide)
        return {role: outcome for role, outcome in outcomes.items() if outcome is not None}

    def scorers(
        self, dataset: Dataset, readers: Mapping[str, AnswerReader], *, replayed: bool
    ) -> tuple[dict[str, Any], list[str], dict[str, RepeatCheck]]:
        """Role → function from batches of the data to answers, none where they lie in the data; columns to read; checks."""
        from lockgate.evaluation.scoring.repeat import RepeatCheck

        contenders = self._asked(dataset)
        plans = {contender.role: self.inputs.checked_plan(contender, dataset) for contender in contenders}
        columns = list(dict.fromkeys(column for plan in plans.values() for column in plan.sources))
        row_functions = None if replayed or not contenders else self.inputs.row_functions(dataset)
        if row_functions is not None:
            dataset.need(dict.fromkeys(row_functions.data_columns, "column that per_row reads"))
            columns = list(dict.fromkeys([*columns, *row_functions.data_columns]))
        scorers: dict[str, Any] = {}
        checks: dict[str, RepeatCheck] = {contender.role: RepeatCheck() for contender in contenders}
        score: Callable[[Iterator[Any]], Iterator[Any]]
        for contender in contenders:
            reader, check = readers[contender.role], checks[contender.role]
            if row_functions is not None:
                score = row_metrics.row_scorer(contender.model, row_functions, reader)
            elif replayed:
                score = replay(contender.model, reader, failed_once=check.note_failure)
            else:
                score = scorer(contender.model, reader)
            fed = self.inputs.feed(score, dataset, plans[contender.role], row_functions)
            scorers[contender.role] = check.around(fed)
        return scorers, columns, checks

    def data_entries(self) -> list[dict[str, Any]]:
        """The entries of `data` in the evidence: what was opened and could be read."""
        entries = []
        for name, dataset in sorted(self._opened.items()):
            try:
                entry = {"name": name, "path": dataset.redacted_path, "digest": dataset.digest, "rows": dataset.count()}
                entry |= {} if dataset.lifted is None else {"recording": dataset.lifted.recording.to_json()}
                entry |= {} if dataset.window is None else {"window": dataset.window.to_json()}
                entry |= {} if dataset.seen_rows is None else {"seen": dataset.seen_rows.to_json()}
                entries.append({**entry, **dataset.origin})
            except LockgateError:
                continue
        return entries

    def _repeats(self) -> tuple[str, ...]:
        """How many rows of data that was scored repeat an earlier one, a sentence for each."""
        scored = {key: entry for key, entry in self.scored_files.entries.items() if entry.get("repeated")}
        return tuple(
            f"{entry['repeated']:,} of {entry['rows']:,} rows of {key.removesuffix('-replayed')} repeat an earlier one"
            for key, entry in sorted(scored.items())
        )

    def scored_entries(self) -> list[dict[str, Any]]:
        """The entries of `scored` in the evidence."""
        return [{"data": name, **entry} for name, entry in sorted(self.scored_files.entries.items())]

    def digests(self) -> dict[str, Any]:
        """What a resumed run must find as it was."""
        return input_digests(self.pipeline, self.case, self.inputs)
