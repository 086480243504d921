"""`gate github …`: the commands of action.yml, which set outputs, summary and log of a step."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.github import production_moves
from lockgate.cli.github.actions_runner import run_move, run_step
from lockgate.cli.github.production_moves import roll_back
from lockgate.errors import LockgateError

_PIPELINE = click.option(
    "--pipeline",
    "path",
    envvar="GATE_PIPELINE",
    type=click.Path(path_type=Path),
    help="The pipeline; the only one in gates/.",
)
_MODEL = click.option("--model", envvar="GATE_MODEL", required=True, help="The registered model's name.")


@click.group(
    "github", hidden=True, help="What the GitHub Action calls. Options are also taken from the variables GATE_…."
)
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
    from lockgate.cli.github.evaluation_job import evaluate

    return evaluate(path, candidate, folder)


@command.command("changes")
@_PIPELINE
def changes(path: Path | None) -> int:
    """Set `changed`: `no` where a pull request or a merge queue changes nothing that the pipeline's gates read."""
    from lockgate.cli.github.model_changes import look_for_changes

    runner, outputs = run_step(lambda _: look_for_changes(path))
    if isinstance(outputs, LockgateError):
        return runner.fail(outputs, changed="yes")
    runner.set_outputs(outputs)
    return 0


@command.command("comment")
@_PIPELINE
def comment(path: Path | None) -> int:
    """Keep the one comment of a pull request current. Runs nothing of it, and reads its evidence as data."""
    return _decide(path, record=None)


@command.command("decide")
@_PIPELINE
@click.option(
    "--record",
    envvar="GATE_RECORD",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for what the next decision must know; it is to be uploaded.",
)
def decide(path: Path | None, record: Path) -> int:
    """Decide by a pull request's comments, all read anew, whether its evidence is approved. Uses neither model nor registry."""
    return _decide(path, record=record)


def _decide(path: Path | None, *, record: Path | None) -> int:
    from lockgate.cli.github.pull_request import decide

    runner, outputs = run_step(lambda runner: decide(path, record, runner))
    if isinstance(outputs, LockgateError):
        return runner.fail(outputs, state="error")
    runner.set_outputs(outputs)
    return 0


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
    """Once approved: prove the rollback and run repeatable gates again, in a job that may only read the registry."""
    from lockgate.cli.github.promotion_job import prove_rollback

    return run_move(lambda _: prove_rollback(path, digest, proof), state="proven", **{"reason-code": "error"})


@command.command("promote")
@_PIPELINE
@_DIGEST
@_PROOF
def promote(path: Path | None, digest: str, proof: Path) -> int:
    """Once approved and proven: promote the version, as `gate promote` does. Runs no model; everything is read anew."""
    from lockgate.cli.github.promotion_job import promote_approved

    return run_move(lambda runner: promote_approved(path, digest, proof, runner), state="promoted")


@command.command("rollback")
@_PIPELINE
@_MODEL
@click.option("--reason", envvar="GATE_REASON", required=True, help="Why, for whoever reads it later.")
@click.option("--to", envvar="GATE_TO", type=click.IntRange(min=1), help="Another version instead of the previous one.")
def rollback(path: Path | None, model: str, reason: str, to: int | None) -> int:
    """Make the previous version Production again, as `gate rollback` does, in the name of who started the run."""
    target = None if to is None else str(to)
    return run_move(lambda _: roll_back(path, model, reason=reason, to=target), state="rolled_back")


@command.command("archive")
@_PIPELINE
@_MODEL
def archive(path: Path | None, model: str) -> int:
    """For a schedule: archive the previous version once the soak is over, then verify, as the commands do."""
    return run_move(lambda _: production_moves.archive(path, model), state="done")
