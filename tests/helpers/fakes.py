"""A case built of small fakes: versions with facts, and models whose answers and times follow a known law."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import ModelFault
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.provenance.subjects import BARE
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.gate import Gate
from lockgate.models.input_plan import InputPlan, InputPlanner, InputSource
from lockgate.models.model import Drive, LoadFacts, LoadPlan, Usage
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelVersion, VersionFacts
from lockgate.runs.run import PipelineRun, now

COLUMNS = [{"name": "age", "type": "long", "required": True}, {"name": "city", "type": "string", "required": False}]
COMMIT, TRAINED_ON = "0123456789abcdef0123456789abcdef01234567", "s3://bucket/train.csv?versionId=3sL4kqtJlcpXroDTDmJ"
SIGNATURE: dict[str, Any] = {"inputs": COLUMNS, "outputs": [{"name": "p", "type": "double"}], "params": []}


@dataclass
class FakeModel:
    """Answers every row with 0.5; a request takes `law(random)` milliseconds, and fails where that is infinite.

    queues: requests wait for those before, else they come far enough apart; behind_server: it says so.

    interrupted: the number of the block in which somebody presses Ctrl-C.
    """

    law: Callable[[random.Random], float] = lambda draw: 10.0
    load_seconds: float | None = 1.5
    rss_bytes: int | None = 200_000_000
    fault: ModelFault | None = None
    seed: int = 0
    driven: int = 0
    lag_s: float = 0.0
    interrupted: int = 0
    queues: bool = False
    behind_server: bool = False
    plans: list[LoadPlan] = field(default_factory=list)

    def load(self) -> LoadFacts:
        return LoadFacts(
            self.load_seconds, "3.11.9", {"mlflow": "3.1.0"}, where="in a test", at_once=self.behind_server
        )

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self.fault is not None:
                raise self.fault
            yield pa.RecordBatch.from_pydict({"prediction": [0.5] * batch.num_rows})

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        """Requests far enough apart, unless they queue; a hundred a second at most where the plan has an end in time."""
        self.driven += 1
        self.plans.append(plan)
        if self.interrupted and self.driven == self.interrupted:
            raise KeyboardInterrupt
        requests = plan.requests if plan.duration_s is None else min(plan.requests, round(plan.duration_s * 100))
        draw = random.Random(self.seed * 1_000_003 + self.driven)
        took = [self.law(draw) for _ in range(requests)]
        sent = np.arange(requests, dtype=np.float64)
        failed = np.isinf(took)
        done = sent + np.where(failed, 1.0, took) / 1000
        lag, due = np.full(requests, self.lag_s), sent
        if self.queues:
            due, sent, seconds = sent / (plan.rate or math.inf), sent.copy(), done - sent
            for i in range(requests):
                sent[i] = max(due[i], done[i - 1] if i else 0.0)
                done[i] = sent[i] + seconds[i]
            due = sent if plan.rate is None else due
        return Drive(due, sent, done, failed, lag, "KeyError: 'age'" if failed.any() else None)

    def usage(self) -> Usage:
        return Usage(self.rss_bytes, 1.0)

    def close(self) -> None:
        pass


def facts(version: ModelVersion, folder: Path, **known: Any) -> VersionFacts:
    """Facts of a version that lacks nothing, but for what is said."""
    example = folder / "input_example.json"
    example.write_text('{"columns": ["age", "city"], "data": [[30, "Graz"], [40, "Linz"]]}')
    given: dict[str, Any] = {
        "signature": SIGNATURE,
        "input_example": example,
        "requirements": ("scikit-learn==1.5.0",),
        "flavors": ("python_function",),
        "python_version": "3.11.9",
        "run": {"id": "abc"},
        "commit": COMMIT,
        "metrics": {"auc": 0.9},
        "datasets": ({"name": "train", "source_type": "s3", "source": json.dumps({"uri": TRAINED_ON})},),
        "tags": {},
        "remedies": {subject: f"how to add {subject}" for subject in BARE},
    }
    return VersionFacts(version, folder, **(given | known))


def case_of(
    folder: Path,
    *,
    candidate: FakeModel | None = None,
    champion: FakeModel | None = None,
    candidate_facts: Mapping[str, Any] | None = None,
    champion_facts: Mapping[str, Any] | None = None,
    alone: bool = False,
    table: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    label: str | None = None,
) -> Case:
    """A case of two versions beside a table in a file, where one is given. folder: of one run alone."""
    folder.mkdir(exist_ok=True)

    def contender(role: Any, model: FakeModel | None, known: Mapping[str, Any] | None) -> Contender:
        version = ModelVersion("fraud", "7" if role == "candidate" else "6", "sha256:" + "0" * 64)
        home = folder / role
        home.mkdir(exist_ok=True)
        return Contender(
            role, version, fetch=lambda: home, read=lambda files: facts(version, files, **(known or {})),
            start=lambda files, target: model or FakeModel(),
        )  # fmt: skip

    if table is not None:
        pq.write_table(pa.table(dict(table)), folder / "d.parquet")
    spec = DatasetSpec.model_validate({"path": "d.parquet", "label": label})

    def input_plan(of: Contender, data: Dataset) -> InputPlan:
        sources = {name: InputSource((column,)) for name, column in (inputs or {}).items()}
        roles = {} if label is None else {label: "label"}
        types = {field.name: field.type for field in data.schema}
        return InputPlanner(types, roles, sources).plan((of.facts.signature or {}).get("inputs"))

    def sample(of: Contender, name: str | None, rows: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"age": [30, 40], "city": ["Graz", "Linz"]})

    return Case(
        candidate=contender("candidate", candidate, candidate_facts),
        champion=None if alone else contender("champion", champion, champion_facts),
        task="binary",
        folder=folder,
        seed=11,
        datasets=() if table is None else ("holdout",),
        input_plan=input_plan,
        roles={} if label is None else {label: "label"},
        dataset=lambda name: Dataset(name, spec, folder),
        scored=lambda name: (_ for _ in ()).throw(AssertionError("nothing is scored here")),
        replayed=lambda name: (_ for _ in ()).throw(AssertionError("nothing is replayed here")),
        sample=sample,
        threshold=lambda role: 0.5,
    )


def pipeline_of(*gates: Gate, **known: Any) -> Pipeline:
    """A pipeline of these gates, with no file behind it."""
    fields: dict[str, Any] = {"model": "fraud", "task": "binary", "gates": gates, **known}
    return Pipeline.model_construct(**fields)


def asking(
    case: Case,
    *gates: Gate,
    only: tuple[str, ...] = (),
    observe: bool = False,
    key: bytes | None = None,
    resumed: bool = False,
    **known: Any,
) -> PipelineRun:
    """A run of these gates over a case. key: of its folder."""
    return PipelineRun(
        pipeline=pipeline_of(*gates, **known),
        case=case,
        folder=RunFolder(case.folder, key),
        nonce="n",
        started_at=now(),
        circumstances={},
        only=only,
        observe=observe,
        resumed=resumed,
    )


def ask(case: Case, gate: Gate) -> GateResult:
    """What one gate says, exactly as in a run."""
    run = asking(case, gate)
    run.run_gates()
    return run.results[0]
