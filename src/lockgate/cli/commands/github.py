"""`gate github …`: what action.yml calls; each tells the runner what became of it in outputs, summary and log."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from lockgate.text import command_message, cut, hide, markdown, secret_forms

if TYPE_CHECKING:
    from lockgate.cli.github.actions_runner import Runner
    from lockgate.cli.run_session import FinishedRun
    from lockgate.errors import LockgateError
    from lockgate.promotion.apply import Operator
    from lockgate.signoff.decision import SignoffDecision
    from lockgate.signoff.policy import SignoffPolicy

T = TypeVar("T")


class HasLines(Protocol):
    """What became of a request that moves a version, for people."""

    @property
    def lines(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Lines:
    """Lines for people."""

    lines: tuple[str, ...]


_PIPELINE = click.option(
    "--pipeline",
    "path",
    envvar="GATE_PIPELINE",
    type=click.Path(path_type=Path),
    help="The pipeline; the only one in gates/.",
)
_MODEL = click.option("--model", envvar="GATE_MODEL", required=True, help="The registered model's name.")


@click.group("github", help="What the GitHub Action calls. Options are also taken from the variables GATE_….")
def command() -> None:
    pass


@command.command("run")
@_PIPELINE
@click.option("--candidate", envvar="GATE_CANDIDATE", metavar="KEY=VALUE", help="Another candidate, as in gate run.")
@click.option(
    "--evidence",
    "folder",
    envvar="GATE_EVIDENCE",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for evidence, report and exhibits: what may be uploaded. It is made anew.",
)
def run(path: Path | None, candidate: str | None, folder: Path) -> int:
    """Run every gate as `gate run` does; show it as summary and annotations, and set verdict, opens and digest."""
    from lockgate.cli.github.pull_request import within_reach
    from lockgate.cli.run_session import run_pipeline
    from lockgate.errors import LockgateError

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def work(_: Runner) -> FinishedRun:
        within_reach(os.environ, path)
        return run_pipeline(path, candidate=candidate)

    runner, done = _step(work)
    if isinstance(done, LockgateError):
        return _broken(runner, done, verdict="error", opens="no")
    _keep(done, folder)
    _show(runner, done)
    return done.exit_code


@command.command("comment")
@_PIPELINE
def comment(path: Path | None) -> int:
    """Keep the one comment of a pull request right. Runs nothing of it, and reads what its gate left as data."""
    return _decide(path, record=None)


@command.command("decide")
@_PIPELINE
@click.option(
    "--record",
    envvar="GATE_RECORD",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for what the next decision must not forget; it is to be uploaded.",
)
def decide(path: Path | None, record: Path) -> int:
    """Decide by a pull request's comments, all read anew, whether its evidence is approved. Neither model nor registry."""
    return _decide(path, record=record)


def _decide(path: Path | None, *, record: Path | None) -> int:
    from lockgate.cli.github.actions_runner import say
    from lockgate.cli.github.pull_request import Desk, keep_record
    from lockgate.errors import LockgateError
    from lockgate.runs.run import now

    def work(runner: Runner) -> dict[str, str]:
        desk = Desk.open(os.environ, path)
        seen = desk.look()
        decision = desk.decision(seen, now())
        if record is None:
            decision = _unless_stopped(decision)
        if record is not None:
            keep_record(seen, desk.asked, desk.event, record)
            desk.answer()
        desk.ask_for_sign_off(seen, decision)
        desk.stick(seen, desk.comment(seen, decision), runner)
        say(f"{decision.state}: {decision.reason}")
        digest = "" if seen.evidence is None else seen.evidence.digest
        return {"state": decision.state, "reason-code": decision.code, "evidence-digest": digest}

    runner, outputs = _step(work)
    if isinstance(outputs, LockgateError):
        return _broken(runner, outputs, state="error")
    runner.tell(outputs)
    return 0


def _unless_stopped(decision: SignoffDecision) -> SignoffDecision:
    """Where the job that proves ended badly (GATE_STOPPED has its code), that is what became of the approval."""
    from lockgate.signoff.decision import SignoffDecision

    code = os.environ.get("GATE_STOPPED", "")
    if not code or decision.state != "approved":
        return decision
    run = os.environ.get("GITHUB_RUN_ID") or "unknown"
    return SignoffDecision(
        "refused",
        code if re.fullmatch(r"[a-z_]{1,40}", code) else "error",
        f"it was approved, and the job that proves the rollback and re-evaluates gates stopped it ({code[:40]})",
        remedy=f"the summary of run {run} of this workflow says why; once that is mended, comment /gate status",
    )


_DIGEST = click.option("--digest", envvar="GATE_DIGEST", required=True, help="The evidence that was approved.")
_PROOF = click.option(
    "--proof",
    envvar="GATE_PROOF",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the proof, from the job that makes it to the one that needs it.",
)


@command.command("prove")
@_PIPELINE
@_DIGEST
@_PROOF
def prove(path: Path | None, digest: str, proof: Path) -> int:
    """Once approved: prove the way back, and ask what can be asked again, in a job that may only read the registry."""
    from lockgate.cli.evidence_lookup import project_root
    from lockgate.cli.github import promotion_job as approved
    from lockgate.cli.github.actions_runner import say, who
    from lockgate.cli.github.pull_request import Desk
    from lockgate.errors import LockgateError
    from lockgate.integrations import git

    def work(_: Runner) -> list[str]:
        desk = Desk.open(os.environ, path)
        by = who(os.environ) or git.current_identity(project_root())
        said = approved.prove(approved.Approved.of(desk, desk.look(), digest), proof, by)
        for line in said:
            say(line)
        return said

    runner, done = _step(work)
    if isinstance(done, LockgateError):
        return _broken(runner, done, state=_refusal(done), **{"reason-code": "error"})
    runner.show("".join(f"* {markdown(line)}\n" for line in done))
    runner.tell({"state": "proven"})
    return 0


@command.command("promote")
@_PIPELINE
@_DIGEST
@_PROOF
def promote(path: Path | None, digest: str, proof: Path) -> int:
    """Once approved and proven: move the version, as `gate promote` does. Runs no model; everything is read anew."""
    import tempfile

    from lockgate.cli.evidence_lookup import project_root
    from lockgate.cli.github import promotion_job as approved
    from lockgate.cli.github.actions_runner import say, who
    from lockgate.cli.github.pull_request import Desk
    from lockgate.cli.notifications import notify_moved
    from lockgate.errors import LockgateError
    from lockgate.integrations import git

    def work(runner: Runner) -> tuple[str, ...]:
        desk = Desk.open(os.environ, path)
        actor = who(os.environ) or git.current_identity(project_root())
        seen = desk.look()
        with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
            outcome = approved.telling(
                desk,
                seen,
                runner,
                lambda: approved.promote(approved.Approved.of(desk, seen, digest), proof, actor, Path(scratch)),
            )
        if desk.pipeline is not None:
            notify_moved(desk.pipeline, outcome, evidence=seen.evidence, pull=seen.pull.html_url)
        for line in outcome.lines:
            say(line)
        return tuple(outcome.lines)

    runner, done = _step(work)
    if isinstance(done, LockgateError):
        return _broken(runner, done, state=_refusal(done))
    runner.show("".join(f"* {markdown(line)}\n" for line in done))
    runner.tell({"state": "promoted"})
    return 0


@command.command("rollback")
@_PIPELINE
@_MODEL
@click.option("--reason", envvar="GATE_REASON", required=True, help="Why, for whoever reads it later.")
@click.option("--to", envvar="GATE_TO", type=click.IntRange(min=1), help="Another version instead of the standby.")
def rollback(path: Path | None, model: str, reason: str, to: int | None) -> int:
    """Make the standby Production again, as `gate rollback` does, in the name of who started the run."""
    from lockgate.cli.owner_consent import OwnerConsent
    from lockgate.promotion.rollback import rollback as roll_back

    def call(operator: Operator, signoff: SignoffPolicy) -> HasLines:
        target = None if to is None else str(to)
        return roll_back(operator, to=target, reason=reason, consent=OwnerConsent(signoff, operator.actor))

    return _move(call, path=path, model=model, state="rolled_back")


@command.command("archive")
@_PIPELINE
@_MODEL
def archive(path: Path | None, model: str) -> int:
    """For a schedule: let the standby go once Production has held for its soak, then verify, as the commands do."""
    import tempfile

    from lockgate.errors import Refused
    from lockgate.promotion.archive import archive as let_go
    from lockgate.promotion.audit.verify import verify
    from lockgate.runs.run import now

    def both(operator: Operator, signoff: object) -> Lines:
        done = let_go(operator)
        with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
            state = verify(operator.registry, model, promotion=operator.promotion, now=now(), scratch=Path(scratch))
        if state.exit_code == 1:
            raise Refused("\n".join(state.lines), code="does_not_agree", remedy=f"look at gate verify {model}")
        return Lines((*done.lines, *state.lines))

    return _move(both, path=path, model=model, state="done")


def _move(call: Callable[..., HasLines], *, path: Path | None, model: str, state: str) -> int:
    """Move a version in the name of who started the run, and tell the runner."""
    from lockgate.cli.evidence_lookup import model_pipeline
    from lockgate.cli.github import actions_runner as runner
    from lockgate.cli.notifications import notify_moved
    from lockgate.errors import LockgateError
    from lockgate.promotion.outcome import Outcome
    from lockgate.runs.promotion_hooks import make_operator
    from lockgate.signoff.policy import SignoffPolicy

    def work(_: Runner) -> tuple[str, ...]:
        pipeline = model_pipeline(model, path)
        operator = make_operator(pipeline, environ=os.environ, actor=runner.who(os.environ))
        outcome = call(operator, pipeline.signoff or SignoffPolicy())
        for line in outcome.lines:
            runner.say(line)
        if isinstance(outcome, Outcome):
            notify_moved(pipeline, outcome)
        return tuple(outcome.lines)

    here, done = _step(work)
    if isinstance(done, LockgateError):
        return _broken(here, done, state=_refusal(done))
    here.show("".join(f"* {markdown(line)}\n" for line in done))
    here.tell({"state": state})
    return 0


def _step(work: Callable[[Runner], T]) -> tuple[Runner, T | LockgateError]:
    """Do something whose words may be anybody's: nothing that it writes to the log is a command to the runner."""
    from lockgate.cli.github.actions_runner import Runner, commands_off, mask, say
    from lockgate.errors import LockgateError
    from lockgate.models import environment

    runner = Runner.take(os.environ)
    mask(environment.secrets(os.environ))
    with commands_off():
        try:
            return runner, work(runner)
        except LockgateError as error:
            say(f"gate: {error.message}")
            if error.remedy:
                say(f"      {error.remedy}")
            return runner, error


def _broken(runner: Runner, error: LockgateError, **outputs: str) -> int:
    """Tell of it. Where the error has a code, that is the reason-code, whatever the outputs say."""
    from lockgate.cli.github.actions_runner import say
    from lockgate.errors import Refused, Waiting
    from lockgate.models import environment

    if isinstance(error, (Refused, Waiting)):
        outputs |= {"reason-code": error.code}
    forms = secret_forms(environment.secrets(os.environ))
    what = hide("\n".join(part for part in (error.message, error.remedy) if part), forms)
    say(f"::error title=gate::{command_message(what)}")
    lines = "".join(f"* {markdown(cut(line, 2_000))}\n" for line in what.splitlines()[:100])
    runner.show(f"### 💥 Something broke\n\n{lines}")
    runner.tell(outputs)
    return error.exit_code


def _refusal(error: LockgateError) -> str:
    return {1: "refused", 3: "pending"}.get(error.exit_code, "error")


def _keep(done: FinishedRun, folder: Path) -> None:
    """What may be uploaded: never a row of data or a raw request."""
    for name in done.folder.publishable:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(done.folder.path / name, folder / name)


def _show(runner: Runner, done: FinishedRun) -> None:
    from lockgate.cli.github.actions_runner import say
    from lockgate.evidence.run_record import RunRecord
    from lockgate.integrations.github.annotations import render as annotations
    from lockgate.integrations.github.job_summary import render as summary

    record = RunRecord(done.evidence, lambda: done.folder.path)
    commands = annotations(record).removesuffix("\n")
    if commands:
        say(commands)
    runner.show(summary(record))
    runner.tell(
        {
            "verdict": done.evidence.verdict.value,
            "opens": done.evidence.opens,
            "evidence-digest": done.evidence.digest,
        }
    )
