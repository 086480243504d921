"""`gate plan [PIPELINE]`: show what would run, on which versions, how long it takes, and what the data can decide."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lockgate.cli.output import show, show_encoded
from lockgate.units import rough_time

_MAX_OUTLOOKS = 12
_LARGE_BYTES = 100_000_000  # from here on the size on disk is shown
# Status of an outlook → its word for people, the worst first.
_STATUS = {"hopeless": "underpowered", "unknown": "unknown", "watched": "no-harm check only", "decidable": "with power"}


@click.command("plan")
@click.argument("path", metavar="[PIPELINE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--candidate",
    metavar="VERSION",
    help="Another candidate: 8, MODEL@alias, or KEY=VALUE: version=8, alias=x, tag=key:value, …",
)
@click.option("--score", is_flag=True, help="Let the champion score the data, and plan with its scores.")
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
    against = "no champion" if document["champion"] is None else f"champion version {document['champion']}"
    show(f"{document['model']} version {document['candidate']} against {against}")
    for gate in document["gates"]:
        _show(gate, probed=probe)
    if document["assumed"] is not None:
        show(document["assumed"])
    if not probe and any(gate["requests"] is not None for gate in document["gates"]):
        show("`gate plan --probe` sends a few requests to both models, and says how long latency takes with them")
    for name, number in document["looks"].items():
        which = "of unknown number" if number is None else f"no. {number}, or a later one,"
        show(f"this would be evaluation {which} on {name}")


def _show(gate: Mapping[str, Any], *, probed: bool) -> None:
    data = f" on {gate['data']}" if gate["data"] else ""
    severity = "" if gate["severity"] == "block" else f" ({gate['severity']})"
    duration = "" if gate["seconds"] is None else f": about {rough_time(gate['seconds'])}"
    duration += " of requests, where the models keep up" if duration and not probed else ""
    if not duration and gate["requests"] is not None and not gate.get("obstacle"):
        each_ms = gate["requests"] / 1000 / gate["at_once"]
        duration = f": {gate['requests']:,} requests, {gate['at_once']} at a time; {each_ms:,.3g} s for every ms that one takes"
    raw = gate["raw_bytes"] or 0
    disk = f"; {raw / 1e9:,.1f} GB of raw requests are kept" if raw >= _LARGE_BYTES else ""
    show(f"{gate['name']}{data}{severity}{duration}{disk}")
    if gate.get("obstacle") is not None:
        show(f"  {gate['obstacle']}")
    if gate["unread"] is not None:
        show(f"  what its rows can decide is not known: {gate['unread']}")
    for line in gate["lines"]:
        show(f"  {line['id']}  {line['text']}" + ("" if line["asked"] else "   not compared: there is no champion yet"))
        outlooks = sorted(line["outlook"], key=lambda outlook: list(_STATUS).index(outlook["status"]))
        for outlook in outlooks[:_MAX_OUTLOOKS]:
            show(f"      {outlook['place']}: {outlook['words']}")
            if outlook["champion"]:
                show(f"        the champion itself: {outlook['champion']}")
        if len(outlooks) > _MAX_OUTLOOKS:
            rest = [outlook["status"] for outlook in outlooks[_MAX_OUTLOOKS:]]
            counts = [f"{rest.count(status)} {word}" for status, word in _STATUS.items() if status in rest]
            show(f"      and {', '.join(counts)}")


def _share(text: str) -> float:
    from lockgate.errors import UsageError

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--disagreement {text!r} is no share of rows", remedy="write one like 5% or 0.05")
    return share
