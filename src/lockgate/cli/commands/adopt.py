"""`gate adopt MODEL`: begin the ledger where a version is Production already."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("adopt")
@click.argument("model")
@click.option("--version", type=click.IntRange(min=1), required=True, help="The version that is Production.")
@click.option("--reason", required=True, help="Why, for whoever reads it later.")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, version: int, reason: str, pipeline: Path | None, as_json: bool) -> None:
    """Begin the ledger of MODEL with the version that is Production already, without evidence."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.integrations import git
    from lockgate.promotion.rollback import adopt
    from lockgate.runs.lookup import find_pipeline, open_registry
    from lockgate.runs.promotion_hooks import traffic_switch
    from lockgate.runs.run import now

    of = find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    outcome = adopt(
        open_registry(of),
        model,
        version=str(version),
        reason=reason,
        promotion=of.promotion,
        actor=git.current_identity(of.root),
        clock=now,
        turn_over=traffic_switch(of, environ=os.environ),
    )
    found.tell(outcome, as_json=as_json)
