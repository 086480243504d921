"""`gate status MODEL`: show the stage of every version, and whether the registry agrees."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.ledger_lookup import REGISTRY, model_ledger
from lockgate.cli.output import show_json, show_lines


@click.command("status")
@click.argument("model")
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@REGISTRY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, path: Path | None, uri: str | None, as_json: bool) -> None:
    """Show which versions of MODEL are Production, Staging and kept to go back to. Exit 1 where ledger and registry differ."""
    from lockgate.promotion.audit.status import status
    from lockgate.runs.run import now

    ledger = model_ledger(model, path, uri)
    state = status(ledger.registry, ledger.model, promotion=ledger.promotion, now=now())
    if as_json:
        show_json(state.to_json())
    else:
        show_lines(state.lines)
    if state.problems:
        raise click.exceptions.Exit(1)
