"""What the lines of a gate come to on scored rows: small slices merged, crossed ones under their names, gaps, all judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lockgate.data.slices.spec import SmallSlices
from lockgate.errors import DataError
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.slice_gaps import SliceGap, clusters_span_slices, estimate_gap, slice_requirements
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding

if TYPE_CHECKING:
    from lockgate.data.slices.slice import Slice
    from lockgate.evaluation.scoring.merge_small_slices import Pool
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.uncertainty.metric import Metric

Lines = Sequence[tuple[str, Requirement]]


def evaluate(
    gate: str,
    scored: Scored,
    asked: Lines,
    metrics: Mapping[str, Metric],
    subjects: Mapping[str, Subject],
    *,
    threshold: Mapping[str, float | None],
    small: SmallSlices,
    counted: Sequence[Estimate] = (),
) -> tuple[Finding, ...]:
    """Findings of all lines, in the order of requirements, then slices; one of each gap line.

    gate: its name in the evidence. threshold: of each role's scores. counted: estimates of lines that are no metric's, to
    be judged with the rest. A cell that a line names is judged on its own rows, merged or not.
    """
    from lockgate.evaluation.scoring.merge_small_slices import merged

    whole, pools = merged(scored, small)

    def estimates(rows: Scored, lines: Lines) -> list[Estimate]:
        return list(estimate(rows, lines, metrics, threshold=threshold)) if lines else []

    gaps = [(name, line) for name, line in asked if line.gap is not None]
    cells = [(name, line) for name, line in asked if line.scope.kind == "cell"]
    both = both_sides(whole, [line.gap for _, line in gaps])
    inner = [each for name, line in gaps for each in slice_requirements(name, line, slices=_count(both, line))]
    known = {one.requirement for one in counted}
    others = [each for each in asked if each not in gaps and each not in cells and each[0] not in known]
    # One call where the slices are the same: what one line measures on a slice, the next one finds.
    measured = (
        estimates(whole, [*others, *inner]) if both is whole else [*estimates(whole, others), *estimates(both, inner)]
    )
    named = {name for name, _ in others}
    plain = [_told(one, whole, pools) for one in measured if one.requirement in named]
    found = {name: _gap(name, line, measured, both, small) for name, line in gaps}
    place = {name: number for number, (name, _) in enumerate(asked)}
    every = [*plain, *estimates(scored, cells), *(one.estimate for one in found.values()), *counted]
    every.sort(key=lambda one: place[one.requirement])
    return tuple(
        _worded(finding, found.get(finding.requirement), pools)
        for finding in judge(gate, asked, every, subjects, small=small)
    )


def _told(one: Estimate, scored: Scored, pools: Sequence[Pool]) -> Estimate:
    """The same estimate under the names of a crossing's parts, with the members of a pool."""
    if not one.slice:
        return one
    ((name, label),) = one.slice
    pool = next((pool for pool in pools if pool.key == one.slice), None)
    if pool is not None:
        return replace(one, detail={**one.detail, "members": list(pool.members), "member_rows": list(pool.rows)})
    return replace(one, slice=_slice(scored, name).key(label))


def _worded(finding: Finding, of: SliceGap | None, pools: Sequence[Pool]) -> Finding:
    if of is not None:
        finding = of.restate(finding)
    pool = next(
        (
            pool
            for pool in pools
            if ("members" in finding.detail and dict(pool.key) == dict(finding.slice))
            or (of is not None and of.line.gap == pool.name)
        ),
        None,
    )
    if pool is None:
        return finding
    detail = {**finding.detail, "members": list(pool.members), "member_rows": list(pool.rows)}
    return replace(finding, reason=f"{finding.reason} ({pool})", detail=detail)


def _slice(scored: Scored, name: str) -> Slice:
    declared = {one.name: one for one in scored.slices}
    if name not in declared:
        known = ", ".join(declared) or "none"
        raise DataError(f"no slice is called {name!r}; declared: {known}", remedy="declare it, or name one of these")
    return declared[name]


def both_sides(scored: Scored, names: Sequence[str | None]) -> Scored:
    """The same rows where a gap over a `where` slice compares those inside with those outside."""
    wanted = [one for one in scored.slices if one.kind == "where" and one.name in names]
    if not wanted:
        return scored
    return scored.regrouped(
        {one.name: (replace(one, kind="declared", values=("true", "false")), *scored.codes(one.name)) for one in wanted}
    )


def _judged(scored: Scored, declared: Slice) -> dict[int, bool]:
    labels, _ = scored.codes(declared.name)
    return {code: declared.judges(label) for code, label in enumerate(labels)}


def _count(scored: Scored, line: Requirement) -> int:
    return sum(_judged(scored, _slice(scored, line.gap or "")).values())


def _gap(name: str, line: Requirement, measured: Sequence[Estimate], scored: Scored, small: SmallSlices) -> SliceGap:
    declared = _slice(scored, line.gap or "")
    own = [one for one in measured if one.requirement.partition(" ")[0] == name and " " in one.requirement]
    clusters = scored.clusters
    together = clusters is not None and clusters_span_slices(
        scored.codes(declared.name)[1], clusters, _judged(scored, declared)
    )
    return estimate_gap(name, line, own, declared=declared, small=small, rows=scored.rows, together=together)
