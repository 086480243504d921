"""`gate archive MODEL`: let the standby go once Production has held for its soak; meant for a schedule."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click


@click.command("archive")
@click.argument("model")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, pipeline: Path | None, as_json: bool) -> None:
    """Archive the standby of MODEL when Production has held for promotion.soak; until then say what it waits for."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.integrations import git
    from lockgate.promotion.archive import archive
    from lockgate.runs import case_builder as wiring
    from lockgate.runs.run import now

    of = wiring.find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    done = archive(
        wiring.open_registry(of),
        of.model,
        promotion=of.promotion,
        actor=git.current_identity(of.root),
        clock=now,
        turn_over=wiring.turn_over(of, environ=os.environ),
    )
    click.echo("\n".join(done.lines), err=as_json)
    if as_json:
        click.echo(json.dumps(done.to_json(), indent=1))
