"""`gate plan` says beforehand what the data can decide, and never looks at the candidate's scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.desk import Desk
from lockgate.cli.commands.plan import command
from lockgate.errors import UsageError
from lockgate.models.load_spec import Load
from lockgate.runs.plan import seconds_of

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
      geo=LU: no-harm check: 40 rows; 100 are required
      geo=AT: has power: 1,480 rows, {positives(desk, "AT")} positive decide a tolerance of 0.02 with 90 % power
      geo=BR: has power: 1,480 rows, {positives(desk, "BR")} positive decide a tolerance of 0.02 with 90 % power
  r2  accuracy >= 0.8
      overall: has power: passes from a value of 0.8123 up
  r3  recall >= 0.99
      overall: has power: passes from a value of 0.9984 up
  r4  auc >= champion - 0.05
      overall: has power: 3,000 rows, 622 positive decide a tolerance of 0.013 with 90 % power
  r5  log_loss <= champion + 0.02
      overall: not planned from counts: gate plan --score measures the champion
  r6  auc >= champion
      overall: not planned: a gain depends on the candidate; one of 0.013 is shown with 90 % power
latency on holdout: about 30 s of requests, where the models keep up
  r1  p99_ms <= champion * 1.1
      overall: not planned: how much 20 blocks of 150 requests a model differ (30 requests beyond it in all) is known when \
they were sent; a rare stall of over 10 requests in a row would go unseen: see load.stall
  r2  errors <= 0
      overall: counted among 3,000 requests; none among them leaves up to 0.09981 % unseen
assumed: the two models disagree on 5 % of rows, and their scores correlate 0.9; the champion's auc is 0.85 and its average \
precision 0.8
`gate plan --probe` sends a few requests to both models, and says how long latency takes with them
this would be evaluation no. 1, or a later one, on holdout
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
    with pytest.raises(UsageError, match="--score needs a champion, and there is none yet"):
        planned(desk, "--score")


def test_a_larger_disagreement_needs_a_larger_tolerance(desk: Desk) -> None:
    """The assumption is the user's to make."""
    promoted(desk)
    words = outlook(planned(desk, "--disagreement", "40%"), "r1")["geo=AT"]

    assert words[0] == "hopeless"
    assert words[1].startswith("underpowered at champion - 0.03: 1,480 rows")
    for text in ("0", "100%", "many"):
        with pytest.raises(UsageError, match="is no share of rows"):
            planned(desk, "--disagreement", text)


def test_a_blocked_slice_is_hopeless_with_its_reason(desk: Desk) -> None:
    """Under block no result would pass it."""
    write(desk, "block")
    promoted(desk)

    assert outlook(planned(desk), "r1")["geo=LU"] == ("hopeless", "underpowered: 40 rows; 100 are required")


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
    known = "not planned: how much it varies is known after a run"
    assert outlook(found, "r1") == {"overall": ("unknown", known)}
    assert outlook(found, "r3")


EVERY_KIND = """\
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
    small_slices: {{min_rows: 100, below: watch}}
    scores: {{candidate: new, champion: old}}
  traffic: {{path: traffic.parquet, slices: [geo]}}
gates:
  - {{gate: metadata, require: [code_commit >= 1]}}
  - gate: metrics
    data: holdout
    require:
      - recall gap over geo <= 0.2
      - recall gap over geo <= 0.02
      - auc gap over geo <= 0.2
      - log_loss gap over geo <= 0.2
      - {{metric: accuracy, at_least: 0.5, claim: point}}
  - gate: shadow
    data: traffic
    require: [flip_rate <= 2%, flip_rate <= 8% on each slice, new_errors <= 0]
  - gate: latency
    name: open
    data: holdout
    load: {{rate: 200/s, requests: 3000}}
    require: [p99_ms <= 20, p95_ms <= 20, mean_ms <= 9]
  - gate: latency
    name: closed
    data: holdout
    load: {{closed: {{concurrency: 1}}, requests: 600, stall: 2}}
    require: [p99_ms <= 20, rss_mb <= 900]
"""


def every_kind(desk: Desk) -> None:
    desk.pipeline.write_text(EVERY_KIND.format(model=desk.model))
    geo = np.where(np.arange(2000) < 30, "LU", np.where(np.arange(2000) % 2, "AT", "BR"))
    pq.write_table(pa.table({"geo": geo}), desk.folder / "traffic.parquet")
    promoted(desk)


def test_every_line_says_what_can_be_foretold(desk: Desk) -> None:
    """Gaps, flips, times and facts too; where nothing is foretold, why."""
    every_kind(desk)
    found = desk.gate(command).stdout

    assert (
        found[found.index("metadata") : found.index("assumed")]
        == """\
metadata
  r1  code_commit >= 1
      overall: counted: a fact of the run, without an error rate
metrics on holdout
  r1  recall gap over geo <= 0.2
      overall: has power: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.14 with 90 % power, where \
the slices do not differ; 1 smaller slice is only under the no-harm check
  r2  recall gap over geo <= 0.02
      overall: underpowered at 0.02: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.14 with 90 % power, \
where the slices do not differ; 1 smaller slice is only under the no-harm check
  r3  auc gap over geo <= 0.2
      overall: has power: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.057 with 90 % power, where \
the slices do not differ; 1 smaller slice is only under the no-harm check
  r4  log_loss gap over geo <= 0.2
      overall: not planned from counts: gate plan --score measures the champion
  r5  accuracy >= 0.5
      overall: not planned: a point has no error rate
shadow on traffic
  r1  flip_rate <= 2%
      overall: has power: passes from a value of 0.0145 down, with 90 % power where the truth is at most 0.011; \
models that disagree on 5 % of requests are found to differ too much
  r2  flip_rate <= 8% on each slice
      geo=LU: underpowered: not even 0 on 30 requests would show it
      geo=AT: has power: passes from a value of 0.06497 down, with 90 % power where the truth is at most 0.056; \
models that disagree on 5 % of requests pass
      geo=BR: has power: passes from a value of 0.06497 down, with 90 % power where the truth is at most 0.056; \
models that disagree on 5 % of requests pass
  r3  new_errors <= 0
      overall: counted among 2,000 requests; none among them leaves up to 0.1497 % unseen
open on holdout: about 30 s of requests, where the models keep up
  r1  p99_ms <= 20
      overall: has power: passes while at most 20 of 3,000 requests take longer, with 90 % power where at most 0.51 \
% truly do; fewer count where requests resemble each other; a rare stall of over 10 requests in a row would go unseen: see load.stall
  r2  p95_ms <= 20
      overall: has power: passes while at most 130 of 3,000 requests take longer, with 90 % power where at most 3.8 \
% truly do; fewer count where requests resemble each other; a rare stall of over 50 requests in a row would go unseen: see load.stall
  r3  mean_ms <= 9
      overall: not planned: how much 20 blocks of 150 requests a model differ is known when they were sent
closed on holdout: 1,200 requests, 1 at a time; 1.2 s for every ms that one takes
  r1  p99_ms <= 20
      overall: has power: passes while at most 0 of 600 requests take longer, with 90 % power where at most 0.035 % \
truly do; fewer count where requests resemble each other; stalls of up to 2 requests in a row are allowed for
  r2  rss_mb <= 900
      overall: counted: a fact of the run, without an error rate
"""
    )


def test_every_line_has_an_outlook(desk: Desk) -> None:
    """In the document, with and without the champion's scores."""
    every_kind(desk)
    table = pq.read_table(desk.folder / "data.parquet").to_pydict()
    pq.write_table(pa.table(table | {"new": [0.0] * ROWS}), desk.folder / "data.parquet")

    for arguments in ((), ("--score",)):
        for gate in planned(desk, *arguments)["gates"]:
            for line in gate["lines"]:
                assert line["outlook"], (gate["name"], line["text"])
                assert all(one["words"] for one in line["outlook"])


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        ({"rate": "200/s", "requests": 3000}, 30.0),
        ({"rate": "200/s", "requests": 3000, "batch_size": [1, 32]}, 60.0),
        ({"rate": "200/s", "duration": "2m"}, 240.0),
        ({"closed": {"concurrency": 4}, "duration": "30s"}, 60.0),
        ({"closed": {"concurrency": 4}, "requests": 600}, None),
    ],
)
def test_how_long_a_load_takes_is_said_where_it_is_known(load: dict[str, Any], seconds: float | None) -> None:
    """Two models, each asked for so long at every batch size; a closed loop of requests takes what the models take."""
    assert seconds_of(Load.model_validate(load), models=2) == seconds


@pytest.mark.parametrize(("duration", "said"), [("1m", ""), ("2h", "; 0.2 GB of raw requests are kept")])
def test_a_long_load_says_how_much_it_will_keep(desk: Desk, duration: str, said: str) -> None:
    """3.6 million requests to each model, 24 bytes each; of a short one nothing is said. In 72 blocks, not 20 longer ones."""
    text = desk.pipeline.read_text().replace("rate: 200/s, requests: 3000", f"rate: 500/s, duration: {duration}")
    desk.pipeline.write_text(text)
    promoted(desk)
    shown = desk.gate(command)
    time = {"1m": "2 min", "2h": "4.0 h"}[duration]

    assert f"latency on holdout: about {time} of requests, where the models keep up{said}\n" in shown.stdout
    assert ("how much 72 blocks of 50,000 requests a model differ" in shown.stdout) == bool(said)
