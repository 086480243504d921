"""`after_training`: rows are compared with the newest training time by their times, not by a word in a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.fakes import case_of
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.overlap.seen_rows import Reference, find_seen_rows
from lockgate.errors import GateBroken
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.out_of_time import SUBJECT, count_rows_in_training_time, with_training_time
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding
from lockgate.gates.metrics import Metrics

LINE = parse("rows_in_training_time <= 0")
TIMES = ["2026-03-30T12:00:00Z", "2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z"]


def estimated(
    folder: Path,
    times: list[Any],
    *,
    params: dict[str, str] | None = None,
    training: list[Any] | None = None,
    **spec: Any,
) -> Estimate:
    """Of rows of these times. params: of the candidate's run. training: times of the data that `not_in` names."""
    pd.DataFrame({"age": range(len(times)), "ts": times}).to_parquet(folder / "holdout.parquet")
    reference = None
    if training is not None:
        pd.DataFrame({"age": [-1] * len(training), "ts": training}).to_parquet(folder / "train.parquet")
        reference = Reference(Dataset("train", DatasetSpec(path="train.parquet"), folder), ("age",))
        spec["not_in"] = {"path": "train.parquet"}
    dataset = Dataset(
        "holdout", DatasetSpec.model_validate({"path": "holdout.parquet", "time": "ts", **spec}), folder,
        find_seen=lambda rows: find_seen_rows(rows, [] if reference is None else [reference]),
    )  # fmt: skip
    case = case_of(folder / "case", candidate_facts={"run": {"id": "abc", "params": params or {}}})
    return count_rows_in_training_time("r1", LINE, dataset, case)


def finding(estimate: Estimate) -> Finding:
    return with_training_time(judge("metrics", [("r1", LINE)], [estimate], {SUBJECT.name: SUBJECT})[0])


@pytest.mark.parametrize(
    ("until", "count"),
    [
        ("2026-03-30T12:00:00Z", 1),
        ("2026-03-30T14:00:00+02:00", 1),
        ("2026-03-30T11:59:59Z", 0),
        ("2026-03-29", 0),
        ("2026-03-31", 1),
        ("2026-04-01", 2),
        ("1775044800", 2),
    ],
)
def test_rows_at_or_before_the_newest_training_time_are_counted(tmp_path: Path, until: str, count: int) -> None:
    """In whatever zone it was written; of a day all of it may have been trained on."""
    estimate = estimated(tmp_path, TIMES, params={"training_data_until": until})

    assert (estimate.value, estimate.rows, finding(estimate).verdict) == (count, 3, "fail" if count else "pass")


def test_a_failure_names_both_times(tmp_path: Path) -> None:
    """And where the first of them was logged."""
    failed = finding(estimated(tmp_path, TIMES, params={"train_end": "2026-04-01"}))

    assert failed.reason == (
        "rows_in_training_time is 2 rows among 3; at most 0 rows is allowed; the training data end at 2026-04-01T23:59:59.999999Z "
        "(parameter train_end), these rows begin at 2026-03-30T12:00:00Z"
    )
    assert failed.remedy == (
        "judge on rows that were recorded later, as the model will be used, or train on rows from before 2026-03-30T12:00:00Z"
    )


def test_training_data_that_are_here_say_it_themselves(tmp_path: Path) -> None:
    """The later of both counts: a tag that was forgotten does not make old rows new."""
    days = pd.to_datetime(TIMES)
    newer = estimated(tmp_path, list(days), params={"train_end": "2026-01-01"}, training=[days[0], days[1]])

    assert (newer.value, newer.detail["by"]) == (2, "train.parquet")


@pytest.mark.parametrize(
    ("times", "more", "code"),
    [
        (TIMES, {}, "no_training_time"),
        ([*TIMES, None], {"params": {"train_end": "2026-01-01"}}, "missing_times"),
        (TIMES, {"params": {"train_end": "2026-01-01 00:00:00"}}, "other_clock"),
        (["2026-03-30 12:00:00"], {"params": {"train_end": "2026-01-01T00:00:00Z"}}, "other_clock"),
        (TIMES, {"params": {"train_end": "last week"}}, "no_time"),
        (["then"], {"params": {"train_end": "2026-01-01"}}, "no_time"),
        (TIMES, {"training": [TIMES[0], None]}, "no_time"),
    ],
)
def test_what_cannot_be_compared_is_undecided(tmp_path: Path, times: list[Any], more: Any, code: str) -> None:
    """Nobody says it, a row has no time, or the clocks may be hours apart; each with what to do."""
    undecided = finding(estimated(tmp_path, times, **more))

    assert (undecided.verdict, undecided.code, undecided.rows) == ("inconclusive", code, len(times))
    assert undecided.remedy


@pytest.mark.parametrize(
    ("times", "until", "undecided"),
    [
        (["2026-03-31T05:00:00-05:00", "2026-04-02T00:00:00Z"], "2026-03-30", True),
        (["2026-03-30T12:00:00Z"], "2026-03-30", True),
        ([1774882800], "2026-03-30", True),
        (["2026-03-31"], "2026-03-30T20:00:00Z", True),
        (["2026-03-31T05:00:00", "2026-04-02T00:00:00"], "2026-03-30", False),
        (["2026-03-31"], "2026-03-30", False),
        (["2026-03-31T12:00:00Z"], "2026-03-30", False),
        (["2026-03-30T09:59:00Z", "2026-03-30T12:00:00Z"], "2026-03-30", False),
    ],
)
def test_of_days_the_time_zone_is_not_guessed(tmp_path: Path, times: list[Any], until: str, undecided: bool) -> None:
    """Where rows lie within the hours by which a day may end earlier or later; by the same clock, and outside, they are compared."""
    decided = finding(estimated(tmp_path, times, params={"train_end": until}))

    assert (decided.code == "other_clock") is undecided
    assert not undecided or "a time zone, and 1 row of" in decided.reason
    assert not undecided or decided.remedy == "write both with a time zone, such as 2026-11-21T10:00:00Z"


def test_without_a_column_of_times_it_is_wrong_usage(tmp_path: Path) -> None:
    """Which `gate check` says first."""
    with pytest.raises(GateBroken, match="nothing says when rows of data 'holdout' were recorded"):
        estimated(tmp_path, TIMES, time=None)


def test_a_word_stands_for_the_line() -> None:
    """`require: [after_training, …]`."""
    gate = Metrics.model_validate({"data": "holdout", "require": ["after_training", "auc >= 0.8"]})

    assert [str(line) for line in gate.lines] == ["rows_in_training_time <= 0", "auc >= 0.8"]
