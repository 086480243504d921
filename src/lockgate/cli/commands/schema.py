"""`gate schema`: what may stand in a pipeline, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.output import show_json


@click.command("schema")
@click.option("--findings", is_flag=True, help="Of the findings that `gate: command` reads, instead of a pipeline.")
def command(*, findings: bool) -> None:
    """Print the JSON Schema of a pipeline, with the gates that are installed here."""
    if findings:
        from lockgate.evaluation.command import json_findings

        show_json(json_findings.schema())
        return
    from lockgate.pipeline.json_schema import schema

    show_json(schema(root=Path.cwd()))
