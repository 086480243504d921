"""`gate rollback MODEL`: make the previous version Production again, now."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli.ledger_lookup import REGISTRY, LedgerAddress, pipeline_or_address
from lockgate.cli.output import show_lines
from lockgate.errors import UsageError

if TYPE_CHECKING:
    from lockgate.pipeline.pipeline import Pipeline
    from lockgate.promotion.operator import Operator
    from lockgate.signoff.policy import SignoffPolicy


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
@click.option(
    "--now",
    "at_once",
    metavar="REASON",
    help="Wait for nobody: take over what another process has begun, with why; it may still be alive.",
)
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@REGISTRY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: str,
    reason: str,
    to: int | None,
    withdrawn_ok: bool,
    key: Path | None,
    vote: Path | None,
    sign_only: Path | None,
    at_once: str | None,
    path: Path | None,
    uri: str | None,
    as_json: bool,
) -> None:
    """Make the previous version of MODEL Production again and withdraw the one that leaves. Nothing is measured."""
    from lockgate.cli.console import show_outcome
    from lockgate.cli.notifications import notify_moved
    from lockgate.cli.owner_consent import OwnerConsent
    from lockgate.promotion.outcome import require_reason
    from lockgate.promotion.rollback import plan_rollback, rollback

    if key is not None and vote is not None:
        raise UsageError("--key signs now and --vote was signed before", remedy="give one of the two")
    if sign_only is not None and key is None:
        raise UsageError("--sign-only needs a key", remedy="add --key FILE")
    pipeline, operator, policy = _authority(model, path, uri)
    if at_once is not None:
        operator = replace(operator, at_once=require_reason(at_once))
    source = "the pipeline" if pipeline is not None else "the ledger"
    consent = OwnerConsent(
        policy, operator.actor, reason=reason, key=key, vote=vote, source=source, clock=operator.clock
    )
    target = None if to is None else str(to)
    if sign_only is not None:
        plan = plan_rollback(operator, to=target, withdrawn_ok=withdrawn_ok)
        show_lines(consent.sign_only(plan, sign_only), err=as_json)
        return
    outcome = rollback(operator, to=target, reason=reason, withdrawn_ok=withdrawn_ok, consent=consent)
    show_outcome(outcome, as_json=as_json)
    if pipeline is not None:
        notify_moved(pipeline, outcome)


def _authority(model: str, path: Path | None, uri: str | None) -> tuple[Pipeline | None, Operator, SignoffPolicy]:
    """Whose rules a rollback follows: those of the pipeline, where there is one, else those of the ledger."""
    from lockgate.pipeline.loader import project_root
    from lockgate.runs.promotion_hooks import make_operator
    from lockgate.runs.without_pipeline import ledger_operator
    from lockgate.signoff.policy import SignoffPolicy

    address = pipeline_or_address(model, path, uri)
    if not isinstance(address, LedgerAddress):
        return address, make_operator(address, environ=os.environ), address.signoff or SignoffPolicy()
    with address.looking():
        operator, policy = ledger_operator(address.uri, model, project_root(), tracking_uri=address.tracking_uri)
    show_lines([f"{address.note}, and the ledger's rules; traffic is not switched"], err=True)
    return None, operator, policy
