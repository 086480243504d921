"""`gate promote [DIGEST]`: what was evaluated and approved becomes Production."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.errors import UsageError

if TYPE_CHECKING:
    from lockgate.cli.evidence_lookup import Found
    from lockgate.promotion.rollback_proof import Proof


@click.command("promote")
@click.argument("digest", required=False)
@click.option("--proof", type=click.Path(path_type=Path), help="A proof of the way back, at most 30 minutes old.")
@click.option(
    "--prove-only", type=click.Path(path_type=Path), help="Prove the way back, write that here, move nothing."
)
@click.option(
    "--override", is_flag=True, help="Go over what stands in the way, where the quorum of signoff.override says so."
)
@click.option(
    "--repeat", is_flag=True, help="Ask again the gates that say the same each time; or demand that a proof did."
)
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    digest: str | None,
    *,
    proof: Path | None,
    prove_only: Path | None,
    repeat: bool,
    override: bool,
    pipeline: Path | None,
    as_json: bool,
) -> None:
    """Promote the candidate of the evidence DIGEST, or of the newest run, after verifying everything again.

    With --prove-only FILE in a job that may only read, and --proof FILE in the one that may promote, the latter runs no
    model. With --repeat the former also holds the evidence against gates that it asks once more.
    """
    import tempfile

    from lockgate.cli import evidence_lookup as found
    from lockgate.cli import notifications as notifying
    from lockgate.integrations import git
    from lockgate.promotion.promote import promote
    from lockgate.registries.ports import ChampionSelector
    from lockgate.runs.promotion_hooks import prove_rollback, traffic_switch
    from lockgate.runs.run import now
    from lockgate.signoff.policy import SignoffPolicy

    if proof is not None and prove_only is not None:
        raise UsageError("--proof uses a proof and --prove-only makes one", remedy="give one of the two")
    about = found.evidence(digest, pipeline)
    if prove_only is not None:
        _write_proof(about, prove_only, repeat=repeat, as_json=as_json)
        return
    given = None if proof is None else _read(proof, about, repeat=repeat)
    if proof is None and repeat:
        given = _prove(about, repeat=True)
    votes, unpublished = found.ballot(about)
    of, champion = about.pipeline, about.pipeline.champion
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        outcome = promote(
            about.registry,
            about.evidence,
            signoff=of.signoff or SignoffPolicy(),
            promotion=of.promotion,
            policy_digest=of.policy_digest,
            ballot=votes,
            actor=git.current_identity(of.root),
            clock=now,
            proof=given,
            turn_over=traffic_switch(of, environ=os.environ),
            scratch=Path(scratch),
            prove=lambda outgoing: prove_rollback(of, about.registry, outgoing, environ=os.environ),
            folder=about.folder,
            votes=unpublished,
            follows_production=isinstance(champion, ChampionSelector) and champion.alias == "production",
            override=override,
        )
    found.tell(outcome, as_json=as_json)
    notifying.moved(of, outcome, evidence=about.evidence)


def _write_proof(about: Found, path: Path, *, repeat: bool, as_json: bool) -> None:
    from lockgate.cli import prove_rollback as proving

    made = _prove(about, repeat=repeat)
    path.write_bytes(made.bytes)
    asked, *again = proving.lines(about.pipeline, made)
    click.echo(f"{asked}; gate promote {made.evidence} --proof {path} may be called for 30 minutes", err=as_json)
    for line in again:
        click.echo(line, err=as_json)
    if as_json:
        click.echo(made.bytes.decode())


def _prove(about: Found, *, repeat: bool) -> Proof:
    from lockgate.cli import prove_rollback as proving
    from lockgate.integrations import git

    by = git.current_identity(about.pipeline.root)
    return proving.prove(about.pipeline, about.registry, about.evidence, by=by, repeat=repeat)


def _read(path: Path, about: Found, *, repeat: bool) -> Proof:
    from lockgate.promotion.rollback_proof import Proof

    try:
        found = Proof.read(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} is no proof of the way back: {error}", remedy="make one with gate promote --prove-only FILE"
        ) from error
    if repeat:
        found.must_name([gate.title for gate in about.pipeline.gates])
    return found
