"""`gate rollback MODEL`: the version before becomes Production again, now."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("rollback")
@click.argument("model")
@click.option("--reason", required=True, help="Why, for whoever reads it later.")
@click.option("--to", type=click.IntRange(min=1), help="Another version that was Production, instead of the standby.")
@click.option("--withdrawn-ok", is_flag=True, help="Let --to name a version that was itself withdrawn.")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, reason: str, to: int | None, withdrawn_ok: bool, pipeline: Path | None, as_json: bool) -> None:
    """Make the standby of MODEL Production again and withdraw the version that leaves. Nothing is measured."""
    from lockgate import wiring
    from lockgate.channels import git
    from lockgate.commands import found
    from lockgate.run import now
    from lockgate.standby import rollback

    of = wiring.find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    outcome = rollback(
        wiring.open_registry(of),
        model,
        to=None if to is None else str(to),
        reason=reason,
        withdrawn_ok=withdrawn_ok,
        promotion=of.promotion,
        actor=git.who(of.root),
        clock=now,
        turn_over=wiring.turn_over(of, environ=os.environ),
    )
    found.tell(outcome, as_json=as_json)
