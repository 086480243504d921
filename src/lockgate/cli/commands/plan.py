"""`gate plan [PIPELINE]`: show what would run, on which versions, how long it takes, and what the data can decide."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lockgate.cli.output import masked, show_encoded


@click.command("plan")
@click.argument("path", metavar="[PIPELINE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--candidate",
    metavar="VERSION",
    help="Another candidate: 8, MODEL@alias, or KEY=VALUE: version=8, alias=x, tag=key:value, …",
)
@click.option(
    "--score", is_flag=True, help="Let the champion, or a first candidate, score the data, and plan with its scores."
)
@click.option("--probe", is_flag=True, help="Let both models answer a few requests, and say how long latency takes.")
@click.option(
    "--disagreement",
    metavar="SHARE",
    default="5%",
    show_default=True,
    help="The share of rows on which the two models are assumed to decide differently.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    path: Path | None, candidate: str | None, *, score: bool, probe: bool, disagreement: str, as_json: bool
) -> None:
    """Show the versions to compare, the gates in order, every requirement, and what these rows can decide of it."""
    from lockgate.pipeline.loader import load, project_root
    from lockgate.registries.selectors import parse_candidate
    from lockgate.runs.lookup import only_pipeline, open_registry
    from lockgate.runs.plan import plan_run

    pipeline = load(path or only_pipeline(project_root()), environ=os.environ)
    share = _share(disagreement)
    document = plan_run(
        pipeline,
        open_registry(pipeline),
        candidate=None
        if candidate is None
        else parse_candidate(candidate, model=pipeline.model, registry=pipeline.registry),
        score=score,
        probe=probe,
        disagreement=share,
        environ=os.environ,
    )
    if as_json:
        show_encoded(json.dumps(document, indent=1, ensure_ascii=False))
        return
    from lockgate.cli.console import Screen
    from lockgate.reports.terminal_plan import plan_page

    screen = Screen(stderr=False)
    words = [*([] if path is None else [str(path)]), *([] if candidate is None else ["--candidate", candidate])]
    commands = _next_commands(document, shlex.join(words), score=score, probe=probe)
    screen.show(plan_page(masked(document), screen.medium, commands=masked(commands), probed=probe))


def _next_commands(document: Mapping[str, Any], arguments: str, *, score: bool, probe: bool) -> list[tuple[str, str]]:
    """(what to call next, what for): plans that tell more, where there are any, and the run."""
    bases = {each["basis"] for gate in document["gates"] for line in gate["lines"] for each in line["outlook"]}
    plan, run = (f"gate {verb} {arguments}".rstrip() for verb in ("plan", "run"))
    commands = []
    if not score and "counts_only" in bases:
        who = "the candidate" if document["champion"] is None else "the champion"
        commands.append((f"{plan} --score", f"lets {who} answer the rows, and foretells what counts cannot"))
    if not probe and any(gate["requests"] is not None for gate in document["gates"]):
        commands.append((f"{plan} --probe", "sends both models a few requests, and says how long latency takes"))
    return [*commands, (run, "runs the gates: nothing is published or promoted by it")]


def _share(text: str) -> float:
    from lockgate.errors import UsageError

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--disagreement {text!r} is no share of rows", remedy="write one like 5% or 0.05")
    return share
