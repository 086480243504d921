"""The commands that move, called through a proxy that counts what they ask of the registry."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from helpers import moving
from helpers.promoting import CI, NOBODY, POLICY, PROMOTION, Clock, evidence, run_folder
from helpers.proxy import Proxy
from lockgate import hashing as digest
from lockgate.promotion.apply import carry_out
from lockgate.promotion.audit import status as audit
from lockgate.promotion.operator import Operator
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot

TAG = "POST /api/2.0/mlflow/model-versions/set-tag"
HOLDER = "POST /api/2.0/mlflow/runs/set-tag"
FILES = ("/mlflow-artifacts/", "/model-versions/get-download-uri", "/server-info")


def register(uri: str, model: str, number: int, folder: Path) -> ModelVersion:
    """A version whose files the server keeps; those of a mere database lie in the folder."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    if number == 1:
        client.create_registered_model(model)
    files = folder / f"{model}-{number}"
    files.mkdir()
    (files / "MLmodel").write_text("flavors: {python_function: {python_version: 3.11.7}}\n")
    (files / "weights.txt").write_text(f"{model} {number}")
    source, run_id = str(files), None
    if not uri.startswith("sqlite:"):
        run = client.create_run("0").info
        client.log_artifacts(run.run_id, str(files), "model")
        source, run_id = f"{run.artifact_uri}/model", run.run_id
    made = client.create_model_version(model, source=source, run_id=run_id)
    return ModelVersion(model, str(made.version), digest=digest.folder_digest(files), run_id=run_id)


class Moves:
    """A model with two versions, adopted, staged, promoted and rolled back as commands do: each opens the registry anew.

    Each call answers with what was asked. Left out is what fetches files, and the version that the proof goes back to.
    """

    def __init__(self, uri: str, proxy: Proxy, folder: Path, lifecycle: str = "aliases") -> None:
        self.proxy, self.folder, self.lifecycle = proxy, folder, lifecycle
        self.model = f"counted-{uuid.uuid4().hex[:6]}"
        self.first, self.second = (register(uri, self.model, number, folder) for number in (1, 2))
        self.evidence = evidence(self.model, self.second, champion=self.first)
        self.run = run_folder(self.evidence, folder / "run")
        self.clock = Clock()
        self.common: dict[str, Any] = {"promotion": PROMOTION, "actor": CI, "clock": self.clock}

    def adopt(self) -> list[str]:
        moving.adopt(self._registry, self.model, version="1", reason="it runs", **self.common)
        return self._asked

    def stage(self) -> list[str]:
        moving.record_staging(self._registry, self.evidence, folder=self.run, **self.common)
        return self._asked

    def promote(self) -> list[str]:
        registry = self._registry
        _, newest = registry.evidence(self.model).votes_and_newest(self.evidence.digest, self.second.version)
        moving.promote(
            registry,
            self.evidence,
            signoff=NOBODY,
            policy_digest=POLICY,
            ballot=Ballot(),
            scratch=self.folder / "scratch",
            prove=lambda version: None,
            folder=self.run,
            newest=lambda: newest,
            **self.common,
        )
        asked = self._asked
        asked.remove("GET /api/2.0/mlflow/model-versions/get")  # of the outgoing version, by the proof
        return asked

    def rollback(self) -> list[str]:
        moving.rollback(self._registry, self.model, reason="it stalls", **self.common)
        return self._asked

    def override(self) -> list[str]:
        """The second version is Production again, against the rules."""
        operator = Operator(self._registry, self.model, **self.common)
        state = operator.read_state()
        source, version = state.standing.production, self.second.version
        carry_out(operator, state, operator.draft(state.chain, "override", source=source, target=version, reason="now"))
        return self._asked

    def status(self) -> list[str]:
        audit.status(self._registry, self.model, promotion=PROMOTION, now=self.clock())
        return self._asked

    @property
    def _registry(self) -> MlflowRegistry:
        self.proxy.asked.clear()
        return MlflowRegistry(self.proxy.uri, lifecycle=self.lifecycle)

    @property
    def _asked(self) -> list[str]:
        return [str(one) for one in self.proxy.asked if not any(part in one.path for part in FILES)]
