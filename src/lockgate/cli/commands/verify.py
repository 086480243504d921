"""`gate verify MODEL`: is everything as the ledger says? `--repair` puts the registry back to it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lockgate.pipeline.model import Pipeline
    from lockgate.promotion.audit.verify import Verification
    from lockgate.promotion.ledger.export import LedgerCopy
    from lockgate.registries.ports import Registry


@click.command("verify")
@click.argument("model", required=False)
@click.option("--repair", "repairing", is_flag=True, help="Set aliases, stages and tags back to what the ledger says.")
@click.option("--reason", help="Why, with --repair, for whoever reads it later.")
@click.option("--yes", is_flag=True, help="With --repair: do not ask on a terminal.")
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="Write the ledger into a file.")
@click.option(
    "--ledger",
    "copy",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of --export: verified without a registry, or, with MODEL, held against its ledger.",
)
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: str | None,
    repairing: bool,
    reason: str | None,
    yes: bool,
    export: Path | None,
    copy: Path | None,
    pipeline: Path | None,
    as_json: bool,
) -> None:
    """Hold the ledger of MODEL, what the registry shows, its versions, evidence and votes against each other.

    Exit 0 where all agrees, 1 where something does not, 3 while somebody is moving a version.
    """
    from lockgate.cli import evidence_lookup as found
    from lockgate.errors import Refused, UsageError
    from lockgate.promotion.ledger import export as ledger_copy
    from lockgate.runs.lookup import find_pipeline, open_registry

    if model is None:
        if copy is None or repairing or export is not None:
            raise UsageError("no model is named", remedy="gate verify MODEL, or gate verify --ledger FILE for a copy")
        raise click.exceptions.Exit(_offline(copy, as_json=as_json))
    known = None
    if copy is not None:
        known, problems = ledger_copy.read(copy.read_bytes(), name=copy.name)
        if known.model != model:
            raise UsageError(f"{copy} is a copy of the ledger of {known.model}", remedy=f"name one of {model}")
        if problems:
            raise Refused(f"{copy} was changed itself: {problems[0]}", code="copy_edited")
    of = find_pipeline(environ=os.environ, model=model, path=pipeline, root=found.root())
    registry = open_registry(of)
    state = _verify(registry, of, known)
    document: dict[str, Any] = state.to_json()
    click.echo("\n".join(state.lines), err=as_json)
    if export is not None:
        click.echo(_export(registry, of.model, export), err=as_json)
    if repairing:
        outcome = _repair(registry, of, state, reason, ask=not yes and sys.stdin.isatty())
        state = _verify(registry, of, known)
        document = state.to_json() | {"repaired": outcome}
        click.echo("\n".join(state.lines), err=True)
    if as_json:
        click.echo(json.dumps(document, indent=1))
    if state.exit_code:
        raise click.exceptions.Exit(state.exit_code)


def _verify(registry: Registry, of: Pipeline, known: LedgerCopy | None) -> Verification:
    import tempfile

    from lockgate.promotion.audit.verify import verify
    from lockgate.runs.run import now

    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        return verify(registry, of.model, promotion=of.promotion, now=now(), scratch=Path(scratch), known=known)


def _repair(
    registry: Registry, of: Pipeline, state: Verification, reason: str | None, *, ask: bool
) -> dict[str, Any] | None:
    """Show what would be done, ask whoever sits there, and do it; the outcome as JSON, None where nothing was to do."""
    from lockgate.integrations import git
    from lockgate.promotion.audit.repair import REASON, repair
    from lockgate.runs.promotion_hooks import traffic_switch
    from lockgate.runs.run import now

    wanted = state.repairs
    left = state.chain.unfinished
    wanted = [f"finish epoch {left.epoch} ({left.kind.replace('_', ' ')})", *wanted] if left is not None else wanted
    if not wanted:
        click.echo("nothing to repair: all is set as the ledger says", err=True)
        return None
    click.echo("\n".join(f"will {one}" for one in wanted), err=True)
    if ask:
        click.confirm("go on?", abort=True, err=True)
    outcome = repair(
        registry,
        of.model,
        reason=(reason or "").strip() or REASON,
        promotion=of.promotion,
        actor=git.current_identity(of.root),
        clock=now,
        turn_over=traffic_switch(of, environ=os.environ),
    )
    if outcome is None:
        return None
    click.echo("\n".join(outcome.lines), err=True)
    return outcome.to_json()


def _export(registry: Registry, model: str, file: Path) -> str:
    from lockgate import hashing as digest
    from lockgate.evidence.run_folder import write
    from lockgate.promotion.ledger import export as ledger_copy

    data = ledger_copy.copy(model, registry.ledger(model).keys()).bytes
    write(file, data)
    return f"wrote {file}, {digest.sha256(data)}"


def _offline(file: Path, *, as_json: bool) -> int:
    """Verify a copy alone; returns the exit code."""
    from lockgate import hashing as digest
    from lockgate.promotion.ledger import export as ledger_copy

    data = file.read_bytes()
    found, problems = ledger_copy.read(data, name=file.name)
    entries, uncovered = len(found.chain.entries), ledger_copy.uncovered(found.chain)
    if as_json:
        document = {
            "schema": "lockgate/verify/v1", "model": found.model, "agrees": not problems, "sha256": digest.sha256(data),
            "found": [one.to_json() for one in problems], "checked": {"entries": entries}, "uncovered": uncovered,
        }  # fmt: skip
        click.echo(json.dumps(document, indent=1))
    else:
        lines = [f"! {one}" for one in problems] or [
            f"{found.model}: the copy holds together: {entries} {'entry' if entries == 1 else 'entries'}, {digest.sha256(data)}"
        ]
        click.echo("\n".join(lines))
    return 1 if problems else 0
