"""What the scored rows say about each requirement, on each slice: value, contrast, interval and the two p-values."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from lockgate.metrics.comparison import Decision
from lockgate.requirement import Requirement
from lockgate.slices import OTHER

if TYPE_CHECKING:
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray

    from lockgate.metrics.influence import Measured, Metric, Summary
    from lockgate.sliced import Sliced
    from lockgate.slices import Slice, SliceKey
    from lockgate.stats.influence import Scale, Spread

    class Rows(Protocol):
        """What `estimate` needs of a scored table: aligned (n,) columns, and the slice code of every row."""

        @property
        def rows(self) -> int: ...
        @property
        def labels(self) -> NDArray[Any] | None: ...
        @property
        def candidate(self) -> NDArray[np.float64] | None: ...
        @property
        def champion(self) -> NDArray[np.float64] | None: ...
        @property
        def weights(self) -> NDArray[np.float64] | None: ...
        @property
        def clusters(self) -> NDArray[Any] | None: ...
        @property
        def slices(self) -> tuple[Slice, ...]: ...
        def codes(self, name: str) -> tuple[tuple[str, ...], NDArray[Any]]: ...


CONFIDENCE = 0.95
MIN_EFFECTIVE_ROWS = 5.0
MIN_MINORITY = 10
MIN_CLUSTERS = 10
TANGO = "tango score"


@dataclass(frozen=True)
class Estimate:
    """One requirement on one slice, before any verdict.

    candidate, champion: their values; interval: the candidate's own, two-sided at 2·confidence − 1.
    on, value, low, high, required: the contrast that is held against `required`, its interval likewise.
    limit: what the candidate's own value is held against. p_pass, p_fail: one-sided p-values of the claims that the
    requirement is met, and that it is violated; None for counts and where nothing could be tested.
    minority: rows of the smaller class where the metric needs both. variance: of one row's influence, of this slice;
    pooled_variance of all rows. too_few: why the test's own floor is not reached, or what else keeps it from being decided;
    few_code: that in a word. problem: (code, why) where there is no value.
    """

    requirement: str
    slice: SliceKey
    rows: int
    positives: int | None
    required: tuple[str, float]
    on: Literal["value", "difference", "ratio", "count"]
    method: str
    counted: bool = False
    candidate: float | None = None
    champion: float | None = None
    interval: tuple[float | None, float | None] | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    p_pass: float | None = None
    p_fail: float | None = None
    se: float | None = None
    n_eff: float | None = None
    minority: int | None = None
    variance: float | None = None
    pooled_variance: float | None = None
    too_few: str | None = None
    few_code: str = "too_small"
    problem: tuple[str, str] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    counted_in: str = "rows"


def counted(
    requirement_id: str,
    requirement: Requirement,
    *,
    value: float,
    units: int,
    champion: float | None = None,
    slice_key: SliceKey = (),
    detail: Mapping[str, Any] | None = None,
) -> Estimate:
    """A fact of this run: `value` things counted among `units` looked at; zero units show nothing."""
    limit = absolute_limit(requirement, champion)
    return Estimate(
        requirement=requirement_id,
        slice=slice_key,
        rows=units,
        positives=None,
        required=(requirement.op, requirement.limit.value if limit is None else limit),
        on="count",
        method="counted",
        counted=True,
        candidate=float(value),
        champion=champion,
        value=float(value) if units else None,
        low=float(value) if units else None,
        high=float(value) if units else None,
        limit=limit,
        problem=None if units else ("nothing_counted", "nothing was there to be counted"),
        detail=detail or {},
    )


def absolute_limit(requirement: Requirement, champion: float | None) -> float | None:
    """What the candidate's own value is held against; None where that needs a champion's value that is not there."""
    limit = requirement.limit
    if not limit.relative:
        return limit.value
    if champion is None:
        return None
    return champion * limit.value if limit.sign == "*" else champion + limit.margin


def contrast(requirement: Requirement) -> tuple[Literal["value", "difference"], float]:
    """(what is compared, the number it is held against) for a line on a metric."""
    limit = requirement.limit
    if not limit.relative:
        return "value", limit.value
    return "difference", 0.0 if limit.sign == "*" else limit.margin


def estimate(
    scored: Rows,
    asked: Sequence[tuple[str, Requirement]],
    metrics: Mapping[str, Metric],
    *,
    threshold: Mapping[str, float | None],
    threads: int | None = None,
) -> tuple[Estimate, ...]:
    """Estimates of every requirement on every slice that it names, in the order of requirements, then slices.

    asked: (rN, requirement) on metrics of `metrics`; relative ones need scored.champion. threshold: of each role's scores.
    threads: how many may be used, one a processor by default; the estimates do not depend on it.
    """
    from lockgate.sliced import Sliced
    from lockgate.summable import OVERALL

    cells, codes = _cells(scored, asked)
    sliced = Sliced(
        scored,
        [*((OVERALL, line) for _, line in asked), *((cell.place, line) for cell in cells for _, line in cell.asked)],
        metrics,
        threshold=threshold,
        codes=codes,
        threads=threads or os.cpu_count() or 1,
    )
    found: dict[tuple[str, SliceKey], Estimate] = {}
    pooled: dict[str, float | None] = {}
    overall = _Rows(scored, None, OVERALL, threshold, metrics, sliced)
    for name, requirement in asked:
        whole = overall.estimate(name, requirement, ())
        pooled[name] = whole.variance
        if requirement.scope.kind == "overall":
            found[name, ()] = replace(whole, pooled_variance=whole.variance)
    members = {name: _Members(column, count) for name, (count, column) in codes.items()}
    for cell in cells:
        rows = _Rows(scored, partial(members[cell.place[0]], cell.place[1]), cell.place, threshold, metrics, sliced)
        for name, requirement in cell.asked:
            found[name, cell.key] = rows.estimate(name, requirement, cell.key, pooled_variance=pooled[name])
    order = {name: place for place, (name, _) in enumerate(asked)}
    return tuple(sorted(found.values(), key=lambda one: order[one.requirement]))


@dataclass(frozen=True)
class _Cell:
    """A slice: what it is called, the code of its rows in which slicing, and the lines asked there."""

    key: SliceKey
    place: tuple[int, int]
    asked: list[tuple[str, Requirement]]


def _cells(
    scored: Rows, asked: Sequence[tuple[str, Requirement]]
) -> tuple[list[_Cell], dict[int, tuple[int, NDArray[Any]]]]:
    """(slices, each once, in order of declaration; number of a slicing, from 1 → (how many codes, the code of every row))."""
    import numpy as np

    cells: list[_Cell] = []
    codes: dict[int, tuple[int, NDArray[Any]]] = {}
    for declared in scored.slices:
        names = [
            (name, requirement)
            for name, requirement in asked
            if requirement.scope.kind == "each_slice"
            or (requirement.scope.kind in ("each", "slice") and requirement.scope.name == declared.name)
        ]
        if not names:
            continue
        labels, column = scored.codes(declared.name)
        codes[len(codes) + 1] = len(labels), column
        counts = np.bincount(column, minlength=len(labels))
        for code, label in enumerate(labels):
            if label not in (declared.values or ()) and (
                declared.kind == "where" or label == OTHER or not counts[code]
            ):
                continue
            cells.append(_Cell(((declared.name, label),), (len(codes), code), names))
    for name, requirement in asked:
        if requirement.scope.kind == "cell":
            inside = np.ones(scored.rows, dtype=bool)
            for slicing, value in requirement.scope.cell:
                labels, column = scored.codes(slicing)
                inside &= column == (labels.index(value) if value in labels else -1)
            codes[len(codes) + 1] = 2, inside.view(np.uint8)
            cells.append(_Cell(requirement.scope.cell, (len(codes), 1), [(name, requirement)]))
    return cells, codes


class _Members:
    """The row numbers of each code, found when they are first asked for."""

    def __init__(self, codes: NDArray[Any], labels: int) -> None:
        self.codes, self.labels = codes, labels

    def __call__(self, code: int) -> NDArray[np.intp]:
        return self.order[self.ends[code] : self.ends[code + 1]]

    @cached_property
    def ends(self) -> NDArray[np.intp]:
        import numpy as np

        return np.concatenate([[0], np.bincount(self.codes, minlength=self.labels).cumsum()])

    @cached_property
    def order(self) -> NDArray[np.intp]:
        import numpy as np

        return np.argsort(self.codes.astype(np.uint16) if self.labels <= 1 << 16 else self.codes, kind="stable")


class _Rows:
    """Some rows of a scored table; what one requirement computes on them, the next one finds.

    members: gives their numbers, None for all rows. place: theirs in `sliced`, which may know their sums without them.
    """

    def __init__(
        self,
        scored: Rows,
        members: Callable[[], NDArray[np.intp]] | None,
        place: tuple[int, int],
        threshold: Mapping[str, float | None],
        metrics: Mapping[str, Metric],
        sliced: Sliced,
    ) -> None:
        self.scored, self._members = scored, members
        self.threshold, self.metrics = threshold, metrics
        self.sliced, self.place = sliced, place
        self.measured: dict[tuple[str, Metric, float | None], Measured] = {}

    @cached_property
    def members(self) -> NDArray[np.intp] | None:
        return None if self._members is None else self._members()

    def pick(self, column: NDArray[Any] | None) -> NDArray[Any] | None:
        return column if column is None or self.members is None else column[self.members]

    @cached_property
    def labels(self) -> NDArray[Any] | None:
        return self.pick(self.scored.labels)

    @cached_property
    def scores(self) -> dict[str, NDArray[Any] | None]:
        return {"candidate": self.pick(self.scored.candidate), "champion": self.pick(self.scored.champion)}

    @cached_property
    def weights(self) -> NDArray[Any] | None:
        return self.pick(self.scored.weights)

    @cached_property
    def clusters(self) -> NDArray[Any] | None:
        return self.pick(self.scored.clusters)

    @cached_property
    def rows(self) -> int:
        size = self.sliced.size(self.place)
        if size is not None:
            return size[0]
        return self.scored.rows if self.members is None else int(self.members.size)

    @cached_property
    def positives(self) -> int | None:
        import numpy as np

        size = self.sliced.size(self.place)
        if size is not None:
            return size[1]
        if self.labels is None or self.labels.dtype != bool:
            return None
        return int(np.count_nonzero(self.labels))

    def positives_of(self, metric: Metric) -> int | None:
        """The rows that count as positive: of the class that the metric is of, where there are several."""
        import numpy as np

        of = getattr(metric, "of", None)
        if of is None or self.labels is None:
            return self.positives
        return int(np.count_nonzero(self.labels == of))

    def minority(self, metric: Metric) -> tuple[int, str] | None:
        """(rows, what they are) of the smallest group of rows that a metric needs enough of; None where it needs none."""
        if not metric.minority:
            return None
        if hasattr(metric, "of"):
            return min((int(group.sum()), name) for name, group in self._groups(metric).items())
        positives = self.positives
        if positives is None:
            return None
        kind = "positive" if positives <= self.rows - positives else "negative"
        return min(positives, self.rows - positives), f"{kind} rows"

    def _groups(self, metric: Metric) -> dict[str, NDArray[np.bool_]]:
        """The groups of rows, each by its name, of which a metric needs enough."""
        labels: Any = self.labels
        if not hasattr(metric, "of"):
            return {"positive rows": labels, "negative rows": ~labels}
        classes: tuple[str, ...] = getattr(metric, "classes", ())
        if metric.of is None:
            return {f"rows of class {name}": labels == place for place, name in enumerate(classes)}
        name = classes[metric.of]
        return {f"rows of class {name}": labels == metric.of, f"rows of other classes than {name}": labels != metric.of}

    def measure(self, role: str, requirement: Requirement) -> Summary:
        """One model's metric here. Raises Undefined."""
        if self.sliced.takes(requirement):
            return self.sliced.measure(self.place, role, requirement)
        return self._summary(requirement.among(self.metrics), self._measured(role, requirement))

    def contrast(self, requirement: Requirement, factor: float) -> Summary:
        """Candidate minus `factor` times champion here. Raises Undefined."""
        if self.sliced.takes(requirement):
            return self.sliced.contrast(self.place, requirement, factor)
        import numpy as np

        metric = requirement.among(self.metrics)
        candidate, champion = (self._measured(role, requirement) for role in ("candidate", "champion"))
        value = candidate.value - factor * champion.value
        base = None if candidate.base is None or champion.base is None else candidate.base | champion.base
        disagree = None
        first, second = candidate.hits, champion.hits
        shares = metric.paired_share and first is not None and second is not None
        if shares and factor == 1.0 and self.scored.clusters is None:
            disagree = (
                int(np.count_nonzero(first & ~second & candidate.base)),  # type: ignore[operator]
                int(np.count_nonzero(second & ~first & candidate.base)),  # type: ignore[operator]
                int(np.count_nonzero(candidate.base)),  # type: ignore[arg-type]
            )
        return self._reduced(
            metric, value, candidate.psi - factor * champion.psi, candidate, champion, base=base, disagree=disagree
        )

    def _measured(self, role: str, requirement: Requirement) -> Measured:
        metric = requirement.among(self.metrics)
        named = getattr(metric, "argument", "threshold")
        argument = None if named is None else requirement.argument(named)
        threshold = self.threshold.get(role) if argument is None else float(argument)
        key = (role, metric, threshold)
        if key not in self.measured:
            labels = self.labels
            scores: Any = self._places(role) if getattr(metric, "placed", False) else self.scores[role]
            self.measured[key] = metric.measure(labels, scores, self.weights, threshold)  # type: ignore[arg-type]
        return self.measured[key]

    def _places(self, role: str) -> NDArray[np.float64]:
        """Row numbers, the champion's counted on from the candidate's."""
        import numpy as np

        rows = np.arange(self.scored.rows) if self.members is None else self.members
        return rows.astype(np.float64) + (self.scored.rows if role == "champion" else 0)

    def _decided(self, requirement: Requirement, *, paired: bool, null: float, confidence: float) -> Decision | None:
        """By the metric's own rule, where it has one."""
        decide = getattr(requirement.among(self.metrics), "decide", None)
        if decide is None:
            return None
        factor = requirement.limit.value if requirement.limit.sign == "*" else 1.0
        champion = self._measured("champion", requirement) if paired else None
        summed = self.sliced.takes(requirement)
        candidate = self.sliced.bins(self.place) if summed else self._measured("candidate", requirement)
        found: Decision = decide(candidate, champion, factor, self.clusters, null, confidence)
        return found

    def _summary(self, metric: Metric, measured: Measured) -> Summary:
        counts = None if self.scored.clusters is not None else measured.counts
        return self._reduced(
            metric, measured.value, measured.psi, measured, base=measured.base, counts=counts, detail=measured.detail
        )

    def _reduced(
        self, metric: Metric, value: float, psi: NDArray[np.float64], *measured: Measured, base: Any, **known: Any
    ) -> Summary:
        """What is left of influence values when they are summed up."""
        import numpy as np

        from lockgate.metrics.influence import Summary
        from lockgate.stats.influence import spread

        size = max(max(abs(one.value), float(np.abs(one.psi).max())) for one in measured)
        error = spread(psi, clusters=self.clusters)
        hidden = max((one.unseen(psi, self.clusters) for one in measured if hasattr(one, "unseen")), default=0.0)
        if hidden and error.se > 0:
            error = replace(error, se=math.hypot(error.se, math.sqrt(hidden)))
        return Summary(value, error, size, self._units(metric, base), **known)

    def _units(self, metric: Metric, base: NDArray[np.bool_] | None) -> int:
        """The rows or clusters that carry a metric, those of the smaller class where it needs both."""
        import numpy as np

        groups = [np.ones(self.rows, dtype=bool) if base is None else base]
        if metric.minority and self.labels is not None:
            groups = list(self._groups(metric).values())
        clusters = self.clusters
        return min(
            int(np.count_nonzero(group)) if clusters is None else int(np.unique(clusters[group]).size)
            for group in groups
        )

    def estimate(
        self, name: str, requirement: Requirement, key: SliceKey, *, pooled_variance: float | None = None
    ) -> Estimate:
        from lockgate.metrics.influence import Undefined

        on, null = contrast(requirement)
        metric = requirement.among(self.metrics)
        known: dict[str, Any] = {
            "requirement": name,
            "slice": key,
            "rows": self.rows,
            "positives": self.positives_of(metric),
            "required": (requirement.op, null),
            "on": on,
            "method": "none",
            "limit": absolute_limit(requirement, None),
            "pooled_variance": pooled_variance,
            "counted_in": metric.counted_in,
        }
        if self.rows == 0:
            return Estimate(**known, problem=("no_rows", f"there are no {metric.counted_in}"))
        try:
            candidate = self.measure("candidate", requirement)
        except Undefined as why:
            return Estimate(**known, problem=(why.code, str(why)))
        confidence = requirement.confidence or CONFIDENCE
        own_null = null if on == "value" else candidate.value
        known |= {"candidate": candidate.value, "detail": candidate.detail}
        if requirement.claim == "point" and getattr(metric, "decide", None) is None:
            return self._point(requirement, known, candidate.value)
        own = self._decided(requirement, paired=False, null=own_null, confidence=confidence) or _own(
            self, metric, candidate, null=own_null, confidence=confidence
        )
        known["interval"] = own.low, own.high
        if on == "value":
            test = own
        else:
            try:
                champion = self.measure("champion", requirement)
            except Undefined as why:
                return Estimate(**known, problem=(why.code, f"of the champion: {why}"))
            known |= {"champion": champion.value, "limit": absolute_limit(requirement, champion.value)}
            test = self._decided(requirement, paired=True, null=null, confidence=confidence) or _paired(
                self, metric, requirement, null=null, confidence=confidence
            )
        known |= {"value": test.value, "method": "point"}
        if requirement.claim == "point":
            return Estimate(**known)
        up = requirement.op == ">="
        return Estimate(
            **known
            | {
                "low": test.low,
                "high": test.high,
                "p_pass": test.p_above if up else test.p_below,
                "p_fail": test.p_below if up else test.p_above,
                "se": test.se,
                "n_eff": test.n_eff,
                "method": test.method,
                "minority": None if (fewest := self.minority(metric)) is None else fewest[0],
                "variance": None if not test.se else test.se**2 * self.rows,
                "too_few": test.too_few,
                "detail": {**candidate.detail, **test.detail},
            }
        )

    def _point(self, requirement: Requirement, known: dict[str, Any], value: float) -> Estimate:
        """Two numbers beside each other, for which nothing but them is computed."""
        from lockgate.metrics.influence import Undefined

        if known["on"] == "value":
            return Estimate(**known | {"value": value, "method": "point"})
        try:
            champion = self.measure("champion", requirement).value
        except Undefined as why:
            return Estimate(**known, problem=(why.code, f"of the champion: {why}"))
        factor = requirement.limit.value if requirement.limit.sign == "*" else 1.0
        known |= {"champion": champion, "limit": absolute_limit(requirement, champion)}
        return Estimate(**known | {"value": value - factor * champion, "method": "point"})


def _own(rows: _Rows, metric: Metric, measured: Summary, *, null: float, confidence: float) -> Decision:
    """One model's value against a number."""
    from lockgate.stats.proportions import binomial_at_least, binomial_at_most, clopper_pearson

    if measured.counts is not None:
        k, n = measured.counts
        exact = clopper_pearson(k, n, confidence=2 * confidence - 1)
        above, below = binomial_at_least(k, n, null), binomial_at_most(k, n, null)
        se = math.sqrt(exact.value * (1 - exact.value) / n)
        return Decision(exact.value, exact.low, exact.high, above, below, se, float(n), "clopper-pearson")
    if _still(rows, measured):
        return _constant(metric, measured, null=null, confidence=confidence)
    name = {"auc": "delong"}.get(metric.name, "influence")
    return _by_t(rows, metric, measured, name, metric.scale, null=null, confidence=confidence)


def _by_t(
    rows: _Rows, metric: Metric, found: Summary, name: str, scale: Scale, *, null: float, confidence: float
) -> Decision:
    """A value with its spread against a number, by t; unbounded where no more than one row carries the variance."""
    from lockgate.stats.influence import bound

    value, error = found.value, found.error
    floor = _floor(rows, metric, error)
    if error.n_eff <= 1:
        return Decision(value, -math.inf, math.inf, 1.0, 1.0, error.se, error.n_eff, "none", floor)
    bounds = bound(value, error, null=null, confidence=confidence, scale=scale)
    spoken = {"logit": ", logit", "skew": ", skew-corrected", "plain": ""}[scale]
    return Decision(
        value,
        bounds.low,
        bounds.high,
        bounds.p_above,
        bounds.p_below,
        error.se,
        error.n_eff,
        f"{name}, t{spoken}{_by_cluster(error)}",
        floor,
        _cluster_detail(error),
    )


def _paired(rows: _Rows, metric: Metric, requirement: Requirement, *, null: float, confidence: float) -> Decision:
    """Candidate minus champion (or minus a factor of it) on the same rows."""
    factor = requirement.limit.value if requirement.limit.sign == "*" else 1.0
    found = rows.contrast(requirement, factor)
    if found.disagree is not None:
        up = requirement.op == ">="
        return _tango(*found.disagree, null=null, confidence=confidence, up=up, counted_in=metric.counted_in)
    if _still(rows, found):
        return _constant(metric, found, null=null, confidence=confidence, identical=True)
    scale: Scale = "skew" if metric.scale == "skew" or metric.mean else "plain"
    name = {"auc": "delong paired"}.get(metric.name, "influence paired")
    return _by_t(rows, metric, found, name, scale, null=null, confidence=confidence)


def _tango(b: int, c: int, n: int, *, null: float, confidence: float, up: bool, counted_in: str) -> Decision:
    """b, c: rows that only the candidate, only the champion got right, of n. up: whether more is what the line asks for."""
    from lockgate.stats.proportions import tango, tango_p

    interval = tango(n - b - c, b, c, 0, confidence=2 * confidence - 1)
    met, violated = tango_p(b, c, n, null) if up else tango_p(c, b, n, -null)
    se = math.sqrt(max((b + c) / n - interval.value**2, 0.0) / n)
    few = f"{n} {counted_in}; the test needs 5" if n < MIN_EFFECTIVE_ROWS else None
    return Decision(
        interval.value,
        interval.low,
        interval.high,
        met if up else violated,
        violated if up else met,
        se,
        float(n),
        TANGO,
        few,
        {"only_candidate": b, "only_champion": c},
    )


def _still(rows: _Rows, found: Summary) -> bool:
    """Whether nothing varies from row to row, but for the last digits of a float."""
    return found.error.se * math.sqrt(rows.rows) <= 1e-12 * found.size


def _constant(metric: Metric, found: Summary, *, null: float, confidence: float, identical: bool = False) -> Decision:
    """Nothing varies on these rows: a share of at most 1 − alpha^(1/m) of all rows could behave otherwise.

    m: the units that carry the metric. For metrics within 0 and 1 that share bounds the value too; for others the claim is
    that 95 % of all rows behave as seen, and below the number of rows that shows it nothing bounds the value.
    """
    value, units = found.value, found.units
    alpha = 1 - confidence
    bounded = metric.scale == "logit" or metric.name == "brier"
    share = 1 - alpha ** (1 / max(units, 1))
    if bounded and (identical or min(abs(value), abs(1 - value)) < 1e-12):
        low = value - share if identical else max(0.0, value - share)
        high = value + share if identical else min(1.0, value + share)
        above = (1 - min(value - null, 1.0)) ** units if value > null else 1.0
        below = (1 - min(null - value, 1.0)) ** units if value < null else 1.0
    else:
        unseen = 0.95**units
        low, high = (value, value) if unseen <= alpha and value != null else (-math.inf, math.inf)
        above, below = (unseen if value > null else 1.0), (unseen if value < null else 1.0)
    one = "query" if metric.counted_in == "queries" else "row"
    method = f"{'identical' if identical else 'the same'} on every {one}"
    return Decision(value, low, high, above, below, 0.0, float(units), f"{method}, exact")


def _floor(rows: _Rows, metric: Metric, error: Spread) -> str | None:
    fewest = rows.minority(metric)
    if fewest is not None and fewest[0] < MIN_MINORITY:
        return f"{fewest[0]} {fewest[1]}; the test needs {MIN_MINORITY}"
    if error.clusters is not None and error.clusters < MIN_CLUSTERS:
        return f"{error.clusters} clusters; the test needs {MIN_CLUSTERS}"
    if error.n_eff < MIN_EFFECTIVE_ROWS:
        return f"{error.n_eff:.1f} {metric.counted_in} carry the variance; the test needs {MIN_EFFECTIVE_ROWS:g}"
    return None


def _by_cluster(error: Spread) -> str:
    return "" if error.clusters is None else ", by cluster"


def _cluster_detail(error: Spread) -> dict[str, Any]:
    from lockgate.digest import number

    if error.clusters is None:
        return {}
    return {"clusters": error.clusters, "design_effect": number(error.design_effect)}
