"""Count the rows that are not newer than what the candidate was trained on. Light at import."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lockgate.data.time_window import RecordedTimes, moment_text, recorded_times
from lockgate.errors import GateBroken
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.provenance.training_time import TrainingEnd, logged_training_end
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.text import counted as counted_words

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Case

_HOUR = 3_600_000_000  # microseconds
_DAY_ENDS = (-14 * _HOUR, 12 * _HOUR)  # in the first and the last of the world's time zones, after its end in UTC
SUBJECT = Subject("rows_in_training_time", "lower", counted=True, unit="rows", bounds=(0, None))
_UNKNOWN = (
    "log the newest time of the training data with the run: "
    'mlflow.log_param("training_data_until", rows["time"].max().isoformat()), or name the data: data.{data}.not_in'
)


def count_rows_in_training_time(name: str, line: Requirement, dataset: Dataset, case: Case) -> Estimate:
    """How many rows are of the newest time of the training data or before. name: rN.

    The newest time is what the candidate's metadata say, or what the data of `not_in` hold in the same column, whichever is
    later. Without a value where neither says it, where rows have no time, where the one has a time zone and the other has none, and
    where the one are days, which begin by up to 26 hours apart, and the other moments so near that the zone of the days decides.
    Raises GateBroken where no column says when rows were recorded, DataError.
    """
    time = dataset.spec.time
    if time is None:
        raise GateBroken(
            f"{SUBJECT.name} compares times, and nothing says when rows of data {dataset.name!r} were recorded",
            remedy=f"name the column: data.{dataset.name}.time",
        )
    facts = case.candidate.facts
    try:
        ends = [*filter(None, [logged_training_end(facts)]), *_read_ends(dataset, time)]
        rows = recorded_times(batch.column(0) for batch in dataset.batches([time]))
    except ValueError as error:
        return _undecided(name, line, dataset, "no_time", f"there is no time to compare: {error}")
    if not ends:
        return _undecided(
            name, line, dataset, "no_training_time", f"nothing says until when {facts.version} was trained"
        )
    if rows.missing:
        reason = f"{rows.missing:,} of {dataset.count():,} rows have no time in column {time!r}"
        return _undecided(name, line, dataset, "missing_times", reason)
    end = max(ends, key=lambda each: each.moment)
    if None not in (rows.zoned, end.zoned) and rows.zoned is not end.zoned:
        has, lacks = (f"column {time!r}", end.origin) if rows.zoned else (end.origin, f"column {time!r}")
        return _undecided(name, line, dataset, "other_clock", f"{has} has a time zone, and {lacks} has none")
    moments = rows.moments
    certain, possible = (int((moments <= max(_end(each, rows, last) for each in ends)).sum()) for last in (False, True))
    if certain <= line.limit.value < possible:
        day = f"{end.origin} is a day" if end.days else f"column {time!r} holds days"
        reason = (
            f"{day} without a time zone, and {counted_words(possible - certain, 'row')} of {len(moments):,} "
            f"{'lies' if possible - certain == 1 else 'lie'} within the hours by which zones differ"
        )
        return _undecided(name, line, dataset, "other_clock", reason)
    oldest = moment_text(int(moments.min())) if moments.size else ""
    detail = {"training_until": moment_text(end.moment), "by": end.origin, "oldest": oldest}
    return counted(
        name, line, value=certain if certain > line.limit.value else possible, units=moments.size, detail=detail
    )


def _end(end: TrainingEnd, rows: RecordedTimes, last: bool) -> int:
    """The latest moment that may have been trained on, by the clock of the rows. last: of all time zones, else the earliest."""
    if end.days is rows.days or False in (rows.zoned, end.zoned):
        return end.moment
    first, latest = _DAY_ENDS
    shift = (first, latest) if end.days else (-latest, -first)
    return end.moment + shift[last]


def _read_ends(dataset: Dataset, time: str) -> Iterator[TrainingEnd]:
    """The newest time in each of the training data that have the column. Raises ValueError where some of their rows have none."""
    for reference in () if dataset.seen_rows is None else dataset.seen_rows.references:
        training = reference.dataset
        if time in training.columns:
            times = recorded_times(batch.column(0) for batch in training.batches([time]))
            if times.missing:
                raise ValueError(f"{times.missing:,} rows of {training.redacted_path} have none in column {time!r}")
            if times.newest is not None:
                yield TrainingEnd(times.newest, times.zoned, training.redacted_path, times.days)


def with_training_time(finding: Finding) -> Finding:
    """The finding with what to do, and with both times in its sentence."""
    detail = finding.detail
    if finding.verdict is Verdict.INCONCLUSIVE and finding.code in _REMEDIES:
        return replace(finding, remedy=_REMEDIES[finding.code].format(data=detail["data"]))
    if "training_until" not in detail:
        return finding
    until = (
        f"the training data end at {detail['training_until']} ({detail['by']}), these rows begin at {detail['oldest']}"
    )
    remedy = finding.remedy
    if finding.verdict is Verdict.FAIL:
        remedy = f"judge on rows that were recorded later, as the model will be used, or train on rows from before {detail['oldest']}"
    return replace(finding, reason=f"{finding.reason}; {until}", remedy=remedy)


_REMEDIES = {
    "no_training_time": _UNKNOWN,
    "no_time": "write times as 2026-11-21T10:00:00Z, as timestamps, or as seconds since 1970, in every row",
    "missing_times": "leave out rows without a time in data.{data}, or fill it in",
    "other_clock": "write both with a time zone, such as 2026-11-21T10:00:00Z",
}


def _undecided(name: str, line: Requirement, dataset: Dataset, code: str, reason: str) -> Estimate:
    blank = counted(name, line, value=0, units=0, detail={"data": dataset.name})
    return replace(blank, rows=dataset.count(), candidate=None, problem=(code, reason))
