"""`gate reject DIGEST`: an owner's veto, until they say otherwise."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("reject")
@click.argument("digest")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The SSH key to sign with.")
@click.option("--reason", default="", help="Why, for whoever reads it later.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the vote here, and its signature beside it.")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
def command(digest: str, key: Path, reason: str, out: Path | None, pipeline: Path | None) -> None:
    """Reject the evidence DIGEST with an SSH key of the pipeline's owners."""
    from lockgate.commands import voting

    click.echo("\n".join(voting.cast("reject", digest, key=key, reason=reason, out=out, pipeline=pipeline)))
