"""`gate reevaluate --pipeline FILE [DIGEST…]`: what another policy would have made of runs; from evidence alone."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli.output import masked, show_encoded
from lockgate.errors import UsageError

if TYPE_CHECKING:
    from lockgate.evidence.evidence import Evidence
    from lockgate.pipeline.pipeline import Pipeline

SCHEMA = "lockgate/reevaluation/v1"


@click.command("reevaluate")
@click.argument("sources", nargs=-1, metavar="[DIGEST|DIR]...")
@click.option(
    "--pipeline",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="The pipeline with the policy to judge by.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(sources: tuple[str, ...], path: Path, *, as_json: bool) -> None:
    """Judge stored evidence under another policy, without models and data: what would it have blocked?

    Without a digest or run folder, all evidence of the model is judged: of this checkout's runs, and published. What only
    rows would say is not guessed: such a run cannot be judged anew, and it says why.
    """
    from lockgate.cli.evidence_lookup import all_evidence, run_record
    from lockgate.pipeline.loader import load
    from lockgate.runs.reevaluation.reevaluate import reevaluate

    pipeline = load(path, environ=os.environ)
    unread: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        named = (run_record(source, path, Path(scratch)).evidence for source in dict.fromkeys(sources))
        entries = [
            reevaluate(pipeline, _of_model(pipeline, evidence, path)).to_json()
            for evidence in (named if sources else all_evidence(pipeline, Path(scratch), unread))
        ]
    entries.sort(key=lambda entry: (str(entry["finished_at"]), entry["digest"]))
    document = _document(pipeline, path, entries, unread)
    if as_json:
        show_encoded(json.dumps(document, indent=1, ensure_ascii=False))
        return
    from lockgate.cli.console import Screen
    from lockgate.reports.terminal_reevaluation import reevaluation_page

    screen = Screen(stderr=False)
    screen.show(reevaluation_page(masked(document), screen.medium))


def _of_model(pipeline: Pipeline, evidence: Evidence, path: Path) -> Evidence:
    """The evidence. Raises UsageError where it is about another model."""
    if evidence.model != pipeline.model:
        raise UsageError(f"{path} is about {pipeline.model}, and evidence that is named about {evidence.model}")
    return evidence


def _document(
    pipeline: Pipeline, path: Path, entries: Sequence[Mapping[str, Any]], unread: Sequence[str]
) -> dict[str, Any]:
    turns = Counter((entry["before"]["outcome"], entry["after"]["outcome"]) for entry in entries)
    outcomes = ("passes", "by_owner", "blocked", "unknown")
    return {
        "schema": SCHEMA,
        "model": pipeline.model,
        "pipeline": str(path),
        "policy": pipeline.policy_digest,
        "runs": len(entries),
        "counts": {name: sum(turns[before, name] for before in outcomes) for name in outcomes},
        "newly_blocked": turns["passes", "blocked"] + turns["by_owner", "blocked"],
        "no_longer_blocked": turns["blocked", "passes"] + turns["blocked", "by_owner"],
        "evidence": list(entries),
        "unread": list(unread),
    }
