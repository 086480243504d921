"""All pictures of labelled rows that both models scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lockgate.evaluation.metrics.classification import ON_SCORES
from lockgate.evaluation.pictures.confusions import confusions
from lockgate.evaluation.pictures.curves import curves
from lockgate.evaluation.pictures.decisions import fixes_and_breaks
from lockgate.evaluation.pictures.distributions import errors
from lockgate.evaluation.pictures.reliability import reliability
from lockgate.evaluation.pictures.thresholds import thresholds
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit

_ON_SCORES = frozenset(metric.name for metric in ON_SCORES)


def pictures(gate: str, scored: Scored, subjects: set[str], threshold: Mapping[str, float | None]) -> Iterator[Exhibit]:
    """Confusions, curves of ranks, reliability, thresholds, fixes and breaks, errors: each where the answers are of its kind.

    subjects: of the gate. Reliability is of those that look at scores as they are, and of numbers.
    """
    yield from confusions(gate, scored)
    yield from curves(gate, scored, subjects)
    if subjects & _ON_SCORES or _are_numbers(scored):
        yield from reliability(gate, scored)
    yield from thresholds(gate, scored, threshold)
    yield from fixes_and_breaks(gate, scored, threshold)
    yield from errors(gate, scored)


def _are_numbers(scored: Scored) -> bool:
    return scored.labels is not None and scored.labels.dtype != bool and not scored.classes
