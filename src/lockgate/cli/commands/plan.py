"""`gate plan [PIPELINE]`: what would be asked, of which versions, how long it takes, and what the data can decide."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_MOST = 12
_LARGE = 100_000_000  # bytes on disk that are worth a word
_WORST = ("hopeless", "unknown", "watched", "decidable")


@click.command("plan")
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
@click.option("--candidate", metavar="KEY=VALUE", help="Another candidate: version=8, alias=x, tag=key:value, …")
@click.option("--score", is_flag=True, help="Let the champion score the data, and plan with what it says.")
@click.option(
    "--disagreement",
    metavar="SHARE",
    default="5%",
    show_default=True,
    help="The share of rows on which the two models are assumed to decide differently.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(pipeline: Path | None, candidate: str | None, *, score: bool, disagreement: str, as_json: bool) -> None:
    """Show the versions that would meet, the gates in order, every line, and what these rows can decide of it."""
    from lockgate.cli.run_session import parse_selector
    from lockgate.errors import UsageError
    from lockgate.pipeline.loader import load, root_of
    from lockgate.runs.lookup import only_pipeline, open_registry
    from lockgate.runs.plan import Planned
    from lockgate.runs.reuse_budget import count_evaluations, judged_data
    from lockgate.runs.version_selection import select_candidate, select_champion

    here = root_of(Path.cwd() / "gates")
    of = load(pipeline or only_pipeline(here), environ=os.environ)
    share = _share(disagreement)
    registry = open_registry(of)
    chosen = select_candidate(of, registry, None if candidate is None else parse_selector(candidate))
    champion = select_champion(of, registry)
    if score and champion is None:
        raise UsageError("--score asks the champion, and there is none yet", remedy="plan from counts, without --score")
    planned = Planned(of, registry, champion if score else None, disagreement=share)
    gates = [planned.gate(gate, champion) for gate in of.gates]
    taken = count_evaluations(judged_data(of, of.gates), registry.evidence(of.model).all)
    document = {
        "model": of.model,
        "candidate": chosen.version,
        "champion": None if champion is None else champion.version,
        "looks": taken,
        "assumed": planned.assumed,
        "gates": gates,
    }
    if as_json:
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    against = "no champion" if champion is None else f"champion version {champion.version}"
    click.echo(f"{chosen} against {against}")
    for entry in gates:
        _show(entry)
    if planned.assumed is not None:
        click.echo(planned.assumed)
    for name, look in taken.items():
        click.echo(f"this would be look {'number unknown' if look is None else look} at {name}")


def _show(entry: Mapping[str, Any]) -> None:
    where = f" on {entry['data']}" if entry["data"] else ""
    weight = "" if entry["severity"] == "block" else f" ({entry['severity']})"
    takes = "" if entry["seconds"] is None else f": about {entry['seconds']:,.0f} s of requests"
    if entry["seconds"] is None and entry["requests"] is not None:
        takes = f": {entry['requests']:,} requests, {entry['at_once']} at a time; {entry['requests'] / 1000 / entry['at_once']:,.3g} s for every ms that one takes"
    raw = entry["raw_bytes"] or 0
    kept = f"; {raw / 1e9:,.1f} GB of raw requests are kept" if raw >= _LARGE else ""
    click.echo(f"{entry['name']}{where}{weight}{takes}{kept}")
    if entry["unread"] is not None:
        click.echo(f"  what its rows can decide is not known: {entry['unread']}")
    for line in entry["lines"]:
        click.echo(f"  {line['id']}  {line['text']}" + ("" if line["asked"] else "   not asked: no champion yet"))
        found = sorted(line["outlook"], key=lambda one: _WORST.index(one["status"]))
        for one in found[:_MOST]:
            click.echo(f"      {one['place']}: {one['words']}")
            if one["champion"]:
                click.echo(f"        the champion itself: {one['champion']}")
        if len(found) > _MOST:
            rest = [one["status"] for one in found[_MOST:]]
            click.echo(
                f"      and {', '.join(f'{rest.count(status)} {status}' for status in _WORST if status in rest)}"
            )


def _share(text: str) -> float:
    from lockgate.errors import UsageError

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--disagreement {text!r} is no share of rows", remedy="write one like 5% or 0.05")
    return share
