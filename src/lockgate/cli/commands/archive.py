"""`gate archive MODEL`: archive the previous version once Production has held for its soak; meant for a schedule."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("archive")
@click.argument("model")
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, path: Path | None, as_json: bool) -> None:
    """Archive the previous version of MODEL once Production has held for promotion.soak; until then say what it waits for."""
    from lockgate.cli.console import show_outcome
    from lockgate.cli.evidence_lookup import model_pipeline
    from lockgate.integrations import git
    from lockgate.promotion.archive import archive
    from lockgate.runs.lookup import open_registry
    from lockgate.runs.promotion_hooks import traffic_switch
    from lockgate.runs.run import now

    pipeline = model_pipeline(model, path)
    outcome = archive(
        open_registry(pipeline),
        model,
        promotion=pipeline.promotion,
        actor=git.current_identity(pipeline.root),
        clock=now,
        turn_over=traffic_switch(pipeline, environ=os.environ),
    )
    show_outcome(outcome, as_json=as_json)
