"""How small a gap between slices can these rows show? Beforehand, from counts, or with the champion's own values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from lockgate.evaluation.judging.judge import smallness
from lockgate.evaluation.judging.number_format import counted_words, rounded_up, short, slice_words
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.planning.expected_error import AUC, rows_of_share
from lockgate.evaluation.planning.outlook import Outlook, with_minority
from lockgate.evaluation.requirements.requirement import Requirement, Scope

if TYPE_CHECKING:
    from lockgate.data.slices.names import SliceKey
    from lockgate.data.slices.spec import SmallSlices
    from lockgate.evaluation.estimation.estimate import Estimate

WORST_SHARE = 0.5


def slice_value_requirement(line: Requirement) -> Requirement:
    """The line that asks for the value of each slice that the gap compares."""
    return replace(line, gap=None, scope=Scope("each", name=line.gap))


def gap_outlook(
    name: str,
    line: Requirement,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices,
    own: Mapping[SliceKey, Estimate] | None = None,
) -> Outlook:
    """The one outlook of a gap line. counts: rows and positives of its slices. own: the champion's estimates of them.

    Shares that nobody measured are taken to be 0.5, where they vary most; slices that nobody measured, to be alike.
    """
    counts = [with_minority(one, line) for one in counts if one.rows]
    blank = Outlook(name, (), sum(one.rows for one in counts), None, "unknown", "", tolerance=line.limit.value)
    if line.claim == "point":
        return replace(blank, words="not planned: a point has no error rate")
    few = {one.slice: why for one in counts if (why := smallness(one, line, small) or one.too_few)}
    held = [one for one in counts if one.slice not in few]
    if len(counts) < 2:
        return replace(blank, status="hopeless", words="hopeless: fewer than two slices have rows")
    if few and (small.below != "watch" or len(held) < 2):
        key, why = next(iter(few.items()))
        return replace(blank, status="hopeless", words=f"hopeless: {slice_words(key)} has {why}")
    known = [_spread(line, one, (own or {}).get(one.slice)) for one in held]
    errors = [one for one in known if one is not None]
    if len(errors) < len(known):
        return replace(blank, words="not planned from counts: gate plan --score measures the champion")
    (i, j), smallest = _widest(line, errors)
    status = "decidable" if smallest <= line.limit.value else "hopeless"
    where = "where the slices are as the champion's" if own else "where the slices do not differ"
    words = (
        f"{status}{'' if status == 'decidable' else f' at {line.limit}'}: {slice_words(held[i].slice)} ({counted_words(held[i].rows, held[i].counted_in)}) and "
        f"{slice_words(held[j].slice)} ({counted_words(held[j].rows, held[j].counted_in)}) decide a gap of {short(rounded_up(smallest))} with 90 % power, {where}"
    )
    if few:
        words += f"; {len(few)} smaller {'slice is' if len(few) == 1 else 'slices are'} watched only"
    return replace(blank, status="decidable" if status == "decidable" else "hopeless", words=words, smallest=smallest)


def _spread(line: Requirement, one: Estimate, known: Estimate | None) -> tuple[float, float, float] | None:
    """(value, standard error, effective rows) of a slice; None where nothing says."""
    if known is not None and known.candidate is not None and known.se is not None and known.n_eff:
        return known.candidate, known.se, known.n_eff
    if known is not None:
        return None
    rows = rows_of_share(line, one)
    if rows:
        return WORST_SHARE, WORST_SHARE / math.sqrt(rows), float(rows)
    positives = one.positives or 0
    if line.subject != "auc" or not 0 < positives < one.rows:
        return None
    from lockgate.stats.auc_variance import placements

    law = placements(AUC)
    return AUC, law.se(positives, one.rows - positives), law.n_eff(positives, one.rows - positives)


def _widest(line: Requirement, known: Sequence[tuple[float, float, float]]) -> tuple[tuple[int, int], float]:
    """(the pair that asks for the widest limit, that limit), so that all ordered pairs stay below with 90 %."""
    from lockgate.stats.power import margin_by_t

    asked = alpha_and_power(line, len(known) * (len(known) - 1))

    def limit(pair: tuple[int, int]) -> float:
        (one, first, n), (other, second, m) = (known[place] for place in pair)
        square = first**2 + second**2
        freedom = square**2 / (first**4 / max(n - 1, 1.0) + second**4 / max(m - 1, 1.0)) if square else 1.0
        return abs(one - other) + margin_by_t(math.sqrt(square), n_eff=freedom + 1, **asked)

    pair = max(combinations(range(len(known)), 2), key=limit)
    return pair, limit(pair)
