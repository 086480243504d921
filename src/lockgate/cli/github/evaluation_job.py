"""Job that evaluates a pull request: run the gates, keep what may be uploaded, and show the result."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lockgate.cli.github.actions_runner import Runner, run_step
from lockgate.cli.github.pull_request import require_possible_approval
from lockgate.cli.output import show_command
from lockgate.cli.run_session import FinishedRun, run_pipeline
from lockgate.errors import LockgateError
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.annotations import render as render_annotations
from lockgate.integrations.github.job_summary import render as render_summary


def evaluate(path: Path | None, candidate: str | None, folder: Path) -> int:
    """Run the pipeline; returns its exit code. folder: made anew, for what may be uploaded."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def work(_: Runner) -> FinishedRun:
        require_possible_approval(os.environ, path)
        return run_pipeline(path, candidate=candidate)

    runner, finished = run_step(work)
    if isinstance(finished, LockgateError):
        return runner.fail(finished, verdict="error", opens="no")
    # published files only: never a row of data or a raw request
    for name in finished.folder.publishable:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(finished.folder.path / name, folder / name)
    _show(runner, finished)
    return finished.exit_code


def _show(runner: Runner, finished: FinishedRun) -> None:
    evidence = finished.evidence
    record = RunRecord(evidence, lambda: finished.folder.path)
    commands = render_annotations(record).removesuffix("\n")
    if commands:
        show_command(commands)
    runner.add_summary(render_summary(record))
    runner.set_outputs({"verdict": evidence.verdict.value, "opens": evidence.opens, "evidence-digest": evidence.digest})
