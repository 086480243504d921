"""`gate plan` says beforehand what the data can decide, and never looks at the candidate's scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.desk import Desk
from lockgate.commands.plan import command
from lockgate.errors import UsageError

PIPELINE = """\
model: {model}
task: binary
threshold: 0.5
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
data:
  holdout:
    path: data.parquet
    label: y
    slices: [geo]
    small_slices: {{min_rows: 100, below: {below}}}
    scores: {{candidate: new, champion: old}}
gates:
  - gate: metrics
    data: holdout
    require:
      - accuracy >= champion - 0.03 on each slice
      - accuracy >= 0.80
      - recall >= 0.99
      - auc >= champion - 0.05
      - log_loss <= champion + 0.02
      - {{metric: auc, at_least: champion, claim: superior}}
  - {{gate: latency, load: {{rate: 200/s, requests: 3000}}, require: [p99_ms <= champion * 1.10, errors <= 0]}}
"""
ROWS = 3000


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path, monkeypatch)
    write(desk)
    draw = np.random.default_rng(5)
    y = draw.random(ROWS) < 0.2
    old = np.clip(0.2 + 0.45 * y + draw.normal(0, 0.15, ROWS), 0.01, 0.99)
    geo = np.where(np.arange(ROWS) < 40, "LU", np.where(np.arange(ROWS) % 2, "AT", "BR"))
    table = {"y": y.astype(int), "old": old, "new": np.full(ROWS, np.nan), "geo": geo}
    pq.write_table(pa.table(table), tmp_path / "data.parquet")
    return desk


def write(desk: Desk, below: str = "watch") -> None:
    desk.pipeline.write_text(PIPELINE.format(model=desk.model, below=below))


def promoted(desk: Desk) -> None:
    champion = desk.register()
    desk.models.registry.set_alias(desk.model, "production", champion.version)
    desk.register()


def planned(desk: Desk, *arguments: str) -> dict[str, Any]:
    answer = desk.gate(command, "--json", *arguments)
    if answer.exception is not None:
        raise answer.exception
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def outlook(document: dict[str, Any], line: str) -> dict[str, tuple[str, str]]:
    [entry] = [one for one in document["gates"][0]["lines"] if one["id"] == line]
    return {one["place"]: (one["status"], one["words"]) for one in entry["outlook"]}


def test_the_whole_plan_from_counts(desk: Desk) -> None:
    """Versions, gates, how long, each line on each slice, what is assumed, and which look it would be."""
    promoted(desk)

    assert (
        desk.gate(command).stdout
        == f"""\
{desk.model} version 2 against champion version 1
metrics on holdout
  r1  accuracy >= champion - 0.03 on each slice
      geo=LU: watched: 40 rows; 100 are asked for
      geo=AT: decidable: 1,480 rows, {positives(desk, "AT")} positive decide a tolerance of 0.02 with 90 % power
      geo=BR: decidable: 1,480 rows, {positives(desk, "BR")} positive decide a tolerance of 0.02 with 90 % power
  r2  accuracy >= 0.8
      overall: decidable: passes from an observed 0.8123 up
  r3  recall >= 0.99
      overall: decidable: passes from an observed 0.9984 up
  r4  auc >= champion - 0.05
      overall: decidable: 3,000 rows, 622 positive decide a tolerance of 0.013 with 90 % power
  r5  log_loss <= champion + 0.02
      overall: not planned from counts: gate plan --score measures the champion
  r6  auc >= champion
      overall: not planned: a gain depends on the candidate
latency on holdout: about 30 s of requests
  r1  p99_ms <= champion * 1.1
  r2  errors <= 0
assumed: the two models disagree on 5 % of rows, and their scores correlate 0.9; the champion's auc is 0.85 and its average \
precision 0.8
this would be look 1 at holdout
"""
    )
    assert not (desk.folder / ".gate").exists()


def positives(desk: Desk, geo: str) -> int:
    table = pq.read_table(desk.folder / "data.parquet").to_pydict()
    return sum(y for y, where in zip(table["y"], table["geo"], strict=True) if where == geo)


def test_the_champions_scores_tell_what_counts_cannot(desk: Desk) -> None:
    """What it would get itself, and the variance of its losses. The candidate's scores, all NaN here, are not looked at."""
    table = pq.read_table(desk.folder / "data.parquet").to_pydict()
    pq.write_table(pa.table(table | {"new": [0.0] * ROWS}), desk.folder / "data.parquet")
    promoted(desk)
    document = planned(desk, "--score")
    lines = {one["id"]: one["outlook"] for one in document["gates"][0]["lines"]}

    assert outlook(document, "r5")["overall"][0] == "decidable"
    assert lines["r2"][0]["champion"].startswith("pass: accuracy is 0.9")
    assert lines["r3"][0]["champion"].startswith("fail: recall is 0.8")
    assert lines["r1"][0]["champion"] is None
    assert document["assumed"].endswith("the rest is the champion's own")


def test_without_a_champion_absolute_lines_are_planned(desk: Desk) -> None:
    """The others would not be asked; one model is driven, not two."""
    desk.register()
    document = planned(desk)

    assert outlook(document, "r1") == {}
    assert outlook(document, "r2")["overall"][0] == "decidable"
    assert document["gates"][1]["seconds"] == 15.0
    with pytest.raises(UsageError, match="--score asks the champion, and there is none yet"):
        planned(desk, "--score")


def test_a_larger_disagreement_needs_a_larger_tolerance(desk: Desk) -> None:
    """The assumption is the user's to make."""
    promoted(desk)
    words = outlook(planned(desk, "--disagreement", "40%"), "r1")["geo=AT"]

    assert words[0] == "hopeless"
    assert words[1].startswith("hopeless at champion - 0.03: 1,480 rows")
    for text in ("0", "100%", "many"):
        with pytest.raises(UsageError, match="is no share of rows"):
            planned(desk, "--disagreement", text)


def test_a_blocked_slice_is_hopeless_with_its_reason(desk: Desk) -> None:
    """Under block no result would pass it."""
    write(desk, "block")
    promoted(desk)

    assert outlook(planned(desk), "r1")["geo=LU"] == ("hopeless", "hopeless: 40 rows; 100 are asked for")


def test_merged_slices_are_planned_as_one(desk: Desk) -> None:
    """As they would be judged."""
    write(desk, "merge")
    promoted(desk)

    assert "geo=LU" not in outlook(planned(desk), "r1")


def test_data_that_cannot_be_read_stops_no_plan(desk: Desk) -> None:
    """It says why, and shows the rest."""
    promoted(desk)
    (desk.folder / "data.parquet").unlink()
    answer = desk.gate(command)

    assert answer.exit_code == 0
    assert "  what its rows can decide is not known: data 'holdout': data.parquet does not exist" in answer.stdout
    assert "latency on holdout: about 30 s of requests" in answer.stdout


def test_a_function_of_ones_own_is_planned_without_numbers(desk: Desk) -> None:
    """Nothing is known of it beforehand; the lines beside it are told as ever."""
    promoted(desk)
    text = PIPELINE.format(model=desk.model, below="watch").replace(
        "    require:\n      - acc",
        "    functions: {profit: {function: mine.py:profit, better: higher}}\n    require:\n"
        "      - profit >= champion - 1\n      - recall_at_precision(0.8) >= 0.5\n      - acc",
    )
    desk.pipeline.write_text(text)
    found = planned(desk)

    assert found["gates"][0]["unread"] is None
    assert outlook(found, "r1") == {}
    assert outlook(found, "r3")
