"""Hand & Till's AUC of classes whose scores are normal: a class is told from each other one equally well."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from .law import Columns, Law

CHAMPION, CANDIDATE = 2.0, 1.7  # by how many standard deviations the scores of a class are higher on its own rows
ALIKE = 0.9  # correlation of the noise of both models
PER_UNIT = 10


def laws() -> Iterator[Law]:
    for shares, rows in (((0.5, 0.3, 0.2), 300), ((0.7, 0.27, 0.03), 1_000), ((0.2,) * 5, 500)):
        yield _law(shares, rows)
    yield _law((0.5, 0.3, 0.2), 600, weighted=True)
    yield _law((0.5, 0.3, 0.2), 1_200, clustered=True)


def _area(shift: float) -> float:
    return float(special.ndtr(shift / math.sqrt(2)))


def _law(shares: tuple[float, ...], rows: int, *, weighted: bool = False, clustered: bool = False) -> Law:
    def drawn(draw: np.random.Generator, runs: int, *, shift: float) -> Columns:
        label = draw.choice(len(shares), (runs, rows), p=shares)
        one, other = draw.standard_normal((2, runs, rows, len(shares)))
        columns = {}
        if weighted:
            columns["weight"] = draw.lognormal(0, 0.8, (runs, rows))
        if clustered:  # a third of the noise is that of a unit
            columns["unit"] = np.arange(rows) // PER_UNIT
            common = np.repeat(draw.standard_normal((runs, rows // PER_UNIT, len(shares))), PER_UNIT, axis=1)
            one = math.sqrt(1 / 3) * common + math.sqrt(2 / 3) * one
        own = label[:, :, None] == np.arange(len(shares))
        candidate = ALIKE * one + math.sqrt(1 - ALIKE**2) * other
        return {"label": label, "candidate": candidate + shift * own, "champion": one + CHAMPION * own, **columns}

    value, best = _area(CANDIDATE), _area(CHAMPION)
    kind = ", weights" if weighted else ", clusters" if clustered else ""
    return Law(
        f"{len(shares)} classes of {', '.join(f'{share:g}' for share in shares[:3])}, {rows:,} rows{kind}",
        rows,
        (f"auc(average=ovo) >= {value!r}", f"auc(average=ovo) >= champion - {best - value!r}"),
        lambda draw, runs: drawn(draw, runs, shift=CANDIDATE),
        lambda draw, runs: drawn(draw, runs, shift=CHAMPION),
        task="multiclass",
        # As of the AUC of two classes.
        declared=0.07,
    )
