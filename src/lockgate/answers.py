"""What the lines of a gate come to on scored rows: small slices merged, crossed ones under their names, all judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lockgate.estimate import Estimate, estimate
from lockgate.evidence import Finding
from lockgate.judge import judge
from lockgate.requirement import Requirement, Subject
from lockgate.slices import SliceKey, SmallSlices

if TYPE_CHECKING:
    from lockgate.merging import Pool
    from lockgate.metrics.influence import Metric
    from lockgate.scored import Scored
    from lockgate.slices import Slice


def answers(
    gate: str,
    scored: Scored,
    asked: Sequence[tuple[str, Requirement]],
    metrics: Mapping[str, Metric],
    subjects: Mapping[str, Subject],
    *,
    threshold: Mapping[str, float | None],
    small: SmallSlices,
) -> tuple[Finding, ...]:
    """Findings of all lines, in the order of requirements, then slices.

    gate: its name in the evidence. threshold: of each role's scores. A cell that a line names is judged on its own rows,
    merged or not.
    """
    from lockgate.merging import merged

    whole, pools = merged(scored, small)
    cells = [line for line in asked if line[1].scope.kind == "cell"]
    others = [line for line in asked if line[1].scope.kind != "cell"]
    estimates: list[Estimate] = [
        *(estimate(whole, others, metrics, threshold=threshold) if others else ()),
        *(estimate(scored, cells, metrics, threshold=threshold) if cells else ()),
    ]
    place = {name: number for number, (name, _) in enumerate(asked)}
    estimates.sort(key=lambda one: place[one.requirement])
    named = {name for name, _ in cells}
    pooled = [None if one.requirement in named else _pool(one, pools) for one in estimates]
    told = [one if pool is None else _listing(one, pool) for one, pool in zip(estimates, pooled, strict=True)]
    kinds = {one.name: one for one in scored.slices}
    told = [
        one if one.requirement in named or not one.slice else replace(one, slice=_key(kinds, one.slice)) for one in told
    ]
    found = judge(gate, asked, told, subjects, small=small)
    return tuple(
        one if pool is None else replace(one, reason=f"{one.reason} ({pool})")
        for one, pool in zip(found, pooled, strict=True)
    )


def _pool(one: Estimate, pools: Sequence[Pool]) -> Pool | None:
    return next((pool for pool in pools if pool.key == one.slice), None)


def _listing(one: Estimate, pool: Pool) -> Estimate:
    return replace(one, detail={**one.detail, "members": list(pool.members), "member_rows": list(pool.rows)})


def _key(slices: Mapping[str, Slice], key: SliceKey) -> SliceKey:
    """The parts of a crossed slice, each under its own name."""
    ((name, label),) = key
    return slices[name].key(label)
