"""`gate report [DIGEST|DIR]`: the evidence as a document."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lockgate.evidence.evidence import Evidence


@click.command("report")
@click.argument("what", required=False, metavar="[DIGEST|DIR]")
@click.option(
    "--format", "form", type=click.Choice(["md", "junit", "json"]), default="md", show_default=True, help="As what."
)
@click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
def command(what: str | None, form: str, pipeline: Path | None) -> None:
    """Print the report of a digest or a run folder, of the newest run without one."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.evidence.run_folder import RunFolder
    from lockgate.reports import FORMATS

    if what is not None and os.path.isdir(what):  # noqa: PTH112
        evidence = RunFolder(Path(what).absolute()).evidence()
    else:
        evidence = _here(what) or found.evidence(what, pipeline).evidence
    click.echo(FORMATS[form].render(evidence), nl=False)


def _here(what: str | None) -> Evidence | None:
    """The evidence of a run that lies here, so that no registry need be asked."""
    from lockgate.cli import evidence_lookup as found
    from lockgate.evidence.run_folder import find, latest

    run = latest(found.root()) if what is None else find(found.root(), what)
    return None if run is None else run.evidence()
