"""The mix of slices in two data sets: the share of each, and those of the traffic that the reference does not cover."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lockgate.data.arrow_arrays import Array
from lockgate.data.slices.names import MISSING, SliceKey, low_edge
from lockgate.data.slices.slice import Slice
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.column import Column
from lockgate.evaluation.scoring.group_columns import QuantileLabels, SliceLabels
from lockgate.evaluation.scoring.scored_table import Scored

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset


@dataclass(frozen=True)
class SliceShare:
    """One slice in both data sets: its rows, and its share by weight."""

    name: str
    key: SliceKey
    reference_rows: int
    traffic_rows: int
    reference_share: float
    traffic_share: float


@dataclass(frozen=True)
class SliceMix:
    """shares: of all slices, in the order of their declarations; where there are none, of all rows as one. unassigned: why rows of the traffic cannot be told by a slice."""

    shares: tuple[SliceShare, ...]
    unassigned: Mapping[str, str]


def slice_columns(
    dataset: Dataset, slices: Sequence[Slice], *, hidden: Collection[str], salt: bytes
) -> dict[str, Column]:
    """What gives each row of a data set its label of each declaration that reads columns.

    hidden: columns whose values are hashed with the salt, so that both data sets call a slice alike.
    """
    columns: dict[str, Column] = {}
    for declared in slices:
        if declared.kind == "quantiles":
            columns[declared.name] = QuantileLabels(dataset, declared, None)
        elif declared.columns:
            columns[declared.name] = SliceLabels(dataset, declared, hidden=hidden, salt=salt)
    return columns


def slices_of_traffic(
    slices: Sequence[Slice], labels: Mapping[str, pa.DictionaryArray], traffic: Dataset
) -> tuple[tuple[Slice, ...], dict[str, str]]:
    """(the declarations of the reference as the traffic is told by them, name → why one cannot be).

    What the traffic declares under the same name reads its own columns; quantiles have the edges of the reference. labels: of its rows.
    """
    own = {declared.name: declared for declared in traffic.slices if declared.columns and declared.kind != "quantiles"}
    chosen, lacking = list[Slice](), dict[str, str]()
    for declared in slices:
        if declared.kind == "quantiles":
            edges = sorted(
                low_edge(label) for label in labels[declared.name].dictionary.to_pylist() if label != MISSING
            )
            spec = declared.spec.model_copy(update={"quantiles": None, "bins": tuple(edges[1:])})
            declared = replace(declared, kind="bins", spec=spec)
        elif declared.columns and declared.name in own:
            declared = own[declared.name]
        absent = [name for name in declared.columns if name not in traffic.columns]
        absent += [part.name for part in declared.parts if part.name in lacking]
        if absent:
            lacking[declared.name] = (
                f"{traffic.name} has no column {absent[0]!r}, by which slice {declared.name} is told"
            )
        else:
            chosen.append(declared)
    return tuple(chosen), lacking


def grouped(rows: int, slices: Sequence[Slice], labels: Mapping[str, pa.DictionaryArray]) -> Scored:
    """The rows of a data set by their slices alone. labels: by the name of a declaration, what `slice_columns` made."""
    return Scored(labels.get, rows=rows, sha256=lambda: "", slices=slices)


def slice_mix(
    reference: Scored,
    traffic: Scored,
    weights: tuple[Array | None, Array | None],
    unassigned: Mapping[str, str],
) -> SliceMix:
    """weights: (n,) of the rows of each, or None."""
    rows = reference.rows, traffic.rows
    whole = (SliceShare("", (), *rows, *(float(count > 0) for count in rows)),)
    return SliceMix(
        tuple(
            share
            for declared in reference.slices
            if declared.name not in unassigned
            for share in _shares(declared, reference, traffic, weights)
        )
        if reference.slices
        else whole,
        unassigned,
    )


def _shares(
    declared: Slice, reference: Scored, traffic: Scored, weights: tuple[Array | None, Array | None]
) -> Iterator[SliceShare]:
    sides = []
    for scored, weight in zip((reference, traffic), weights, strict=True):
        labels, codes = scored.codes(declared.name)
        rows = np.bincount(codes, minlength=len(labels))
        mass = rows if weight is None else np.bincount(codes, weight, minlength=len(labels))
        shares = mass / max(float(mass.sum()), 1e-300)
        sides.append(
            {label: (int(count), float(share)) for label, count, share in zip(labels, rows, shares, strict=True)}
        )
    ours, theirs = sides
    for label in dict.fromkeys([*ours, *theirs]):
        (our_rows, our_share), (their_rows, their_share) = ours.get(label, (0, 0.0)), theirs.get(label, (0, 0.0))
        if our_rows or their_rows or declared.judges(label):
            yield SliceShare(declared.name, declared.key(label), our_rows, their_rows, our_share, their_share)


def coverage_estimates(
    name: str, line: Requirement, mix: SliceMix, *, min_share: float, min_rows: int, data: str, traffic: str
) -> Iterator[Estimate]:
    """One of each slice that the reference does not cover; where none is uncovered, one that counts them.

    min_share: of the traffic, from which on a slice must be covered; min_rows: of the reference, from which on it is. A pipeline without slices
    has one, all rows. data, traffic: names of the two.
    """
    large = [share for share in mix.shares if share.traffic_rows and share.traffic_share >= min_share]
    uncovered = [share for share in large if share.reference_rows < min_rows]
    allowed = line.limit.value
    for share in uncovered if len(uncovered) > allowed else ():
        blank = counted(name, line, value=1, units=share.traffic_rows, slice_key=share.key)
        reason = (
            f"{100 * share.traffic_share:.3g} % of {traffic}, and {share.reference_rows:,} rows of {data}, "
            f"where {min_rows:,} are needed"
        )
        yield replace(blank, value=None, candidate=None, low=None, high=None, problem=("uncovered", reason))
    if mix.unassigned:
        blank = counted(name, line, value=0, units=0)
        yield replace(blank, problem=("uncovered", "; ".join(mix.unassigned.values())))
    elif len(uncovered) <= allowed:
        units = max(len(large), any(share.traffic_rows for share in mix.shares))
        yield replace(counted(name, line, value=len(uncovered), units=units), counted_in="slices")
