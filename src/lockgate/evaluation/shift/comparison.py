"""Read the reference and the traffic once each, and count every feature in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.slices.slice import Slice, resolved
from lockgate.data.untyped import Misfit
from lockgate.errors import DataError
from lockgate.evaluation.scoring.column import Column
from lockgate.evaluation.scoring.group_columns import Codes
from lockgate.evaluation.scoring.label_columns import Numbers
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shift.counts import CategoryCounts, Counts, Missing, Nameless, NumberCounts
from lockgate.evaluation.shift.features import Feature
from lockgate.evaluation.shift.slice_mix import SliceMix, grouped, slice_columns, slice_mix, slices_of_traffic
from lockgate.stats.effective_size import carriers, effective_number

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset


@dataclass(frozen=True)
class Sample:
    """The rows of one data set. weights: (n,) or None. clusters: (n,) numbers from 0, or None: rows of one go together. groups: the
    rows by their slices."""

    rows: int
    weights: Array | None
    clusters: Array | None
    groups: Scored

    def effective(self, missing: Missing) -> float:
        """Independent rows of one weight that know a share as well as those that have a value.

        Rows of a cluster are taken to be all alike, which no share can vary more by. Source: Kish 1965.
        """
        if self.weights is None and self.clusters is None:
            return float(self.rows - missing.missing_rows)
        weights = np.ones(self.rows) if self.weights is None else self.weights
        if missing.missing_rows:
            weights = np.where(np.concatenate(missing.masks), 0.0, weights)
        return effective_number(carriers(weights, self.clusters))

    @property
    def all(self) -> float:
        """The same of all rows."""
        return self.effective(Missing())


@dataclass(frozen=True)
class Compared:
    """Both data sets, feature by feature. counts: name → counts, of those that are compared."""

    reference: Sample
    traffic: Sample
    features: tuple[Feature, ...]
    counts: Mapping[str, Counts]
    unassigned: Mapping[str, str]

    def sizes(self, counts: Counts) -> tuple[float, float]:
        """Effective rows with a value, of the reference and of the traffic."""
        return self.reference.effective(counts.missing[0]), self.traffic.effective(counts.missing[1])

    @cached_property
    def mix(self) -> SliceMix:
        weights = self.reference.weights, self.traffic.weights
        return slice_mix(self.reference.groups, self.traffic.groups, weights, self.unassigned)


def compare(reference: Dataset, traffic: Dataset, features: Sequence[Feature], *, salt: bytes = b"") -> Compared:
    """salt: of the hashes in place of values that either data set hides. Raises DataError where the data cannot be read."""
    counts: dict[str, Counts] = {}
    for feature in features:
        if feature.kind is not None:
            own: Counts = NumberCounts() if feature.kind == "number" else CategoryCounts()
            specs = zip(feature.sources, (reference.spec, traffic.spec), strict=True)
            nameless = any(source.source in spec.hash for source, spec in specs)
            counts[feature.name] = Nameless(own) if nameless else own
    slices, hidden = resolved(reference.slices), {*reference.spec.hash, *traffic.spec.hash}
    label_rows = partial(slice_columns, hidden=hidden, salt=salt)
    ours, labels = _read(reference, 0, features, counts, slices, label_rows(reference, slices))
    for each in counts.values():
        each.close()
    of_traffic, unassigned = slices_of_traffic(slices, labels, traffic)
    theirs, _ = _read(traffic, 1, features, counts, of_traffic, label_rows(traffic, of_traffic))
    return Compared(ours, theirs, tuple(features), counts, unassigned)


def _read(
    dataset: Dataset,
    side: int,
    features: Sequence[Feature],
    counts: Mapping[str, Counts],
    slices: Sequence[Slice],
    labels: Mapping[str, Column],
) -> tuple[Sample, dict[str, pa.DictionaryArray]]:
    """Count the features of one data set, and label its rows. side: 0 of the reference, 1 of the traffic. labels: name of a slice →
    what gives each row its label."""
    rows, roles = 0, _roles(dataset)
    columns = roles | dict(labels)
    dataset.need({name: column.purpose for column in columns.values() for name in column.needs})
    compared = [feature for feature in features if feature.name in counts]
    needed = [feature.sources[side].source for feature in compared]
    names = list(dict.fromkeys([*needed, *(name for column in columns.values() for name in column.needs)]))
    for batch in map(dataset.typed, dataset.batches(names)) if names else ():
        for column in columns.values():
            column.add(batch, rows)
        weights = None if "weight" not in roles else arrays.to_floats(arrays.plain(batch.column(dataset.spec.weight)))
        for feature in compared:
            counts[feature.name].add(_values(dataset, feature, side, batch), weights, keep=bool(roles))
        rows += batch.num_rows
    done = {name: column.done() for name, column in columns.items()}
    weight, cluster = (
        arrays.to_numpy(arrays.whole(done.pop(name))) if name in done else None for name in ("weight", "cluster")
    )
    rows = rows if names else dataset.count()
    return Sample(rows, weight, cluster, grouped(rows, slices, done)), done


def _roles(dataset: Dataset) -> dict[str, Column]:
    """What says how much each row weighs, and which go together."""
    columns: dict[str, Column] = {}
    if dataset.spec.weight is not None:
        remedy = "weights are numbers from 0 on"
        columns["weight"] = Numbers(dataset, dataset.spec.weight, "weight", floor=0.0, most=1e150, remedy=remedy)
    if dataset.spec.cluster is not None:
        remedy = "give each row that belongs to no other a cluster of its own"
        columns["cluster"] = Codes(dataset, dataset.spec.cluster, "cluster", remedy=remedy)
    return columns


def _values(dataset: Dataset, feature: Feature, side: int, batch: pa.RecordBatch) -> pa.Array:
    try:
        return feature.sources[side].of(batch)
    except Misfit as misfit:
        raise DataError(
            f"data {dataset.name!r}: column {misfit.column!r} holds a text that is not of the type that the signature of the "
            "candidate has for it",
            remedy="gate: signature says which rows; or name the columns that are compared: columns: [...]",
        ) from misfit
