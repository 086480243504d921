"""`python -m lockgate.cli.demo`: the demo's data and models in the working directory, for gates/fraud.yaml."""

from __future__ import annotations

from pathlib import Path

from lockgate.cli.demo.register import prepare
from lockgate.cli.output import show
from lockgate.git import head_commit

for version, model in enumerate(prepare(Path.cwd(), commit=head_commit(Path.cwd()) or "0" * 40), start=1):
    show(f"version {version}  {model.name}: {model.story}")
