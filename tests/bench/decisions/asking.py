"""The gate's own path over a table: scored, estimate, judge."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.estimation.estimate import estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.metrics import multiclass
from lockgate.evaluation.metrics.catalog import METRICS, SUBJECTS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.early import early_metrics
from lockgate.evaluation.shadow.line_metrics import line_metrics, without_labels
from lockgate.evaluation.shadow.self_comparison import compare_with_itself
from lockgate.evidence.finding import Finding
from lockgate.gates.shadow import Shadow

SEED = 20261121
_HALF = {"candidate": 0.5, "champion": 0.5}


def drawing(*name: object) -> np.random.Generator:
    """Random numbers that belong to a name, whoever draws them and in whatever order."""
    return np.random.default_rng([SEED, zlib.crc32(repr(name).encode())])


def scored(table: Mapping[str, Any], *, task: Any, cluster: str | None = None, weight: str | None = None) -> Scored:
    """A table with the columns label, candidate and (or not) champion."""
    roles = {role: role for role in ("candidate", "champion") if role in table}
    named = {"path": "table", "label": "label", "cluster": cluster, "weight": weight, "scores": roles}
    spec = DatasetSpec.model_validate(named)
    return Scored.from_table(pa.table(dict(table)), spec, task=task, positive=1)


def ask(
    table: Mapping[str, Any], lines: Sequence[str], *, task: Any, cluster: str | None = None
) -> tuple[Finding, ...]:
    """The findings of these lines on a table with the columns label, candidate and champion."""
    return ask_scored(scored(table, task=task, cluster=cluster), lines)


def ask_scored(rows: Scored, lines: Sequence[str]) -> tuple[Finding, ...]:
    """The findings of these lines on scored rows."""
    metrics, asked = dict(METRICS), _asked(lines)
    if rows.classes:
        metrics |= multiclass.metrics([line for _, line in asked], rows.classes)
    estimates = estimate(rows, asked, metrics, threshold=_HALF)
    return judge("metrics", asked, estimates, SUBJECTS)


def ask_replayed(rows: Scored, lines: Sequence[str], *, task: str = "binary") -> tuple[Finding, ...]:
    """The findings of these lines on both models' answers, as the shadow gate judges them."""
    asked = _asked(lines)
    metrics = line_metrics(rows, [line for _, line in asked], task=task, threshold=_HALF)
    estimates = estimate(without_labels(rows), asked, metrics, threshold={})
    return judge("shadow", asked, estimates, Shadow.subjects)


def ask_early(rows: Scored, lines: Sequence[str], *, task: str) -> tuple[Finding, ...]:
    """The same of requests in the order in which they were asked, whenever somebody looks."""
    asked = _asked(lines)
    metrics = early_metrics(rows, [line for _, line in asked], task=task, threshold=_HALF, bounds=False)
    estimates = estimate(without_labels(rows), asked, metrics, threshold={})
    return judge("shadow", asked, estimates, Shadow.subjects)


def ask_beside_noise(rows: Scored, twice: Scored, lines: Sequence[str], *, task: str) -> tuple[Finding, ...]:
    """The same where the champion was asked twice more. twice: the champion's answers in the place of both models'."""
    asked = _asked(lines)
    beside = compare_with_itself(rows, twice, [line for _, line in asked], task=task, threshold=_HALF)
    estimates = estimate(without_labels(beside.sample), asked, beside.metrics, threshold={})
    return judge("shadow", asked, estimates, Shadow.subjects)


def _asked(lines: Sequence[str]) -> list[tuple[str, Requirement]]:
    return [(f"r{place}", parse(line)) for place, line in enumerate(lines, start=1)]
