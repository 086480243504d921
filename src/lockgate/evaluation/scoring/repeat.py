"""Let a model answer a sample of rows twice more: answers that cannot be repeated are no evidence that can be checked.

The sample is spread over all rows, and is the same in every run. It is sent twice as one batch. Where the two answers
differ, chance has a part in them; where they are alike, and not what was answered among all rows, an answer depends on the
rows that are sent with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.errors import ModelFault

MOST = 1_000
_LEAST = 10
_SHARE = 100  # one row of so many: the two batches take about 2 % of the time of all rows
_BYTES = 16 * 2**20
_TOLERANCE = (1e-6, 1e-5)  # absolute, and relative: what the order of sums of floats alone may change

Values = Array | Mapping[str, Array]
Scorer = Callable[[Iterator[pa.RecordBatch]], Iterator[Values]]
Decide = Callable[[Array], Array]


class RepeatCheck:
    """A sample of the rows that one model answered, and what it answered, first and again.

    failed_once: batches that failed, and were answered when they were sent again.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[Array, pa.RecordBatch, dict[str, Array]]] = []
        self._seen, self._step = 0, 1
        self._first: dict[str, Array] = {}
        self._again: list[dict[str, Array]] = []
        self.failed_once = 0

    def note_failure(self) -> None:
        """Count a batch that failed once."""
        self.failed_once += 1

    def around(self, score: Scorer) -> Scorer:
        """`score`, which asks for the sample again once every batch was answered."""

        def scores(batches: Iterator[pa.RecordBatch]) -> Iterator[Values]:
            sent: deque[pa.RecordBatch] = deque()

            def noted() -> Iterator[pa.RecordBatch]:
                for batch in batches:
                    sent.append(batch)
                    yield batch

            for values in score(noted()):
                self._keep(sent.popleft(), values)
                yield values
            self._ask(score)

        return scores

    def outcome(self, decide: Decide | None) -> dict[str, Any] | None:
        """What differed, as JSON; None where nothing did. decide: what scores decide, where they decide anything."""
        outcome = {**self._differences(decide), **({"failed_once": self.failed_once} if self.failed_once else {})}
        return outcome or None

    def _differences(self, decide: Decide | None) -> dict[str, Any]:
        if not self._again:
            return {}
        first, second = self._again
        by_chance = _differing(first, second)
        differing = by_chance if by_chance.any() else _differing(self._first, first)
        if not differing.any():
            return {}
        before, after = (first, second) if by_chance.any() else (self._first, first)
        largest = max(_largest(before[name], after[name]) for name in before)
        outcome: dict[str, Any] = {
            "differs": "again" if by_chance.any() else "in other batches",
            "rows": int(differing.size),
            "differing": int(differing.sum()),
            "largest": f"{largest:.4g}",
        }
        if decide is not None and "" in before:
            outcome["flipped"] = int((decide(before[""]) != decide(after[""])).sum())
        return outcome

    def _keep(self, batch: pa.RecordBatch, values: Values) -> None:
        rows = batch.num_rows
        size = batch.nbytes / rows if rows else 0.0
        most = max(_LEAST, min(2 * MOST, int(_BYTES / size) if size else 2 * MOST))
        kept = sum(part[0].size for part in self._parts)
        while kept + rows // self._step > most:
            self._step *= 2
            self._parts = [_thinned(part, part[0] % self._step == 0) for part in self._parts]
            kept = sum(part[0].size for part in self._parts)
        numbers = np.arange(self._seen, self._seen + rows)
        self._seen += rows
        chosen = np.flatnonzero(numbers % self._step == 0)
        answers = {name: column[chosen] for name, column in _by_name(values).items()}
        self._parts.append((numbers[chosen], batch.take(arrays.from_numpy(chosen)), answers))

    def _ask(self, score: Scorer) -> None:
        kept = np.concatenate([part[0] for part in self._parts]) if self._parts else np.zeros(0, np.int64)
        least = max(1, min(_LEAST, self._seen // 2))
        count = min(kept.size, MOST, max(least, self._seen // _SHARE))
        if not count:
            return
        chosen = kept[np.linspace(0, kept.size - 1, count).astype(np.int64)]
        parts = [_thinned(part, np.isin(part[0], chosen)) for part in self._parts]
        self._parts = []
        table = pa.Table.from_batches([part[1] for part in parts]).unify_dictionaries().combine_chunks()
        sample = table.to_batches()[0]
        self._first = {name: np.concatenate([part[2][name] for part in parts]) for name in parts[0][2]}
        try:
            self._again = [_by_name(values) for values in score(iter([sample, sample]))]
        except ModelFault as fault:
            if not fault.alive:
                raise
            self._again = [{name: np.full_like(column, np.nan) for name, column in self._first.items()}] * 2


def _thinned(
    part: tuple[Array, pa.RecordBatch, dict[str, Array]], keep: Array
) -> tuple[Array, pa.RecordBatch, dict[str, Array]]:
    numbers, batch, answers = part
    places = np.flatnonzero(keep)
    return (
        numbers[places],
        batch.take(arrays.from_numpy(places)),
        {name: column[places] for name, column in answers.items()},
    )


def _by_name(values: Values) -> dict[str, Array]:
    return dict(values) if isinstance(values, Mapping) else {"": values}


def _differing(first: Mapping[str, Array], second: Mapping[str, Array]) -> Array:
    """(n,) bool: rows of which any value is another, beyond what floats alone may change."""
    absolute, relative = _TOLERANCE
    differing = [~np.isclose(first[name], second[name], rtol=relative, atol=absolute, equal_nan=True) for name in first]
    rows: Array = np.any([column.reshape(column.shape[0], -1).any(axis=1) for column in differing], axis=0)
    return rows


def _largest(first: Array, second: Array) -> float:
    gaps = np.abs(first - second)
    return float(np.nanmax(gaps)) if np.isfinite(gaps).any() else float("inf")
