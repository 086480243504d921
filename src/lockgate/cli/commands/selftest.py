"""`gate selftest [PIPELINE]`: plant defects into copies of one's own candidate, and show which gate stops which."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from lockgate.cli.output import masked, show_encoded


@click.command("selftest")
@click.argument("path", metavar="[PIPELINE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--candidate",
    metavar="VERSION",
    help="The version to copy: 8, MODEL@alias, or KEY=VALUE; else the pipeline's candidate, else Production.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Plant this defect alone; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(path: Path | None, candidate: str | None, only: tuple[str, ...], *, as_json: bool) -> int:
    """Plant defects into copies of the candidate, and run the gates on each until one stops it.

    Nothing is registered or published; a candidate other than Production is evaluated on the data by it. Exit 0 where every defect that applies is
    stopped, 1 where one is not, 3 where nothing can be shown, as gates do not pass the candidate as it is.
    """
    from lockgate.cli.console import Screen
    from lockgate.evidence.run_folder import keep_out_of_git, own_folder
    from lockgate.pipeline.loader import load, project_root
    from lockgate.registries.selectors import parse_candidate
    from lockgate.reports.terminal_selftest import selftest_page
    from lockgate.runs.lookup import only_pipeline, open_registry
    from lockgate.runs.scratch_folder import scratch_folder
    from lockgate.runs.selftest.session import chosen_defects, self_test

    defects = chosen_defects(only)  # a wrong name is said before anything is fetched
    pipeline = load(path or only_pipeline(project_root()), environ=os.environ, run_code=True)
    selector = (
        None if candidate is None else parse_candidate(candidate, model=pipeline.model, registry=pipeline.registry)
    )
    progress = Screen()
    parent = own_folder(pipeline.root, "tmp")
    keep_out_of_git(pipeline.root)
    with scratch_folder("selftest-", parent) as scratch:
        finished = self_test(
            pipeline,
            open_registry(pipeline),
            scratch,
            candidate=selector,
            defects=defects,
            environ=os.environ,
            show=lambda line: progress.say(f"gate: {line}", style="dim"),
        )
    document = finished.to_json()
    if as_json:
        show_encoded(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        screen = Screen(stderr=False)
        screen.show(selftest_page(masked(document), screen.medium))
    return finished.exit_code
