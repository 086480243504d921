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
    from lockgate.runs.lookup import find_pipeline, open_registry
    from lockgate.runs.promotion_hooks import traffic_switch
    from lockgate.runs.run import now

    of = find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    done = archive(
        open_registry(of),
        of.model,
        promotion=of.promotion,
        actor=git.current_identity(of.root),
        clock=now,
        turn_over=traffic_switch(of, environ=os.environ),
    )
    click.echo("\n".join(done.lines), err=as_json)
    if as_json:
        click.echo(json.dumps(done.to_json(), indent=1))
