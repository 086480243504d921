"""Rows on which two models decide differently, in the form that `estimate` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics.influence import Floats, Measured, Metric, Undefined, ratio_of

if TYPE_CHECKING:
    from lockgate.scored import Scored
    from lockgate.slices import Slice


@dataclass(frozen=True)
class Flips:
    """A scored table whose `candidate` is 1 where the decisions differ, 0 where they agree, NaN where one is missing."""

    scored: Scored
    candidate: Floats
    labels: None = None
    champion: None = None

    @classmethod
    def of(cls, scored: Scored, *, candidate: float, champion: float) -> Flips:
        """The flips of a scored table at each role's own threshold; scored.champion must be there."""
        if scored.candidate is None or scored.champion is None:
            raise ValueError("flips need the scores of two models")
        differ = (scored.candidate >= candidate) != (scored.champion >= champion)
        missing = np.isnan(scored.candidate) | np.isnan(scored.champion)
        return cls(scored, np.where(missing, np.nan, differ.astype(np.float64)))

    @property
    def rows(self) -> int:
        return self.scored.rows

    @property
    def weights(self) -> Floats | None:
        return self.scored.weights

    @property
    def clusters(self) -> NDArray[Any] | None:
        return self.scored.clusters

    @property
    def slices(self) -> tuple[Slice, ...]:
        return self.scored.slices

    def codes(self, name: str) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        return self.scored.codes(name)


def flip_rate(labels: Any, scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """The share of rows, answered by both, on which the decisions differ."""
    answered = ~np.isnan(scores)
    if not answered.any():
        raise Undefined("no_answers", "no request was answered by both models")
    hits = scores == 1.0
    found = ratio_of(hits.astype(np.float64), answered.astype(np.float64), weights, what="requests answered by both")
    return Measured(found.value, found.psi, hits if weights is None else None, answered)


FLIP_RATE = Metric("flip_rate", flip_rate, "logit")
