"""A model whose pickle reads the environment, through every job of the workflows, each with what that job holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from helpers.checkout import Checkout
from helpers.hub.contract import github
from helpers.hub.emulator import NAME, NUMBER, World, user
from helpers.hub.served import Served
from lockgate.pipeline.loader import load

READING, PROMOTING = "may-only-read-3141", "may-move-production-2718"
# What is run while the pickle is read: it writes down its own environment, and that of whoever started it.
SPY = """
import json, os
import numpy
from mlflow.pyfunc import PythonModel

class Spy(PythonModel):
    def __init__(self, marker):
        self.marker = marker

    def __setstate__(self, state):
        self.__dict__.update(state)
        around, process = "", os.getppid()
        while process > 1:
            try:
                around += open(f"/proc/{process}/environ").read()
                process = int(open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[1])
            except OSError:
                break
        with open(self.marker, "a") as file:
            file.write(json.dumps({"own": dict(os.environ), "around": around}) + "\\n")

    def predict(self, context, model_input, params=None):
        return 1 / (1 + numpy.exp(-model_input["x1"].to_numpy() - model_input["x2"].to_numpy()))
"""


class Jobs:
    """The jobs of one pull request that brings such a model, and holds Production with another."""

    def __init__(self, checkout: Checkout, folder: Path, *, gate: str) -> None:
        self.checkout, self.folder, self.marker, self.gate = checkout, folder, folder / "marker", gate
        client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
        old, new = (
            client.create_model_version("fraud", source=str(self._save(name))).version for name in ("old", "new")
        )
        self.version = str(new)
        owners = {"owners": [{"github": "ana", "id": user("ana")["id"]}]}
        path = checkout.write(
            candidate={"version": int(new)}, signoff={"groups": owners, "require": {"owners": 1}}, environment=None,
            isolation={"require": "off"},  # in its box it could write nothing down, and see nobody else's environment
        )  # fmt: skip
        checkout.gate("adopt", "fraud", "--version", old, "--reason", "it runs")
        policy = load(path, environ=None).policy_digest
        self.world = World(github(), policy=policy, now=datetime.now(UTC).replace(microsecond=0))
        self.world.commits[-1]["sha"] = checkout.git("rev-parse", "HEAD").strip()
        self.served = Served(self.world)

    def _save(self, name: str) -> Path:
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        own: dict[str, Any] = {"__name__": "spying"}
        exec(SPY, own)
        inputs = Schema([ColSpec("double", "x1"), ColSpec("double", "x2"), ColSpec("string", "country")])
        mlflow.pyfunc.save_model(
            self.folder / name,
            python_model=own["Spy"](str(self.marker)),
            signature=ModelSignature(inputs, Schema([ColSpec("double")])),
            pip_requirements=["mlflow", "numpy"],
        )
        return self.folder / name

    def job(self, name: str, event: dict[str, Any], **holds: str) -> dict[str, str]:
        """A job as action.yml starts it, with what the workflow gives it and nothing else; its outputs."""
        (self.folder / "event.json").write_text(json.dumps(event))
        output = self.folder / f"output-{name}"
        told = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.folder), "JOB": name, "GATE_TOKEN": f"ghs_token_of_{name}",
            "GITHUB_REPOSITORY": NAME, "GITHUB_API_URL": self.served.api, "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_EVENT_NAME": "pull_request" if name in ("run", "comment") else "issue_comment", "GITHUB_OUTPUT": str(output),
            "GITHUB_ACTOR": "ana", "GITHUB_ACTOR_ID": str(user("ana")["id"]), "GITHUB_RUN_ID": str(self.world.runs[-1]["id"]),
            "GITHUB_RUN_ATTEMPT": "1", "GITHUB_ACTIONS": "true", "GATE_PIPELINE": "gates/fraud.yaml", "GATE_EVIDENCE": str(self.folder / "out"),
            "GATE_RECORD": str(self.folder / "record"), "GATE_PROOF": str(self.folder / "proof"),
        }  # fmt: skip
        call = [self.gate, "-I", "-m", "lockgate.cli", "github", name]
        done = subprocess.run(call, cwd=self.checkout.folder, env=told | holds, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    @property
    def spied(self) -> list[dict[str, Any]]:
        """What the pickles wrote down so far."""
        return [json.loads(line) for line in self.marker.read_text().splitlines()] if self.marker.exists() else []


@pytest.fixture
def python() -> str:
    """The models are children of the job, whose variables they look for."""
    return sys.executable


@pytest.fixture
def jobs(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory, warm_gate: str) -> Iterator[Jobs]:
    here = Jobs(checkout, tmp_path_factory.mktemp("jobs"), gate=warm_gate)
    yield here
    here.served.close()
    assert here.served.violations == []


def test_a_pickle_that_reads_the_environment_never_sees_what_moves_production(jobs: Jobs) -> None:
    """It runs where models are asked, without a secret of that job; where the credential is, it does not run at all."""
    world = jobs.world
    opened = {
        "pull_request": {"number": NUMBER, "user": {**user("dev"), "type": "User"}},
        "sender": {**user("dev"), "type": "User"},
    }
    reading = {"MLFLOW_TRACKING_USERNAME": "reader", "MLFLOW_TRACKING_PASSWORD": READING}
    promoting = {"MLFLOW_TRACKING_USERNAME": "promoter", "MLFLOW_TRACKING_PASSWORD": PROMOTING}
    world.run_gate()
    assert jobs.spied == []

    told = jobs.job("run", opened, **reading)
    out = jobs.folder / "out"
    left = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    world.leave(world.runs[-1], left)
    jobs.job("comment", opened)
    event = world.comment("ana", f"/gate approve {told['evidence-digest']}")
    decided = jobs.job("decide", event)
    jobs.job("prove", event, GATE_DIGEST=decided["evidence-digest"], **reading)
    before = len(jobs.spied)
    promoted = jobs.job("promote", event, GATE_DIGEST=decided["evidence-digest"], **promoting)
    aliases = {alias: version for alias, version in _aliases(jobs.checkout).items() if alias == "production"}

    assert (told["verdict"], decided["state"], promoted["state"], aliases) == (
        "pass",
        "approved",
        "promoted",
        {"production": jobs.version},
    )
    assert len(jobs.spied) == before
    assert {one["own"]["JOB"] for one in jobs.spied} == {"run", "prove"}
    for one in jobs.spied:
        seen = json.dumps(one["own"])
        assert not [secret for secret in (READING, PROMOTING, "ghs_token_of", "reader") if secret in seen]
        assert not [name for name in one["own"] if name.startswith(("GITHUB_", "MLFLOW_TRACKING_", "GATE_TOKEN"))]
        assert PROMOTING not in one["around"]
        assert READING in one["around"]  # whoever runs as the same user can look: so that job holds no more than this


def _aliases(checkout: Checkout) -> dict[str, str]:
    client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
    return {alias: str(version) for alias, version in client.get_registered_model("fraud").aliases.items()}
