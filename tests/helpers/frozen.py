"""A process that promotes, freezes (SIGSTOP) right before it sets the alias production, and goes on when it is woken.

Arguments: store, folder, model, evidence file, the moment that its clock shows, `dies` or `lives` after that write. Its
number is the first line that it prints.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers import moving
from helpers.promoting import CI, NOBODY, POLICY, PROMOTION, Clock, run_folder
from lockgate.evidence.evidence import Evidence
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.signoff.decision import Ballot


class Freezing:
    """A registry whose first write of the alias production is made by a process that slept."""

    def __init__(self, registry: MlflowRegistry, *, dies: bool) -> None:
        self._registry, self._dies, self._slept = registry, dies, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        if alias == "production" and not self._slept:
            self._slept = True
            os.kill(os.getpid(), signal.SIGSTOP)
        self._registry.set_alias(name, alias, version)
        if alias == "production" and self._dies:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    uri, folder, model, file, moment, then = sys.argv[1:]
    print(os.getpid(), flush=True)
    about = Evidence.read(Path(file).read_bytes())
    outcome = moving.promote(
        Freezing(MlflowRegistry(uri), dies=then == "dies"),  # type: ignore[arg-type]
        about,
        signoff=NOBODY,
        promotion=PROMOTION,
        policy_digest=POLICY,
        ballot=Ballot(),
        actor=CI,
        clock=Clock(datetime.fromisoformat(moment)),
        scratch=Path(folder, "scratch"),
        prove=lambda version: None,
        folder=run_folder(about, Path(folder, "run")),
    )
    print("\n".join(outcome.lines))
