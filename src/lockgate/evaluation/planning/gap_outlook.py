"""Power of a gap between slices before a run, from counts or with the champion's own values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

from lockgate.data.slices.names import SliceKey
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.judge import is_no_harm_check, smallness
from lockgate.evaluation.judging.number_format import counted_words, rounded_up, short, slice_words
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.planning.expected_error import DISAGREEMENT, rows_of_share
from lockgate.evaluation.planning.outlook import (
    Outlook,
    enough_rows,
    measured_times,
    outlooks,
    times,
    with_minority,
)
from lockgate.evaluation.planning.rate_outlook import assumed_rate
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit, Scope
from lockgate.evaluation.requirements.subject import Subject
from lockgate.stats.auc_variance import placements
from lockgate.stats.power import margin_by_t

_WORST_SHARE = 0.5  # p(1 − p) is largest there


def slice_value_requirement(line: Requirement) -> Requirement:
    """The requirement on the value of each slice that the gap compares."""
    return replace(line, gap=None, scope=Scope("each", name=line.gap))


def gap_outlook(
    name: str,
    line: Requirement,
    subject: Subject,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices,
    own: Mapping[SliceKey, Estimate] | None = None,
    disagreement: float = DISAGREEMENT,
) -> Outlook:
    """The outlook of a gap. counts: rows and positives of its slices. own: the champion's estimates of them.

    disagreement: the share of rows on which the two models are assumed to decide differently. Without measurements, shares are
    taken to be 0.5, where they vary most, those of both models to be as assumed, and slices to be equal; beside the champion's
    gap the models are.
    """
    plan = partial(_gap_outlook, name, line, subject, disagreement=disagreement, small=small)
    outlook = plan(counts, own=own or {})
    if outlook.status != "hopeless":
        return outlook

    # Slices that are only watched stay as they are.
    kept = {estimate.slice for estimate in counts if is_no_harm_check(with_minority(estimate, line), line, small)}

    def at(factor: float) -> Outlook:
        more = [estimate if estimate.slice in kept else times(estimate, factor, line) for estimate in counts]
        measured = {key: measured_times(estimate, factor) for key, estimate in (own or {}).items()}
        return plan(more, own=measured)

    return replace(outlook, enough=enough_rows(outlook.rows, at))


def _gap_outlook(
    name: str,
    line: Requirement,
    subject: Subject,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices,
    own: Mapping[SliceKey, Estimate],
    disagreement: float,
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
    if line.limit.relative:
        changes = outlooks(
            name, _change(line), subject, held, own=own, disagreement=disagreement, judged=False, enough=False
        )
        return _beside(replace(blank, tolerance=None), line, changes, champion=own, watched=len(few))
    assumed = assumed_rate(line.subject, disagreement)
    share = _WORST_SHARE if assumed is None else assumed
    spreads = [_spread(line, estimate, own.get(estimate.slice), share) for estimate in held]
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
    words += _watched_words(len(few))
    figures = {"slices": [slice_words(held[index].slice) for index in pair], "watched": len(few)}
    return replace(
        blank,
        status="decidable" if decidable else "hopeless",
        words=words,
        smallest=smallest,
        basis="gap",
        figures=figures,
    )


def _change(line: Requirement) -> Requirement:
    """The requirement on the change of each slice, at the confidence that a pair's own change is held to."""
    from lockgate.evaluation.uncertainty.slice_pairs import matched_confidence

    confidence = matched_confidence(line.confidence or CONFIDENCE)
    limit = RequirementLimit(relative=True, number=0.01, sign="+")
    return replace(slice_value_requirement(line), limit=limit, claim=None, confidence=confidence)


def _beside(
    blank: Outlook,
    line: Requirement,
    changes: Sequence[Outlook],
    *,
    champion: Mapping[SliceKey, Estimate],
    watched: int,
) -> Outlook:
    """The outlook beside the champion's gap, where the models are equal. changes: what each slice can decide by itself."""
    limit = line.limit
    if line.claim == "superior":
        return blank.not_planned("a gain depends on the candidate", "gain")
    tolerance = limit.margin if limit.sign != "*" else None
    values = [estimate.candidate for estimate in champion.values() if estimate.candidate is not None]
    if limit.sign == "*" and values:
        tolerance = (limit.factor - 1) * (max(values) - min(values))
    undecided = next((change for change in changes if change.smallest is None), None)
    if undecided is not None and undecided.status == "hopeless":
        return replace(undecided, slice=(), rows=blank.rows, positives=None)
    if undecided is not None or tolerance is None:
        return blank.not_planned_from_counts()
    widest = sorted(changes, key=lambda change: change.smallest or 0.0)[-2:]
    # As slice_pairs bounds a pair: errors add in squares, and so do their multiples.
    smallest = math.hypot(*(change.smallest or 0.0 for change in widest))
    decidable = smallest <= tolerance
    power = "has power" if decidable else f"underpowered at {limit}"
    slices = " and ".join(f"{change.slice_name} ({counted_words(change.rows, change.counted_in)})" for change in widest)
    words = f"{power}: {slices} decide a gap that is {short(rounded_up(smallest))} wider with 90 % power, where the models are equal"
    return replace(
        blank,
        status="decidable" if decidable else "hopeless",
        words=words + _watched_words(watched),
        tolerance=tolerance,
        smallest=smallest,
        basis="tolerance",
        figures={"slices": [change.slice_name for change in widest], "watched": watched},
    )


def _watched_words(count: int) -> str:
    return (
        f"; {count} smaller {'slice is' if count == 1 else 'slices are'} only under the no-harm check" if count else ""
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
        # As slice_pairs bounds a pair: errors add in squares, freedom by Welch–Satterthwaite.
        square = first**2 + second**2
        freedom = square**2 / (first**4 / max(n - 1, 1.0) + second**4 / max(m - 1, 1.0)) if square else 1.0
        return abs(value - other_value) + margin_by_t(math.sqrt(square), n_eff=freedom + 1, **aim)

    pair = max(combinations(range(len(spreads)), 2), key=limit)
    return pair, limit(pair)
