"""`gate reevaluate --pipeline FILE [DIGEST…]`: what another policy would have made of runs; from evidence alone."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli.output import masked, show_encoded

if TYPE_CHECKING:
    from lockgate.pipeline.pipeline import Pipeline
    from lockgate.runs.reevaluation.reevaluate import Reevaluation

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
    from lockgate.errors import UsageError
    from lockgate.pipeline.loader import load
    from lockgate.runs.reevaluation.reevaluate import reevaluate

    pipeline = load(path, environ=os.environ)
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        unread: list[str] = []
        evidence = [run_record(source, path, Path(scratch)).evidence for source in dict.fromkeys(sources)]
        if not sources:
            evidence, unread = all_evidence(pipeline, Path(scratch))
    other = next((each.model for each in evidence if each.model != pipeline.model), None)
    if other is not None:
        raise UsageError(f"{path} is about {pipeline.model}, and evidence that is named about {other}")
    evidence.sort(key=lambda each: (str((each.document.get("run") or {}).get("finished_at")), each.digest))
    document = _document(pipeline, path, [reevaluate(pipeline, each) for each in evidence], unread)
    if as_json:
        show_encoded(json.dumps(document, indent=1, ensure_ascii=False))
        return
    from lockgate.cli.console import Screen
    from lockgate.reports.terminal_reevaluation import reevaluation_page

    screen = Screen(stderr=False)
    screen.show(reevaluation_page(masked(document), screen.medium))


def _document(pipeline: Pipeline, path: Path, again: Sequence[Reevaluation], unread: Sequence[str]) -> dict[str, Any]:
    outcomes = Counter(each.outcome for each in again)
    turned = Counter((each.before == "blocked", each.outcome) for each in again if each.before != each.outcome)
    return {
        "schema": SCHEMA,
        "model": pipeline.model,
        "pipeline": str(path),
        "policy": pipeline.policy_digest,
        "runs": len(again),
        "counts": {name: outcomes[name] for name in ("passes", "by_owner", "blocked", "unknown")},
        "newly_blocked": turned[False, "blocked"],
        "no_longer_blocked": turned[True, "passes"] + turned[True, "by_owner"],
        "evidence": [each.to_json() for each in again],
        "unread": list(unread),
    }
