"""E: gaps between groups beside the champion's, at the margin and where gaps are near zero; equal models, and gaps that were closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SliceSpec, SmallSlices
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.estimation.from_sums import NO_SPREAD
from lockgate.evaluation.evaluate import evaluate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.slice_gaps import champion_requirements, estimate_gap, slice_requirements
from lockgate.evaluation.metrics.catalog import METRICS, SUBJECTS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.comparison import Comparison
from lockgate.evaluation.uncertainty.metric_value import Summary
from lockgate.evaluation.uncertainty.significance import own, paired
from lockgate.evidence.finding import Verdict

from .asking import drawing
from .bars import ALPHA, Bar, standard_error
from .cited import Measured, of_lines
from .weights import BRIER_RIGHT, BRIER_WRONG, RIGHT, WRONG

WRONG_SHARE, GAP = 0.1, 0.08
BOTH = 0.6  # of the wrong rows of the model that has fewer in a group, so many are wrong in both
METHOD = "largest gap beside the champion"
Carried = Literal["rows", "weights", "clusters", "spanning"]
Shares = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Truth:
    """shares: of wrong rows by group, the candidate's and the champion's, beyond those of every group. at_margin: whether the
    candidate's gap is the margin too wide."""

    name: str
    shares: Shares
    at_margin: bool


def truths(k: int, margin: float) -> list[Truth]:
    alike, first, last = np.zeros(k), np.eye(k)[0], np.eye(k)[-1]
    half = (
        [Truth("no gap, half of the groups at the margin", (margin * (np.arange(k) % 2), alike), True)] if k > 2 else []
    )
    return [
        Truth("no gap, one group at the margin", (margin * last, alike), True),
        *half,
        Truth("a small gap, then elsewhere", ((0.01 + margin) * last, 0.01 * first), True),
        Truth("a gap, wider in the same group", ((GAP + margin) * first, GAP * first), True),
        Truth("equal models, no gap", (alike, alike), False),
        Truth("equal models with a gap", (GAP * first, GAP * first), False),
        Truth("the gap is closed", (alike, GAP * first), False),
    ]


HEADER = """E   gap over group <= champion + margin. Models are right on 0.90 of rows, on fewer of one group where there is a gap (0.08).
    false, failed: P(pass) and P(fail), the worst of the truths with a gap that is the margin too wide. power: P(pass) of equal models,
    of equal models with a gap, and where the gap is closed. Rows by counts, of accuracy; weights (log-normal 1) and clusters (of ten rows,
    half of them alike; spanning: across groups) by tables.
 groups and rows                      metric   margin  sims  false failed  equal  gap  closed"""


@dataclass(frozen=True)
class GapCell:
    """sizes: rows of each group. carried: whether rows weigh alike, by log-normal weights, or belong to clusters."""

    sizes: tuple[int, ...]
    carried: Carried
    margin: float
    sims: int

    @property
    def name(self) -> str:
        least, most = min(self.sizes), max(self.sizes)
        sizes = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        return f"{len(self.sizes)} groups of {sizes}, {self.carried}"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("accuracy",) if self.carried == "rows" else ("accuracy", "brier")

    def run(self) -> GapRow:
        rates: dict[str, np.ndarray] = {}
        verdicts_of = self.by_counts if self.carried == "rows" else self.by_tables
        for truth in truths(len(self.sizes), self.margin):
            verdicts = list(verdicts_of(drawing("gaps", self.name, truth.name), truth.shares))
            rates[truth.name] = np.array(
                [[[verdict is kind for verdict in run] for run in verdicts] for kind in (Verdict.PASS, Verdict.FAIL)]
            ).mean(axis=1)
        return GapRow(self, rates)

    def by_counts(self, draw: np.random.Generator, shares: Shares) -> Iterator[list[Verdict]]:
        """Of accuracy, as on a table of independent rows: the tests of each group on its counts, then the gap, judged."""
        line = parse(f"accuracy gap over group <= champion + {self.margin!r}")
        declared, k = Slice.from_spec(SliceSpec(column="group")), len(self.sizes)
        asked = slice_requirements("r1", line, slices=k), champion_requirements("r1", line, slices=k)
        drawn = [
            draw.multinomial(n, [both, ours - both, theirs - both, 1 - ours - theirs + both], size=self.sims)
            for n, ours, theirs in zip(self.sizes, *(WRONG_SHARE + share for share in shares), strict=True)
            for both in (BOTH * min(ours, theirs),)
        ]
        for run in range(self.sims):
            counts = [tuple(map(int, group[run])) for group in drawn]
            estimates = [
                _estimate(name, place, n, counts[place], confidence=requirement.confidence or 0.0, champion=champion,
                          beside=requirement.limit.relative)
                for champion, requirements in enumerate(asked)
                for name, requirement in requirements
                for place, n in enumerate(self.sizes)
            ]  # fmt: skip
            gap = estimate_gap("r1", line, estimates, declared=declared, small=SmallSlices(), rows=sum(self.sizes))
            (finding,) = judge("metrics", [("r1", line)], [gap.estimate], SUBJECTS, advise=False)
            yield [finding.verdict]

    def by_tables(self, draw: np.random.Generator, shares: Shares) -> Iterator[list[Verdict]]:
        named = {
            "path": "table", "label": "label", "scores": {role: role for role in ("candidate", "champion")}, "slices": ["group"],
            "weight": "weight" if self.carried == "weights" else None,
            "cluster": None if self.carried == "weights" else "unit",
        }  # fmt: skip
        spec = DatasetSpec.model_validate(named)
        worth = {"accuracy": 1.0, "brier": BRIER_WRONG - BRIER_RIGHT}
        lines = [
            (f"r{place}", parse(f"{metric} gap over group <= champion + {self.margin * worth[metric]!r}"))
            for place, metric in enumerate(self.metrics, start=1)
        ]
        threshold = {"candidate": 0.5, "champion": 0.5}
        for _ in range(self.sims):
            scored = Scored.from_table(pa.table(self.table(draw, shares)), spec, task="binary", positive=1)
            findings = evaluate("metrics", scored, lines, METRICS, SUBJECTS, threshold=threshold, small=SmallSlices())
            yield [finding.verdict for finding in findings]

    def table(self, draw: np.random.Generator, shares: Shares) -> dict[str, Any]:
        """label, candidate, champion, group, weight and unit."""
        group = np.repeat(np.arange(len(self.sizes)), self.sizes)
        rows = group.size
        units = np.arange(rows) // 10
        if self.carried == "spanning":
            units = draw.permutation(units)
        uniform = draw.random(rows)
        if self.carried in ("clusters", "spanning"):
            uniform = np.where(draw.random(rows) < 0.5, draw.random(rows)[units], uniform)
        candidate, champion = (WRONG_SHARE + share[group] for share in shares)
        both = BOTH * np.minimum(candidate, champion)
        wrong = {
            "candidate": uniform < candidate,
            "champion": (uniform < both) | ((uniform >= candidate) & (uniform < candidate + champion - both)),
        }
        label = draw.random(rows) < 0.5
        scores = {
            role: np.where(label, 1 - error, error)
            for role, rows_wrong in wrong.items()
            for error in (np.where(rows_wrong, draw.uniform(*WRONG, rows), draw.uniform(*RIGHT, rows)),)
        }
        names = np.array([f"g{place}" for place in range(len(self.sizes))])
        weight = draw.lognormal(0, 1, rows)
        return {"label": label.astype(np.int64), **scores, "group": names[group], "weight": weight, "unit": units}


@lru_cache(maxsize=1 << 16)
def _alone(right: int, n: int, confidence: float) -> Comparison:
    summary = Summary(right / n, NO_SPREAD, 0.0, n, counts=(right, n))
    return own(METRICS["accuracy"], summary, rows=n, fewest=None, null=0.5, confidence=confidence)


@lru_cache(maxsize=1 << 16)
def _change(only_candidate: int, only_champion: int, n: int, confidence: float) -> Comparison:
    value = (only_candidate - only_champion) / n
    summary = Summary(value, NO_SPREAD, 0.0, n, disagree=(only_candidate, only_champion, n))
    line = parse("accuracy <= champion")
    return paired(METRICS["accuracy"], summary, line, rows=n, fewest=None, null=0.0, confidence=confidence)


def _estimate(
    name: str, place: int, n: int, counts: tuple[int, ...], *, confidence: float, champion: int, beside: bool
) -> Estimate:
    """counts: rows on which both are wrong, only the candidate, only the champion, none. champion: 1 of its own value."""
    both, candidate_wrong, champion_wrong, _ = counts
    wrong = both + (champion_wrong if champion else candidate_wrong)
    test = _change(champion_wrong, candidate_wrong, n, confidence) if beside else _alone(n - wrong, n, confidence)
    return Estimate(
        name, (("group", str(place)),), n, n, ("<=", 0.0), "difference" if beside else "value", test.method,
        candidate=1 - wrong / n, champion=1 - (both + champion_wrong) / n, value=test.value, low=test.low, high=test.high,
        se=test.se, n_eff=test.n_eff,
    )  # fmt: skip


@dataclass(frozen=True)
class GapRow:
    """rates: truth → (2, metrics), P(pass) and P(fail)."""

    cell: GapCell
    rates: Mapping[str, np.ndarray]

    def _of(self, *, at_margin: bool) -> np.ndarray:
        """(truths, 2, metrics)"""
        every = truths(len(self.cell.sizes), self.cell.margin)
        return np.array([self.rates[truth.name] for truth in every if truth.at_margin is at_margin])

    @property
    def false(self) -> np.ndarray:
        """(2, metrics), P(pass) and P(fail) at the margin, of the truth where each is most frequent."""
        worst: np.ndarray = self._of(at_margin=True).max(axis=0)
        return worst

    @property
    def power(self) -> np.ndarray:
        """(3, metrics)"""
        return self._of(at_margin=False)[:, 0]

    def __str__(self) -> str:
        cell = self.cell
        return "\n".join(
            f" {cell.name:<37}{metric:<9}{cell.margin:<6g}{cell.sims:>6}  {false:5.3f} {failed:5.3f}  {' '.join(f'{rate:5.3f}' for rate in power)}"
            for metric, false, failed, power in zip(cell.metrics, *self.false, self.power.T, strict=True)
        )

    @property
    def measured(self) -> Measured:
        return of_lines((METHOD, rate) for rate in self.false[0].tolist())

    @property
    def bars(self) -> tuple[Bar, ...]:
        """A gap that is the margin too wide passes, or fails, at most so often."""
        limit = ALPHA + 2 * standard_error(ALPHA, self.cell.sims)
        kinds = ("E false pass at the margin", "E false fail at the margin")
        return tuple(
            Bar(kind, float(rates.max()), "<=", limit, self.cell.name)
            for kind, rates in zip(kinds, self.false, strict=True)
        )


def grid(sims: int) -> list[GapCell]:
    """All cells; the more groups, and by tables, the fewer runs."""
    cells: list[tuple[tuple[int, ...], Carried, float, int]] = [
        ((60, 60), "rows", 0.2, sims),
        ((300, 300), "rows", 0.1, sims),
        ((1_000, 1_000), "rows", 0.05, sims),
        ((2_000, 400, 30), "rows", 0.2, sims),
        ((1_000,) * 3, "rows", 0.05, sims),
        ((3_000,) * 5, "rows", 0.05, sims // 2),
        ((6_000,) * 12, "rows", 0.05, sims // 4),
        ((2_000, 2_000), "weights", 0.1, sims // 4),
        ((2_000, 2_000), "clusters", 0.1, sims // 4),
        ((2_000, 2_000), "spanning", 0.2, sims // 4),
    ]
    return [GapCell(sizes, carried, margin, max(2, runs)) for sizes, carried, margin, runs in cells]
