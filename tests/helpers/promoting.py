"""A registry, evidence, keys and votes for tests that move versions."""

from __future__ import annotations

import copy
import itertools
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from helpers import blank, moving
from lockgate import hashing as digest
from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence
from lockgate.gates.gate import Gate
from lockgate.gates.metadata import Metadata
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.outcome import Outcome
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion
from lockgate.signoff import ssh
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote
from lockgate.units import utc_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = "sha256:" + "a" * 64
PROMOTION = PromotionPolicy()
CI = Identity("unverified", "ci@example.org", "ci")
NOBODY = SignoffPolicy(require={"owners": 0})

T = TypeVar("T")

_METADATA = Metadata(gate="metadata")

_names = itertools.count(1)


class Clock:
    """A clock that tests set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=10)
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def _finding(gate: Gate, name: str, verdict: str) -> dict[str, Any]:
    """The finding of a line of a gate."""
    return {
        "id": f"{gate.title}/{name}/overall", "requirement": name, "subject": gate.title, "slice": {}, "observed": None,
        "interval": None, "champion": None, "limit": {"op": ">=", "value": "1", "text": "1"}, "decided": None, "rows": 1,
        "positives": None, "rows_needed": None, "verdict": verdict, "code": "met", "reason": "", "remedy": None, "detail": {},
    }  # fmt: skip


def measured() -> list[dict[str, Any]]:
    """The findings of the gate `metadata` about a version that is documented: one thing found for each line."""
    return [{**_finding(_METADATA, name, "pass"), "observed": "1"} for name, _ in _METADATA.numbered_requirements]


def _result(gate: Gate, verdict: str, findings: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """What a gate leaves in the evidence. findings: in the place of one for each of its lines."""
    lines = gate.numbered_requirements
    return {
        "name": gate.title,
        "kind": gate.gate,
        "counts": True,
        "verdict": verdict,
        "reason": "",
        "context": {},
        "requirements": [{"id": name, "text": str(line), "file": 0, "line": None} for name, line in lines],
        "findings": list(findings) or [_finding(gate, name, verdict) for name, _ in lines],
    }


def evidence(
    model: str = "fraud",
    version: ModelVersion | str = "2",
    *,
    champion: ModelVersion | None = None,
    verdict: str = "pass",
    opens: str = "yes",
    asks: Sequence[str] = (),
    finished: datetime = NOW,
    policy: str = POLICY,
    commit: str | None = None,
    findings: Sequence[dict[str, Any]] = (),
    gates: Sequence[Gate] = (_METADATA,),
) -> Evidence:
    """A minimal document with the fields of design §5; equal arguments still make different runs.

    gates: those of the pipeline; the first has the verdict and the findings, the others pass.
    """
    first, *others = gates
    nonce = uuid.uuid4().hex
    candidate = {"version": str(version), "digest": None, "run_id": None}
    if isinstance(version, ModelVersion):
        candidate = {"version": version.version, "digest": version.digest, "run_id": version.run_id}
    return Evidence.from_document(
        {
            "schema": "lockgate/evidence/v1",
            "run": {
                "id": f"run-{nonce[:8]}",
                "nonce": nonce,
                "started_at": utc_text(finished - timedelta(seconds=5)),
                "finished_at": utc_text(finished),
                "git": None if commit is None else {"commit": commit, "dirty": False},
            },
            "policy": {"sha256": policy, "files": [{"path": "gates/fraud.yaml", "sha256": policy}], "variables": {}},
            "model": {
                "name": model,
                "candidate": candidate,
                "champion": None if champion is None else {"version": champion.version, "digest": champion.digest},
            },
            "data": [],
            "scored": [],
            "exhibits": [],
            "waivers": [],
            "asks": list(asks),
            "parents": [],
            "gates": [_result(first, verdict, findings), *(_result(gate, "pass") for gate in others)],
            "verdict": verdict,
            "opens": opens,
        }
    )


def run_folder(evidence: Evidence, folder: Path) -> Path:
    """The run folder of the evidence, with files that are published and files that are not."""
    folder.mkdir(parents=True)
    (folder / "evidence.json").write_bytes(evidence.stored)
    (folder / "evidence.sha256").write_text(f"{evidence.digest.removeprefix('sha256:')}  evidence.json\n")
    for name in ("exhibits/curve.json", "scored/holdout.parquet", "report.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def ssh_key(folder: Path, name: str) -> Path:
    """A fresh key without a passphrase; its comment is the person's email."""
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@example.org", "-f", str(path)], check=True
    )
    return path


def signed(
    evidence: Evidence, key: Path, *, at: datetime = NOW, verb: Any = "approve", reason: str = ""
) -> tuple[bytes, bytes]:
    """A vote on the evidence and its signature."""
    vote = Vote(verb, evidence.digest, evidence.model, None, reason, at, ssh.identity(key))
    return vote.bytes, ssh.sign(vote.bytes, key)


class Models:
    """Registered models of one store, whose files lie in a folder of their own."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self.folder = folder
        self.registry = MlflowRegistry(uri)
        self._prepared: tuple[Any, MlflowRegistry] | None = None

    @classmethod
    def fresh(cls, folder: Path) -> Models:
        """A store of one's own in the folder, a copy of an empty one that MLflow made."""
        return cls(blank.copied(folder / "m.db"), folder)

    def prepared(self, make: Callable[[Path], T]) -> T:
        """What `make` makes in this store and in a folder there, and nothing else: made once, then put back for each test."""
        saved = self.folder.with_name(f"{self.folder.name}-saved")
        if self._prepared is None:
            self._prepared = make(self.folder / "bench"), self.registry
            shutil.copytree(self.folder, saved)
        with (
            closing(sqlite3.connect(saved / "m.db")) as source,
            closing(sqlite3.connect(self.folder / "m.db")) as target,
        ):
            source.backup(target)
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        shutil.copytree(saved, self.folder, ignore=shutil.ignore_patterns("m.db"), dirs_exist_ok=True)
        made, registry = self._prepared
        self.registry = MlflowRegistry(self.uri)  # what it has read is of the past
        return copy.deepcopy(made, {id(self): self, id(registry): self.registry})  # type: ignore[no-any-return]

    def new(self) -> str:
        """A model without versions."""
        name = f"fraud-{next(_names)}-{uuid.uuid4().hex[:6]}"
        self.mlflow.create_registered_model(name)
        return name

    def register(self, model: str) -> ModelVersion:
        """Another version, its files and their digest known."""
        files = self._made_files(model)
        made = self.mlflow.create_model_version(model, source=str(files))
        return ModelVersion(model, str(made.version), digest=digest.folder_digest(files))

    def register_documented(self, model: str) -> ModelVersion:
        """Another version, of which the store has all that the gate `metadata` asks for, one of each."""
        from mlflow.entities import Dataset, DatasetInput

        files = self._made_files(model)
        (files / "requirements.txt").write_text("mlflow==3.17.2\n")
        run = self.mlflow.create_run("0", tags={"mlflow.source.git.commit": "c" * 40}).info.run_id
        self.mlflow.log_metric(run, "auc", 0.9)
        source = '{"uri": "s3://bucket/transactions.csv?versionId=3sL4kqtJlcpXroDTDmJ"}'
        self.mlflow.log_inputs(run, datasets=[DatasetInput(Dataset("transactions", "0a1b2c3d", "s3", source))])
        made = self.mlflow.create_model_version(model, source=str(files), run_id=run)
        return ModelVersion(model, str(made.version), digest=digest.folder_digest(files), run_id=run)

    def _made_files(self, model: str) -> Path:
        files = self.folder / model / uuid.uuid4().hex
        files.mkdir(parents=True)
        (files / "MLmodel").write_text("flavors:\n  python_function:\n    python_version: 3.11.7\n")
        (files / "weights.txt").write_text(uuid.uuid4().hex)
        return files

    def files(self, version: ModelVersion) -> Path:
        return Path(self.mlflow.get_model_version_download_uri(version.name, version.version))

    @property
    def mlflow(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)


class Bench:
    """One model with Production held by version 1, and version 2 evaluated against it."""

    def __init__(self, models: Models, clock: Clock, folder: Path) -> None:
        self.models, self.clock, self.folder = models, clock, folder
        self.model = models.new()
        self.first, self.second = models.register(self.model), models.register(self.model)
        self.adopt("1")
        self.evidence = evidence(self.model, self.second, champion=self.first)
        self.proven: list[str] = []

    def adopt(self, version: str) -> None:
        moving.adopt(
            self.models.registry,
            self.model,
            version=version,
            reason="it runs",
            promotion=PROMOTION,
            actor=CI,
            clock=self.clock,
        )

    def promote(self, about: Evidence | None = None, **more: Any) -> Outcome:
        about = about or self.evidence
        folder = self.folder / about.run_id
        arguments: dict[str, Any] = {
            "signoff": NOBODY,
            "promotion": PROMOTION,
            "policy_digest": POLICY,
            "ballot": Ballot(),
            "actor": CI,
            "clock": self.clock,
            "scratch": self.folder / "scratch",
            "prove": lambda version: self.proven.append(version.version),
            "folder": folder if folder.exists() else run_folder(about, folder),
        }
        return moving.promote(self.models.registry, about, **arguments | more)

    def refusal(self, about: Evidence | None = None, **more: Any) -> Refused:
        before = self.snapshot
        with pytest.raises(Refused) as refused:
            self.promote(about, **more)
        assert self.snapshot == before, "a refusal moves nothing"
        assert refused.value.remedy
        return refused.value

    @property
    def snapshot(self) -> tuple[dict[str, str], dict[str, str]]:
        registry = MlflowRegistry(self.models.uri)
        return dict(registry.ledger(self.model).keys()), dict(registry.aliases(self.model))

    def state(self, version: str) -> str | None:
        return self.models.registry.version(self.model, version).tags.get("lockgate.state")
