"""Compare the largest gap between the slices of one declaration with a limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from lockgate.data.slices.names import shown_label
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import likely_fail
from lockgate.evaluation.judging.judge import smallness, verdict_of
from lockgate.evaluation.judging.number_format import rounded, short
from lockgate.evaluation.judging.rows_needed import POWER
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit, Scope
from lockgate.evaluation.uncertainty.comparison import APPROXIMATE
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lockgate.data.slices.slice import Slice
    from lockgate.data.slices.spec import SmallSlices

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

LISTED = 20
_NO_LIMIT = RequirementLimit(relative=False, number=0.5)
_PASS, _FAIL = " gap", " gap beyond"


def slice_requirements(name: str, line: Requirement, *, slices: int) -> list[tuple[str, Requirement]]:
    """Requirements on each slice's own value: at the confidence of the gap, and at that of Holm's first step over all pairs."""
    plain = replace(line, gap=None, scope=Scope("each", name=line.gap), limit=_NO_LIMIT, claim=None)
    alpha = 1 - (line.confidence or CONFIDENCE)
    return [
        (name + _PASS, replace(plain, confidence=1 - alpha)),
        (name + _FAIL, replace(plain, confidence=1 - alpha / max(slices * (slices - 1), 1))),
    ]


@dataclass(frozen=True)
class SliceGap:
    """The estimate of a gap between slices, and the wording of its finding. pair: (the higher slice, the lower one)."""

    estimate: Estimate
    line: Requirement
    pair: tuple[str, str] | None = None
    values: tuple[float, float] | None = None
    widest: tuple[str, str] | None = None
    watched: str | None = None
    together: bool = False
    remedy: str | None = None
    code: str | None = None

    @property
    def subject(self) -> str:
        """`recall gap over geography`."""
        return str(self.line).removesuffix(f" {self.line.op} {self.line.limit}")

    @property
    def spoken(self) -> str:
        return self.line.subject_phrase + self.subject.removeprefix(self.line.subject_text)

    def restate(self, finding: Finding) -> Finding:
        """The finding that `judge` made of the estimate, worded for a pair of slices."""
        if finding.decided is None or self.pair is None or self.values is None:
            return replace(
                finding, subject=self.subject, reason=f"{self.spoken}: {(self.estimate.problem or ('', ''))[1]}"
            )
        code, verdict = finding.code, finding.verdict
        if verdict is Verdict.PASS and self.watched is not None:
            # Pairs that are only under the no-harm check carry no error rate, and so the whole carries none.
            finding = replace(finding, decided=replace(finding.decided, claim="no_harm"))
            verdict = verdict_of(finding.decided, finding.detail)
            code = "watched" if verdict is Verdict.PASS else "beyond_unadjusted"
        elif verdict is Verdict.FAIL:
            code = "beyond_limit"
        elif verdict is Verdict.INCONCLUSIVE and self.code is not None and code == "too_small":
            code = self.code
        remedy = self.remedy if verdict is Verdict.INCONCLUSIVE else None
        finding = replace(finding, subject=self.subject, verdict=verdict, code=code, rows_needed=None, remedy=remedy)
        return replace(finding, reason=self._reason(finding))

    def _reason(self, finding: Finding) -> str:
        (upper, lower), (above, below) = self.pair or ("", ""), self.values or (0.0, 0.0)
        text = f"{self.spoken} is {short(above - below)}: {short(above)} on {upper}, {short(below)} on {lower}"
        point = finding.decided is None or finding.decided.confidence is None
        percent = f"at {(self.line.confidence or CONFIDENCE) * 100:g} % confidence"
        percent += " (approximate)" if "approximate" in self.estimate.method else ""
        beyond = finding.verdict is Verdict.INCONCLUSIVE and finding.code == "beyond_unadjusted"
        if (finding.verdict is Verdict.FAIL or beyond) and not point:
            text += f"; {percent} at least {short(self.estimate.low)}"
        elif not point:
            high = self.estimate.high
            bounded = high is not None and math.isfinite(high)
            text += f"; {percent} at most {short(high)}" if bounded else "; without an upper confidence bound"
            if self.widest not in (None, self.pair) and finding.verdict is Verdict.INCONCLUSIVE and self.widest:
                text += f" ({self.widest[0]} over {self.widest[1]})"
        text += f"; at most {self.line.limit} is allowed"
        if beyond:
            text += likely_fail(finding.detail, confidence=self.line.confidence or CONFIDENCE)
        elif finding.verdict is Verdict.INCONCLUSIVE:
            text += f": {finding.detail['too_few']}" if finding.detail.get("too_few") else ": not shown"
        if point:
            text += " (a point comparison, without an error rate)"
        if self.watched is not None:
            text += f"; pairs with {self.watched} are only under the no-harm check"
        if self.together and not point:
            text += "; clusters span these slices, so that their errors are taken to be correlated"
        return text


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

    estimates: of the requirements of `slice_requirements`, in their order. together: whether rows of one cluster lie in
    several slices; the errors of two slices then add, as if fully correlated, else their squares do.
    p_pass: the largest of the pairs (intersection-union). p_fail: the smallest, times the number of pairs (Holm's first
    step). Source: intervals of two independent groups by MOVER, Zou & Donner 2008; freedom by Welch and Satterthwaite.
    """
    import numpy as np

    own = [estimate for estimate in estimates if estimate.requirement == name + _PASS]
    strict = {estimate.slice: estimate for estimate in estimates if estimate.requirement == name + _FAIL}
    measured = [
        estimate for estimate in own if estimate.candidate is not None and strict[estimate.slice].low is not None
    ]
    undefined = {_slice_label(declared, estimate): estimate.problem for estimate in own if estimate.problem is not None}
    blank = Estimate(
        requirement=name, slice=(), rows=rows, positives=None, required=(line.op, line.limit.value), on="difference",
        method="none", limit=line.limit.value, counted_in=own[0].counted_in if own else "rows",
    )  # fmt: skip
    if len(measured) < 2:
        return SliceGap(replace(blank, problem=_one_slice(undefined, any_value=bool(measured))), line)
    labels = [_slice_label(declared, estimate) for estimate in measured]
    few = {
        label: reason
        for label, estimate in zip(labels, measured, strict=True)
        if (reason := smallness(estimate, line, small) or estimate.too_few) is not None
    }
    pairs = _Pairs(labels, measured, [strict[estimate.slice] for estimate in measured], line, together=together)
    large = np.array([label not in few for label in labels])
    no_harm_check = small.below == "watch" and bool(large.sum() > 1)
    proven = pairs.apart & np.outer(large, large) if no_harm_check else pairs.apart
    top = _largest(np.where(pairs.apart, pairs.difference, -np.inf))
    # Ties of p_pass, such as several pairs at 1, go to the pair with the highest bound.
    widest = _largest(np.where(proven, pairs.p_pass, -np.inf) + np.where(proven, 1e-9 * pairs.high, 0.0))
    gap = pairs.estimate(blank, proven, top=top, widest=widest)
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
        pair=(labels[top[0]], labels[top[1]]),
        values=(float(pairs.values[top[0]]), float(pairs.values[top[1]])),
        widest=(labels[widest[0]], labels[widest[1]]),
        watched=", ".join(sorted(watched)) if watched else None,
        together=together,
        remedy=pairs.remedy(widest, measured, undefined=list(undefined), few=sorted(few)),
        code=next(iter(undefined.values()))[0] if undefined else None,
    )


def _one_slice(undefined: Mapping[str, tuple[str, str]], *, any_value: bool) -> tuple[str, str]:
    """(code, reason) of a gap that has fewer than two values."""
    causes = [f"{label}: {problem[1]}" for label, problem in undefined.items()]
    examples = f" ({'; '.join(causes[:3])})" if causes else ""
    return "one_slice", f"{'only one' if any_value else 'no'} slice has a value, and a gap needs two{examples}"


class _Pairs:
    """Difference, bounds and p-values of every ordered pair (i, j), slice i minus slice j, as (k, k) arrays."""

    def __init__(
        self,
        labels: Sequence[str],
        estimates: Sequence[Estimate],
        strict: Sequence[Estimate],
        line: Requirement,
        *,
        together: bool,
    ) -> None:
        import numpy as np
        from scipy import special

        values = np.array([estimate.candidate for estimate in estimates], float)
        self.labels, self.values, self.line, self.together = labels, values, line, together
        self.limit, self.confidence = line.limit.value, line.confidence or CONFIDENCE
        self.apart: Bools = ~np.eye(len(labels), dtype=bool)
        tested = np.array([estimate.too_few is None for estimate in estimates])
        self.tests: Bools = self.apart & np.outer(tested, tested)
        self.approximate = APPROXIMATE if any("approximate" in estimate.method for estimate in estimates) else ""
        self.difference = values[:, None] - values[None, :]
        freedom = np.array([max((estimate.n_eff or 0.0) - 1, 1.0) for estimate in estimates])
        beyond = 1 - (1 - self.confidence) / max(len(estimates) * (len(estimates) - 1), 1)

        def errors(slice_estimates: Sequence[Estimate], confidence: float) -> tuple[Floats, Floats]:
            """(downward, upward) standard errors, recovered from the slices' own intervals (MOVER)."""
            quantile = special.stdtrit(freedom, confidence)
            ends = np.array(
                [(_end(estimate.low, -math.inf), _end(estimate.high, math.inf)) for estimate in slice_estimates]
            )
            return (values - ends[:, 0]) / quantile, (ends[:, 1] - values) / quantile

        def joined(first: Floats, second: Floats) -> Floats:
            # Errors of separate rows add in squares; those that share clusters at worst in full.
            whole: Floats = first[:, None] + second[None, :] if together else np.hypot(first[:, None], second[None, :])
            return whole

        down, up = errors(estimates, self.confidence)
        strict_down, strict_up = errors(strict, beyond)
        with np.errstate(all="ignore"):
            # Welch–Satterthwaite, with the mean of both sides' errors; clipped so that no slice without error divides by 0.
            middle = np.minimum(np.maximum((down + up) / 2, 1e-300), 1e300)
            square, rate = middle**2, middle**4 / freedom
            self.freedom = np.maximum(
                (square[:, None] + square[None, :]) ** 2 / (rate[:, None] + rate[None, :]), 1.0
            )  # fmt: skip
            self.freedom = np.where(np.isfinite(self.freedom), self.freedom, 1.0)
            if together:
                self.freedom = np.minimum(freedom[:, None], freedom[None, :])
            self.se = joined(middle, middle)
            rising, falling, beyond_se = joined(up, down), joined(down, up), joined(strict_down, strict_up)
            quantile = special.stdtrit(self.freedom, self.confidence)
            self.high = self.difference + quantile * rising
            self.low = self.difference - quantile * falling
            self.p_pass = special.stdtr(self.freedom, -_over(self.limit - self.difference, rising))
            self.p_fail = special.stdtr(self.freedom, -_over(self.difference - self.limit, beyond_se))

    def estimate(self, blank: Estimate, proven: Bools, *, top: tuple[int, int], widest: tuple[int, int]) -> Estimate:
        """The largest gap, at `top`, with bounds and p-values over all pairs. proven: pairs that the claim covers."""
        compared = int(self.apart.sum())
        detail = {
            "pair": [self.labels[top[0]], self.labels[top[1]]],
            "slices": {label: number(float(value)) for label, value in zip(self.labels, self.values, strict=True)},
            "pairs": self._listed(proven),
            "pairs_compared": compared,
        }
        gap = float(self.difference[top])
        largest = replace(blank, candidate=gap, value=gap, method="point", detail=detail)
        if self.line.claim == "point":
            return largest
        low, high, tests = float(self.low[self.apart].max()), float(self.high[proven].max()), int(self.tests.sum())
        return replace(
            largest,
            low=low,
            high=high,
            interval=(low, high),
            # All pairs must lie below the limit (intersection-union); one beyond it fails the line (Holm's first step).
            p_pass=float(self.p_pass[proven].max()),
            p_fail=min(1.0, tests * float(self.p_fail[self.tests].min())) if tests else None,
            se=float(self.se[widest]),
            n_eff=float(self.freedom[widest]) + 1,
            method=f"largest of {compared} pairs, mover, {'errors added' if self.together else 't'}{self.approximate}",
        )

    def _listed(self, proven: Bools) -> list[dict[str, Any]]:
        """The pairs with the highest bounds, for the evidence."""
        import numpy as np

        order = np.argsort(np.where(self.tests, self.p_fail, 2.0), axis=None, kind="stable")
        sorted_p = self.p_fail.ravel()[order][: int(self.tests.sum())]
        # Holm 1979 in numpy: there are k(k − 1) pairs.
        adjusted = np.minimum(np.maximum.accumulate(sorted_p * (sorted_p.size - np.arange(sorted_p.size))), 1.0)
        holm = dict(zip(order[: sorted_p.size].tolist(), adjusted.tolist(), strict=True))
        worst = np.argsort(np.where(self.apart, -self.high, np.inf), axis=None, kind="stable")
        pairs = []
        for flat in worst[: min(LISTED, int(self.apart.sum()))].tolist():
            i, j = divmod(flat, len(self.labels))
            pairs.append(
                {
                    "higher": self.labels[i],
                    "lower": self.labels[j],
                    "gap": number(float(self.difference[i, j])),
                    "low": number(_finite(self.low[i, j])),
                    "high": number(_finite(self.high[i, j])),
                    "p_pass": number(float(self.p_pass[i, j])) if proven[i, j] else None,
                    "p_fail_holm": number(holm[flat]) if flat in holm else None,
                }
            )
        return pairs

    def remedy(
        self, pair: tuple[int, int], estimates: Sequence[Estimate], *, undefined: Sequence[str], few: Sequence[str]
    ) -> str:
        """What would decide an undecided line."""
        rows = estimates[0].counted_in
        if undefined:
            return f"add {rows} of {undefined[0]} in which the metric is defined, or declare slices without it"
        room, normal = self.limit - float(self.difference[pair]), NormalDist()
        if room <= 0:
            return f"more {rows} are unlikely to help at this gap; look at what differs between these slices"
        now = estimates[pair[0]].rows + estimates[pair[1]].rows
        # The standard error shrinks with the root of the rows: (z_alpha + z_power) · se = room.
        steps = normal.inv_cdf(self.confidence) + normal.inv_cdf(POWER)
        ratio = steps * float(self.se[pair]) / room
        needed = now * ratio * ratio
        if math.isfinite(needed) and needed > now:
            return f"about {rounded(math.ceil(needed - now))} more {rows} of {self.labels[pair[0]]} and {self.labels[pair[1]]} would decide"
        return f"more {rows} of {few[0] if few else self.labels[pair[1]]} would decide"


def _over(above: Floats, below: Floats) -> Floats:
    """A difference in standard errors; without error, infinite to its side, and a limit met exactly is not exceeded."""
    import numpy as np

    ratio: Floats = np.where(below > 0, above / below, np.where(above > 0, np.inf, -np.inf))
    return ratio


def _largest(values: Floats) -> tuple[int, int]:
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column


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
