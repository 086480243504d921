"""`gate plan [PIPELINE]`: what would be asked, of which versions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click


@click.command("plan")
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
@click.option("--candidate", metavar="KEY=VALUE", help="Another candidate: version=8, alias=x, tag=key:value, …")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(pipeline: Path | None, candidate: str | None, *, as_json: bool) -> None:
    """Show the versions that would meet, the gates in order, and every line that would be asked or not."""
    from lockgate import wiring
    from lockgate.commands.run import _selector
    from lockgate.pipeline import load, root_of

    here = root_of(Path.cwd() / "gates")
    of = load(pipeline or wiring.only_pipeline(here), environ=os.environ)
    registry = wiring.open_registry(of)
    chosen = wiring.select_candidate(of, registry, None if candidate is None else _selector(candidate))
    champion = wiring.select_champion(of, registry)
    gates: list[dict[str, Any]] = []
    for gate in of.gates:
        lines = [
            {
                "id": name,
                "text": str(line),
                "asked": champion is not None or not gate.needs_champion(line),
            }
            for name, line in gate.numbered
        ]
        gates.append(
            {"name": gate.title, "kind": gate.gate, "severity": gate.severity, "data": of.data_of(gate), "lines": lines}
        )
    document = {
        "model": of.model,
        "candidate": chosen.version,
        "champion": None if champion is None else champion.version,
        "gates": gates,
    }
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    against = "no champion" if champion is None else f"champion version {champion.version}"
    click.echo(f"{chosen} against {against}")
    for entry in gates:
        where = f" on {entry['data']}" if entry["data"] else ""
        weight = "" if entry["severity"] == "block" else f" ({entry['severity']})"
        click.echo(f"{entry['name']}{where}{weight}")
        for line in entry["lines"]:
            click.echo(f"  {line['id']}  {line['text']}" + ("" if line["asked"] else "   not asked: no champion yet"))
