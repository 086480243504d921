"""`gate schema`: what may stand in a pipeline, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.output import show_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a pipeline, with the gates that are installed here."""
    from lockgate.pipeline.json_schema import schema

    show_json(schema(root=Path.cwd()))
