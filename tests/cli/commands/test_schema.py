"""`gate schema` prints the schema and nothing else."""

from __future__ import annotations

import json

from click.testing import CliRunner

from lockgate.cli.commands.schema import command
from lockgate.pipeline.json_schema import schema


def test_it_prints_the_schema() -> None:
    """As one JSON document."""
    found = CliRunner().invoke(command)

    assert found.exit_code == 0
    assert json.loads(found.stdout) == json.loads(json.dumps(schema()))
