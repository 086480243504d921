"""`gate report [DIGEST|DIR]`: the evidence as a document."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from lockgate.cli.evidence_lookup import run_record
from lockgate.cli.output import show, show_encoded, show_markup
from lockgate.reports import FORMATS


@click.command("report")
@click.argument("source", required=False, metavar="[DIGEST|DIR]")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="md",
    show_default=True,
    help="The form of the document.",
)
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
def command(source: str | None, form: str, path: Path | None) -> None:
    """Print the report of a digest or a run folder, of the newest run without one."""
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        record = run_record(source, path, Path(scratch))
        document = FORMATS[form].render(record)
        if form == "json":
            show_encoded(document, nl=False)
        elif form in ("html", "junit"):
            show_markup(document)
        else:
            show(document, nl=False)
