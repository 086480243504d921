"""The slice that a defect is planted on, and its rows as the model gets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.errors import LockgateError
from lockgate.evaluation.case import Case
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Gate
from lockgate.models.input_check import selected
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.training.seen_rows import judges_rows

if TYPE_CHECKING:
    from lockgate.data.arrow_arrays import Array
    from lockgate.evaluation.scoring.scored_table import Scored

_FEWEST = 50  # rows, where no line says which slices are judged


@dataclass(frozen=True)
class PlantedSlice:
    """A slice of a data set. mask: (n,) which rows are in it, in the order of the data."""

    data: str
    name: str
    mask: Array

    @property
    def rows(self) -> int:
        return int(self.mask.sum())

    def batches(self, case: Case) -> Iterator[pa.RecordBatch]:
        """Its rows, as the candidate gets them."""
        return model_rows(case, self.data, self.mask)


def judged_data(pipeline: Pipeline, gates: Sequence[Gate], case: Case) -> dict[str, int]:
    """The data sets by the answers to whose rows gates judge the candidate → how many rows."""
    names = {pipeline.data_of(gate) for gate in gates if judges_rows(gate)}
    return {
        name: case.dataset(name).count() for name, spec in pipeline.data.items() if name in names and not spec.scores
    }


def model_rows(case: Case, data: str, mask: Array | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of a data set as the candidate gets them, those of the mask where there is one."""
    from lockgate.evaluation.scoring.categories import batches_with_categories

    dataset = case.dataset(data)
    plan = case.input_plan(case.candidate, dataset)

    def chosen() -> Iterator[pa.RecordBatch]:
        before = 0
        for batch in batches_with_categories(dataset, plan.sources, rows=65_536):
            places = None if mask is None else np.flatnonzero(mask[before : before + batch.num_rows])
            before += batch.num_rows
            if places is None:
                yield batch
            elif places.size:
                yield batch.take(arrays.from_numpy(places))

    return selected(plan, chosen(), dataset)


def choose_slice(pipeline: Pipeline, case: Case, results: Sequence[GateResult]) -> PlantedSlice | None:
    """The slice on which a loss is hardest to see: the smallest of those that a line holds, and proves something on.

    Of watched ones, on which a pass proves nothing, the largest; where no line is about slices, the smallest declared one
    of at least 50 rows. None where the data have none.
    """
    judged = {gate.title: pipeline.data_of(gate) for gate in pipeline.gates if gate.by_group}
    passed = [
        (data, finding)
        for result in results
        if result.counts and (data := judged.get(result.name)) is not None
        for finding in result.findings
        if finding.slice and finding.verdict is Verdict.PASS
    ]
    order = sorted(passed, key=lambda pair: (pair[1].code == "watched", _size(pair[1])))
    for data, finding in order:
        mask = _mask(case.scored(data), finding.slice) if not pipeline.data[data].scores else None
        if mask is not None and mask.sum() > 1:
            return PlantedSlice(data, slice_words(tuple(finding.slice.items())), mask)
    return _smallest_declared(pipeline, case, [data for data in dict.fromkeys(judged.values()) if data])


def _size(finding: Finding) -> int:
    return -finding.rows if finding.code == "watched" else finding.rows


def _mask(scored: Scored, names: Mapping[str, str]) -> Any:
    """(n,) the rows of a slice, None where it is none that was declared, such as a pool of small ones."""
    mask = np.ones(scored.rows, bool)
    for name, label in names.items():
        if name not in {each.name for each in scored.slices}:
            return None
        labels, codes = scored.codes(name)
        if label not in labels:
            return None
        mask &= codes == labels.index(label)
    return mask


def _smallest_declared(pipeline: Pipeline, case: Case, names: Sequence[str]) -> PlantedSlice | None:
    slices = list[PlantedSlice]()
    for data in [*names, *(name for name in pipeline.data if name not in names)]:
        if not pipeline.data[data].slices or pipeline.data[data].scores:
            continue
        try:
            scored = case.scored(data)
        except LockgateError:  # rows that no model answers, such as requests of which some fail
            continue
        for declared in scored.slices:
            labels, codes = scored.codes(declared.name)
            for code, label in enumerate(labels):
                if declared.judges(label) and (codes == code).sum() >= _FEWEST:
                    slices.append(PlantedSlice(data, slice_words(declared.key(label)), codes == code))
    return min(slices, key=lambda each: each.rows, default=None)
