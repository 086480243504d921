"""The record of evaluations in a checkout: each run counts once, whatever becomes of it, and of the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockgate.errors import LockgateError
from lockgate.evidence.evaluations import Evaluation, EvaluationRecord, written

MODELS = ("7", "6")
ROWS = "sha256:" + "a" * 64


def evaluation(name: str) -> Evaluation:
    return Evaluation("holdout", ROWS, name)


@pytest.fixture
def record(tmp_path: Path) -> EvaluationRecord:
    return EvaluationRecord(tmp_path, "team/fraud")


def test_runs_at_the_same_time_learn_of_each_other(record: EvaluationRecord) -> None:
    """One of them is the first, one the second, and so on."""
    with ThreadPoolExecutor(8) as pool:
        before = pool.map(lambda number: record.begin(f"r{number}", [evaluation(str(number))], MODELS), range(8))

    assert sorted(map(len, before)) == list(range(8))


def test_a_resumed_run_is_the_same_evaluation(record: EvaluationRecord) -> None:
    """It does not come after itself."""
    record.begin("r1", [evaluation("1")], MODELS)

    assert record.begin("r1", [evaluation("1")], MODELS) == []
    assert record.of_others(("8", "6")) == [evaluation("1")]
    assert record.of_others(MODELS) == []


def test_a_run_whose_rows_decided_nothing_is_taken_off(record: EvaluationRecord) -> None:
    """One that was killed stays: nobody knows what it showed."""
    for run in ("r1", "r2", "r3"):
        record.begin(run, [evaluation(run)], MODELS)
    record.settle("r2", [], MODELS, withdrawn=["holdout"])
    record.settle("r3", [evaluation("another draw")], MODELS, withdrawn=[])

    assert record.of_others(("8", None)) == [evaluation("r1"), evaluation("another draw")]


def test_lines_that_cannot_be_read_are_evaluations_of_anything(record: EvaluationRecord, tmp_path: Path) -> None:
    """Also one that was cut off, behind which the next one begins a line of its own."""
    record.begin("r1", [evaluation("1")], MODELS)
    path = tmp_path / ".gate" / "evaluations" / "team%2Ffraud.jsonl"
    path.write_bytes(path.read_bytes() + b'{"run": "r2", "da')
    record.begin("r3", [evaluation("3")], MODELS)

    assert [each.is_of("anything", None) for each in record.of_others(("8", None))] == [False, True, False]
    assert len(path.read_bytes().splitlines()) == 3


def test_a_record_is_written_in_no_other_place(record: EvaluationRecord, tmp_path: Path) -> None:
    """A link in its place is refused."""
    (tmp_path / ".gate").mkdir()
    (tmp_path / ".gate" / "evaluations").symlink_to(tmp_path)

    with pytest.raises(LockgateError, match="is a link"):
        record.begin("r1", [evaluation("1")], MODELS)


def test_of_more_evaluations_than_a_fact_holds_the_last_are_kept() -> None:
    """What is on record is the least that there were."""
    all_ = [evaluation(str(number)) for number in range(100)]
    kept = Evaluation.read_all(written([*all_, *all_]))

    assert 20 < len(kept) < 100
    assert list(kept) == all_[-len(kept) :]
