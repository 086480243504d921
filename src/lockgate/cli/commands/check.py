"""`gate check [PIPELINE…]`: whether a pipeline means something, without registry, data or model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lockgate.pipeline.model import Pipeline


@click.command("check")
@click.argument("pipelines", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(pipelines: tuple[Path, ...], as_json: bool) -> None:
    """Check PIPELINE…, by default every one in gates/: every complaint at once, exit 2 where there is one."""
    from lockgate.errors import PipelineError
    from lockgate.pipeline import loader

    checked: list[dict[str, Any]] = []
    for path in pipelines or _all():
        try:
            found = loader.load(path, environ=None)
        except PipelineError as error:
            checked.append(_one(path, complaints=error.complaints))
            click.echo("\n".join(error.complaints), err=True)
            continue
        notes = _notes(found)
        checked.append(_one(path, policy=found.policy_digest, notes=notes))
        for note in notes:
            click.echo(f"{path}: note: {note}", err=True)
        if not as_json:
            asked = sum(len(gate.lines) for gate in found.gates)
            click.echo(f"{path}: ok ({_count(len(found.gates), 'gate')}, {_count(asked, 'requirement')})")
    if as_json:
        click.echo(json.dumps({"pipelines": checked}, indent=1))
    if not all(one["ok"] for one in checked):
        raise click.exceptions.Exit(2)


def _one(
    path: Path, *, policy: str | None = None, complaints: Sequence[str] = (), notes: Sequence[str] = ()
) -> dict[str, Any]:
    ok = policy is not None
    return {"path": str(path), "ok": ok, "policy": policy, "complaints": list(complaints), "notes": list(notes)}


def _all() -> list[Path]:
    from lockgate.errors import UsageError

    found = sorted(path for path in Path("gates").glob("*.y*ml") if path.suffix in (".yaml", ".yml"))
    if not found:
        raise UsageError("there is no pipeline in gates/", remedy="name one, or write one with gate init")
    return found


def _notes(pipeline: Pipeline) -> list[str]:
    """What is accepted, and somebody will want to know."""
    from datetime import UTC, datetime

    today = datetime.now(UTC).date()
    notes = [
        f"the waiver of {waiver.finding} ended on {waiver.until} and is ignored"
        for waiver in pipeline.waivers
        if waiver.expired(today)
    ]
    if pipeline.mode == "observe":
        notes.append("mode: observe shows everything and opens nothing")
    elif pipeline.signoff is None:
        notes.append("it does not say who signs, so nothing can be promoted; write signoff")
    return notes


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
