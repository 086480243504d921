"""`gate override DIGEST`: an owner's signature under promoting this all the same, for the night when it must go through."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("override")
@click.argument("digest")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The SSH key to sign with.")
@click.option("--reason", required=True, help="Why it must go through, for whoever reads it later.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the vote here, and its signature beside it.")
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
def command(digest: str, key: Path, reason: str, out: Path | None, pipeline: Path | None) -> None:
    """Vote to promote the evidence DIGEST over what stands in its way.

    It takes the quorum of signoff.override, counts for a day, and is used by gate promote DIGEST --override.
    """
    from lockgate.commands import voting

    click.echo("\n".join(voting.cast("override", digest, key=key, reason=reason, out=out, pipeline=pipeline)))
