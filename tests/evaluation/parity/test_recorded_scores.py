"""Scores are told from those on record by a few sums, whatever the metric says of both."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lockgate.errors import GateBroken
from lockgate.evaluation.parity.recorded_scores import ScoreRecord, need_recorded_scores
from lockgate.evidence.evidence import SCORE_FACT
from lockgate.registries.ports import ModelVersion

ROWS, OTHERS = "sha256:" + "a" * 64, "sha256:" + "b" * 64
CHAMPION = ModelVersion("fraud", "6")
PINNED = (
    2295359.7142859,
    -1376161.428571,
    -2514131.428573,
    -942860.8571394,
    -208156.2857148,
    1630013.142856,
    591880.57142681,
    -1744814.571429,
)


def scores(seed: int = 0, rows: int = 20_000) -> np.ndarray:
    return np.random.default_rng(seed).beta(1, 8, rows)


def published(
    values: np.ndarray, *, version: str = "6", rows: str = ROWS, at: str = "2026-11-03T10:00:00Z"
) -> dict[str, str]:
    entry = {"rows": rows, **ScoreRecord.of(values).to_json()}
    return {"version": version, "at": at, SCORE_FACT: json.dumps([entry])}


@pytest.mark.parametrize("distance", [0.001, 0.03, 0.4])
def test_the_distance_of_two_vectors_is_told_by_their_sums(distance: float) -> None:
    """To about a quarter of it, on average over seeds; nothing is lost by way of JSON but the ninth digit."""
    before = scores()
    told = [
        ScoreRecord.of(before).distance(
            ScoreRecord.from_json(
                ScoreRecord.of(before + np.random.default_rng(seed).normal(0, distance, before.size)).to_json()
            )
        )
        for seed in range(30)
    ]

    assert np.sqrt(np.mean(np.square(told))) == pytest.approx(distance, rel=0.15)
    assert max(told) < 2 * distance
    assert min(told) > distance / 4


def test_sums_are_the_same_in_every_release() -> None:
    """What one lockgate writes another reads: the signs are pinned."""
    assert ScoreRecord.of(np.arange(100_000) / 7).sums == pytest.approx(PINNED, rel=1e-9)


def test_last_digits_are_no_difference_and_rows_in_another_order_are() -> None:
    """Also where the metric, the mean and every quantile stay the same; matrices of classes likewise."""
    before = scores()
    record = ScoreRecord.of(before)
    one_row = before.copy()
    one_row[17] += 0.05

    for alike in (before, before.astype(np.float32), before * (1 + 1e-7), one_row):
        assert not record.unlike(ScoreRecord.of(alike))
    matrix = np.stack([before, 1 - before], axis=1)
    for unlike in (before[::-1], 1 - before, before + 0.01, (before > 0.1).astype(float)):
        assert record.unlike(ScoreRecord.of(unlike))
    assert not ScoreRecord.of(matrix).unlike(ScoreRecord.of(matrix.copy()))
    assert ScoreRecord.of(matrix).unlike(ScoreRecord.of(matrix[:, ::-1]))
    constant = ScoreRecord.of(np.full(50, 0.3))
    assert not constant.unlike(ScoreRecord.of(np.full(50, 0.3)))
    assert constant.unlike(ScoreRecord.of(np.full(50, 0.31)))


def test_a_champion_that_answers_otherwise_than_it_did_breaks_the_gate() -> None:
    """By name, with both values and the day; what was published last of that version and those rows counts."""
    before, now = scores(1), np.clip(scores(1) + 0.02, 0, 1)
    old = published(now, at="2026-10-01T10:00:00Z")

    def need(*facts: dict[str, str], version: ModelVersion = CHAMPION, digest: str = ROWS) -> None:
        need_recorded_scores(now, facts, champion=version, data="holdout", digest=digest)

    need(published(before), old)
    need(published(before, version="5"), published(before, rows=OTHERS), published(before[:-1]))
    need({"version": "6", SCORE_FACT: "[1, {"}, {"version": "6", SCORE_FACT: json.dumps([{"rows": ROWS, "sums": [1]}])})
    with pytest.raises(
        GateBroken, match=r"fraud version 6, answers the rows of holdout otherwise .* 2026-11-03"
    ) as raised:
        need(old, published(before))
    assert raised.value.code == "champion_changed"
    assert "their mean was 0.111" in raised.value.message
    assert "gate run --candidate 6 --stage" in str(raised.value.remedy)
