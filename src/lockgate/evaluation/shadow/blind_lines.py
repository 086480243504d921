"""Limits on flips that a candidate meets which decides every request alike. Light at import."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import percent
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.shadow.rates import FLIP_RATE, GAINED_RATE, LOST_RATE
from lockgate.evidence.run_folder import runs
from lockgate.evidence.run_record import RunRecord

_RECENT = 20  # runs of a checkout that are looked at


def positive_rate(flips: Iterable[Sequence[object]]) -> float | None:
    """The share of requests that the champion decides positive, by the points of the exhibit `flips` of two classes; None of others."""
    counts: Mapping[str, float] = {"negative": 0.0, "positive": 0.0}
    for champion, candidate, requests in flips:
        if champion not in counts or candidate not in counts:
            return None
        counts = {**counts, str(champion): counts[str(champion)] + float(str(requests))}
    total = sum(counts.values())
    return counts["positive"] / total if total else None


def blind_lines(lines: Sequence[Requirement], rate: float | None) -> Iterator[str]:
    """A sentence on each limit of flips that never saying yes, or no, keeps, where no line is on the direction.

    rate: of requests that the champion decides positive, None where that is not known.
    """
    if rate is None or not 0 < rate < 1:
        return
    lost = rate <= 0.5
    direction, rarer = (LOST_RATE.name, "yes") if lost else (GAINED_RATE.name, "no")
    if any(line.subject == direction and line.gap is None for line in lines):
        return
    least = min(rate, 1 - rate)
    for line in lines:
        if line.subject == FLIP_RATE.name and line.gap is None and line.limit.value >= least:
            yield (
                f"{str(line)!r} is met by a candidate that never says {rarer}: the champion decides "
                f"{percent(float(f'{least:.3g}'))} of requests {'positive' if lost else 'negative'}; "
                f"write {direction} <= 10% beside it"
            )


def blind_by_the_last_run(root: Path, model: str, lines: Mapping[str, Sequence[Requirement]]) -> dict[str, list[str]]:
    """gate → a sentence on each of its lines that is blind by the newest run of the model in this checkout, if any is.

    root: of the checkout. lines: of each gate.
    """
    return {
        gate: [f"{sentence} (by the last run)" for sentence in blind_lines(own, _earlier_rate(root, model, gate))]
        for gate, own in lines.items()
        if any(line.subject == FLIP_RATE.name for line in own)
    }


def _earlier_rate(root: Path, model: str, gate: str) -> float | None:
    """The share that the champion decided positive."""
    for run in runs(root)[:_RECENT]:
        with suppress(LockgateError):
            evidence = run.evidence()
            if evidence.model == model:
                return positive_rate(RunRecord(evidence, partial(Path, run.path)).exhibit(f"{gate}/flips").points)
    return None
