"""`gate schema`: what may stand in a pipeline, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a pipeline, with the gates that are installed here."""
    from lockgate.pipeline.json_schema import schema

    click.echo(json.dumps(schema(root=Path.cwd()), indent=1))
