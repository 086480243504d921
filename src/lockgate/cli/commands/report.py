"""`gate report [DIGEST|DIR]`: the evidence as a document."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import click

from lockgate.cli.evidence_lookup import local_run, look_up_evidence, runs_root
from lockgate.cli.output import show, show_encoded
from lockgate.evidence.run_folder import RunFolder, latest
from lockgate.evidence.run_record import RunRecord
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
        record = _local(source) or _published(source, path, Path(scratch))
        document = FORMATS[form].render(record)
        if form == "json":
            show_encoded(document, nl=False)
        else:
            show(document, nl=False)


def _local(source: str | None) -> RunRecord | None:
    """The record of a run on this machine, which needs no registry."""
    if source is not None and os.path.isdir(source):  # noqa: PTH112
        run: RunFolder | None = RunFolder(Path(source).absolute())
    else:
        run = latest(runs_root()) if source is None else local_run(source)
    return None if run is None else RunRecord(run.evidence(), lambda: run.path)


def _published(digest: str | None, path: Path | None, scratch: Path) -> RunRecord:
    """The record of a run in the registry; its files are downloaded once a report reads an exhibit."""
    lookup = look_up_evidence(digest, path)
    store = lookup.registry.evidence(lookup.evidence.model)
    return RunRecord(lookup.evidence, cache(lambda: lookup.folder or store.fetch(lookup.evidence.digest, scratch)))
