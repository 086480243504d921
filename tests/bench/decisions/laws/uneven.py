"""Few rows or clusters carry the value, and only they can err: where none of them was drawn wrong, nothing varies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

from .law import Columns, Draw, Law

WRONG = 0.1
"""How much of the weight the candidate gets wrong; the champion errs nowhere."""
RIGHT_SCORE = 0.9
LOSS = RIGHT_SCORE**2 - (1 - RIGHT_SCORE) ** 2  # of a squared error where a row is wrong
LINES = (
    "accuracy >= 0.9",
    "accuracy >= champion - 0.1",
    f"brier <= champion + {WRONG * LOSS:.6g}",
    "flip_rate <= 0.1",
)


def laws() -> Iterator[Law]:
    heavy = np.repeat([20.0, 1.0], [5, 95])
    yield _weighted("5 of weight 20, 95 of 1", lambda draw, runs: np.tile(heavy, (runs, 1)), 100, heavy[0])
    yield _weighted(
        "5 % weigh 100", lambda draw, runs: np.where(draw.random((runs, 500)) < 0.05, 100.0, 1.0), 500, 100.0
    )
    heavy_rows = np.repeat([1e5, 1.0], [10, 1_990])
    yield _weighted("ten heavy rows of 2,000", lambda draw, runs: np.tile(heavy_rows, (runs, 1)), 2_000, 1e5)
    for sigma, rows in ((1.0, 500), (1.5, 2_000), (2.0, 2_000)):
        # Above this cut lies a share 0.3 of all weight: e^N(0, σ) weighs its own, so that its logarithm is N(σ², σ).
        cut = float(np.exp(sigma * (sigma - special.ndtri(0.3))))
        yield _weighted(
            f"lognormal {sigma:g}, the heaviest err",
            lambda draw, runs, sigma=sigma, rows=rows: draw.lognormal(0, sigma, (runs, rows)),
            rows, cut, share=0.3,
        )  # fmt: skip
    for count, rest in ((3, 350), (7, 700), (20, 2_000)):
        weight = np.repeat([100.0 * rest / 700, 1.0], [count, rest])
        yield _weighted(
            f"{count} heavy rows beside {rest}", lambda draw, runs, w=weight: np.tile(w, (runs, 1)), count + rest, weight[0],
        )  # fmt: skip
    yield _clustered("3 users of 200 rows, 300 of 5", np.repeat([200, 5], [3, 300]), from_size=200)
    yield _clustered("3 users of 200 rows, 57 of 5", np.repeat([200, 5], [3, 57]), from_size=200)
    yield _clustered("12 users of 60 rows, 200 of 3", np.repeat([60, 3], [12, 200]), from_size=60)
    sizes = np.exp(3 + 1.2 * special.ndtri((np.arange(80) + 0.5) / 80)).astype(int)
    yield _clustered("80 users of lognormal sizes", sizes, from_size=int(np.sort(sizes)[-8]))


def _weighted(name: str, weights: object, rows: int, heavy: float, *, share: float | None = None) -> Law:
    """Rows of at least the weight `heavy` err, each for itself; share: of all weight that is theirs, else of these rows."""

    def drawn(draw: np.random.Generator, runs: int, *, wrong: float) -> Columns:
        weight = weights(draw, runs)  # type: ignore[operator]
        at_risk = weight >= heavy
        theirs = share or (weight * at_risk).sum() / weight.sum()
        return _table(at_risk & (draw.random(weight.shape) < wrong / theirs)) | {"weight": weight}

    return Law(f"weights {name}", rows, LINES, _at(drawn, WRONG), _at(drawn, 0.0))


def _clustered(name: str, sizes: np.ndarray, *, from_size: int) -> Law:
    """Users of at least so many rows err, each on all of its rows."""
    unit, large = np.repeat(np.arange(sizes.size), sizes), sizes >= from_size
    theirs = sizes[large].sum() / sizes.sum()

    def drawn(draw: np.random.Generator, runs: int, *, wrong: float) -> Columns:
        return _table((large & (draw.random((runs, sizes.size)) < wrong / theirs))[:, unit]) | {"unit": unit}

    return Law(f"clusters {name}", int(sizes.sum()), LINES, _at(drawn, WRONG), _at(drawn, 0.0))


def _at(drawn: object, wrong: float) -> Draw:
    return lambda draw, runs: drawn(draw, runs, wrong=wrong)  # type: ignore[operator, no-any-return]


def _table(wrong: np.ndarray) -> dict[str, np.ndarray]:
    candidate = np.where(wrong, 1 - RIGHT_SCORE, RIGHT_SCORE)
    return {"label": np.ones_like(wrong, int), "candidate": candidate, "champion": np.full(wrong.shape, RIGHT_SCORE)}
