"""`gate verify MODEL`: compare everything with the ledger; `--repair` sets the registry back to it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from lockgate.cli.ledger_lookup import REGISTRY, ModelLedger, model_ledger
from lockgate.cli.output import show, show_json, show_lines
from lockgate.errors import Refused, UsageError
from lockgate.evidence.run_folder import write
from lockgate.foreign.files import read_regular
from lockgate.hashing import sha256
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.audit.repair import REASON, repair
from lockgate.promotion.audit.verify import Verification, verify
from lockgate.promotion.ledger import export as ledger_export
from lockgate.promotion.ledger.backward_times import backward_times
from lockgate.promotion.ledger.export import LedgerCopy
from lockgate.registries.ports import Registry
from lockgate.runs.promotion_hooks import make_operator
from lockgate.runs.run import now

_LEDGER_BYTES = 2**30


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
    help="A file of --export: verified without a registry, or, with MODEL, compared with its ledger.",
)
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@REGISTRY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: str | None,
    repairing: bool,
    reason: str | None,
    yes: bool,
    export: Path | None,
    copy: Path | None,
    path: Path | None,
    uri: str | None,
    as_json: bool,
) -> None:
    """Compare the ledger of MODEL, what the registry shows, its versions, evidence and votes with each other.

    Exit 0 where all agrees, 1 where something does not, 3 while somebody is moving a version.
    """
    if model is None:
        if copy is None or repairing or export is not None:
            raise UsageError("no model is named", remedy="gate verify MODEL, or gate verify --ledger FILE for a copy")
        raise click.exceptions.Exit(_offline(copy, as_json=as_json))
    ledger = None
    if copy is not None:
        ledger, problems = ledger_export.read_copy(_bytes(copy), name=copy.name)
        if ledger.model != model:
            raise UsageError(f"{copy} is a copy of the ledger of {ledger.model}", remedy=f"name one of {model}")
        if problems:
            raise Refused(f"{copy} was changed itself: {problems[0]}", code="copy_edited")
    current = model_ledger(model, path, uri)
    if repairing and current.pipeline is None:
        raise UsageError(
            f"no pipeline of {model} is here, by which --repair could act", remedy="name it with --pipeline FILE"
        )
    state = _verify(current, ledger)
    document: dict[str, Any] = state.to_json()
    show_lines(state.lines, err=as_json)
    if export is not None:
        show(_export(current.registry, current.model, export), err=as_json)
    if repairing and current.pipeline is not None:
        outcome = _repair(current.registry, current.pipeline, state, reason, confirm=not yes and sys.stdin.isatty())
        state = _verify(current, ledger)
        document = state.to_json() | {"repaired": outcome}
        show_lines(state.lines, err=True)
    if as_json:
        show_json(document)
    if state.exit_code:
        raise click.exceptions.Exit(state.exit_code)


def _verify(current: ModelLedger, ledger: LedgerCopy | None) -> Verification:
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        return verify(
            current.registry,
            current.model,
            promotion=current.promotion,
            now=now(),
            scratch=Path(scratch),
            exported=ledger,
        )


def _repair(
    registry: Registry, pipeline: Pipeline, state: Verification, reason: str | None, *, confirm: bool
) -> dict[str, Any] | None:
    """Show what would be done, let whoever sits there confirm, and do it; the outcome as JSON, None where none was due."""
    repairs = state.repairs
    entry = state.chain.unfinished
    repairs = [f"finish {entry.label} ({entry.kind.replace('_', ' ')})", *repairs] if entry is not None else repairs
    if not repairs:
        show("nothing to repair: all is set as the ledger says", err=True)
        return None
    show_lines((f"will {step}" for step in repairs), err=True)
    if confirm:
        click.confirm("go on?", abort=True, err=True)
    operator = make_operator(pipeline, environ=os.environ, registry=registry)
    outcome = repair(operator, reason=(reason or "").strip() or REASON)
    if outcome is None:
        return None
    show_lines(outcome.lines, err=True)
    return outcome.to_json()


def _export(registry: Registry, model: str, file: Path) -> str:
    data = ledger_export.copy_ledger(model, registry.ledger(model).keys()).bytes
    write(file, data)
    return f"wrote {file}, {sha256(data)}"


def _bytes(copy: Path) -> bytes:
    try:
        return read_regular(copy, most=_LEDGER_BYTES)
    except OSError as error:
        raise UsageError(f"{copy} cannot be read: {error.strerror}") from error


def _offline(file: Path, *, as_json: bool) -> int:
    """Verify a copy alone; returns the exit code."""
    data = _bytes(file)
    ledger, problems = ledger_export.read_copy(data, name=file.name)
    entries, uncovered = len(ledger.chain.entries), ledger_export.uncovered(ledger.chain)
    notices = list(backward_times(ledger.model, ledger.chain))
    if as_json:
        document = {
            "schema": "lockgate/verify/v1", "model": ledger.model, "agrees": not problems, "sha256": sha256(data),
            "found": [problem.to_json() for problem in problems], "notices": [notice.to_json() for notice in notices],
            "checked": {"entries": entries}, "uncovered": uncovered,
        }  # fmt: skip
        show_json(document)
    else:
        lines = [f"! {problem}" for problem in problems] or [
            f"{ledger.model}: the copy holds together: {entries} {'entry' if entries == 1 else 'entries'}, {sha256(data)}"
        ]
        show_lines([*lines, *(f"~ {notice}" for notice in notices)])
    return 1 if problems else 0
