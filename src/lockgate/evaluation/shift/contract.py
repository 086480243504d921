"""Cells of the traffic that break the feature contract."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockgate.data.contract.declared import contract_in_metadata
from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.shift.comparison import Compared

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset


def contract_estimate(name: str, line: Requirement, case: Case, traffic: Dataset, compared: Compared) -> Estimate:
    """What breaks the contract of the pipeline, or of the candidate's own metadata. Raises LockgateError."""
    contract = case.contract().over(contract_in_metadata(case.candidate.facts.metadata))
    if not contract.features:
        blank = counted(name, line, value=0, units=0)
        return replace(blank, counted_in="cells", problem=("no_contract", "no features are declared"))
    columns = {feature.name: feature.sources[1].column for feature in compared.features}
    check = contract.check(traffic, columns)
    offenders = {"offenders": [breach.to_json() for breach in check.breaches]} if check.breaches else {}
    detail = offenders | {"found": [str(breach) for breach in check.breaches]}
    value = sum(breach.cells for breach in check.breaches)
    return replace(counted(name, line, value=value, units=check.cells, detail=detail), counted_in="cells")
