"""One call of `gate run`: run or resume a pipeline's gates, write evidence and reports, publish and stage."""

from __future__ import annotations

import ctypes
import os
import secrets
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from lockgate.cli.notifications import notify_waiting
from lockgate.cli.run_document import comment_step, lacks_authors, next_commands
from lockgate.data.dataset import Dataset
from lockgate.data.slices.names import id_words
from lockgate.errors import RegistryError, UsageError, Waiting, machine_fault
from lockgate.evidence.evaluations import EvaluationRecord
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import RunFolder, forget_keys, mark_cut_off, new_run_id, owner_is_gone, runs
from lockgate.models import environment
from lockgate.models.isolation.box import boxed
from lockgate.pipeline.loader import load, project_root
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.without_champion import left_out
from lockgate.promotion.operator import registry_clock
from lockgate.promotion.promote import record_staging
from lockgate.promotion.publish import publish, registry_moment
from lockgate.registries.ports import Registry
from lockgate.registries.selectors import CandidateSelector, parse_candidate
from lockgate.reports import keep_reports
from lockgate.runs.case_builder import open_case
from lockgate.runs.circumstances import leaves_no_record, read_circumstances
from lockgate.runs.data_check import require_data
from lockgate.runs.lookup import only_pipeline
from lockgate.runs.promotion_hooks import make_operator, promotion_obstacles, repeated_production
from lockgate.runs.run import PipelineRun, now
from lockgate.runs.version_selection import require_candidate
from lockgate.signoff.outlook import comment_way
from lockgate.text import secret_forms

if TYPE_CHECKING:
    from lockgate.cli.console import Screen
    from lockgate.gates.gate import Gate
_RECORD, _FINISHED = "run.json", "finished.json"  # sealed: what a run began with, and that it came to its end
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h: what is larger goes back to the system when it is freed


@dataclass(frozen=True)
class FinishedRun:
    """A run that came to its end. observed: it was only to be looked at, and exits with 0 whatever its verdict.

    staging_command: publishes and stages it. published: that was done. in_production: its version is Production already.
    """

    evidence: Evidence
    folder: RunFolder
    observed: bool
    session: _RunSession
    staging_command: str
    published: bool = False
    in_production: bool = False

    @property
    def exit_code(self) -> int:
        return 0 if self.observed else self.evidence.verdict.exit_code

    @property
    def pipeline(self) -> Pipeline:
        return self.session.pipeline

    def stage(self) -> FinishedRun:
        """Publish; where it can be approved record Staging. An observed or partial run is published and can promote nothing."""
        try:
            production = self.session.stage(self.evidence, self.folder)
        except (RegistryError, Waiting) as error:  # what was measured is kept
            error.remedy = "; ".join(filter(None, (error.remedy, f"this run is staged by {self.staging_command}")))
            raise
        candidate = str(self.evidence.candidate["version"])
        return replace(self, published=True, in_production=self.in_production or production == candidate)

    def show_next(self) -> None:
        """Tell people the next command."""
        screen = self.session.screen
        for line in lacks_authors(self) or comment_step(self):
            screen.say(line)
        screen.show_next(next_commands(self), accepting=[id_words(finding) for finding in self.evidence.asks])


def run_pipeline(
    path: Path | None,
    *,
    candidate: str | None = None,
    only: tuple[str, ...] = (),
    resume: bool = False,
    observe: bool = False,
    publishing: bool = False,
) -> FinishedRun:
    """Do what `gate run` does, but for --stage, which `publishing` announces. People read it on stderr."""
    from lockgate.cli.console import Screen
    from lockgate.runs.lookup import open_registry

    pipeline = load(path or only_pipeline(project_root()), environ=os.environ, run_code=True)
    gates = [gate.title for gate in pipeline.gates]
    unknown = [name for name in only if name not in gates]
    if unknown:
        raise UsageError(f"the pipeline has no gate {unknown[0]!r}; its gates are {', '.join(gates)}")
    selector = (
        None if candidate is None else parse_candidate(candidate, model=pipeline.model, registry=pipeline.registry)
    )
    # a checkout that git refuses is told before any model is asked; to stage a finished run takes none
    circumstances = None if resume else read_circumstances(pipeline.root, os.environ)
    observing = observe or pipeline.mode == "observe"
    _lean_memory()
    measuring = (
        () if resume else _measuring_gates(pipeline, only)
    )  # a run goes on only with the data that it began with
    require_data(pipeline, measuring, lambda name: Dataset(name, pipeline.data[name], pipeline.root), remote_ones=False)
    registry = open_registry(pipeline)
    if selector is not None and not resume:
        require_candidate(selector, pipeline, registry)
    session = _RunSession(
        pipeline,
        registry,
        Screen(),
        observing=observing,
        only=only,
        selector=selector,
        resume=resume,
        measuring=measuring,
        circumstances=circumstances,
        unrecorded=not publishing and leaves_no_record(os.environ),
    )
    if circumstances is not None and not (observing or only):
        commit = circumstances["git"]["commit"]
        obstacles = promotion_obstacles(pipeline, registry, measuring, commit=commit, environ=os.environ)
        way = comment_way(pipeline.signoff, pipeline.version_file) if publishing else None
        obstacles += [] if way is None else [way]
        session.screen.show_obstacles(obstacles)
    evidence, folder = session.evaluate()
    session.screen.show_run(evidence, folder.path, observed=observing)
    call = ["gate", "run", *([] if path is None else [str(path)]), "--resume", "--stage"]
    call += [] if candidate is None else ["--candidate", candidate]
    repeated = pipeline.follows_production and evidence.is_of_champion
    return FinishedRun(evidence, folder, observing, session, shlex.join(call), in_production=repeated)


def _measuring_gates(pipeline: Pipeline, only: Sequence[str]) -> tuple[Gate, ...]:
    """The gates that will run: those that were chosen and are not waived whole."""
    today = now().date()
    waived = {waiver.finding for waiver in pipeline.waivers if not waiver.expired(today)}
    chosen = (gate for gate in pipeline.gates if not only or gate.title in only)
    return tuple(gate for gate in chosen if gate.title not in waived)


@dataclass(frozen=True)
class _RunSession:
    """From the case to the reports, and on to the registry."""

    pipeline: Pipeline
    registry: Registry
    screen: Screen
    observing: bool
    only: tuple[str, ...]
    selector: CandidateSelector | None
    resume: bool
    measuring: Sequence[Gate]
    circumstances: Mapping[str, Any] | None
    unrecorded: bool

    def evaluate(self) -> tuple[Evidence, RunFolder]:
        """Run the gates, or go on with a run; the evidence is on disk when this returns."""
        started = now()
        mark_cut_off(self.pipeline.root)
        resumed = self._resumable() if self.resume else None
        folder = resumed or RunFolder.new(self.pipeline.root, new_run_id(started))
        with folder.held_alone():
            return self._evaluate(folder, started, resumed)

    def _evaluate(self, folder: RunFolder, started: datetime, resumed: RunFolder | None) -> tuple[Evidence, RunFolder]:
        if boxed(self.pipeline.isolation):
            folder = folder.with_key(fresh=resumed is None)
        else:
            forget_keys(self.pipeline.root)
        record = None if resumed is None else folder.sealed(_RECORD)
        if resumed is not None and record is None:
            if resumed.state().get("inputs") is None:
                raise UsageError(
                    f"run {folder.run_id} ended before it chose its versions", remedy="start anew with gate run"
                )
            self.screen.say(f"nothing of run {folder.run_id} can be taken up; its gates are run again")
        if resumed is None:
            folder.mark("running", pipeline=self._file, asked=self._options, started_at=started.isoformat())
        stop = Event()
        try:
            with _ended_by_signals(stop):
                evidence, fresh = self._evidence(folder, record, started, stop)
        except KeyboardInterrupt:
            folder.mark("interrupted")
            raise
        except Exception as error:
            with suppress(OSError):  # where the disk is full the next run says how this one ended
                folder.mark("broken", why=str(machine_fault(error) or error))
            raise
        if fresh:
            folder.keep_evidence(evidence)
            keep_reports(evidence, folder)
            folder.keep_sealed(_FINISHED, {"evidence": evidence.digest})
            folder.mark("finished")
        return evidence, folder

    def _evidence(
        self, folder: RunFolder, record: dict[str, Any] | None, started: datetime, stop: Event
    ) -> tuple[Evidence, bool]:
        """(the evidence, whether it was made now; a resumed run may have finished before).

        record: what a resumed run began with, None where the run begins now.
        """
        with (
            self.screen.progress(self._gates) as progress,
            open_case(
                self.pipeline,
                self.registry,
                folder,
                environ=os.environ,
                candidate=self.selector,
                only=self.only,
                warm_up=record is None or folder.sealed(_FINISHED) is None,
                began=started if record is None else datetime.fromisoformat(record["started_at"]),
                cancelled=stop.is_set,
                progress=progress,
                resumed=record is not None,
                measuring=self.measuring,
                published=self.registry.evidence(self.pipeline.model).all,
            ) as builder,
        ):
            try:
                resumed = record is not None
                if record is not None:
                    self._check_unchanged(folder, record, builder.digests())
                    finished = _finished_evidence(folder)
                    if finished is not None:
                        return finished, False
                else:
                    record = {
                        "inputs": builder.digests(),
                        "nonce": secrets.token_hex(16),
                        "started_at": started.isoformat(),
                        "options": self._options,
                    }
                    folder.keep_sealed(_RECORD, record)
                    folder.mark("running", inputs=record["inputs"], nonce=record["nonce"])
                run = PipelineRun(
                    pipeline=self.pipeline,
                    case=builder.case,
                    folder=folder,
                    nonce=record["nonce"],
                    started_at=datetime.fromisoformat(record["started_at"]),
                    circumstances=self.circumstances or read_circumstances(self.pipeline.root, os.environ),
                    only=self.only,
                    observe=self.observing,
                    resumed=resumed,
                    hidden=secret_forms(environment.secrets(os.environ)),
                    show=self.screen.show_gate,
                    published=self.registry.evidence(self.pipeline.model).all,
                    inputs=record["inputs"],
                    record=EvaluationRecord(self.pipeline.root, self.pipeline.model),
                    unrecorded=self.unrecorded,
                )
                if not (resumed or self._options):
                    versions = [contender.version for contender in builder.case.contenders]
                    self.screen.show_obstacles(
                        repeated_production(self.pipeline, self.registry, versions, self.selector)
                    )
                self.screen.show_versions(builder.case, not_compared=left_out(self.measuring))
                run.run_gates()
                builder.end_models()
                pipeline = self.pipeline
                moment = registry_moment(self.registry, pipeline.model, production_model=pipeline.production_model)
                evidence = run.evidence(
                    data=builder.data_entries(), scored=builder.scored_entries(), finished_at=now(), registry=moment
                )
            except BaseException:
                stop.set()
                raise
        return evidence, True

    def _check_unchanged(self, folder: RunFolder, record: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Raise UsageError where policy, models, data or options are not those that the run began with."""
        changed = [name for name, value in inputs.items() if record["inputs"].get(name) != value]
        changed += ["options"] if record["options"] != self._options else []
        if changed:
            raise UsageError(
                f"run {folder.run_id} cannot go on: {', '.join(changed)} changed since it began",
                remedy="start anew with gate run",
            )

    @property
    def _file(self) -> str:
        """The pipeline's file, seen from the root: another job may have the checkout elsewhere."""
        path, root = self.pipeline.path.absolute(), self.pipeline.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    @property
    def _gates(self) -> list[str]:
        """Titles of the gates that are chosen, in their order."""
        return [gate.title for gate in self.pipeline.gates if not self.only or gate.title in self.only]

    @property
    def _options(self) -> list[str]:
        """The options that make this another run than one of the whole pipeline."""
        return [*(f"--only {name}" for name in self.only), *(["--observe"] if self.observing else [])]

    def _resumable(self) -> RunFolder:
        for run in runs(self.pipeline.root):
            state = run.state()
            if state.get("pipeline") == self._file:
                if state.get("state") == "running" and not owner_is_gone(run.path):
                    raise run.still_running
                if state.get("asked") != self._options:
                    call = " ".join(["gate run", *(state.get("asked") or [])])
                    raise UsageError(
                        f"run {run.run_id} was called as `{call}` and goes on only like that",
                        remedy="call it with the same --only and --observe, or start anew with gate run",
                    )
                return run
        raise UsageError("there is no run of this pipeline to go on with", remedy="start one with gate run")

    def stage(self, evidence: Evidence, folder: RunFolder) -> str | None:
        """Publish; where it can be approved record Staging. An observed or partial run is published and can promote nothing.

        Returns the version that is Production, None where it was not looked at.
        """
        production = None
        if not evidence.can_be_approved:
            unset = publish(self.registry, evidence, folder.path, now=registry_clock(self.registry, now)())
            for warning in unset:
                self.screen.say(f"warning: {warning}")
            self.screen.say(f"published as {evidence.digest}; nothing was staged")
        else:
            operator = make_operator(self.pipeline, environ=os.environ, registry=self.registry)
            outcome = record_staging(operator, evidence, folder=folder.path)
            production = outcome.standing.production
            for line in outcome.lines:
                self.screen.say(line)
        if production != str(evidence.candidate["version"]):
            self._request_sign_off(evidence, folder)
        return production

    def _request_sign_off(self, evidence: Evidence, folder: RunFolder) -> None:
        """Notify those whom the pipeline names, once for each evidence, also where a run is resumed."""
        state = folder.state()
        if state.get("notified") != evidence.digest:
            notify_waiting(self.pipeline, evidence)
            folder.mark(str(state.get("state")), notified=evidence.digest)


@contextmanager
def _ended_by_signals(stop: Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP set `stop` at once, so that nobody waits for a model while the run is unwound."""

    def end(number: int, frame: Any) -> None:
        stop.set()
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lean_memory() -> None:
    """Let Arrow and the C library give memory back: left alone, both keep twice what the tables need."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 16)


def _finished_evidence(folder: RunFolder) -> Evidence | None:
    """Evidence that the run had already written, None where gates are still to be run: also those that broke."""
    finished = folder.sealed(_FINISHED)
    if finished is None:
        return None
    evidence = folder.evidence()
    return None if evidence.digest != finished["evidence"] or evidence.verdict is Verdict.ERROR else evidence
