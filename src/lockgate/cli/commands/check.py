"""`gate check [PIPELINE…]`: check that a pipeline is valid, without registry, data or model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lockgate.errors import PipelineError, UsageError
from lockgate.pipeline.loader import load
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.lookup import pipelines


@click.command("check")
@click.argument("paths", metavar="[PIPELINES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check PIPELINE…, by default every one in gates/: every complaint at once, exit 2 where there is one."""
    entries: list[dict[str, Any]] = []
    for path in paths or pipelines(Path()):
        try:
            pipeline = load(path, environ=None)
        except PipelineError as error:
            entries.append(_entry(path, complaints=error.complaints))
            click.echo("\n".join(error.complaints), err=True)
            continue
        notes = _notes(pipeline)
        entries.append(_entry(path, policy=pipeline.policy_digest, notes=notes))
        for note in notes:
            click.echo(f"{path}: note: {note}", err=True)
        if not as_json:
            requirements = sum(len(gate.lines) for gate in pipeline.gates)
            click.echo(f"{path}: ok ({_count(len(pipeline.gates), 'gate')}, {_count(requirements, 'requirement')})")
    if not entries:
        raise UsageError("there is no pipeline in gates/", remedy="name one, or write one with gate init")
    if as_json:
        click.echo(json.dumps({"pipelines": entries}, indent=1))
    if not all(entry["ok"] for entry in entries):
        raise click.exceptions.Exit(2)


def _entry(
    path: Path, *, policy: str | None = None, complaints: Sequence[str] = (), notes: Sequence[str] = ()
) -> dict[str, Any]:
    ok = policy is not None
    return {"path": str(path), "ok": ok, "policy": policy, "complaints": list(complaints), "notes": list(notes)}


def _notes(pipeline: Pipeline) -> list[str]:
    """What is valid, and worth knowing."""
    today = datetime.now(UTC).date()
    notes = [
        f"the waiver of {waiver.finding} ended on {waiver.until} and is ignored"
        for waiver in pipeline.waivers
        if waiver.expired(today)
    ]
    if pipeline.mode == "observe":
        notes.append("mode: observe shows everything and promotes nothing")
    elif pipeline.signoff is None:
        notes.append("it does not say who signs, so nothing can be promoted; write signoff")
    return notes


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
