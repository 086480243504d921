"""How far apart the slices of one declaration are: the bound on every ordered pair of them, held against one number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evaluation.judging.number_format import rounded, short
from lockgate.evaluation.judging.rows_needed import POWER
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit, Scope
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
    """The lines that ask for each slice's own value: once at the line's confidence, once at that of Holm's first step."""
    plain = replace(line, gap=None, scope=Scope("each", name=line.gap), limit=_NO_LIMIT, claim=None)
    alpha = 1 - (line.confidence or CONFIDENCE)
    return [
        (name + _PASS, replace(plain, confidence=1 - alpha)),
        (name + _FAIL, replace(plain, confidence=1 - alpha / max(slices * (slices - 1), 1))),
    ]


@dataclass(frozen=True)
class SliceGap:
    """A gap line's estimate, and the words for what becomes of it. pair: (the higher slice, the lower one)."""

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

    def restate(self, found: Finding) -> Finding:
        """The finding that `judge` made of the estimate, in the words of pairs."""
        if found.decided is None or self.pair is None or self.values is None:
            return replace(
                found, subject=self.subject, reason=f"{self.spoken}: {(self.estimate.problem or ('', ''))[1]}"
            )
        code, verdict = found.code, found.verdict
        if verdict is Verdict.PASS and self.watched is not None:
            # No rate stands behind the pairs that are only watched, and so behind none of the whole.
            found = replace(found, decided=replace(found.decided, claim="no_harm"))
            verdict = verdict_of(found.decided, found.detail)
            code = "watched" if verdict is Verdict.PASS else "beyond_unadjusted"
        elif verdict is Verdict.FAIL:
            code = "beyond_limit"
        elif verdict is Verdict.INCONCLUSIVE and self.code is not None and code == "too_small":
            code = self.code
        remedy = self.remedy if verdict is Verdict.INCONCLUSIVE else None
        found = replace(found, subject=self.subject, verdict=verdict, code=code, rows_needed=None, remedy=remedy)
        return replace(found, reason=self._reason(found))

    def _reason(self, found: Finding) -> str:
        (upper, lower), (above, below) = self.pair or ("", ""), self.values or (0.0, 0.0)
        text = f"{self.spoken} is {short(above - below)}: {short(above)} on {upper}, {short(below)} on {lower}"
        point = found.decided is None or found.decided.confidence is None
        percent = f"at {(self.line.confidence or CONFIDENCE) * 100:g} % confidence"
        beyond = found.verdict is Verdict.INCONCLUSIVE and found.code == "beyond_unadjusted"
        if (found.verdict is Verdict.FAIL or beyond) and not point:
            text += f"; {percent} at least {short(self.estimate.low)}"
        elif not point:
            high = self.estimate.high
            bounded = high is not None and math.isfinite(high)
            text += f"; {percent} at most {short(high)}" if bounded else "; nothing bounds it"
            if self.widest not in (None, self.pair) and found.verdict is Verdict.INCONCLUSIVE and self.widest:
                text += f" ({self.widest[0]} over {self.widest[1]})"
        text += f"; at most {self.line.limit} is allowed"
        if beyond:
            text += ". Its own interval lies wholly beyond the limit, short of proof among this gate's findings"
        elif found.verdict is Verdict.INCONCLUSIVE:
            text += f": {found.detail['too_few']}" if found.detail.get("too_few") else ": not shown"
        if point:
            text += " (a point comparison, without an error rate)"
        if self.watched is not None:
            text += f"; pairs with {self.watched} are watched only"
        if self.together and not point:
            text += "; clusters span these slices, so that their errors are taken to go together"
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
    """The largest gap over ordered pairs of slices, bounds and p-values of all pairs as one estimate.

    estimates: of the lines that `by_slice` gave, in their order. together: whether rows of one cluster lie in several
    slices; the errors of two slices then add, as if they always went together, else their squares do.
    p_pass: the largest of the pairs (intersection-union). p_fail: the smallest, times the number of pairs (Holm's first
    step). Source: intervals of two independent groups by MOVER, Zou & Donner 2008; freedom by Welch and Satterthwaite.
    """
    import numpy as np

    own = [one for one in estimates if one.requirement == name + _PASS]
    strict = {one.slice: one for one in estimates if one.requirement == name + _FAIL}
    known = [one for one in own if one.candidate is not None and strict[one.slice].low is not None]
    blank = Estimate(
        requirement=name, slice=(), rows=rows, positives=None, required=(line.op, line.limit.value), on="difference",
        method="none", limit=line.limit.value, counted_in=own[0].counted_in if own else "rows",
    )  # fmt: skip
    lacking = [one for one in own if one.problem is not None]
    if len(known) < 2:
        why = [f"{_shown(declared, one)}: {one.problem[1]}" for one in lacking if one.problem]
        said = f" ({'; '.join(why[:3])})" if why else ""
        count = "no slice has" if not known else "only one slice has"
        return SliceGap(replace(blank, problem=("one_slice", f"{count} a value, and a gap needs two{said}")), line)
    labels = [_shown(declared, one) for one in known]
    values = np.array([one.candidate for one in known], float)
    few = [(label, less) for label, one in zip(labels, known, strict=True) if (less := _small(one, line, small))]
    weak = {label for label, _ in few}
    large = np.array([label not in weak for label in labels])
    tested = np.array([one.too_few is None for one in known])
    pairs = _Pairs(values, known, [strict[one.slice] for one in known], line, together=together)
    apart = ~np.eye(len(known), dtype=bool)
    watch = small.below == "watch"
    proven = apart & np.outer(large, large) if watch and large.sum() > 1 else apart
    top = _largest(np.where(apart, pairs.difference, -np.inf))
    widest = _largest(np.where(proven, pairs.p_pass, -np.inf) + np.where(proven, 1e-9 * pairs.high, 0.0))
    tests = apart & np.outer(tested, tested)
    compared = int(tests.sum())
    p_fail = min(1.0, compared * float(pairs.p_fail[tests].min())) if compared else None
    blocked = None
    if lacking:
        blocked = f"{line.subject_text} on {_shown(declared, lacking[0])}: {(lacking[0].problem or ('', ''))[1]}"
    elif few and not (watch and large.sum() > 1):
        blocked = f"{few[0][0]} has {few[0][1]}"
    detail: dict[str, Any] = {
        "pair": [labels[top[0]], labels[top[1]]],
        "slices": {label: number(float(value)) for label, value in zip(labels, values, strict=True)},
        "pairs": pairs.listed(labels, proven, tests),
        "pairs_compared": int(apart.sum()),
        **({"too_few": blocked} if blocked is not None else {}),
        **({"watched": ", ".join(f"{label}: {less}" for label, less in few)} if watch and few and not blocked else {}),
        **({"clusters_span_slices": True} if together else {}),
    }
    point = line.claim == "point"
    one = replace(
        blank,
        candidate=float(pairs.difference[top]),
        value=float(pairs.difference[top]),
        low=None if point else float(pairs.low[apart].max()),
        high=None if point else float(pairs.high[proven].max()),
        interval=None if point else (float(pairs.low[apart].max()), float(pairs.high[proven].max())),
        p_pass=None if point else float(pairs.p_pass[proven].max()),
        p_fail=None if point else p_fail,
        se=None if point else float(pairs.se[widest]),
        n_eff=None if point else float(pairs.freedom[widest]) + 1,
        method="point"
        if point
        else f"largest of {int(apart.sum())} pairs, mover, {'errors added' if together else 't'}",
        detail=detail,
    )
    return SliceGap(
        one,
        line,
        pair=(labels[top[0]], labels[top[1]]),
        values=(float(values[top[0]]), float(values[top[1]])),
        widest=(labels[widest[0]], labels[widest[1]]),
        watched=", ".join(sorted(weak)) if watch and few and not blocked else None,
        together=together,
        remedy=pairs.remedy(
            widest, labels, known, lacking=[_shown(declared, one) for one in lacking], weak=sorted(weak)
        ),
        code=lacking[0].problem[0] if lacking and lacking[0].problem else None,
    )


class _Pairs:
    """What holds for every ordered pair (i, j): slice i minus slice j, as (k, k) arrays."""

    def __init__(
        self,
        values: Floats,
        known: Sequence[Estimate],
        strict: Sequence[Estimate],
        line: Requirement,
        *,
        together: bool,
    ) -> None:
        import numpy as np
        from scipy import special

        self.limit, self.confidence = line.limit.value, line.confidence or CONFIDENCE
        self.difference = values[:, None] - values[None, :]
        freedom = np.array([max((one.n_eff or 0.0) - 1, 1.0) for one in known])
        beyond = 1 - (1 - self.confidence) / max(len(known) * (len(known) - 1), 1)

        def errors(of: Sequence[Estimate], confidence: float) -> tuple[Floats, Floats]:
            """(downward, upward) standard errors that the slices' own intervals come to."""
            quantile = special.stdtrit(freedom, confidence)
            ends = np.array([(_end(one.low, -math.inf), _end(one.high, math.inf)) for one in of])
            return (values - ends[:, 0]) / quantile, (ends[:, 1] - values) / quantile

        def joined(first: Floats, second: Floats) -> Floats:
            whole: Floats = first[:, None] + second[None, :] if together else np.hypot(first[:, None], second[None, :])
            return whole

        down, up = errors(known, self.confidence)
        strict_down, strict_up = errors(strict, beyond)
        with np.errstate(all="ignore"):
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

    def listed(self, labels: Sequence[str], proven: Bools, tests: Bools) -> list[dict[str, Any]]:
        """The pairs that come nearest to the limit or lie furthest beyond it, for the evidence."""
        import numpy as np

        order = np.argsort(np.where(tests, self.p_fail, 2.0), axis=None, kind="stable")
        sorted_p = self.p_fail.ravel()[order][: int(tests.sum())]
        adjusted = np.minimum(np.maximum.accumulate(sorted_p * (sorted_p.size - np.arange(sorted_p.size))), 1.0)
        holm = dict(zip(order[: sorted_p.size].tolist(), adjusted.tolist(), strict=True))
        off = ~np.eye(len(labels), dtype=bool)
        worst = np.argsort(np.where(off, -self.high, np.inf), axis=None, kind="stable")[: min(LISTED, int(off.sum()))]
        found = []
        for flat in worst.tolist():
            i, j = divmod(flat, len(labels))
            found.append(
                {
                    "higher": labels[i],
                    "lower": labels[j],
                    "gap": number(float(self.difference[i, j])),
                    "low": number(_finite(self.low[i, j])),
                    "high": number(_finite(self.high[i, j])),
                    "p_pass": number(float(self.p_pass[i, j])) if proven[i, j] else None,
                    "p_fail_holm": number(holm[flat]) if flat in holm else None,
                }
            )
        return found

    def remedy(
        self,
        pair: tuple[int, int],
        labels: Sequence[str],
        known: Sequence[Estimate],
        *,
        lacking: list[str],
        weak: list[str],
    ) -> str:
        """What would decide an undecided line."""
        rows = known[0].counted_in
        if lacking:
            return f"add {rows} of {lacking[0]} in which the metric is defined, or declare slices without it"
        room, normal = self.limit - float(self.difference[pair]), NormalDist()
        if room <= 0:
            return f"more {rows} are unlikely to help at this gap; look at what differs between these slices"
        now = known[pair[0]].rows + known[pair[1]].rows
        steps = normal.inv_cdf(self.confidence) + normal.inv_cdf(POWER)
        ratio = steps * float(self.se[pair]) / room
        needed = now * ratio * ratio
        if math.isfinite(needed) and needed > now:
            return f"about {rounded(math.ceil(needed - now))} more {rows} of {labels[pair[0]]} and {labels[pair[1]]} would decide"
        return f"more {rows} of {weak[0] if weak else labels[pair[1]]} would decide"


def _over(above: Floats, below: Floats) -> Floats:
    import numpy as np

    found: Floats = np.where(below > 0, above / below, np.where(above > 0, np.inf, -np.inf))
    return found


def _largest(values: Floats) -> tuple[int, int]:
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column


def _end(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _shown(declared: Slice, one: Estimate) -> str:
    ((name, label),) = one.slice
    if declared.spec.where is not None:
        return f"{name}={label}"
    return " & ".join(value for _, value in declared.key(label))


def _small(one: Estimate, line: Requirement, small: SmallSlices) -> str | None:
    """Why a slice is too small to be proven, by rows and positives, or by the floor of its test."""
    rows = max(small.min_rows, line.min_rows or 0)
    if one.rows < rows:
        return f"{one.rows:,} {one.counted_in}; {rows:,} are asked for"
    if one.positives is not None and one.positives < small.min_positives:
        return f"{one.positives:,} positive rows; {small.min_positives:,} are asked for"
    return one.too_few


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
