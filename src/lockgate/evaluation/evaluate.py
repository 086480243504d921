"""Evaluate the requirements of a gate on scored rows: pool small slices, estimate values and gaps, judge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SmallSlices
from lockgate.errors import DataError
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.judging.gap_findings import SliceGap
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.slice_gaps import (
    champion_requirements,
    clusters_span_slices,
    estimate_gap,
    slice_requirements,
)
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.scoring.merge_small_slices import Pool, pool_small_slices
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Finding

NamedRequirements = Sequence[tuple[str, Requirement]]


def evaluate(
    gate: str,
    scored: Scored,
    requirements: NamedRequirements,
    metrics: Mapping[str, Metric],
    subjects: Mapping[str, Subject],
    *,
    threshold: Mapping[str, float | None],
    small: SmallSlices,
    counted: Sequence[Estimate] = (),
    samples: Mapping[str, Scored] | None = None,
) -> tuple[Finding, ...]:
    """Findings of all requirements, in their order, then that of slices; a gap has one finding.

    gate: its name in the evidence. threshold: of each role's scores. counted: estimates of requirements on no metric, to be
    judged with the rest. samples: requirement → the rows that it is measured on, where these are some of all. A cell that a
    requirement names is judged on its own rows, pooled or not.
    """
    samples = samples or {}
    elsewhere = {estimate.requirement for estimate in counted}
    on_rows: dict[int, tuple[Scored, list[tuple[str, Requirement]]]] = {}
    for name, line in requirements:
        rows = samples.get(name, scored)
        if name not in elsewhere:
            on_rows.setdefault(id(rows), (rows, []))[1].append((name, line))
    measured = [_measure(rows, lines, metrics, threshold=threshold, small=small) for rows, lines in on_rows.values()]
    slice_gaps = {name: gap for part in measured for name, gap in part.gaps.items()}
    pools = {estimate.requirement: part.pools for part in measured for estimate in part.estimates}
    order = {name: index for index, (name, _) in enumerate(requirements)}
    everything = sorted(
        [*(estimate for part in measured for estimate in part.estimates), *counted],
        key=lambda estimate: order[estimate.requirement],
    )
    return tuple(
        _reworded(finding, slice_gaps.get(finding.requirement), pools.get(finding.requirement, ()))
        for finding in judge(gate, requirements, everything, subjects, small=small)
    )


class _Measured(NamedTuple):
    """The estimates of some requirements on the same rows. gaps: of those that compare slices."""

    estimates: list[Estimate]
    gaps: dict[str, SliceGap]
    pools: Sequence[Pool]


def _measure(
    scored: Scored,
    requirements: NamedRequirements,
    metrics: Mapping[str, Metric],
    *,
    threshold: Mapping[str, float | None],
    small: SmallSlices,
) -> _Measured:
    whole, pools = pool_small_slices(scored, small)

    def estimates(rows: Scored, subset: NamedRequirements) -> list[Estimate]:
        return list(estimate(rows, subset, metrics, threshold=threshold)) if subset else []

    gaps = [(name, line) for name, line in requirements if line.gap is not None]
    cells = [(name, line) for name, line in requirements if line.scope.kind == "cell"]
    two_sided = both_sides(whole, [line.gap for _, line in gaps])
    of_gaps, of_champion = list[tuple[str, Requirement]](), list[tuple[str, Requirement]]()
    for name, line in gaps:
        slices = sum(_judged(two_sided, _slice(two_sided, line.gap or "")).values())
        of_gaps += slice_requirements(name, line, slices=slices)
        of_champion += champion_requirements(name, line, slices=slices)
    elsewhere = {name for name, _ in (*gaps, *cells)}
    others = [(name, line) for name, line in requirements if name not in elsewhere]
    # One call where the slices are the same, so that what one requirement measures on a slice serves the next.
    if two_sided is whole:
        measured = estimates(whole, [*others, *of_gaps])
    else:
        measured = [*estimates(whole, others), *estimates(two_sided, of_gaps)]
    if of_champion:
        exchanged = {name: metric.exchanged() for name, metric in metrics.items()}
        turned = {"candidate": threshold.get("champion"), "champion": threshold.get("candidate")}
        measured += estimate(two_sided.exchanged(), of_champion, exchanged, threshold=turned)
    plain = [_with_slice_name(estimate, whole, pools) for estimate in measured if estimate.requirement in dict(others)]
    slice_gaps = {name: _slice_gap(name, line, measured, two_sided, small) for name, line in gaps}
    own = [*plain, *estimates(scored, cells), *(gap.estimate for gap in slice_gaps.values())]
    return _Measured(own, slice_gaps, pools)


def _with_slice_name(estimate: Estimate, scored: Scored, pools: Sequence[Pool]) -> Estimate:
    """The same estimate under the names of a crossing's parts, with the members of a pool."""
    if not estimate.slice:
        return estimate
    ((name, label),) = estimate.slice
    pool = next((pool for pool in pools if pool.key == estimate.slice), None)
    if pool is not None:
        return replace(estimate, detail={**estimate.detail, **_members(pool)})
    return replace(estimate, slice=_slice(scored, name).key(label))


def _reworded(finding: Finding, gap: SliceGap | None, pools: Sequence[Pool]) -> Finding:
    """The finding in the words of its gap, with the slices that its pool is made of."""
    if gap is not None:
        finding = gap.restate(finding)
    for pool in pools:
        in_slice = "members" in finding.detail and dict(pool.key) == dict(finding.slice)
        if in_slice or (gap is not None and gap.line.gap == pool.name):
            detail = {**finding.detail, **_members(pool)}
            return replace(finding, reason=f"{finding.reason} ({pool})", detail=detail)
    return finding


def _members(pool: Pool) -> dict[str, list[str] | list[int]]:
    return {"members": list(pool.members), "member_rows": list(pool.rows)}


def _slice(scored: Scored, name: str) -> Slice:
    declared = {entry.name: entry for entry in scored.slices}
    if name not in declared:
        names = ", ".join(declared) or "none"
        raise DataError(f"no slice is called {name!r}; declared: {names}", remedy="declare it, or name one of these")
    return declared[name]


def both_sides(scored: Scored, names: Sequence[str | None]) -> Scored:
    """The same rows, with those outside a `where` slice as a slice of its own where a gap compares the two."""
    where = [declared for declared in scored.slices if declared.kind == "where" and declared.name in names]
    if not where:
        return scored
    return scored.regrouped(
        {
            declared.name: (replace(declared, kind="declared", values=("true", "false")), *scored.codes(declared.name))
            for declared in where
        }
    )


def _judged(scored: Scored, declared: Slice) -> dict[int, bool]:
    labels, _ = scored.codes(declared.name)
    return {code: declared.judges(label) for code, label in enumerate(labels)}


def _slice_gap(
    name: str, line: Requirement, measured: Sequence[Estimate], scored: Scored, small: SmallSlices
) -> SliceGap:
    declared, clusters = _slice(scored, line.gap or ""), scored.clusters
    together = clusters is not None and clusters_span_slices(
        scored.codes(declared.name)[1], clusters, _judged(scored, declared)
    )
    return estimate_gap(name, line, measured, declared=declared, small=small, rows=scored.rows, together=together)
