"""`gate rollback MODEL`: the version before becomes Production again, now."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lockgate.errors import UsageError


@click.command("rollback")
@click.argument("model")
@click.option("--reason", required=True, help="Why, for whoever reads it later.")
@click.option("--to", type=click.IntRange(min=1), help="Another version that was Production, instead of the standby.")
@click.option("--withdrawn-ok", is_flag=True, help="Let --to name a version that was itself withdrawn.")
@click.option("--key", type=click.Path(path_type=Path), help="An owner's SSH key, where the policy asks one.")
@click.option("--vote", type=click.Path(path_type=Path), help="An owner's vote from --sign-only, instead of --key.")
@click.option(
    "--sign-only", type=click.Path(path_type=Path), help="Sign with --key, write the vote here, move nothing."
)
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: str,
    reason: str,
    to: int | None,
    withdrawn_ok: bool,
    key: Path | None,
    vote: Path | None,
    sign_only: Path | None,
    pipeline: Path | None,
    as_json: bool,
) -> None:
    """Make the standby of MODEL Production again and withdraw the version that leaves. Nothing is measured."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.cli import notifications as notifying
    from lockgate.cli.owner_consent import Consents
    from lockgate.integrations import git
    from lockgate.promotion.rollback import planned, rollback
    from lockgate.runs.lookup import find_pipeline, open_registry
    from lockgate.runs.promotion_hooks import traffic_switch
    from lockgate.runs.run import now
    from lockgate.signoff.policy import SignoffPolicy

    if key is not None and vote is not None:
        raise UsageError("--key signs now and --vote was signed before", remedy="give one of the two")
    if sign_only is not None and key is None:
        raise UsageError("--sign-only needs a key", remedy="add --key FILE")
    of = find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    registry, actor = open_registry(of), git.current_identity(of.root)
    consents = Consents(of.signoff or SignoffPolicy(), actor, reason=reason, key=key, vote=vote)
    target = None if to is None else str(to)
    if sign_only is not None:
        what = planned(registry, model, to=target, withdrawn_ok=withdrawn_ok, promotion=of.promotion, clock=now)
        for line in consents.sign_only(what, sign_only):
            click.echo(line, err=as_json)
        return
    outcome = rollback(
        registry,
        model,
        to=target,
        reason=reason,
        withdrawn_ok=withdrawn_ok,
        promotion=of.promotion,
        actor=actor,
        clock=now,
        turn_over=traffic_switch(of, environ=os.environ),
        consents=consents,
    )
    found.tell(outcome, as_json=as_json)
    notifying.moved(of, outcome)
