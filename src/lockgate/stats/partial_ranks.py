"""Order statistics of many unions of the same samples, each found without sorting or partitioning it anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class PartialRanks:
    """Of samples that were sorted together once.

    The values are cut into stretches. How many values of each sample lie below a stretch says in which of them the value
    of a rank stands; there it is counted out.
    """

    def __init__(self, samples: Sequence[Floats]) -> None:
        self.sizes = np.array([len(sample) for sample in samples])
        owners = np.repeat(np.arange(len(samples)), self.sizes)
        values = np.concatenate([np.zeros(0), *samples])
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        self._width = max(16, int(len(values) ** 0.5))  # either step takes about as long then
        stretches = -(-len(values) // self._width)
        nobody = len(samples)
        self._owners = np.full((stretches, self._width), nobody)
        self._owners.flat[: len(values)] = owners[order]
        # float64, of which these whole numbers are exact, since its products are the fast ones
        places = np.arange(len(values)) // self._width * len(samples) + owners[order]
        counts = np.bincount(places, minlength=stretches * len(samples))
        self._upto = np.cumsum(counts.reshape(stretches, len(samples)), axis=0, dtype=np.float64)

    def values(self, unions: NDArray[np.bool_], ranks: NDArray[np.int64]) -> Floats:
        """Return the value of a rank, counted from 1, in each union.

        unions: (u, s), which samples it is of. ranks: (u,), none above how many values the union has.
        """
        upto = unions.astype(np.float64) @ self._upto.T  # (u, stretches)
        stretch = np.count_nonzero(upto < ranks[:, None], axis=1)
        rows = np.arange(len(unions))
        below = np.where(stretch > 0, upto[rows, stretch - 1], 0)
        members = np.column_stack([unions, np.zeros(len(unions), np.bool_)])
        inside = np.cumsum(members[rows[:, None], self._owners[stretch]], axis=1)
        places = stretch * self._width + np.argmax(inside >= (ranks - below)[:, None], axis=1)
        chosen: Floats = self._values[places]
        return chosen
