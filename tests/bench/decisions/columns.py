"""C: candidates whose one column of their own brings exactly the share of the gain that a line allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.leaks.column_gain import Permuted, PermutedColumns, gain_estimate
from lockgate.evaluation.leaks.subject import SUBJECT
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Verdict

from .asking import drawing, scored
from .bars import ALPHA, Bar, standard_error

PERMUTATIONS = 5
HEADER = """C   gain_from_one_column. false: P(pass) where the part of the one column, and where that of both of two, is exactly the share that is
    allowed, four fifths, of two a half; failed: P(fail) there. power: P(pass) where it brings a quarter of the gain; found: P(fail)
    where it brings a quarter more than is allowed.
 law                          metric              rows  sims   false  failed  power  found"""


@dataclass(frozen=True)
class Law:
    """label = 1 where shared + better + own + noise > 0; the champion sees `shared` alone, the candidate all.

    own: weight of the column; better: of what the candidate sees besides, by columns that both have. columns: how many there
    are of its own, alike. icc: of clusters of ten rows; heavy: sigma of the log-normal weights.
    """

    columns: int = 1
    icc: float = 0.0
    heavy: float = 0.0
    positives: float = 0.5

    def draw(self, rng: np.random.Generator, rows: int, own: float, better: float) -> dict[str, Any]:
        unit = np.arange(rows) // 10

        def feature() -> np.ndarray:
            return np.sqrt(self.icc) * rng.normal(size=unit[-1] + 1)[unit] + np.sqrt(1 - self.icc) * rng.normal(
                size=rows
            )

        shared, besides = feature(), feature()
        columns = [feature() for _ in range(self.columns)]
        signal = shared + better * besides + own * sum(columns) + rng.logistic(size=rows)
        cut = np.log(1 / self.positives - 1) * np.sqrt(1 + (1 + better**2 + self.columns * own**2) / 3)
        return {
            "label": (signal > cut).astype(np.int64),
            "known": shared + better * besides - cut,
            "champion": shared - cut,
            "columns": columns,
            "weight": rng.lognormal(0, self.heavy, rows) if self.heavy else None,
            "unit": unit if self.icc else None,
        }


LAWS = {
    "one column": Law(),
    "two columns": Law(columns=2),
    "few positives": Law(positives=0.05),
    "clusters": Law(icc=0.5),
    "weights": Law(heavy=1.0),
}
BETTER = 0.6
HEAVIEST = 1.5
"""weight of a column beyond which its share of a gain in AUC no longer grows"""


def asked(law: Law, rng: np.random.Generator, rows: int, own: float) -> tuple[Any, PermutedColumns]:
    """The scored rows, and the candidate's answers with each column permuted."""
    drawn = law.draw(rng, rows, own, BETTER)
    columns = drawn["columns"]

    def answer(own_columns: list[np.ndarray]) -> np.ndarray:
        return 1 / (1 + np.exp(-(drawn["known"] + own * sum(own_columns))))

    permuted = {}
    for place in range(law.columns):
        donors = [rng.permutation(rows) for _ in range(PERMUTATIONS)]
        permuted[f"column_{place}"] = [
            Permuted(answer([c[each] if k == place else c for k, c in enumerate(columns)]), each) for each in donors
        ]
    table = {"label": drawn["label"], "candidate": answer(columns), "champion": 1 / (1 + np.exp(-drawn["champion"]))}
    more = {name: name for name in ("weight", "unit") if drawn[name] is not None}
    table |= {name: drawn[name] for name in more}
    rows_scored = scored(table, task="binary", weight=more.get("weight"), cluster=more.get("unit"))
    return rows_scored, PermutedColumns(permuted, 5)


@cache
def own_weight(law: Law, metric: str, share: float) -> float:
    """The weight at which the part of a column is this share of the gain, on 1,600,000 rows, by bisection.

    Raises ValueError where no weight brings so much.
    """
    plain = Law(columns=law.columns, positives=law.positives)
    low, high = 0.01, HEAVIEST
    for _ in range(13):
        own = (low + high) / 2
        rng = np.random.default_rng(7)
        drawn = plain.draw(rng, 1_600_000, own, BETTER)
        columns = drawn["columns"]
        candidate = drawn["known"] + own * sum(columns)
        without = candidate + own * (columns[0][rng.permutation(1_600_000)] - columns[0])
        values = [_value(metric, drawn["label"], scores) for scores in (candidate, without, drawn["champion"])]
        low, high = (own, high) if values[0] - values[1] < share * (values[0] - values[2]) else (low, own)
    if high == HEAVIEST:
        raise ValueError(f"no column of {law} brings {share:.0%} of the gain in {metric}")
    return (low + high) / 2


def _value(metric: str, label: np.ndarray, logit: np.ndarray) -> float:
    """AUC, or the log loss with its sign turned."""
    if metric == "log_loss":
        return -float(np.logaddexp(0, np.where(label == 1, -logit, logit)).mean())
    ranks = np.empty(label.size)
    ranks[np.argsort(logit)] = np.arange(1, label.size + 1)
    positives = int(label.sum())
    return (float(ranks[label == 1].sum()) - positives * (positives + 1) / 2) / (positives * (label.size - positives))


def _line(metric: str, share: float) -> Any:
    return parse(f"gain_from_one_column(metric={metric}) <= {share}")


@dataclass(frozen=True)
class ColumnCell:
    law: str
    metric: str
    rows: int
    sims: int
    share: float = 0.8

    @property
    def name(self) -> str:
        return f"{self.law}, {self.metric}, {self.rows:,} rows"

    def verdicts(self, true_share: float) -> list[Verdict]:
        """Of runs in which the column brings that share of the gain, held to `share`."""
        own = own_weight(LAWS[self.law], self.metric, true_share)
        rng = drawing("columns", self.name, true_share)
        line, found = _line(self.metric, self.share), []
        for _ in range(self.sims):
            table, permuted = asked(LAWS[self.law], rng, self.rows, own)
            estimate = gain_estimate(
                "r1", line, table, permuted, task="binary", threshold=dict.fromkeys(("candidate", "champion"), 0.5)
            )
            (finding,) = judge("metrics", [("r1", line)], [estimate], {SUBJECT.name: SUBJECT})
            found.append(finding.verdict)
        return found

    def run(self) -> ColumnRow:
        at_limit, little, much = (self.verdicts(share) for share in (self.share, 0.25, 1.25 * self.share))

        def rate(verdicts: list[Verdict], verdict: Verdict) -> float:
            return sum(each is verdict for each in verdicts) / len(verdicts)

        return ColumnRow(
            self,
            rate(at_limit, Verdict.PASS),
            rate(at_limit, Verdict.FAIL),
            rate(little, Verdict.PASS),
            rate(much, Verdict.FAIL),
        )


@dataclass(frozen=True)
class ColumnRow:
    cell: ColumnCell
    false: float
    failed: float
    power: float
    found: float

    def __str__(self) -> str:
        cell = self.cell
        return (
            f" {cell.law:<28} {cell.metric:<18}{cell.rows:>6,}{cell.sims:>6}  {self.false:>6.3f}  {self.failed:>6.3f} "
            f"{self.power:>6.3f} {self.found:>6.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = ALPHA + 3 * standard_error(ALPHA, self.cell.sims)
        return (
            Bar("gain_from_one_column: false pass", self.false, "<=", limit, self.cell.name),
            Bar("gain_from_one_column: false fail", self.failed, "<=", limit, self.cell.name),
        )


def grid(sims: int) -> list[ColumnCell]:
    """AUC and a loss, of rows that carry alike, of clusters and of weights."""
    return [
        ColumnCell(law, metric, rows, sims, share=0.8 if LAWS[law].columns == 1 else 0.5)
        for law in LAWS
        for metric in ("auc", "log_loss")
        for rows in (1_000, 4_000)
    ]
