"""Estimates before a run: of the lines of a gate, on rows with labels, or with the scores of one model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.evaluate import both_sides
from lockgate.evaluation.metrics import catalog, multiclass, multiclass_arguments
from lockgate.evaluation.metrics.ranking import ByQuery
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.merge_small_slices import pool_small_slices
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.rates import RATES

Requirements = Sequence[tuple[str, Requirement]]


def planned_metrics(lines: Iterable[Requirement]) -> dict[str, Any]:
    return {**catalog.of_lines(lines), **catalog.OF_ANSWERS}


def planned_estimates(
    table: Scored, requirements: Requirements, small: Any, *, threshold: float | None, gaps: Sequence[str]
) -> dict[str, list[Estimate]]:
    """Estimates by requirement, of the slices that the gate would judge: small ones pooled where that is the policy."""
    metrics = planned_metrics(() if table.classes else (line for _, line in requirements))
    if table.classes:
        of_classes = [line for _, line in requirements if line.subject in multiclass_arguments.SUBJECTS]
        metrics |= {**RATES, **multiclass.metrics(of_classes, table.classes)}
    if table.queries is not None:
        queries = ByQuery(table)
        table, metrics = queries.rows, queries.metrics([line for _, line in requirements])
    pooled, _ = pool_small_slices(table, small)
    cells = [pair for pair in requirements if pair[1].scope.kind == "cell"]
    compared = [pair for pair in requirements if pair[1].scope.kind == "each" and pair[1].scope.name in gaps]
    others = [pair for pair in requirements if pair not in cells and pair not in compared]
    thresholds = {"candidate": threshold, "champion": threshold}
    estimates: dict[str, list[Estimate]] = {}
    for rows, group in ((pooled, others), (both_sides(pooled, gaps), compared), (table, cells)):
        declared = {each.name: each for each in rows.slices}
        for result in estimate(rows, group, metrics, threshold=thresholds) if group else ():
            key = declared[result.slice[0][0]].key(result.slice[0][1]) if len(result.slice) == 1 else result.slice
            estimates.setdefault(result.requirement, []).append(replace(result, slice=key))
    return estimates
