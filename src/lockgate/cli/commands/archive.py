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
    from lockgate.promotion.archive import archive
    from lockgate.runs.promotion_hooks import make_operator

    pipeline = model_pipeline(model, path)
    outcome = archive(make_operator(pipeline, environ=os.environ))
    show_outcome(outcome, as_json=as_json)
