"""Request for the sums that requirements need, on metrics that can be summed up without their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lockgate.evaluation.metrics.declaration import Metric, RowLoss
from lockgate.evaluation.requirements.requirement import Requirement

SliceCode = tuple[int, int]
"""(number of a slicing, from 1, code of a slice in it)."""

Cuts = tuple[float | None, float | None]
"""The scores from which on the candidate and the champion decide a row positive; None for a role that is not compared."""

OVERALL: SliceCode = (0, 0)
ROLES = ("candidate", "champion")


@dataclass(frozen=True)
class SumRequest:
    """The sums that an engine is to make; metrics by name.

    ordered: the slices whose rows must be in the order of scores; ranks, bins: whether for ranks, for calibration. tested:
    the metrics of which more than a value is needed. factors: by metric, of requirements that compare two models. losses: the
    loss of a row, by metric. paired: whether any requirement takes both models.
    """

    ordered: frozenset[SliceCode]
    ranks: bool
    bins: bool
    tested: frozenset[str]
    factors: Mapping[str, frozenset[float]]
    losses: Mapping[str, RowLoss]
    cuts: tuple[Cuts, ...]
    paired: bool


def request_sums(
    lines: Iterable[tuple[SliceCode, Requirement]],
    metrics: Mapping[str, Metric],
    cuts_of: Callable[[Requirement], Cuts],
) -> SumRequest:
    """The sums that requirements need on their slices, all of them on metrics that can be summed up."""
    ordered, tested, factors = set[SliceCode](), set[str](), dict[str, set[float]]()
    losses, cuts, kinds = dict[str, RowLoss](), dict[Cuts, None](), set[str]()
    paired = False
    for slice_code, line in lines:
        metric = line.pick(metrics)
        if isinstance(metric.sums, str):
            kinds.add(metric.sums)
            ordered.add(slice_code)
        elif isinstance(metric.sums, RowLoss):
            losses[metric.name] = metric.sums
        else:
            cuts[cuts_of(line)] = None
        paired |= line.limit.relative or metric.of_both
        if line.claim != "point":
            tested.add(metric.name)
            if line.limit.relative:
                factors.setdefault(metric.name, set()).add(line.limit.factor)
    return SumRequest(
        frozenset(ordered),
        "ranks" in kinds,
        "bins" in kinds,
        frozenset(tested),
        {name: frozenset(values) for name, values in factors.items()},
        losses,
        tuple(cuts),
        paired,
    )
