"""`gate adopt MODEL`: begin the ledger where a version is Production already."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("adopt")
@click.argument("model")
@click.option("--version", required=True, help="The version that is Production.")
@click.option("--reason", required=True, help="Why, for whoever reads it later.")
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, version: str, reason: str, path: Path | None, as_json: bool) -> None:
    """Begin the ledger of MODEL with the version that is Production already, without evidence."""
    from lockgate.cli.console import show_outcome
    from lockgate.cli.evidence_lookup import model_pipeline
    from lockgate.errors import UsageError
    from lockgate.promotion.adopt import adopt
    from lockgate.runs.promotion_hooks import make_operator

    pipeline = model_pipeline(model, path)
    if not pipeline.registry.accepts(version):
        raise UsageError(
            f"--version {version!r} cannot be a version of {model}", remedy=f"write {pipeline.registry.version_form}"
        )
    outcome = adopt(make_operator(pipeline, environ=os.environ), version=version, reason=reason)
    show_outcome(outcome, as_json=as_json)
