"""`gate history MODEL`: who moved which version, when and why; with --at what was Production then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click


@click.command("history")
@click.argument("model")
@click.option("--at", "moment", help="What was Production then: an ISO 8601 time with its zone, 2026-11-03T02:00Z.")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, moment: str | None, pipeline: Path | None, as_json: bool) -> None:
    """Show every entry of the ledger of MODEL, newest first, and what was blocked or rejected.

    Exit 1 where the ledger does not hold together, 3 where it does not reach back to the time that is asked about.
    """
    from lockgate.cli import evidence_lookup as found
    from lockgate.errors import UsageError
    from lockgate.promotion.audit import history
    from lockgate.runs.lookup import find_pipeline, open_registry
    from lockgate.runs.run import now
    from lockgate.units import utc

    try:
        asked = None if moment is None else utc(moment)
    except ValueError as error:
        raise UsageError(
            f"--at {moment!r} is no moment: {error}",
            remedy="write date, time and zone, like 2026-11-03T02:00Z or 2026-11-03T02:00+01:00",
        ) from error
    of = find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    registry, known = open_registry(of), True
    told: history.History | history.Moment
    if asked is None:
        told = history.history(registry, model, now=now())
    else:
        told = answer = history.at(registry, model, moment=asked, now=now())
        known = answer.known
    click.echo(json.dumps(told.to_json(), indent=1) if as_json else "\n".join(told.lines))
    if told.chain.bad is not None:
        raise click.exceptions.Exit(1)
    if not known:
        raise click.exceptions.Exit(3)
