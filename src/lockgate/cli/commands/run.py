"""`gate run [PIPELINE]`: ask every gate, write the evidence, and with --stage publish it and record Staging."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from threading import Event

    from lockgate.evidence.evidence import Evidence
    from lockgate.evidence.run_folder import RunFolder
    from lockgate.pipeline.model import Pipeline
    from lockgate.registries.ports import CandidateSelector, Registry

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h: what is larger goes back to the system when it is freed


@click.command("run")
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
@click.option("--stage", is_flag=True, help="Publish the evidence and, on a pass, record Staging.")
@click.option("--candidate", metavar="KEY=VALUE", help="Another candidate: version=8, alias=x, tag=key:value, …")
@click.option("--only", multiple=True, metavar="GATE", help="Ask only this gate; such a run opens nothing.")
@click.option("--resume", is_flag=True, help="Go on with the newest run of this pipeline that did not come to its end.")
@click.option("--observe", is_flag=True, help="Show everything, exit 0, open nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the evidence as one JSON document.")
def command(
    pipeline: Path | None,
    *,
    stage: bool,
    candidate: str | None,
    only: tuple[str, ...],
    resume: bool,
    observe: bool,
    as_json: bool,
) -> int:
    """Ask every gate of PIPELINE about the candidate. Without PIPELINE: the only one in gates/."""
    run = ask(pipeline, candidate=candidate, only=only, resume=resume, observe=observe, stage=stage, as_json=as_json)
    return run.exit_code


@dataclass(frozen=True)
class Run:
    """A run that came to its end. observed: it was only to be looked at, and ends well whatever it found."""

    evidence: Evidence
    folder: RunFolder
    observed: bool

    @property
    def exit_code(self) -> int:
        return 0 if self.observed else self.evidence.verdict.exit_code


def ask(
    pipeline: Path | None,
    *,
    candidate: str | None = None,
    only: tuple[str, ...] = (),
    resume: bool = False,
    observe: bool = False,
    stage: bool = False,
    as_json: bool = False,
) -> Run:
    """What `gate run` does, told on stderr, with as_json also on stdout."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.errors import UsageError
    from lockgate.pipeline.loader import load, root_of
    from lockgate.runs.lookup import only_pipeline, open_registry

    here = root_of(Path.cwd() / "gates")
    path = pipeline or only_pipeline(here)
    of = load(path, environ=os.environ)
    unknown = [name for name in only if name not in {gate.title for gate in of.gates}]
    if unknown:
        raise UsageError(
            f"the pipeline has no gate {unknown[0]!r}; its gates are {', '.join(gate.title for gate in of.gates)}"
        )
    selector = None if candidate is None else found.selector(candidate)
    observing = observe or of.mode == "observe"
    _lean_memory()
    session = _Session(of, observing=observing, only=only, selector=selector, resume=resume)
    registry = open_registry(of)
    evidence, folder = session.evidence(registry)
    if as_json:
        click.echo(json.dumps(evidence.document, indent=1, sort_keys=True, ensure_ascii=False))
    session.show(evidence, folder)
    if stage:
        session.stage(evidence, folder, registry)
    return Run(evidence, folder, observing)


class _Session:
    """One call of `gate run`, from the case to the reports."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        observing: bool,
        only: tuple[str, ...],
        selector: CandidateSelector | None,
        resume: bool,
    ) -> None:
        from lockgate.cli.console import Screen

        self.pipeline, self.observing, self.only = pipeline, observing, only
        self.selector, self.resume = selector, resume
        self.screen = Screen()

    def evidence(self, registry: Registry) -> tuple[Evidence, RunFolder]:
        """Run, or go on with a run; the evidence is on disk when this returns."""
        import secrets
        import threading

        from lockgate.errors import LockgateError
        from lockgate.evidence.run_folder import RunFolder, new_run_id
        from lockgate.models import environment
        from lockgate.runs.case_builder import open_case
        from lockgate.runs.run import PipelineRun, now
        from lockgate.text import secret_forms

        started = now()
        left = self._left() if self.resume else None
        folder = left or RunFolder.new(self.pipeline.root, new_run_id(started))
        stop = threading.Event()
        if left is None:
            folder.mark("running", pipeline=self._where, asked=self._how, started_at=started.isoformat())
        try:
            with (
                _ended_by_signals(stop),
                self.screen.progress() as progress,
                open_case(
                    self.pipeline,
                    registry,
                    folder,
                    environ=os.environ,
                    candidate=self.selector,
                    only=self.only,
                    warm_up=left is None or left.state().get("state") != "finished",
                    cancelled=stop.is_set,
                    progress=progress,
                ) as builder,
            ):
                try:
                    state = folder.state()
                    if left is not None:
                        done = _unchanged(state, builder.digests(), folder)
                        if done is not None:
                            return done, folder
                    else:
                        folder.mark("running", inputs=builder.digests(), nonce=secrets.token_hex(16))
                        state = folder.state()
                    asking = PipelineRun(
                        pipeline=self.pipeline,
                        case=builder.case,
                        folder=folder,
                        nonce=state["nonce"],
                        started_at=_moment(state["started_at"]),
                        circumstances=_circumstances(self.pipeline.root),
                        only=self.only,
                        observe=self.observing,
                        hidden=secret_forms(environment.secrets(os.environ)),
                        tell=self.screen.gate,
                        published=registry.evidence(self.pipeline.model).all,
                    )
                    self.screen.about(builder.case)
                    asking.run_gates()
                    evidence = asking.evidence(
                        data=builder.data_entries(), scored=builder.scored_entries(), finished_at=now()
                    )
                except BaseException:
                    stop.set()
                    raise
        except KeyboardInterrupt:
            folder.mark("interrupted")
            raise
        except LockgateError as error:
            folder.mark("broken", why=str(error))
            raise
        folder.keep_evidence(evidence)
        self._reports(evidence, folder)
        folder.mark("finished")
        return evidence, folder

    @property
    def _where(self) -> str:
        """The pipeline's file, seen from the root: another job may have the checkout elsewhere."""
        path, root = self.pipeline.path.absolute(), self.pipeline.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    @property
    def _how(self) -> list[str]:
        """What was asked of this run besides the whole pipeline."""
        return [*(f"--only {name}" for name in self.only), *(["--observe"] if self.observing else [])]

    def _left(self) -> RunFolder:
        from lockgate.errors import UsageError
        from lockgate.evidence.run_folder import runs

        for run in runs(self.pipeline.root):
            state = run.state()
            if state.get("pipeline") == self._where:
                if state.get("asked") != self._how:
                    called = " ".join(["gate run", *(state.get("asked") or [])])
                    raise UsageError(
                        f"run {run.run_id} was called as `{called}` and goes on only like that",
                        remedy="call it with the same --only and --observe, or start anew with gate run",
                    )
                return run
        raise UsageError("there is no run of this pipeline to go on with", remedy="start one with gate run")

    def _reports(self, evidence: Evidence, folder: RunFolder) -> None:
        from lockgate.evidence.run_record import RunRecord
        from lockgate.reports import FORMATS

        record = RunRecord(evidence, lambda: folder.path)
        for report in FORMATS.values():
            folder.write(report.file, report.render(record).encode())

    def show(self, evidence: Evidence, folder: RunFolder) -> None:
        self.screen.verdict(evidence, folder.path, observing=self.observing, root=self.pipeline.root)

    def stage(self, evidence: Evidence, folder: RunFolder, registry: Registry) -> None:
        """Publish; on a pass record Staging. An observed or partial run is published and opens nothing."""
        from lockgate.integrations import git
        from lockgate.promotion.promote import record_staging
        from lockgate.promotion.publish import publish
        from lockgate.runs.promotion_hooks import traffic_switch
        from lockgate.runs.run import now

        if evidence.opens != "yes":
            publish(registry, evidence, folder.path)
            self.screen.say("published; nothing was staged")
            self._ask_for_sign_off(evidence, folder)
            return
        outcome = record_staging(
            registry,
            evidence,
            folder=folder.path,
            promotion=self.pipeline.promotion,
            actor=git.current_identity(self.pipeline.root),
            clock=now,
            turn_over=traffic_switch(self.pipeline, environ=os.environ),
        )
        for line in outcome.lines:
            self.screen.say(line)
        self._ask_for_sign_off(evidence, folder)

    def _ask_for_sign_off(self, evidence: Evidence, folder: RunFolder) -> None:
        """Notify those whom the pipeline names, once for each evidence, also where a run is resumed."""
        from lockgate.cli import notifications as notifying

        state = folder.state()
        if state.get("notified") != evidence.digest:
            notifying.waiting(self.pipeline, evidence)
            folder.mark(str(state.get("state")), notified=evidence.digest)


@contextmanager
def _ended_by_signals(stop: Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop` at once, so that nobody goes on waiting for a model while the run is unwound."""

    def end(number: int, frame: Any) -> None:
        stop.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lean_memory() -> None:
    """Let Arrow and the C library give memory back: left alone, both keep twice what the tables need."""
    import ctypes

    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 16)


def _moment(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _unchanged(state: dict[str, Any], inputs: dict[str, Any], folder: RunFolder) -> Evidence | None:
    """Evidence that the run had already written, None where gates are still to be asked: also those that broke.

    Raises UsageError where the run cannot go on.
    """
    from lockgate.errors import UsageError
    from lockgate.evidence.finding import Verdict

    if state.get("inputs") is None or "nonce" not in state:
        raise UsageError(f"run {folder.run_id} ended before it chose its versions", remedy="start anew with gate run")
    changed = [name for name, value in inputs.items() if state["inputs"].get(name) != value]
    if changed:
        raise UsageError(
            f"run {folder.run_id} cannot go on: {', '.join(changed)} changed since it began",
            remedy="start anew with gate run",
        )
    if state.get("state") != "finished":
        return None
    evidence = folder.evidence()
    return None if evidence.verdict is Verdict.ERROR else evidence


def _circumstances(root: Path) -> dict[str, Any]:
    import platform

    from lockgate.integrations import git

    wanted = ("GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_SHA", "GITHUB_EVENT_NAME", "CI")
    return {
        "git": git.checkout_state(root),
        "ci": {name: os.environ[name] for name in wanted if os.environ.get(name)},
        "machine": {
            "cpus": os.cpu_count() or 0,
            "processor": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
    }
