"""Compare the largest gap between the slices of one declaration with a limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from lockgate.data.slices.names import shown_label
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate, absolute_limit, contrast
from lockgate.evaluation.judging.gap_findings import SliceGap
from lockgate.evaluation.judging.judge import smallness
from lockgate.evaluation.judging.number_format import rounded
from lockgate.evaluation.judging.rows_needed import POWER
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit, Scope
from lockgate.evaluation.uncertainty.comparison import APPROXIMATE
from lockgate.hashing import number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lockgate.data.slices.names import SliceKey
    from lockgate.data.slices.slice import Slice
    from lockgate.data.slices.spec import SmallSlices
    from lockgate.evaluation.uncertainty.slice_pairs import PairBounds

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

LISTED = 20
_NO_LIMIT = RequirementLimit(relative=False, number=0.5)
_PASS, _FAIL, _OWN, _CHAMPION = " gap", " gap beyond", " gap own", " gap champion"


def slice_requirements(name: str, line: Requirement, *, slices: int) -> list[tuple[str, Requirement]]:
    """Requirements on each slice's own value, at the confidence of the gap and at that of Holm's first step over all pairs.

    Of a gap beside the champion's: on each slice's change at the confidence that a pair's own change is held to, and on its
    value and change at that of Holm's first step.
    """
    own = replace(line, gap=None, scope=Scope("each", name=line.gap), limit=_NO_LIMIT, claim=None)
    alpha = 1 - (line.confidence or CONFIDENCE)
    first_step = 1 - alpha / max(slices * (slices - 1), 1)
    if not line.limit.relative:
        return [
            (name + _PASS, replace(own, confidence=1 - alpha)),
            (name + _FAIL, replace(own, confidence=first_step)),
        ]
    from lockgate.evaluation.uncertainty.slice_pairs import matched_confidence

    no_margin = RequirementLimit(relative=True, number=line.limit.factor, sign="*")
    change = replace(own, limit=no_margin if line.limit.sign == "*" else RequirementLimit(relative=True))
    return [
        (name + _PASS, replace(change, confidence=matched_confidence(1 - alpha))),
        (name + _FAIL, replace(change, confidence=first_step)),
        (name + _OWN, replace(own, confidence=first_step)),
    ]


def champion_requirements(name: str, line: Requirement, *, slices: int) -> list[tuple[str, Requirement]]:
    """Requirements on each slice's value of the champion, in the candidate's place; none where it is not compared."""
    if not line.limit.relative:
        return []
    return [
        (name + _CHAMPION, own) for part, own in slice_requirements(name, line, slices=slices) if part == name + _OWN
    ]


def estimate_gap(
    name: str,
    line: Requirement,
    estimates: Sequence[Estimate],
    *,
    declared: Slice,
    small: SmallSlices,
    rows: int,
    together: bool = False,
) -> SliceGap:
    """Estimate the largest gap over ordered pairs of slices, with bounds and p-values over all pairs.

    estimates: of the requirements of `slice_requirements` and `champion_requirements`, those of each in the order of slices.
    together: whether rows of one cluster lie in several slices; the errors of two slices then add, as if fully correlated,
    else their squares do.
    p_pass: the largest of the pairs (intersection-union). p_fail: the smallest, times the number of pairs (Holm's first
    step). Source: `uncertainty/slice_pairs.py`.
    """
    import numpy as np

    own = [estimate for estimate in estimates if estimate.requirement == name + _PASS]
    parts = _parts(name, estimates)
    measured = [
        estimate
        for estimate in own
        if estimate.candidate is not None and all(part[estimate.slice].low is not None for part in parts.values())
    ]
    undefined = {_slice_label(declared, estimate): estimate.problem for estimate in own if estimate.problem is not None}
    blank = Estimate(
        requirement=name, slice=(), rows=rows, positives=None, required=(line.op, contrast(line)[1]),
        on="difference", method="none", limit=line.limit.value,
        counted_in=own[0].counted_in if own else "rows",
    )  # fmt: skip
    if len(measured) < 2:
        return SliceGap(replace(blank, problem=_one_slice(undefined, any_value=bool(measured))), line)
    labels = [_slice_label(declared, estimate) for estimate in measured]
    few = {
        label: reason
        for label, estimate in zip(labels, measured, strict=True)
        if (reason := smallness(estimate, line, small) or estimate.too_few) is not None
    }
    large = np.array([label not in few for label in labels])
    no_harm_check = small.below == "watch" and bool(large.sum() > 1)
    covered = large if no_harm_check else np.ones_like(large)
    pairs = _Pairs(labels, measured, parts, line, together=together, covered=covered)
    gap = pairs.estimate(blank)
    blocked = None
    if undefined:
        label, problem = next(iter(undefined.items()))
        blocked = f"{line.subject_text} on {label}: {problem[1]}"
    elif few and not no_harm_check:
        blocked = "{} has {}".format(*next(iter(few.items())))
    watched = few if no_harm_check and not blocked else {}
    detail = {
        **gap.detail,
        **({"too_few": blocked} if blocked is not None else {}),
        **({"watched": ", ".join(f"{label}: {reason}" for label, reason in watched.items())} if watched else {}),
        **({"clusters_span_slices": True} if together else {}),
    }
    return SliceGap(
        replace(gap, detail=detail),
        line,
        pair=pairs.named(pairs.top),
        values=pairs.values_of(pairs.top),
        champion=pairs.champion_pair,
        widest=pairs.named(pairs.bounding),
        watched=", ".join(sorted(watched)) if watched else None,
        together=together,
        remedy=pairs.remedy(measured, undefined=list(undefined), few=sorted(few)),
        code=next(iter(undefined.values()))[0] if undefined else None,
    )


def _parts(name: str, estimates: Sequence[Estimate]) -> dict[str, dict[SliceKey, Estimate]]:
    """By what they are of, the estimates of each slice."""
    parts: dict[str, dict[SliceKey, Estimate]] = {}
    for estimate in estimates:
        if estimate.requirement in {name + part for part in (_PASS, _FAIL, _OWN, _CHAMPION)}:
            parts.setdefault(estimate.requirement.removeprefix(name), {})[estimate.slice] = estimate
    return parts


def _one_slice(undefined: Mapping[str, tuple[str, str]], *, any_value: bool) -> tuple[str, str]:
    """(code, reason) of a gap that has fewer than two values."""
    causes = [f"{label}: {problem[1]}" for label, problem in undefined.items()]
    examples = f" ({'; '.join(causes[:3])})" if causes else ""
    return "one_slice", f"{'only one' if any_value else 'no'} slice has a value, and a gap needs two{examples}"


class _Pairs:
    """The slices of a gap with the tests of every ordered pair (i, j), slice i minus slice j, as (k, k) arrays.

    covered: (k,) slices that the claim covers. top: the pair that is furthest apart; bounding: the one with the least proof.
    """

    def __init__(
        self,
        labels: Sequence[str],
        estimates: Sequence[Estimate],
        parts: Mapping[str, Mapping[SliceKey, Estimate]],
        line: Requirement,
        *,
        together: bool,
        covered: Bools,
    ) -> None:
        import numpy as np

        self.labels, self.line, self.together = labels, line, together
        self.limit, self.confidence = contrast(line)[1], line.confidence or CONFIDENCE
        self.values = np.array([estimate.candidate for estimate in estimates], float)
        self.difference = self.values[:, None] - self.values[None, :]
        self.apart: Bools = ~np.eye(len(labels), dtype=bool)
        self.proven: Bools = self.apart & np.outer(covered, covered)
        tested = np.array([estimate.too_few is None for estimate in estimates])
        self.tests: Bools = self.apart & np.outer(tested, tested)
        self.approximate = APPROXIMATE if any("approximate" in estimate.method for estimate in estimates) else ""
        by_part = {name: [part[estimate.slice] for estimate in estimates] for name, part in parts.items()}
        self.champion: Floats | None = None
        if line.limit.relative:
            self.champion = np.array([estimate.candidate for estimate in by_part[_CHAMPION]], float)
        self.bounds = _bounds(by_part, line, together=together, covered=covered, tested=tested)
        self.top = _largest(np.where(self.apart, self.difference, -np.inf))
        # Ties of p_pass, such as several pairs at 1, go to the pair with the highest bound.
        proof = np.where(self.proven, self.bounds.p_pass, -np.inf) + np.where(self.proven, 1e-9 * self.bounds.high, 0.0)
        self.bounding = _largest(proof)

    def named(self, pair: tuple[int, int]) -> tuple[str, str]:
        return self.labels[pair[0]], self.labels[pair[1]]

    def values_of(self, pair: tuple[int, int]) -> tuple[float, float]:
        return float(self.values[pair[0]]), float(self.values[pair[1]])

    @property
    def champion_pair(self) -> tuple[tuple[str, str], tuple[float, float]] | None:
        """The champion's widest pair, with its values; None where it is not compared."""
        if self.champion is None:
            return None
        upper, lower = int(self.champion.argmax()), int(self.champion.argmin())
        if upper == lower:  # all alike: of the candidate's pair
            upper, lower = self.top
        return self.named((upper, lower)), (float(self.champion[upper]), float(self.champion[lower]))

    def estimate(self, blank: Estimate) -> Estimate:
        """The largest gap, beside the champion's where it is compared, with bounds and p-values over all pairs."""
        compared = int(self.apart.sum())
        detail = {
            "pair": list(self.named(self.top)),
            "slices": self._by_label(self.values),
            "pairs": self._listed(),
            "pairs_compared": compared,
        }
        gap = float(self.difference[self.top])
        largest = replace(blank, candidate=gap, value=gap, method="point", detail=detail)
        if self.champion is not None:
            detail["champion_slices"] = self._by_label(self.champion)
            champion = float(self.champion.max() - self.champion.min())
            largest = replace(
                largest,
                champion=champion,
                value=gap - self.line.limit.factor * champion,
                limit=absolute_limit(self.line, champion),
            )
        if self.line.claim == "point":
            return largest
        bounds, tests = self.bounds, int(self.tests.sum())
        low, high = float(bounds.low[self.apart].max()), float(bounds.high[self.proven].max())
        kind = f"largest of {compared} pairs" if self.champion is None else "largest gap beside the champion"
        return replace(
            largest,
            low=low,
            high=high,
            interval=(low, high) if self.champion is None else None,
            # All pairs must lie below the limit (intersection-union); one beyond it fails the line (Holm's first step).
            p_pass=float(bounds.p_pass[self.proven].max()),
            p_fail=min(1.0, tests * float(bounds.p_fail[self.tests].min())) if tests else None,
            se=float(bounds.se[self.bounding]),
            n_eff=float(bounds.freedom[self.bounding]) + 1,
            method=f"{kind}, mover, {'errors added' if self.together else 't'}{self.approximate}",
        )

    def _by_label(self, values: Floats) -> dict[str, str | None]:
        return {label: number(float(value)) for label, value in zip(self.labels, values, strict=True)}

    def _listed(self) -> list[dict[str, Any]]:
        """The pairs with the highest bounds, for the evidence."""
        import numpy as np

        bounds = self.bounds
        order = np.argsort(np.where(self.tests, bounds.p_fail, 2.0), axis=None, kind="stable")
        sorted_p = bounds.p_fail.ravel()[order][: int(self.tests.sum())]
        # Holm 1979 in numpy: there are k(k − 1) pairs.
        adjusted = np.minimum(np.maximum.accumulate(sorted_p * (sorted_p.size - np.arange(sorted_p.size))), 1.0)
        holm = dict(zip(order[: sorted_p.size].tolist(), adjusted.tolist(), strict=True))
        worst = np.argsort(np.where(self.apart, -bounds.high, np.inf), axis=None, kind="stable")
        pairs = []
        for flat in worst[: min(LISTED, int(self.apart.sum()))].tolist():
            i, j = divmod(flat, len(self.labels))
            champion = None if self.champion is None else number(float(self.champion[i] - self.champion[j]))
            pairs.append(
                {
                    "higher": self.labels[i],
                    "lower": self.labels[j],
                    "gap": number(float(self.difference[i, j])),
                    **({} if champion is None else {"champion_gap": champion}),
                    "low": number(_finite(bounds.low[i, j])),
                    "high": number(_finite(bounds.high[i, j])),
                    "p_pass": number(float(bounds.p_pass[i, j])) if self.proven[i, j] else None,
                    "p_fail_holm": number(holm[flat]) if flat in holm else None,
                }
            )
        return pairs

    def remedy(self, estimates: Sequence[Estimate], *, undefined: Sequence[str], few: Sequence[str]) -> str:
        """What would decide an undecided line."""
        pair = self.bounding
        rows = estimates[0].counted_in
        if undefined:
            return f"add {rows} of {undefined[0]} in which the metric is defined, or declare slices without it"
        room, normal = self.limit - float(self.bounds.value[pair]), NormalDist()
        allowed = self.limit
        if self.champion is not None:
            allowed += self.line.limit.factor * float(self.champion.max() - self.champion.min())
        if self.difference[pair] >= allowed:
            return f"more {rows} are unlikely to help at this gap; look at what differs between these slices"
        now = estimates[pair[0]].rows + estimates[pair[1]].rows
        # The standard error shrinks with the root of the rows: (z_alpha + z_power) · se = room.
        quantile = normal.inv_cdf(self.confidence)
        if self.champion is not None:  # of what clears the pair, on which a part of the error rate is spent
            quantile = float(self.bounds.high[pair] - self.bounds.value[pair]) / float(self.bounds.se[pair])
        steps = quantile + normal.inv_cdf(POWER)
        ratio = steps * float(self.bounds.se[pair]) / room if room else math.inf
        needed = now * ratio * ratio
        if room > 0 and math.isfinite(needed) and needed > now:
            return f"about {rounded(math.ceil(needed - now))} more {rows} of {self.labels[pair[0]]} and {self.labels[pair[1]]} would decide"
        return f"more {rows} of {few[0] if few else self.labels[pair[1]]} would decide"


def _bounds(
    parts: Mapping[str, Sequence[Estimate]], line: Requirement, *, together: bool, covered: Bools, tested: Bools
) -> PairBounds:
    """The tests of all pairs. parts: by what they are of, the estimates of each slice."""
    import numpy as np

    from lockgate.evaluation.uncertainty import slice_pairs

    confidence, slices = line.confidence or CONFIDENCE, covered.size
    levels = {
        part: requirement.confidence or CONFIDENCE
        for named in (slice_requirements, champion_requirements)
        for part, requirement in named("", line, slices=slices)
    }

    def errors(part: str) -> slice_pairs.SliceErrors:
        estimates = parts[part]
        rows = [
            (_value(estimate), _end(estimate.low, -math.inf), _end(estimate.high, math.inf), estimate.n_eff or 0.0)
            for estimate in estimates
        ]
        values, low, high, n_eff = np.array(rows, float).T
        return slice_pairs.SliceErrors.from_bounds(values, low, high, n_eff, confidence=levels[part])

    limit = contrast(line)[1]
    if not line.limit.relative:
        return slice_pairs.bound_pairs(
            errors(_PASS), errors(_FAIL), limit=limit, confidence=confidence, together=together
        )
    beside = slice_pairs.BesideErrors(
        candidate=errors(_OWN),
        champion=errors(_CHAMPION),
        change=errors(_FAIL),
        matched=errors(_PASS),
        factor=line.limit.factor,
        together=together,
    )
    return slice_pairs.bound_beside(beside, margin=limit, confidence=confidence, eligible=covered, reliable=tested)


def _largest(values: Floats) -> tuple[int, int]:
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column


def _value(estimate: Estimate) -> float | None:
    return estimate.value if estimate.on == "difference" else estimate.candidate


def _end(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _slice_label(declared: Slice, estimate: Estimate) -> str:
    ((name, label),) = estimate.slice
    if declared.spec.where is not None:
        return f"{name}={label}"
    return " & ".join(shown_label(value) for _, value in declared.key(label))


def clusters_span_slices(codes: NDArray[Any], clusters: NDArray[Any], judged: Mapping[int, bool]) -> bool:
    """Whether some cluster has rows in two judged slices. codes: (n,) of the slice; clusters: (n,) whole numbers from 0."""
    import numpy as np

    inside = np.isin(codes, [code for code, is_judged in judged.items() if is_judged])
    if not inside.any():
        return False
    codes, clusters = codes[inside], clusters[inside]
    first = np.full(int(clusters.max()) + 1, -1, np.int64)
    first[clusters] = codes
    return bool((first[clusters] != codes).any())
