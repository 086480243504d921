"""Job that evaluates a pull request: run the gates, keep what may be uploaded, and show the result."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockgate.cli.github.actions_runner import Runner
    from lockgate.cli.run_session import FinishedRun


def evaluate(path: Path | None, candidate: str | None, folder: Path) -> int:
    """Run the pipeline; returns its exit code. folder: made anew, for what may be uploaded."""
    from lockgate.cli.github.actions_runner import run_step
    from lockgate.cli.github.pull_request import require_possible_approval
    from lockgate.cli.run_session import run_pipeline
    from lockgate.errors import LockgateError

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
    from lockgate.cli.github.actions_runner import log
    from lockgate.evidence.run_record import RunRecord
    from lockgate.integrations.github import annotations, job_summary

    evidence = finished.evidence
    record = RunRecord(evidence, lambda: finished.folder.path)
    commands = annotations.render(record).removesuffix("\n")
    if commands:
        log(commands)
    runner.add_summary(job_summary.render(record))
    runner.set_outputs({"verdict": evidence.verdict.value, "opens": evidence.opens, "evidence-digest": evidence.digest})
