"""`gate explain [FINDING]`: how a verdict came about, and what would flip it; from evidence alone."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import click

from lockgate.cli.output import show_encoded


@click.command("explain")
@click.argument("finding", required=False, metavar="[FINDING]")
@click.option(
    "--run",
    "source",
    metavar="DIGEST|DIR",
    help="Of this evidence or run folder; else of the newest run, of gate try too.",
)
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(finding: str | None, source: str | None, path: Path | None, *, as_json: bool) -> None:
    """Show how the verdict of a finding came about: line, numbers, test, and at which value, limit or number of rows it would flip.

    FINDING is an id such as metrics/r2/country=BR, a line (metrics/r2, or as it is written: "auc >= 0.8"), a gate, or a slice;
    of several the worst is meant, without one the finding that decided, of a pass the first line. A digest or run folder in its place means the finding that decided there.
    """
    from lockgate.cli.evidence_lookup import run_record, runs_root
    from lockgate.cli.finding_lookup import deciding, find
    from lockgate.evidence.run_folder import TRIES, newest
    from lockgate.reports.derivation.derivation import Derivation

    if finding is not None and source is None and (finding.startswith("sha256:") or os.path.isdir(finding)):  # noqa: PTH112
        finding, source = None, finding
    if source is None and (run := newest(runs_root())) is not None:
        source = str(run.path)
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        evidence = run_record(source, path, Path(scratch)).evidence
    derivation = Derivation(evidence, *(deciding(evidence) if finding is None else find(evidence, finding)))
    if as_json:
        show_encoded(json.dumps(derivation.to_json(), indent=1, ensure_ascii=False))
        return
    from lockgate.cli.console import Screen
    from lockgate.reports.derivation.page import explanation_page

    screen = Screen(stderr=False)
    tried = source is not None and Path(source).absolute().parent.name == TRIES
    screen.show(explanation_page(derivation, screen.medium, tried=tried))
