"""What GitHub's own parser makes of a workflow: the npm package that it publishes, held to its hash."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from helpers.hub.programs import laid_down


@dataclass(frozen=True)
class Parsed:
    """A workflow's jobs, and what GitHub would not accept of it."""

    jobs: tuple[str, ...]
    errors: tuple[str, ...]


def parse(*workflows: Path) -> list[Parsed]:
    """Where the parser cannot be had the test is skipped, by name."""
    folder, node = laid_down()
    command = [str(node), "--no-warnings", "--import", "./loader.mjs", "parse.mjs"]
    command += [str(one.resolve()) for one in workflows]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [Parsed(tuple(one["jobs"]), tuple(one["errors"])) for one in told]
