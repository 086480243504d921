"""`gate run [PIPELINE]`: run every gate, write the evidence, and with --stage publish it and record Staging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("run")
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
@click.option("--stage", is_flag=True, help="Publish the evidence and, on a pass, record Staging.")
@click.option("--candidate", metavar="KEY=VALUE", help="Another candidate: version=8, alias=x, tag=key:value, …")
@click.option("--only", multiple=True, metavar="GATE", help="Run only this gate; such evidence can promote nothing.")
@click.option("--resume", is_flag=True, help="Go on with the newest run of this pipeline that did not come to its end.")
@click.option("--observe", is_flag=True, help="Show everything, exit 0, promote nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the evidence as one JSON document.")
def command(pipeline: Path | None, **options: Any) -> int:
    """Run every gate of PIPELINE on the candidate. Without PIPELINE: the only one in gates/."""
    from lockgate.cli.run_session import run_pipeline

    return run_pipeline(pipeline, **options).exit_code
