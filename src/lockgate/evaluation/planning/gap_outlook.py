"""Power of a gap between slices before a run, from counts or with the champion's own values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from lockgate.data.slices.names import SliceKey
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.judge import is_no_harm_check, smallness
from lockgate.evaluation.judging.number_format import counted_words, rounded_up, short, slice_words
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.planning.expected_error import DISAGREEMENT, rows_of_share
from lockgate.evaluation.planning.outlook import Outlook, enough_rows, measured_times, times, with_minority
from lockgate.evaluation.planning.rate_outlook import assumed_rate
from lockgate.evaluation.requirements.requirement import Requirement, Scope
from lockgate.stats.auc_variance import placements
from lockgate.stats.power import margin_by_t

_WORST_SHARE = 0.5  # p(1 − p) is largest there


def slice_value_requirement(line: Requirement) -> Requirement:
    """The requirement on the value of each slice that the gap compares."""
    return replace(line, gap=None, scope=Scope("each", name=line.gap))


def gap_outlook(
    name: str,
    line: Requirement,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices,
    own: Mapping[SliceKey, Estimate] | None = None,
    disagreement: float = DISAGREEMENT,
) -> Outlook:
    """The outlook of a gap. counts: rows and positives of its slices. own: the champion's estimates of them.

    disagreement: the share of rows on which the two models are assumed to decide differently. Without measurements, shares are
    taken to be 0.5, where they vary most, those of both models to be as assumed, and slices to be equal.
    """
    assumed = assumed_rate(line.subject, disagreement)
    share = _WORST_SHARE if assumed is None else assumed
    outlook = _gap_outlook(name, line, counts, small=small, own=own, share=share)
    if outlook.status != "hopeless":
        return outlook

    # Slices that are only watched stay as they are.
    kept = {estimate.slice for estimate in counts if is_no_harm_check(with_minority(estimate, line), line, small)}

    def at(factor: float) -> Outlook:
        more = [estimate if estimate.slice in kept else times(estimate, factor, line) for estimate in counts]
        measured = {key: measured_times(estimate, factor) for key, estimate in (own or {}).items()}
        return _gap_outlook(name, line, more, small=small, own=measured, share=share)

    return replace(outlook, enough=enough_rows(outlook.rows, at))


def _gap_outlook(
    name: str,
    line: Requirement,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices,
    own: Mapping[SliceKey, Estimate] | None,
    share: float,
) -> Outlook:
    counts = [with_minority(estimate, line) for estimate in counts if estimate.rows]
    rows = sum(estimate.rows for estimate in counts)
    blank = Outlook(name, (), rows, None, "unknown", "", tolerance=line.limit.value)
    if line.claim == "point":
        return blank.not_planned()
    few = {
        estimate.slice: reason
        for estimate in counts
        if (reason := smallness(estimate, line, small) or estimate.too_few)
    }
    held = [estimate for estimate in counts if estimate.slice not in few]
    if len(counts) < 2:
        return blank.underpowered("fewer than two slices have rows", "too_few_slices")
    if few and (small.below != "watch" or len(held) < 2):
        key, reason = next(iter(few.items()))
        return replace(blank.underpowered(f"{slice_words(key)} has {reason}"), figures={"slices": [slice_words(key)]})
    spreads = [_spread(line, estimate, (own or {}).get(estimate.slice), share) for estimate in held]
    measured = [spread for spread in spreads if spread is not None]
    if len(measured) < len(spreads):
        return blank.not_planned_from_counts()
    pair, smallest = _widest(line, measured)
    decidable = smallest <= line.limit.value
    power = "has power" if decidable else f"underpowered at {line.limit}"
    where = "where the slices are as the champion's" if own else "where the slices do not differ"
    slices = " and ".join(
        f"{slice_words(held[index].slice)} ({counted_words(held[index].rows, held[index].counted_in)})"
        for index in pair
    )
    words = f"{power}: {slices} decide a gap of {short(rounded_up(smallest))} with 90 % power, {where}"
    if few:
        words += f"; {len(few)} smaller {'slice is' if len(few) == 1 else 'slices are'} only under the no-harm check"
    figures = {"slices": [slice_words(held[index].slice) for index in pair], "watched": len(few)}
    return replace(
        blank,
        status="decidable" if decidable else "hopeless",
        words=words,
        smallest=smallest,
        basis="gap",
        figures=figures,
    )


def _spread(
    line: Requirement, estimate: Estimate, champion: Estimate | None, share: float
) -> tuple[float, float, float] | None:
    """(value, standard error, effective rows) of a slice; None where they are not known."""
    if champion is not None and champion.candidate is not None and champion.se is not None and champion.n_eff:
        return champion.candidate, champion.se, champion.n_eff
    if champion is not None:
        return None
    rows = rows_of_share(line, estimate)
    if rows:
        return share, math.sqrt(share * (1 - share) / rows), float(rows)
    positives = estimate.positives or 0
    plan = declared(line.subject).plan
    if plan.champion is None or not plan.placements or not 0 < positives < estimate.rows:
        return None
    law = placements(plan.champion)
    negatives = estimate.rows - positives
    return plan.champion, law.se(positives, negatives), law.n_eff(positives, negatives)


def _widest(line: Requirement, spreads: Sequence[tuple[float, float, float]]) -> tuple[tuple[int, int], float]:
    """(the pair that needs the widest limit, that limit), so that all ordered pairs stay below it with 90 % power."""
    aim = alpha_and_power(line, len(spreads) * (len(spreads) - 1))

    def limit(pair: tuple[int, int]) -> float:
        (value, first, n), (other_value, second, m) = (spreads[index] for index in pair)
        # As slice_gaps bounds a pair: errors add in squares, freedom by Welch–Satterthwaite.
        square = first**2 + second**2
        freedom = square**2 / (first**4 / max(n - 1, 1.0) + second**4 / max(m - 1, 1.0)) if square else 1.0
        return abs(value - other_value) + margin_by_t(math.sqrt(square), n_eff=freedom + 1, **aim)

    pair = max(combinations(range(len(spreads)), 2), key=limit)
    return pair, limit(pair)
