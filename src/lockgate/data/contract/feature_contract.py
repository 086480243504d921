"""The feature contract of a run, and which rows of a data set break it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lockgate.data.contract.breach import Breach
from lockgate.data.contract.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset


@dataclass(frozen=True)
class ContractCheck:
    """What a data set holds of a contract. cells: that were looked at, of each feature one a row."""

    rows: int
    cells: int
    breaches: tuple[Breach, ...]


@dataclass(frozen=True)
class FeatureContract:
    """Feature → what holds for it. sources: feature → where that stands, as people are told. salt: of hashed ids."""

    features: Mapping[str, FeatureSpec] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    salt: bytes = field(default=b"", repr=False)

    @classmethod
    def from_source(cls, features: Mapping[str, FeatureSpec], source: str) -> FeatureContract:
        return cls(features, dict.fromkeys(features, source))

    def over(self, other: FeatureContract) -> FeatureContract:
        """Both, this one where both speak of a feature."""
        return FeatureContract({**other.features, **self.features}, {**other.sources, **self.sources}, self.salt)

    def check(self, dataset: Dataset, columns: Mapping[str, str]) -> ContractCheck:
        """Look at every row of the data, in one pass. columns: feature → its column, the feature's own name by default.

        Raises DataError where the data cannot be read.
        """
        from lockgate.data.contract.feature_rules import checks_of
        from lockgate.data.stored_columns import stored

        named = {name: columns.get(name, name) for name in self.features}
        there = {name: column for name, column in named.items() if column in dataset.columns}
        rules = [
            check
            for name, column in there.items()
            for check in checks_of(self.features[name], name, column, untyped=dataset.untyped(column))
        ]
        identity = dataset.spec.id
        read = list(dict.fromkeys([*there.values(), *([stored(identity)] if identity else [])]))
        rows = 0
        for batch in dataset.batches(read) if read else ():
            ids = partial(self._ids, None if identity is None else batch.column(stored(identity)), dataset)
            for check in rules:
                check.add(batch.column(check.column), rows, ids)
            rows += batch.num_rows
        rows = rows if read else dataset.count()
        # data of recorded scores are given to no model
        gone = [
            name
            for name in named
            if name not in there and self.features[name].required and dataset.spec.asks("candidate")
        ]
        breaches = [Breach(dataset.name, name, named[name], "column", "there", rows, rows) for name in gone]
        breaches += [breach for check in rules for breach in check.breaches(dataset, rows)]
        return ContractCheck(rows, rows * (len(there) + len(gone)), tuple(breaches))

    def _ids(self, ids: pa.Array | None, dataset: Dataset, rows: Any) -> list[str]:
        """Of rows of a batch, as they stand in the scored table."""
        if ids is None or not dataset.spec.id:
            return []
        from lockgate.data import arrow_arrays as arrays
        from lockgate.data.column_texts import texts

        chosen = texts(arrays.plain(ids.take(arrays.from_numpy(rows))))
        if dataset.spec.keep_ids:
            return [str(text) for text in chosen.to_pylist()]
        return [hashlib.sha256(self.salt + str(text).encode()).hexdigest() for text in chosen.to_pylist()]
