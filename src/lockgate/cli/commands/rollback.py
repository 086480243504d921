"""`gate rollback MODEL`: make the previous version Production again, now."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lockgate.cli.output import show_lines
from lockgate.errors import UsageError


@click.command("rollback")
@click.argument("model")
@click.option("--reason", required=True, help="Why, for whoever reads it later.")
@click.option(
    "--to", type=click.IntRange(min=1), help="Another version that was Production, instead of the previous one."
)
@click.option("--withdrawn-ok", is_flag=True, help="Let --to name a version that was itself withdrawn.")
@click.option("--key", type=click.Path(path_type=Path), help="An owner's SSH key, where the policy requires one.")
@click.option("--vote", type=click.Path(path_type=Path), help="An owner's consent from --sign-only, instead of --key.")
@click.option(
    "--sign-only", type=click.Path(path_type=Path), help="Sign with --key, write the consent here, move nothing."
)
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: str,
    reason: str,
    to: int | None,
    withdrawn_ok: bool,
    key: Path | None,
    vote: Path | None,
    sign_only: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Make the previous version of MODEL Production again and withdraw the one that leaves. Nothing is measured."""
    from lockgate.cli.console import show_outcome
    from lockgate.cli.evidence_lookup import model_pipeline
    from lockgate.cli.notifications import notify_moved
    from lockgate.cli.owner_consent import OwnerConsent
    from lockgate.promotion.rollback import plan_rollback, rollback
    from lockgate.runs.promotion_hooks import make_operator
    from lockgate.signoff.policy import SignoffPolicy

    if key is not None and vote is not None:
        raise UsageError("--key signs now and --vote was signed before", remedy="give one of the two")
    if sign_only is not None and key is None:
        raise UsageError("--sign-only needs a key", remedy="add --key FILE")
    pipeline = model_pipeline(model, path)
    operator = make_operator(pipeline, environ=os.environ)
    consent = OwnerConsent(pipeline.signoff or SignoffPolicy(), operator.actor, reason=reason, key=key, vote=vote)
    target = None if to is None else str(to)
    if sign_only is not None:
        plan = plan_rollback(operator, to=target, withdrawn_ok=withdrawn_ok)
        show_lines(consent.sign_only(plan, sign_only), err=as_json)
        return
    outcome = rollback(operator, to=target, reason=reason, withdrawn_ok=withdrawn_ok, consent=consent)
    show_outcome(outcome, as_json=as_json)
    notify_moved(pipeline, outcome)
