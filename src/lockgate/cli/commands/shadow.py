"""`gate shadow label DIGEST --labels FILE`: judge the requests of an earlier run by labels that came later."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from lockgate.cli.output import show_encoded


@click.group("shadow", help="What becomes of replayed requests after their run.")
def command() -> None:
    pass


@command.command("label")
@click.argument("digest")
@click.option(
    "--labels", required=True, metavar="FILE", help="The labels: a file, a folder, a glob or an address, as data are."
)
@click.option("--gate", "title", metavar="GATE", help="The gate whose requests they are of, where several have labels.")
@click.option(
    "--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline; the one in gates/ of the model."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def label(digest: str, labels: str, title: str | None, path: Path | None, *, as_json: bool) -> int:
    """Judge the requests that a run replayed by labels that came later: by the lines of `labels:` of its shadow gate.

    DIGEST is of the evidence of that run, of this checkout. What comes of it is evidence of its own, which names DIGEST
    and can promote nothing; the old stays as it is. No model is asked. Exit 0 where it passes, 1 where the candidate fails, 3
    where nothing is decided, as where labels are too few.
    """
    from lockgate.cli.console import Screen
    from lockgate.cli.evidence_lookup import local_run, model_pipeline, pipeline_file
    from lockgate.errors import UsageError
    from lockgate.evidence.run_folder import LABELLED
    from lockgate.models import environment
    from lockgate.reports import keep_reports
    from lockgate.runs.circumstances import read_circumstances
    from lockgate.runs.labelling.session import Labelling, labelled_gate
    from lockgate.text import secret_forms

    run = local_run(digest)
    if run is None:
        raise UsageError(
            f"no run of this checkout has evidence whose digest is {digest}",
            remedy="label where the run was made: answers stay there, in .gate/runs, and are published nowhere",
        )
    first = run.evidence()
    if run.path.parent.name == LABELLED:
        raise UsageError(
            f"{digest} is itself of labels that came later",
            remedy=f"name that of the run: {first.document['parents'][0]}",
        )
    pipeline = model_pipeline(first.model, path or pipeline_file(first))
    labelling = Labelling(pipeline, labelled_gate(pipeline, title), first, run, labels, Path.cwd())
    evidence, folder = labelling.judge(
        circumstances=read_circumstances(pipeline.root, os.environ),
        hidden=secret_forms(environment.secrets(os.environ)),
    )
    keep_reports(evidence, folder)
    Screen().show_run(evidence, folder.path, observed=False)
    if as_json:
        document = {
            "exit_code": evidence.verdict.exit_code, "verdict": evidence.verdict.value, "digest": evidence.digest,
            "parents": evidence.document["parents"], "folder": str(folder.path), "evidence": evidence.document,
        }  # fmt: skip
        show_encoded(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False))
    return evidence.verdict.exit_code
