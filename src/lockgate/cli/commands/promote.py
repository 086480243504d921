"""`gate promote [DIGEST]`: what was evaluated and approved becomes Production."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from lockgate.cli.evidence_lookup import EvidenceLookup, look_up_evidence, read_ballot
from lockgate.cli.notifications import notify_moved
from lockgate.cli.output import show_encoded, show_lines
from lockgate.cli.prove_rollback import make_proof, proof_lines
from lockgate.errors import UsageError
from lockgate.foreign.files import read_regular
from lockgate.integrations import committers
from lockgate.pipeline.loader import load
from lockgate.promotion.preconditions import PromotionRequest, RollbackCheck
from lockgate.promotion.promote import promote
from lockgate.promotion.rollback_proof import RollbackProof
from lockgate.runs.promotion_hooks import make_operator, make_terms


@click.command("promote")
@click.argument("digest", required=False)
@click.option("--proof", type=click.Path(path_type=Path), help="A rollback proof, at most 30 minutes old.")
@click.option(
    "--prove-only",
    type=click.Path(path_type=Path),
    help="Prove that a rollback would work, write that here, move nothing.",
)
@click.option(
    "--override", is_flag=True, help="Go over what blocks promotion, where the quorum of signoff.override says so."
)
@click.option("--repeat", is_flag=True, help="Run the repeatable gates again and compare; or demand that a proof did.")
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    digest: str | None,
    *,
    proof: Path | None,
    prove_only: Path | None,
    repeat: bool,
    override: bool,
    path: Path | None,
    as_json: bool,
) -> None:
    """Promote the candidate of the evidence DIGEST, or of what is in Staging, after verifying everything again.

    With --prove-only FILE in a job that may only read, and --proof FILE in the one that may promote, the latter runs no
    model. With --repeat the former also runs the repeatable gates again, and compares the evidence with them.
    """
    from lockgate.cli.console import show_outcome
    from lockgate.runs.promotion_hooks import prove_rollback

    if proof is not None and prove_only is not None:
        raise UsageError("--proof uses a proof and --prove-only makes one", remedy="give one of the two")
    lookup = look_up_evidence(digest, path)
    if prove_only is not None:
        _write_proof(lookup, prove_only, repeat=repeat, as_json=as_json)
        return
    rollback_proof = None if proof is None else _read(proof, lookup, repeat=repeat)
    if proof is None and repeat:
        rollback_proof = _prove(lookup, repeat=True)
    ballot, unpublished, newest = read_ballot(lookup)
    pipeline, registry = lookup.pipeline, lookup.registry
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        outcome = promote(
            make_operator(pipeline, environ=os.environ, registry=registry),
            PromotionRequest(lookup.evidence, ballot, lookup.folder, unpublished, override=override, newest=newest),
            terms=make_terms(pipeline),
            rollback_check=RollbackCheck(
                Path(scratch),
                run=lambda outgoing: prove_rollback(pipeline, registry, outgoing, environ=os.environ),
                proof=rollback_proof,
            ),
        )
    show_outcome(outcome, as_json=as_json)
    notify_moved(pipeline, outcome, evidence=lookup.evidence)


def _write_proof(lookup: EvidenceLookup, path: Path, *, repeat: bool, as_json: bool) -> None:
    proof = _prove(lookup, repeat=repeat)
    path.write_bytes(proof.bytes)
    rollback, *gates = proof_lines(lookup.pipeline, proof)
    lines = [f"{rollback}; gate promote {proof.evidence} --proof {path} may be called for 30 minutes", *gates]
    show_lines(lines, err=as_json)
    if as_json:
        show_encoded(proof.bytes.decode())


def _prove(lookup: EvidenceLookup, *, repeat: bool) -> RollbackProof:
    by = committers.current_identity(lookup.pipeline.root)
    pipeline = load(lookup.pipeline.path, environ=os.environ, run_code=True) if repeat else lookup.pipeline
    return make_proof(pipeline, lookup.registry, lookup.evidence, by=by, repeat=repeat)


def _read(path: Path, lookup: EvidenceLookup, *, repeat: bool) -> RollbackProof:
    try:
        proof = RollbackProof.read(read_regular(path))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} is no rollback proof: {error}", remedy="make one with gate promote --prove-only FILE"
        ) from error
    if repeat:
        proof.require_gates([gate.title for gate in lookup.pipeline.gates])
    return proof
