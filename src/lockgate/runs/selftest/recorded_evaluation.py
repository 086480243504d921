"""The evaluation that a self-test is of the real models, on record in the checkout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from lockgate.evidence.evaluations import EvaluationRecord
from lockgate.evidence.evidence import GateResult
from lockgate.gates.gate import Gate
from lockgate.hashing import folder_digest
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelVersion
from lockgate.runs import evaluation_count
from lockgate.runs.case_builder import CaseBuilder
from lockgate.runs.selftest.copy_source import CopySource


@contextmanager
def on_record(
    pipeline: Pipeline,
    gates: Sequence[Gate],
    builder: CaseBuilder,
    source: CopySource,
    champion: ModelVersion | None,
    results: Sequence[GateResult],
) -> Iterator[None]:
    """Put on record what the copy without a defect shows of the candidate, as of a run of the real versions.

    champion: that a run would compare with. results: those that there are once the gates ran.
    """
    record, run_id = EvaluationRecord(pipeline.root, pipeline.model), uuid4().hex
    inputs = builder.digests() | {"candidate": [source.candidate.version, folder_digest(source.files)]}
    if champion is None:  # the candidate stands for it
        inputs["champion"] = None
    versions = source.candidate.version, None if champion is None else champion.version
    counts = evaluation_count.begin(pipeline, gates, run_id, versions, inputs=inputs, published=None, record=record)
    yield
    if counts:
        evaluation_count.end(pipeline, counts, results, run_id, versions, record=record)
