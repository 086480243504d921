"""`gate promote [DIGEST]`: what was evaluated and approved becomes Production."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("promote")
@click.argument("digest", required=False)
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(digest: str | None, pipeline: Path | None, as_json: bool) -> None:
    """Promote the candidate of the evidence DIGEST, or of the newest run, after verifying everything again."""
    import tempfile

    from lockgate import wiring
    from lockgate.channels import git
    from lockgate.commands import found
    from lockgate.promotion import promote
    from lockgate.registry import ChampionSelector
    from lockgate.run import now
    from lockgate.signoff import SignoffPolicy

    about = found.evidence(digest, pipeline)
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
            actor=git.who(of.root),
            clock=now,
            scratch=Path(scratch),
            prove=lambda outgoing: wiring.prove_way_back(of, about.registry, outgoing, environ=os.environ),
            folder=about.folder,
            votes=unpublished,
            follows_production=isinstance(champion, ChampionSelector) and champion.alias == "production",
        )
    found.tell(outcome, as_json=as_json)
