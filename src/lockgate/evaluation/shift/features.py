"""The features that two data sets are compared by, and how each is read: as numbers, or as categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.errors import DataError
from lockgate.models.input_plan import ModelInput

if TYPE_CHECKING:
    from lockgate.data.contract.feature_contract import FeatureContract
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Case

Kind = Literal["number", "category"]


@dataclass(frozen=True)
class Feature:
    """A feature of both data sets. name: as a model knows it. sources: the column that feeds it in the reference, and in the traffic.

    kind: how it is compared, None where it is not; problem: why, (code, reason).
    """

    name: str
    sources: tuple[ModelInput, ModelInput]
    kind: Kind | None = None
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class Features:
    """The features that are compared; left_out: columns of the reference that are no known input, and that the traffic lacks."""

    compared: tuple[Feature, ...]
    left_out: tuple[str, ...] = ()


def features(case: Case, reference: Dataset, traffic: Dataset, columns: Sequence[str] | None) -> Features:
    """The columns that are named, else what the candidate is given by its signature, else what both data have without a role.

    No model is loaded for it. Raises DataError where a named column is not in the data.
    """
    contract, left_out = case.contract(), list[str]()
    if columns is not None:
        reference.need(dict.fromkeys(columns, "column that is compared"))
        pairs = [(ModelInput(name, name), ModelInput(name, name)) for name in columns]
    elif (case.candidate.facts.signature or {}).get("inputs"):
        pairs = _inputs(case, reference, traffic)
    else:
        roles = {*reference.spec.roles, *reference.index_columns, *traffic.spec.roles, *traffic.index_columns}
        free = [name for name in reference.columns if name not in roles]
        left_out = [name for name in free if name not in traffic.columns]
        pairs = [(ModelInput(name, name), ModelInput(name, name)) for name in free if name in traffic.columns]
    named = {pair[0].name: pair for pair in pairs}
    return Features(tuple(_feature(pair, (reference, traffic), contract) for pair in named.values()), tuple(left_out))


def _inputs(case: Case, reference: Dataset, traffic: Dataset) -> list[tuple[ModelInput, ModelInput]]:
    """What feeds each input of the candidate in both data, an input that one of them lacks too. Raises DataError for none at all."""
    plans = [case.input_plan(case.candidate, dataset) for dataset in (reference, traffic)]
    ours, theirs = ({source.name: source for source in plan.columns} for plan in plans)
    columns = {name: source.column for name, source in (ours | {**theirs, **ours}).items()}
    if not columns:
        problem = next((problem for plan in plans for problem in plan.problems), "the signature has no inputs")
        raise DataError(
            f"data {reference.name!r}: {problem}",
            remedy=plans[0].remedy or "name the columns that are compared: columns: [...]",
        )
    return [
        tuple(side.get(name, ModelInput(name, column)) for side in (ours, theirs))  # type: ignore[misc]
        for name, column in columns.items()
    ]


def _feature(
    sources: tuple[ModelInput, ModelInput], datasets: tuple[Dataset, Dataset], contract: FeatureContract
) -> Feature:
    name = sources[0].name
    for source, dataset in zip(sources, datasets, strict=True):
        if source.column not in dataset.columns:
            return Feature(name, sources, problem=("no_column", f"{dataset.name} has no column {source.column}"))
    kinds = [_type_of(source, dataset) for source, dataset in zip(sources, datasets, strict=True)]
    unread = next((kind for kind in kinds if not arrays.has_text(kind)), None)
    if unread is not None or sources[0].decode is not None:
        holds = "are decoded" if unread is None else f"hold {arrays.type_text(unread)}"
        return Feature(name, sources, problem=("not_compared", f"its cells {holds}, which is not compared"))
    spec = contract.features.get(name)
    listed = spec is not None and (spec.values is not None or spec.type in ("string", "boolean"))
    moments = all(pa.types.is_timestamp(kind) or pa.types.is_date(kind) for kind in kinds)
    numbers = moments or all(map(arrays.is_number, kinds))
    return Feature(name, sources, "number" if numbers and not listed else "category")


def _type_of(source: ModelInput, dataset: Dataset) -> pa.DataType:
    kind = dataset.schema.field(source.column).type
    return arrays.plain_type(kind) if source.signed is None else _SIGNED.get(source.signed, kind)


_SIGNED: Mapping[str, pa.DataType] = {
    "string": pa.string(), "boolean": pa.bool_(), "integer": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(),
}  # fmt: skip
