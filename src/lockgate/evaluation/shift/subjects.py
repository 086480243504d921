"""What a line may ask of the features of two data sets. Imports no numpy."""

from __future__ import annotations

from lockgate.evaluation.metrics.catalog import DECLARED, SUBJECTS
from lockgate.evaluation.requirements.subject import Subject, by_name

FEATURE = "feature"
DISTANCE = Subject("distance", "lower", bounds=(0, 1), needs=("no champion",), each=FEATURE, proportion=False)
NULL_RATE_SHIFT = Subject(
    "null_rate_shift", "lower", bounds=(0, 1), needs=("no champion",), each=FEATURE, proportion=False
)
NEW_VALUE_RATE = Subject("new_value_rate", "lower", bounds=(0, 1), needs=("no champion",), each=FEATURE)
UNCOVERED_SLICES = Subject(
    "uncovered_slices",
    "lower",
    counted=True,
    unit="slices",
    bounds=(0, None),
    needs=("no champion",),
    counted_in="slices",
)
CONTRACT_VIOLATIONS = Subject(
    "contract_violations",
    "lower",
    counted=True,
    unit="cells",
    bounds=(0, None),
    needs=("no champion",),
    counted_in="cells",
)
OF_FEATURES = by_name(DISTANCE, NULL_RATE_SHIFT, NEW_VALUE_RATE)
OF_DATA = by_name(UNCOVERED_SLICES, CONTRACT_VIOLATIONS)
REWEIGHTED = {
    name: subject
    for name, subject in SUBJECTS.items()
    if "query" not in subject.needs and DECLARED[name].decide is None
}
"""Metrics of rows, not of queries, whose error is told by the influence of each row, to which that of the mix is added."""
