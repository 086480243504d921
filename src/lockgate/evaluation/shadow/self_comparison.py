"""Compare the champion with itself on a sample of the requests, and take its noise from what the candidate changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.pictures.decisions import decisions
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow import rates
from lockgate.evaluation.shadow.excess import excess_p99, excess_rate, excess_within
from lockgate.evaluation.shadow.line_metrics import decides, positive_of
from lockgate.evaluation.shadow.shifts import WITHIN
from lockgate.hashing import number
from lockgate.models.class_scores import predicted_class

_ABSOLUTE, _RELATIVE = 1e-6, 1e-5  # what the order of sums of floats alone may change


class SelfComparison(NamedTuple):
    """sample: both models' answers to the requests that the champion was asked about twice more. metrics: by subject with arguments.

    entry: what the evidence says of it.
    """

    sample: Scored
    metrics: dict[str, Metric]
    entry: dict[str, Any]


def sampled_requests(total: int, requests: int, seed: int) -> NDArray[np.int64]:
    """Numbers of so many requests of all, or of all: one by chance of each of as many equal parts, so that they are spread."""
    if requests >= total:
        return np.arange(total)
    edges = np.linspace(0, total, requests + 1).astype(np.int64)
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:])


def compare_with_itself(
    scored: Scored,
    twice: Scored,
    lines: Iterable[Requirement],
    *,
    task: str,
    threshold: Mapping[str, float | None],
) -> SelfComparison:
    """What lines on flips and differences are measured by where the champion was asked twice.

    scored: both models' answers to all requests. twice: the champion's in the place of each model, to some of them.
    threshold: of each role's scores. Raises GateBroken without the threshold of a line on decisions.
    """
    sample = scored.of_rows(twice.row_numbers - 1)
    own_threshold = dict.fromkeys(("candidate", "champion"), threshold.get("champion"))
    decided, own = decisions(sample, threshold), decisions(twice, own_threshold)
    differences, own_differences = _differences(sample), _differences(twice)
    metrics = dict[str, Metric]()
    for line in lines:
        if not decides(line):
            tolerance = line.argument("tolerance")
            metrics[line.subject_text] = (
                excess_within(differences, own_differences, tolerance=float(tolerance or 0.0))
                if line.subject == WITHIN.name
                else excess_p99(differences, own_differences)
            )
            continue
        (of_both, code, name), (of_itself, _, _) = (positive_of(line, each, sample.classes) for each in (decided, own))
        kinds, own_kinds = (rates.decided_kinds(*pair, code) for pair in (of_both, of_itself))
        metrics[line.subject_text] = excess_rate(line.subject, kinds, own_kinds, code=name)
    return SelfComparison(sample, metrics, _entry(twice, own, own_differences, task=task))


def _differences(scored: Scored) -> NDArray[np.float64]:
    """(n,) how far the answers of the two roles lie apart, NaN where one is missing; of classes whether they differ."""
    assert scored.candidate is not None  # noqa: S101  # there are answers
    assert scored.champion is not None  # noqa: S101  # lines that compare are left out without a champion
    if scored.classes:
        candidate, champion = predicted_class(scored.candidate), predicted_class(scored.champion)
        missing = np.isnan(candidate) | np.isnan(champion)
        return np.where(missing, np.nan, candidate != champion)
    sizes: NDArray[np.float64] = np.abs(scored.candidate - scored.champion)
    return sizes


def _entry(twice: Scored, own: Any, differences: NDArray[np.float64], *, task: str) -> dict[str, Any]:
    answered = ~np.isnan(differences)
    entry: dict[str, Any] = {"requests": twice.rows, "answered": int(answered.sum())}
    if own is not None and task != "regression":
        entry["flipped"] = int((own[0] != own[1])[answered].sum())
    if twice.classes:
        return {**entry, "differing": entry["flipped"]}
    assert twice.champion is not None  # noqa: S101  # it answered
    room = _ABSOLUTE + _RELATIVE * np.abs(twice.champion)
    differing = int(np.count_nonzero(differences[answered] > room[answered]))
    return {**entry, "differing": differing, "largest": number(float(differences[answered].max(initial=0.0)))}
