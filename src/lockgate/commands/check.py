"""`gate check [PIPELINE…]`: whether a pipeline means something, without registry, data or model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lockgate.pipeline import Pipeline


@click.command("check")
@click.argument("pipelines", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(pipelines: tuple[Path, ...], as_json: bool) -> None:
    """Check PIPELINE…, by default every one in gates/: every complaint at once, exit 2 where there is one."""
    from lockgate import pipeline
    from lockgate.errors import PipelineError

    checked: list[dict[str, Any]] = []
    for path in pipelines or _all():
        try:
            found = pipeline.load(path, environ=None)
            one = {"path": str(path), "ok": True, "complaints": [], "policy": found.policy_digest}
            notes = _notes(found)
        except PipelineError as error:
            one = {"path": str(path), "ok": False, "complaints": list(error.complaints), "policy": None}
            notes = []
        checked.append(one | {"notes": notes})
        for line in (*one["complaints"], *(f"{path}: note: {note}" for note in notes)):
            click.echo(str(line), err=True)
        if one["ok"] and not as_json:
            asked = sum(len(gate.lines) for gate in found.gates)
            click.echo(f"{path}: ok ({_count(len(found.gates), 'gate')}, {_count(asked, 'requirement')})")
    if as_json:
        click.echo(json.dumps({"pipelines": checked}, indent=1))
    if not all(one["ok"] for one in checked):
        raise click.exceptions.Exit(2)


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
