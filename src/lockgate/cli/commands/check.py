"""`gate check [PIPELINE…]`: check that a pipeline is valid, without registry or model, and with --data that its data fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli.github.existing_workflows import GateStep, gate_steps
from lockgate.cli.github.workflow_check import python_notes, steps_about, workflow_notes
from lockgate.cli.output import show, show_json
from lockgate.cli.policy_comparison import Earlier
from lockgate.errors import DataMisfits, PipelineError, UsageError
from lockgate.evaluation.shadow.blind_lines import blind_by_the_last_run
from lockgate.models.target_spec import Server
from lockgate.pipeline import gate_outline, remote_hosts
from lockgate.pipeline.loader import load, pipelines, project_root
from lockgate.pipeline.pipeline import Pipeline
from lockgate.text import counted

if TYPE_CHECKING:
    from lockgate.runs.data_check import Misfit


@click.command("check")
@click.argument("paths", metavar="[PIPELINES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--data", "with_data", is_flag=True, help="Look at the data too: files, formats, columns; exit 4.")
@click.option(
    "--github", is_flag=True, help="Ask the registry too whether the jobs on GitHub have the Python of the model."
)
@click.option(
    "--against", metavar="REF", help="Say what of each pipeline got looser, or stricter, since a branch, tag or commit."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(paths: tuple[Path, ...], with_data: bool, github: bool, against: str | None, as_json: bool) -> None:
    """Check PIPELINE…, by default every one in gates/: every complaint at once, exit 2 where there is one.

    With --against main it says what got looser since then, place by place; a change is no fault, and exits with 0.

    Its workflows of GitHub Actions are looked at, too: what their jobs lack is a note.
    """
    entries: list[dict[str, Any]] = []
    earlier = None if against is None else Earlier(against)
    steps_of_checkout = cache(gate_steps)  # of many pipelines each would read the workflows of all
    for path in paths or _of_the_project():
        try:
            pipeline = load(path, environ=None)
        except PipelineError as error:
            entries.append(_entry(path, complaints=error.complaints))
            show("\n".join(error.complaints), err=True)
            continue
        steps = steps_of_checkout(pipeline.root)
        own = steps_about(pipeline, steps)
        notes = [
            *_notes(pipeline, steps),
            *workflow_notes(pipeline, own, os.environ if github else {}),
            *(python_notes(path, own) if github else ()),
        ]
        misfits = _misfits(path, pipeline) if with_data else []
        for note in notes:
            show(f"{path}: note: {note}", err=True)
        for misfit in misfits:
            show(misfit.note if misfit.absent else str(misfit), err=True)
        entry = _entry(path, policy=pipeline.policy_digest, notes=notes)
        entries.append(entry | (_data_entry(pipeline, misfits, notes) if with_data else {}))
        if not as_json and entries[-1]["ok"]:
            show(f"{path}: ok ({_contents(pipeline, misfits, with_data=with_data)})")
        if earlier is not None:
            entries[-1] |= _compared(path, pipeline, earlier, as_json=as_json)
    removed = earlier.removed if earlier is not None and not paths else []
    if not entries and not removed:
        raise UsageError("there is no pipeline in gates/", remedy="name one, or write one with gate init")
    if as_json:
        show_json({"pipelines": entries} | ({"removed": removed} if earlier is not None else {}))
    else:
        for name in removed:
            show(f"{name}: looser: the pipeline itself is gone since {against}, so nothing is judged by it")
    if not all(entry["ok"] for entry in entries):
        invalid = any(entry["policy"] is None for entry in entries)
        raise click.exceptions.Exit(PipelineError.exit_code if invalid else DataMisfits.exit_code)


def _of_the_project() -> list[Path]:
    """Every pipeline in `gates/` of the project, as seen from here."""
    return [Path(os.path.relpath(path)) for path in pipelines(project_root())]


def _entry(
    path: Path, *, policy: str | None = None, complaints: Sequence[str] = (), notes: Sequence[str] = ()
) -> dict[str, Any]:
    ok = policy is not None
    return {"path": str(path), "ok": ok, "policy": policy, "complaints": list(complaints), "notes": list(notes)}


def _compared(path: Path, pipeline: Pipeline, earlier: Earlier, *, as_json: bool) -> dict[str, Any]:
    """What `--against` adds to the entry of a pipeline, and says of it."""
    try:
        changes = earlier.changes(pipeline)
    except PipelineError as error:
        show("\n".join(error.complaints), err=True)
        return {"ok": False, "policy": None, "complaints": error.complaints}
    if not as_json:
        show("\n".join(earlier.lines(path, changes)))
    compared = None if changes is None else [change.to_json() for change in changes]
    return {"against": {"ref": earlier.ref, "commit": earlier.commit(pipeline.root), "changes": compared}}


def _misfits(path: Path, pipeline: Pipeline) -> list[Misfit]:
    """What does not fit of the pipeline's data, as the environment names them where it can."""
    from lockgate.data.dataset import Dataset
    from lockgate.git import ignores
    from lockgate.runs.data_check import check_data

    with suppress(PipelineError):  # variables that are not set here, which check alone leaves as they are written
        pipeline = load(path, environ=os.environ)
    root = pipeline.root
    return list(
        check_data(
            pipeline,
            lambda name: Dataset(name, pipeline.data[name], root),
            ignored=lambda path: ignores(path, root),
        )
    )


def _data_entry(pipeline: Pipeline, misfits: Sequence[Misfit], notes: Sequence[str]) -> dict[str, Any]:
    """What `--data` adds to the entry of a pipeline."""
    complaints = [str(misfit) for misfit in misfits if not misfit.absent]
    absent = {misfit.data for misfit in misfits if misfit.absent}
    wrong = {misfit.data for misfit in misfits} - absent
    return {
        "ok": not complaints,
        "complaints": complaints,
        "notes": [*notes, *(misfit.note for misfit in misfits if misfit.absent)],
        "data": {name: "misfit" if name in wrong else "absent" if name in absent else "fits" for name in pipeline.data},
    }


def _contents(pipeline: Pipeline, misfits: Sequence[Misfit], *, with_data: bool) -> str:
    requirements = sum(len(gate.lines) for gate in pipeline.gates)
    counts = f"{counted(len(pipeline.gates), 'gate')}, {counted(requirements, 'requirement')}"
    if not with_data:
        return counts
    absent = {misfit.data for misfit in misfits}
    fitting = [name for name in pipeline.data if name not in absent]
    here = [f"data with all columns that it names: {', '.join(fitting)}"] if fitting else []
    return "; ".join([counts, *here, *([f"data not here: {', '.join(sorted(absent))}"] if absent else [])])


def _notes(pipeline: Pipeline, steps: Sequence[GateStep]) -> list[str]:
    """What is valid, and worth knowing. steps: of the checkout's workflows."""
    today = datetime.now(UTC).date()
    notes = [
        f"the waiver of {waiver.finding} ended on {waiver.until} and is ignored"
        for waiver in pipeline.waivers
        if waiver.expired(today)
    ]
    notes += gate_outline.notes(pipeline.gates)
    targets = {"target": pipeline.target} | {f"{gate.title}.target": gate.own_target for gate in pipeline.gates}
    notes += remote_hosts.notes((path, target) for path, target in targets.items() if isinstance(target, Server))
    blind = blind_by_the_last_run(pipeline.root, pipeline.model, {gate.title: gate.lines for gate in pipeline.gates})
    notes += [f"{gate}: {note}" for gate, sentences in blind.items() for note in sentences]
    if pipeline.mode == "observe":
        notes.append("mode: observe shows everything and promotes nothing")
    elif pipeline.signoff is None:
        notes.append("it does not say who signs, so nothing can be promoted; write signoff")
    elif (obstacle := pipeline.signoff.comment_obstacle) is not None and any(
        step.command == "decide" for step in steps
    ):
        notes.append(f"comments on GitHub cannot approve it: {obstacle}")
    return notes
