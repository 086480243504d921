"""`gate status MODEL`: where every version stands, and whether the registry shows it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click


@click.command("status")
@click.argument("model")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, pipeline: Path | None, as_json: bool) -> None:
    """Show who holds Production, Staging and standby of MODEL. Exit 1 where ledger and registry differ."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.promotion.audit.status import status
    from lockgate.runs.lookup import find_pipeline, open_registry
    from lockgate.runs.run import now

    of = find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    state = status(open_registry(of), model, promotion=of.promotion, now=now())
    click.echo(json.dumps(state.to_json(), indent=1) if as_json else "\n".join(state.lines))
    if state.problems:
        raise click.exceptions.Exit(1)
