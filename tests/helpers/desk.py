"""A checkout with one pipeline, one owner and one registry, for tests of the commands that move versions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpers.promoting import Models, evidence, run_folder, ssh_key
from lockgate.evidence.evidence import Evidence
from lockgate.hashing import folder_digest
from lockgate.pipeline.loader import load
from lockgate.promotion.rollback_proof import RerunResult, RollbackAnswer
from lockgate.registries.ports import ModelVersion
from lockgate.runs import promotion_hooks, rerun
from lockgate.signoff import ssh

PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
signoff:
  groups: {{owners: [{{key: "{key}"}}]}}
  require: {{owners: 1}}
  separation_of_duties: false
{more}"""


class Desk:
    """The working directory of somebody who promotes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.models = Models.fresh(folder)
        self.model = self.models.new()
        self.asked: list[str] = []
        self.key = ssh_key(folder, "alice")
        (folder / ".git").mkdir()
        (folder / "gates").mkdir()
        self.pipeline = folder / "gates" / "fraud.yaml"
        self.write()
        monkeypatch.chdir(folder)
        monkeypatch.setattr(promotion_hooks, "prove_rollback", self.answer)
        monkeypatch.setattr(rerun, "rerun", self.repeat)

    def write(self, more: str = "") -> None:
        """The pipeline, with further lines."""
        self.pipeline.write_text(PIPELINE.format(model=self.model, key=ssh.public_key(self.key), more=more))

    def register(self) -> ModelVersion:
        return self.models.register(self.model)

    def answer(self, pipeline: Any, registry: Any, version: ModelVersion, *, environ: Any) -> RollbackAnswer:
        """What asking a version would find; models answer in tests/e2e."""
        self.asked.append(version.version)
        return RollbackAnswer("input example", 1, folder_digest(self.models.files(version)))

    def repeat(self, pipeline: Any, registry: Any, about: Evidence, *, environ: Any) -> RerunResult:
        """What asking the gates again would find; gates are asked in tests/e2e."""
        return RerunResult(("metadata",))

    def evaluate(self, version: ModelVersion, *, champion: ModelVersion | None = None, **more: Any) -> Evidence:
        """What `gate run` leaves behind."""
        pipeline = load(self.pipeline, environ={})
        about = evidence(
            self.model,
            version,
            champion=champion,
            policy=pipeline.policy_digest,
            **{"finished": datetime.now(UTC), "gates": pipeline.gates} | more,
        )
        run_folder(about, self.folder / ".gate" / "runs" / about.run_id)
        return about

    def folder_of(self, about: Evidence) -> Path:
        return self.folder / ".gate" / "runs" / about.run_id

    def gate(self, command: Any, *arguments: object) -> Result:
        """Run a command; what it raised is in `exception`."""
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    @property
    def aliases(self) -> dict[str, str]:
        return dict(self.models.registry.aliases(self.model))
