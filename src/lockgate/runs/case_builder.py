"""Puts the parts together: the only file that names registries, targets and channels."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate import plugins
from lockgate.errors import DataError, GateBroken, LockgateError, ModelFault, Refused, RegistryError, UsageError
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.scoring import row_metrics
from lockgate.evidence.run_folder import RunFolder, find, salt
from lockgate.hashing import folder_digest
from lockgate.models.target_spec import Serve, Server, Target
from lockgate.pipeline.loader import load
from lockgate.pipeline.model import Pipeline, PythonEnvironment, TagThreshold
from lockgate.promotion.rollback_proof import Answered
from lockgate.registries.ports import CandidateSelector, ChampionSelector, ModelVersion, Registry
from lockgate.runs.version_selection import select_candidate, select_champion

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.requirements.subject import Subject
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evidence.evidence import Evidence
    from lockgate.models.model import Model
    from lockgate.models.row_functions import RowFunctionPlan
    from lockgate.models.server.model import ServerProtocol
    from lockgate.promotion.ledger.entry import Entry
    from lockgate.promotion.reevaluation_result import Repeats

Progress = Callable[[str, int, int | None], None]


def pipelines(root: Path) -> list[Path]:
    """Every pipeline in `gates/`, sorted."""
    folder = root / "gates"
    return sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))


def only_pipeline(root: Path) -> Path:
    """The pipeline that is meant where none was named. Raises UsageError with the list."""
    known = pipelines(root)
    if len(known) == 1:
        return known[0]
    if not known:
        raise UsageError("there is no pipeline in gates/", remedy="name one, or write one with gate init")
    listed = ", ".join(path.relative_to(root).as_posix() for path in known)
    raise UsageError(f"gates/ holds several pipelines: {listed}", remedy="name one of them")


def secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be read in a log: the values that models are not shown either, by their names."""
    from lockgate.models import environment

    return environment.secrets(environ)


def find_pipeline(
    *,
    root: Path,
    environ: Mapping[str, str],
    model: str | None = None,
    digest: str | None = None,
    path: Path | None = None,
) -> Pipeline:
    """The pipeline that a command is about: the named one, else the one in `gates/` of the model or the evidence.

    Raises UsageError where none or several fit, with the list.
    """
    if path is not None:
        named = load(path, environ=environ)
        if model not in (None, named.model):
            raise UsageError(f"{path} is about {named.model}, not {model}", remedy="name the pipeline of that model")
        return named
    if model is None and digest is not None:
        found = find(root, digest)
        if found is not None:
            evidence = found.evidence()
            model = evidence.model
            file = root / str(evidence.document["policy"]["files"][0]["path"])
            if file.is_file():
                return load(file, environ=environ)
    fitting: list[Path] = []
    for candidate in pipelines(root):
        try:
            of = load(candidate, environ=None).model
        except LockgateError:
            continue
        if model is None or of == model:
            fitting.append(candidate)
    if len(fitting) == 1:
        return load(fitting[0], environ=environ)
    listed = ", ".join(one.relative_to(root).as_posix() for one in fitting or pipelines(root)) or "none"
    about = f"the model {model}" if model else f"the evidence {digest}"
    many = "several pipelines name" if fitting else "no pipeline in gates/ names"
    raise UsageError(f"{many} {about}: {listed}", remedy="name one with --pipeline FILE")


def find_run(digest: str, root: Path) -> Path | None:
    """The run folder here whose evidence has that digest."""
    run = find(root, digest)
    return None if run is None else run.path


def open_registry(pipeline: Pipeline) -> Registry:
    """The registry of a pipeline; a relative SQLite path starts at the pipeline's root."""
    uri = pipeline.registry.uri
    match = re.fullmatch(r"(sqlite:///)([^/].*)", uri)
    if match:
        uri = f"{match[1]}{(pipeline.root / match[2]).absolute()}"
    file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    if file is not None and not file.exists():
        raise RegistryError(
            f"there is no MLflow database at {pipeline.registry.uri}",
            remedy="log and register a model there first, or set the uri (often MLFLOW_TRACKING_URI) to the one that is meant",
        )
    registry: Registry = plugins.load(plugins.REGISTRIES, pipeline.registry.kind)(
        uri, lifecycle=pipeline.registry.lifecycle
    )
    return registry


def choose_candidate(pipeline: Pipeline, registry: Registry, selector: CandidateSelector | None) -> ModelVersion:
    """The version that asks, `git_commit: head` being the commit that is checked out."""
    from lockgate.integrations import git

    return select_candidate(pipeline, registry, selector, head=git.head_commit)


@contextmanager
def open_case(
    pipeline: Pipeline,
    registry: Registry,
    folder: RunFolder,
    *,
    environ: Mapping[str, str],
    candidate: CandidateSelector | None = None,
    ask: Sequence[str] = (),
    warm_up: bool = True,
    cancelled: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Iterator[Bench]:
    """The case of a run: versions chosen, files fetched and hashed, models ready to start. All is closed behind it.

    ask: names of the gates that will be asked, all where empty. warm_up: let models begin to load before they are asked.
    """
    with ExitStack() as stack:
        parent = pipeline.root / ".gate" / "tmp"
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        bench = Bench(
            pipeline, registry, folder, scratch, environ=environ, cancelled=cancelled, progress=progress, stack=stack
        )
        bench.choose(candidate)
        asked = [gate for gate in pipeline.gates if not ask or gate.title in ask]
        if (
            warm_up
            and any(gate.asks_models for gate in asked)
            and not all(data.scores for data in pipeline.data.values())
        ):
            bench.warm_up()
        yield bench


class Bench:
    """Everything that a case's lazy parts are made of."""

    def __init__(
        self,
        pipeline: Pipeline,
        registry: Registry,
        folder: RunFolder,
        scratch: Path,
        *,
        environ: Mapping[str, str],
        cancelled: Callable[[], bool] | None,
        progress: Progress | None,
        stack: ExitStack,
    ) -> None:
        self.pipeline, self.registry, self.folder, self.scratch = pipeline, registry, folder, scratch
        self.environ, self.cancelled, self.progress = environ, cancelled, progress
        self._stack = stack
        self.opened: dict[str, Dataset] = {}
        self.case: Case

    def choose(self, selector: CandidateSelector | None) -> None:
        """Choose the two versions and fetch their files."""
        candidate = choose_candidate(self.pipeline, self.registry, selector)
        champion = select_champion(self.pipeline, self.registry)
        wanted = [candidate, *([champion] if champion is not None and champion.version != candidate.version else [])]
        with ThreadPoolExecutor(len(wanted)) as pool:
            fetched = dict(zip([one.version for one in wanted], pool.map(self._fetch, wanted), strict=True))
        self.case = Case(
            candidate=self._contender("candidate", candidate, fetched[candidate.version]),
            champion=None if champion is None else self._contender("champion", champion, fetched[champion.version]),
            task=self.pipeline.task,
            folder=self.folder.path,
            seed=int(self.pipeline.policy_digest.removeprefix("sha256:")[:8], 16),
            datasets=tuple(self.pipeline.data),
            inputs={name: spec.column for name, spec in self.pipeline.inputs.items()},
            open_dataset=self._open_dataset,
            score=lambda name: self._score(name, replayed=False),
            replay=lambda name: self._score(name, replayed=True),
            sample=self._sample,
            threshold=self._threshold,
            row_functions=lambda: self._row_functions,
            progress=self.progress,
        )

    def _fetch(self, version: ModelVersion) -> tuple[Path, str]:
        folder = self.scratch / "models"
        folder.mkdir(exist_ok=True)
        files = self.registry.fetch(version, folder)
        return files, folder_digest(files)

    def _contender(self, role: Any, version: ModelVersion, fetched: tuple[Path, str]) -> Contender:
        files, digest = fetched
        known = replace(version, digest=digest)
        contender = Contender(
            role,
            known,
            fetch=lambda: files,
            read=lambda folder: self.registry.facts(known, folder),
            start=lambda folder, target: self._start(contender, folder, target),
        )
        return contender

    def _start(self, contender: Contender, files: Path, target: Target | None) -> Model:
        tell = self.progress
        if self.pipeline.environment == "declared" and tell is not None:
            tell(f"environment of {contender.role}", 0, None)
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
        self._stack.callback(model.close)
        return model

    def warm_up(self) -> None:
        """Let the models begin to load while the data is read; a model that cannot start says so when it is asked."""
        for contender in self.case.contenders:
            try:
                start = getattr(contender.model, "start", None)
                if start is not None:
                    start()
            except ModelFault:
                continue

    def _open_dataset(self, name: str) -> Dataset:
        from lockgate.data.dataset import Dataset

        dataset = Dataset(name, self.pipeline.data[name], self.pipeline.root, scratch=self.scratch / "data")
        self.opened[name] = dataset
        return dataset

    def _score(self, name: str, *, replayed: bool) -> Scored:
        from lockgate.evaluation.scoring.replay import replay
        from lockgate.evaluation.scoring.scored_table import Scored, build_scored
        from lockgate.models.output import scorer

        key = f"{name}-replayed" if replayed else name
        path = self.folder.path / "scored" / f"{key}.parquet"
        dataset = self.case.dataset(name)
        kept = self._kept_scores.get(key)
        if kept is not None and path.is_file():
            scored = Scored.open(path, slices=dataset.slices)
            if scored.sha256 == kept["sha256"]:
                return scored
        classes = self._classes(dataset)
        roles = {} if dataset.spec.scores else {one.role: one for one in self.case.contenders}
        columns = self._columns(dataset, list(roles.values()))
        asks: dict[str, Any] = {}
        what = None if replayed or not roles else self._beside(dataset)
        if what is not None:
            dataset.need(dict.fromkeys(what.data_columns, "column that per_row reads"))
            columns = None if columns is None else list(dict.fromkeys([*columns, *what.data_columns]))
        told: dict[str, Any] = {
            "spec": self.pipeline.output.output if self.pipeline.output else _plain_output(),
            "task": self.pipeline.task,
            "positive": self.pipeline.positive,
            "need_scores": self._needs_scores(name),
            "classes": classes,
        }
        for role, contender in roles.items():
            if what is None:
                asks[role] = self._fed((replay if replayed else scorer)(contender.model, **told))
            else:
                asks[role] = self._fed(row_metrics.row_scorer(contender.model, what, **told), what)
        tell = self.progress
        scored = build_scored(
            dataset,
            ask=asks,
            task=self.pipeline.task,
            positive=self.pipeline.positive,
            salt=salt(self.pipeline.root),
            path=path,
            classes=classes,
            columns=columns,
            may_fail=replayed,
            progress=None if tell is None else lambda done, total: tell(f"scoring {name}", done, total),
        )
        self.folder.mark("running", scored={**self._kept_scores, key: {"sha256": scored.sha256, "rows": scored.rows}})
        return scored

    @property
    def _kept_scores(self) -> dict[str, dict[str, Any]]:
        """What was scored in this run, also before it was resumed: key → sha256 and rows."""
        kept: dict[str, dict[str, Any]] = self.folder.state().get("scored") or {}
        return kept

    def _fed(
        self, how: Callable[[Iterator[Any]], Iterator[Any]], what: RowFunctionPlan | None = None
    ) -> Callable[[Iterator[Any]], Iterator[Any]]:
        """The same, given data batches: their columns renamed to what the signature calls them."""
        if what is not None:
            return lambda batches: how(what.extend(self._renamed(batch), data=batch) for batch in batches)
        if not self.pipeline.inputs:
            return how
        return lambda batches: how(self._renamed(batch) for batch in batches)

    @cached_property
    def _row_functions(self) -> Mapping[str, str]:
        """Metric → SHA-256 of its file, when it was first looked at in this run: what was hashed is what is run."""
        return row_metrics.file_digests(self.pipeline.per_row, self.pipeline.root)

    def _beside(self, dataset: Dataset) -> RowFunctionPlan | None:
        """What lines on the data want run beside the models; None where they want nothing."""
        asked = self._asked_of(dataset.name)
        wanted = {name: one for name, one in self.pipeline.per_row.items() if name in asked}
        if not wanted:
            return None
        return row_metrics.plan_functions(
            wanted,
            self._row_functions,
            root=self.pipeline.root,
            answer=any(
                subject is None or ("score" in subject.needs and name not in wanted) for name, subject in asked.items()
            ),
            label=dataset.spec.label,
        )

    def _asked_of(self, name: str) -> dict[str, Subject | None]:
        """The subjects of all lines on a data set; of a gate that does not say which it has, None under its own name."""
        found: dict[str, Subject | None] = {}
        for gate in self.pipeline.gates:
            if self.pipeline.data_of(gate) == name:
                found |= {line.subject: gate.subjects.get(line.subject) for line in gate.lines}
                found |= {} if gate.subjects else {gate.title: None}
        return found

    def _renamed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        names = list(batch.schema.names)
        columns, titles = list(batch.columns), names.copy()
        for name, source in self.case.inputs.items():
            if name != source and source in names:
                columns.append(batch.column(source))
                titles.append(name)
        keep = [place for place, title in enumerate(titles) if title not in titles[place + 1 :]]
        return pa.RecordBatch.from_arrays([columns[place] for place in keep], names=[titles[place] for place in keep])

    def _columns(self, dataset: Dataset, contenders: Sequence[Contender]) -> list[str] | None:
        """The data columns that the models' signatures name; None (all of them) where one has no named signature."""
        wanted: dict[str, None] = {}
        for contender in contenders:
            inputs = (contender.facts.signature or {}).get("inputs") or ()
            if not inputs or any(not column.get("name") for column in inputs):
                return None
            for column in inputs:
                source = self.case.inputs.get(str(column["name"]), str(column["name"]))
                if source in dataset.columns:
                    wanted[source] = None
                elif column.get("required", True):
                    dataset.need({source: f"input {column['name']} of the {contender.role}'s signature"})
        return list(wanted)

    def _classes(self, dataset: Dataset) -> tuple[str, ...]:
        """The classes of a multiclass task, in the order of its scores; none of any other."""
        from lockgate.data.class_labels import label_classes

        if self.pipeline.task != "multiclass":
            return ()
        return self.pipeline.classes or label_classes(dataset)

    def _needs_scores(self, name: str) -> bool:
        """Whether a line on the data ranks or weighs scores, so that class labels will not do."""
        return any(
            subject is not None
            and subject.name not in self.pipeline.per_row
            and {"label", "score"} <= (needs := set(subject.in_task(self.pipeline.task).needs))
            and "threshold" not in needs
            for subject in self._asked_of(name).values()
        )

    def _threshold(self, role: str) -> float | None:
        asked = self.pipeline.threshold
        if not isinstance(asked, TagThreshold):
            return asked
        contender = next((one for one in self.case.contenders if one.role == role), None)
        if contender is None:
            return None
        text = contender.version.tags.get(asked.tag)
        try:
            return float(str(text))
        except ValueError:
            raise GateBroken(
                f"the {role}, {contender.version}, has no number in its tag {asked.tag!r}"
                + ("" if text is None else f" but {text[:40]!r}"),
                remedy=f"set the tag {asked.tag} on the version, or write a number as threshold",
            ) from None

    def _sample(self, contender: Contender, name: str | None, rows: int) -> pa.RecordBatch:
        from lockgate.models.input_example import read_example

        if name is None:
            path = contender.facts.input_example
            if path is None:
                raise DataError(
                    f"{contender.version} has no input example",
                    remedy="log the model with input_example=…, or name data",
                )
            return read_example(path, contender.facts.signature).slice(0, rows)
        dataset = self.case.dataset(name)
        batch = next(dataset.batches(self._columns(dataset, [contender]), rows=rows), None)
        if batch is None or batch.num_rows == 0:
            raise DataError(f"data {name!r} has no rows to send", remedy="give data with rows")
        return self._renamed(batch.slice(0, rows))

    def data(self) -> list[dict[str, Any]]:
        """The entries of `data` in the evidence: what was opened and could be read."""
        entries = []
        for name, dataset in sorted(self.opened.items()):
            try:
                entries.append({"name": name, "path": dataset.shown, "digest": dataset.digest, "rows": dataset.count()})
            except LockgateError:
                continue
        return entries

    def scored(self) -> list[dict[str, Any]]:
        """The entries of `scored` in the evidence."""
        return [{"data": name, **kept} for name, kept in sorted(self._kept_scores.items())]

    def digests(self) -> dict[str, Any]:
        """What a resumed run must find as it was: policy, models, the data that gates name, and functions of one's own."""
        case = self.case
        named = {name for gate in self.pipeline.gates if (name := self.pipeline.data_of(gate)) is not None}
        data = {}
        for name in sorted(named):
            try:
                data[name] = case.dataset(name).digest
            except LockgateError as error:
                data[name] = f"unreadable: {error.message}"
        return {
            "policy": self.pipeline.policy_digest,
            "candidate": [case.candidate.version.version, case.candidate.version.digest],
            "champion": None
            if case.champion is None
            else [case.champion.version.version, case.champion.version.digest],
            "data": data,
            "functions": self._origins(),
        }

    def _origins(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for gate in self.pipeline.gates:
            try:
                origins = dict(gate.origins(self.pipeline.root))
            except UsageError as error:
                origins = {"unreadable": error.message}
            if origins:
                found[gate.title] = origins
        try:
            by_row = dict(self._row_functions)
        except UsageError as error:
            by_row = {"unreadable": error.message}
        return {"gates": found, "per_row": by_row}


def _plain_output() -> Any:
    from lockgate.models.model import Output

    return Output()


def start_model(
    pipeline: Pipeline,
    files: Path,
    *,
    role: str,
    environ: Mapping[str, str],
    scratch: Path,
    cancelled: Callable[[], bool] | None = None,
    target: Target | None = None,
    signature: Callable[[], Any] = lambda: None,
) -> Model:
    """The model of those files where `target` says, else where the pipeline says; not started yet, or not waited for.

    signature: the input columns of the version, asked only for a server.
    """
    place = target or pipeline.target
    if isinstance(place, Server):
        return _server(pipeline, place, role=role, cancelled=cancelled, signature=signature())
    python, environ = _interpreter(pipeline, files, role=role, environ=environ, cancelled=cancelled)
    folder = scratch / f"{role}-work"
    folder.mkdir(exist_ok=True)
    if isinstance(place, Serve):
        from lockgate.models.server.mlflow_serve import MlflowServeModel

        return MlflowServeModel(
            files, python=python, environ=environ, name=role, scratch=folder, cancelled=cancelled, signature=signature(),
            timeout_s=place.timeout.total_seconds(), ready_s=place.ready.total_seconds(),
        )  # fmt: skip
    from lockgate.models.process.model import ProcessModel

    return ProcessModel(files, python=python, environ=environ, name=role, scratch=folder, cancelled=cancelled)


def _server(
    pipeline: Pipeline, target: Server, *, role: str, cancelled: Callable[[], bool] | None, signature: Any
) -> Model:
    from lockgate.models.server.client import HttpClient
    from lockgate.models.server.model import ServerModel

    address = target.url(role)
    if address is None:
        raise UsageError(f"target does not say where the {role} answers", remedy=f"write {role}: URL into target")
    client = HttpClient(
        address,
        name=role,
        headers={name: value.get_secret_value() for name, value in target.headers.items()},
        timeout_s=target.timeout.total_seconds(),
        ca_file=None if target.ca is None else str(pipeline.resolve(target.ca)),
        cancelled=cancelled,
    )
    wire = _wire(pipeline, target, role)
    wire.path = target.path or wire.path
    wire.health = target.health or wire.health
    return ServerModel(client, wire, signature=signature, ready_s=target.ready.total_seconds())


def _wire(pipeline: Pipeline, target: Server, role: str) -> ServerProtocol:
    """The protocol that a server speaks, about the model that it is asked for."""
    model, version = target.named("model", role) or pipeline.model, target.named("version", role)
    if target.protocol == "v2":
        from lockgate.models.server.protocol_v2 import V2Protocol

        return V2Protocol(model, version=version, tensor=target.tensor)
    if target.protocol == "v1":
        from lockgate.models.server.protocol_v1 import V1Protocol

        return V1Protocol(model, version=version)
    if target.protocol == "mlflow":
        from lockgate.models.server.protocol_mlflow import MlflowProtocol

        return MlflowProtocol()
    from lockgate.models.server.protocol_json import JsonProtocol

    return JsonProtocol(body=target.body, output=target.output, one_row=target.one_row)


def _interpreter(
    pipeline: Pipeline,
    files: Path,
    *,
    role: str,
    environ: Mapping[str, str],
    cancelled: Callable[[], bool] | None,
) -> tuple[str, Mapping[str, str]]:
    """The python that the pipeline names, and the environment it is started in."""
    from lockgate.models.environment import job_python

    if pipeline.environment == "declared":
        from lockgate.models.process.declared_environment import declared_python, without_job_packages

        cache = pipeline.root / ".gate" / "environments"
        python = declared_python(files, cache=cache, environ=environ, name=role, cancelled=cancelled)
        return python, without_job_packages(environ)
    if isinstance(pipeline.environment, PythonEnvironment):
        named = pipeline.environment.python
        return (str(pipeline.resolve(named)) if "/" in named else named), environ
    return job_python(environ), environ


def turn_over(pipeline: Pipeline, *, environ: Mapping[str, str]) -> Callable[[Entry], str] | None:
    """What makes serving follow an entry of the ledger; None where the pipeline has no promotion.switch."""
    from lockgate.models.environment import is_secret
    from lockgate.promotion import traffic_switch as switch

    spec = pipeline.promotion.switch
    if spec is None:
        return None
    secrets = {value for name, value in environ.items() if len(value) > 5 and is_secret(name, value)}
    return lambda entry: switch.turn_over(
        spec, entry, model=pipeline.model, root=pipeline.root, environ=environ, secrets=secrets
    )


def repeat(
    pipeline: Pipeline, registry: Registry, evidence: Evidence, *, environ: Mapping[str, str], seconds: float = 600.0
) -> Repeats:
    """Ask the repeatable gates again about the versions of the evidence, in processes of their own as in a run.

    seconds: what is spent on it; gates that are not done by then are left out, and said to be. Raises Refused where the
    evidence says otherwise.
    """
    from lockgate.runs.reevaluate import About
    from lockgate.runs.reevaluate import repeat as ask_again

    about = About.of(evidence)
    meant = "none" if about.champion is None else ChampionSelector(version=about.champion)
    deadline = time.monotonic() + seconds

    def over() -> bool:
        return time.monotonic() > deadline

    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-")))
        bench = Bench(
            pipeline.model_copy(update={"champion": meant}),
            registry,
            RunFolder(scratch),
            scratch,
            environ=environ,
            cancelled=over,
            progress=None,
            stack=stack,
        )
        bench.choose(CandidateSelector(version=about.candidate))
        return ask_again(
            pipeline,
            bench.case,
            evidence,
            folder=bench.folder,
            published=registry.evidence(pipeline.model).all,
            over=over,
        )


def prove_way_back(
    pipeline: Pipeline, registry: Registry, version: ModelVersion, *, environ: Mapping[str, str]
) -> Answered:
    """Ask a version its input example (else a row of the data) in a process of its own, from the files to roll back to.

    Returns what it answered to. Raises Refused where it does not answer, or has nothing to answer to.
    """
    remedy = "mend its environment, or log the model again with an input example and promote that first"
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-")))
        bench = Bench(
            pipeline.model_copy(update={"target": "process"}),
            registry,
            RunFolder(scratch),
            scratch,
            environ=environ,
            cancelled=None,
            progress=None,
            stack=stack,
        )
        bench.choose(CandidateSelector(version=int(version.version)))
        outgoing = bench.case.candidate
        source = None if outgoing.facts.input_example is not None else next(iter(pipeline.data), None)
        try:
            batch = bench.case.sample(outgoing, source, 10)
            rows = next(iter(outgoing.model.predict([batch]))).num_rows
        except LockgateError as error:
            raise Refused(
                f"the way back is not proven: {version}, which holds Production, does not answer: {error.message}",
                code="way_back",
                remedy=remedy,
            ) from error
        if rows != batch.num_rows or not rows:
            raise Refused(f"the way back is not proven: {version} answered {rows} rows", code="way_back", remedy=remedy)
        return Answered(source or "input example", rows, str(outgoing.version.digest))
