"""`gate approve DIGEST`: an owner's signature under exactly this evidence."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("approve")
@click.argument("digest")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The SSH key to sign with.")
@click.option("--accepting", type=click.IntRange(min=0), help="How many undecided findings you accept.")
@click.option("--reason", default="", help="Why, for whoever reads it later.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the vote here, and its signature beside it.")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
def command(
    digest: str, key: Path, accepting: int | None, reason: str, out: Path | None, pipeline: Path | None
) -> None:
    """Approve the evidence DIGEST with an SSH key of the pipeline's owners."""
    from lockgate.commands import voting

    lines = voting.cast("approve", digest, key=key, reason=reason, accepting=accepting, out=out, pipeline=pipeline)
    click.echo("\n".join(lines))
