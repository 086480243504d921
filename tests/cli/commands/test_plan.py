"""`gate plan` says beforehand what the data can decide, and never looks at the candidate's scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from helpers.desk import Desk
from lockgate.cli.commands.plan import command
from lockgate.errors import UsageError
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.number_format import rounded
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evaluation.planning.outlook import outlooks
from lockgate.evaluation.planning.request_outlook import seconds_of
from lockgate.evaluation.requirements.grammar import parse
from lockgate.models.load_spec import Load
from lockgate.pipeline.loader import load
from lockgate.reports.plan_words import foretold
from lockgate.reports.terminal_layout import Medium
from lockgate.reports.terminal_plan import plan_page

FINDING = {
    "slice": {}, "interval": None, "champion": None, "limit": {"op": ">=", "value": "1", "text": "1"}, "decided": None,
    "rows": 1, "positives": None, "rows_needed": None, "verdict": "pass", "code": "met", "reason": "", "remedy": None, "detail": {},
}  # fmt: skip
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


def told(document: dict[str, Any]) -> str:
    """Every sentence of the document, below its gate and line."""
    return "".join(
        f"{gate['name']} {line['id']} {line['text']}\n"
        + "".join(f"  {one['place']}: {one['words']}\n" for one in line["outlook"])
        for gate in document["gates"]
        for line in gate["lines"]
    )


def outlook(document: dict[str, Any], line: str) -> dict[str, tuple[str, str]]:
    [entry] = [one for one in document["gates"][0]["lines"] if one["id"] == line]
    return {one["place"]: (one["status"], one["words"]) for one in entry["outlook"]}


def test_the_whole_plan_from_counts(desk: Desk) -> None:
    """Versions, gates and how long they take, whether each line has enough rows, and what that rests on."""
    promoted(desk)

    assert (
        desk.gate(command).stdout
        == f"""\
{desk.model}: candidate version 2 against champion version 1

gate     data     to answer       time
metrics  holdout  3,000 rows      –
latency  holdout  6,000 requests  about 30 s, if the models keep up

metrics: the answers of the candidate and the champion are recorded, and asked again of a sample: 300 to 1,000 rows by \
chance, and up to 300 of each rare class or decision

metrics
  accuracy >= champion - 0.03 on each slice
    geo=LU: too few rows: 40, 8 of them positive, about 700 needed. Until then only a loss that shows plainly fails it
    enough rows in the other 2 slices; the tightest is geo=AT (1,480): an allowance of 0.02 would do, yours is 0.03
  accuracy >= 0.8
    enough rows (3,000): it passes when 0.8123 or more is measured
  recall >= 0.99
    enough rows (3,000): it passes when 0.9984 or more is measured
  auc >= champion - 0.05
    enough rows (3,000): an allowance of 0.013 would do, yours is 0.05
  log_loss <= champion + 0.02
    cannot be foretold: row counts alone do not tell how much it varies; with --score a model answers the rows first
  auc >= champion
    cannot be foretold: it passes only if the candidate is shown to be better, and how much better it is shows in \
the run; a gain of 0.013 would show

latency
  p99_ms <= champion * 1.1
    cannot be foretold: it depends on how steadily both models answer on the machine of the run; a rare stall of \
more than 10 requests in a row may not show (load.stall in the pipeline)
  counted among 3,000 requests: errors <= 0; what happens less often than once in 1,001 may not show

enough      where a line compares with the champion, a candidate exactly as good passes in at least 9 of 10 runs, a \
better one more often. With too few it is more often left undecided, however good it is: the run then ends \
inconclusive
allowance   how much worse than the champion a line lets the candidate be, such as 0.03 in auc >= champion - 0.03
assumed     the two models decide differently on 5 % of rows (--disagreement changes it), and their scores are much \
alike (correlation 0.9); the champion has auc 0.85 (--score measures it)
evaluation  no. 1 or later of holdout

Next        gate plan --score
              lets the champion answer the rows, and foretells what counts cannot
            gate plan --probe
              sends both models a few requests, and says how long latency takes
            gate run
              runs the gates: nothing is published or promoted by it
"""
    )
    assert not (desk.folder / ".gate").exists()


def test_without_scores_the_champion_is_as_good_as_an_earlier_run_measured(desk: Desk) -> None:
    """Whichever role it had there; a better one leaves less to chance, so that a smaller allowance would do."""
    champion = desk.register()
    desk.models.registry.set_alias(desk.model, "production", champion.version)
    desk.register()
    before = planned(desk)
    measured = {"subject": "auc", "requirement": "r1", "id": "metrics/r1/overall", "observed": "0.97"}
    gate = load(desk.pipeline, environ={}).gates[:1]
    desk.evaluate(champion, gates=gate, findings=[FINDING | measured])
    after = planned(desk)

    assert (before["assumptions"]["measured"], after["assumptions"]["measured"]) == ([], ["auc"])
    assert after["assumptions"]["champion"] == {"auc": 0.97}
    assert "the champion's auc is 0.97 (measured)" in after["assumed"]
    assert "auc 0.97 by an earlier run" in " ".join(
        plan_page(after, Medium(200), commands=[], probed=False).plain.split()
    )
    assert _smallest(after) < _smallest(before)


def _smallest(document: dict[str, Any]) -> float:
    """The tolerance that the rows would do with, of the line on auc overall."""
    (line,) = [line for line in document["gates"][0]["lines"] if line["text"] == "auc >= champion - 0.05"]
    return float(line["outlook"][0]["smallest_tolerance"])


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
    page = plan_page(document, Medium(80), commands=[], probed=False).plain
    assert "\n    the champion itself: pass: accuracy is 0.9" in page


def test_without_a_champion_absolute_lines_are_planned(desk: Desk) -> None:
    """The others would not be asked; one model is driven, not two."""
    desk.register()
    document = planned(desk)

    assert outlook(document, "r1") == {}
    assert outlook(document, "r2")["overall"][0] == "decidable"
    assert document["gates"][1]["seconds"] == 15.0


def test_without_a_champion_the_candidate_is_scored(desk: Desk) -> None:
    """Its losses say what an absolute line needs; whether it meets the line is for a run to say."""
    text = PIPELINE.format(model=desk.model, below="watch").replace(
        "      - recall", "      - log_loss <= 0.9\n      - recall"
    )
    desk.pipeline.write_text(text)
    table = pq.read_table(desk.folder / "data.parquet").to_pydict()
    pq.write_table(pa.table(table | {"new": table["old"]}), desk.folder / "data.parquet")
    desk.register()
    counted, scored = planned(desk), planned(desk, "--score")

    assert outlook(counted, "r3")["overall"][0] == "unknown"
    assert outlook(scored, "r3")["overall"][0] == "decidable"
    assert {each["champion"] for gate in scored["gates"] for line in gate["lines"] for each in line["outlook"]} == {
        None
    }
    assert scored["assumed"].endswith("the champion's own, for which the candidate stands: there is no champion yet")


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


def test_rows_that_the_candidate_was_trained_on_are_not_counted(desk: Desk) -> None:
    """Neither from counts nor with the champion's scores; and where so many are that nothing would pass, it is said."""
    table = pq.read_table("data.parquet").to_pydict()
    number = pa.array(np.arange(ROWS))
    pq.write_table(pa.table(table | {"new": table["old"], "x": number}), "data.parquet")
    promoted(desk)
    text, rows = desk.pipeline.read_text(), ROWS

    def foreseen(seen: int, *options: str) -> dict[str, Any]:
        pq.write_table(pa.table({"x": number.slice(0, seen)}), "train.parquet")
        held = "label: y\n    not_in: {path: train.parquet, columns: [x]}"
        desk.pipeline.write_text(text.replace("label: y", held))
        return dict(planned(desk, *options)["gates"][0])

    few, many, scored = foreseen(3), foreseen(rows // 2), foreseen(3, "--score")
    assert (few["data_rows"], many["data_rows"]) == (rows - 3, rows - rows // 2)
    assert few["seen"]["text"].startswith(f"3 of {rows:,} rows of holdout are in train.parquet, and left out")
    assert few["seen"]["obstacle"] is None
    assert "max_seen allows 1 %" in many["seen"]["obstacle"]
    assert scored["unread"] is None, scored
    assert scored["lines"][0]["outlook"][0]["rows"] == few["lines"][0]["outlook"][0]["rows"]


def test_data_that_cannot_be_read_stops_no_plan(desk: Desk) -> None:
    """It says why, and shows the rest."""
    promoted(desk)
    (desk.folder / "data.parquet").unlink()
    answer = desk.gate(command)

    assert answer.exit_code == 0
    assert (
        "metrics: what its rows can decide is not known: data 'holdout': data.parquet does not exist" in answer.stdout
    )
    assert "about 30 s, if the models keep up" in answer.stdout


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
      - broken_rate <= 4%
      - broken_rate <= 2% on each geo
      - fixed_rate >= 1%
      - broken_rate gap over geo <= 0.02
      - recall gap over geo <= champion + 0.02
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

    assert (
        told(planned(desk))
        == """\
metadata r1 code_commit >= 1
  overall: counted: a fact of the run, without an error rate
metrics r1 recall gap over geo <= 0.2
  overall: has power: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.14 with 90 % power, where \
the slices do not differ; 1 smaller slice is only under the no-harm check
metrics r2 recall gap over geo <= 0.02
  overall: underpowered at 0.02: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.14 with 90 % power, \
where the slices do not differ; 1 smaller slice is only under the no-harm check
metrics r3 auc gap over geo <= 0.2
  overall: has power: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.057 with 90 % power, where \
the slices do not differ; 1 smaller slice is only under the no-harm check
metrics r4 log_loss gap over geo <= 0.2
  overall: not planned from counts: gate plan --score measures the champion
metrics r5 accuracy >= 0.5
  overall: not planned: a point has no error rate
metrics r6 broken_rate <= 4%
  overall: has power: passes from a value of 0.034 down, with 90 % power where the truth is at most 0.03; \
an equal candidate that differs on 5 % of rows breaks 2.5 %, and would pass
metrics r7 broken_rate <= 2% on each geo
  geo=AT: underpowered at 2.5 %: passes from a value of 0.01351 down, with 90 % power where the truth is at most 0.01; \
an equal candidate that differs on 5 % of rows breaks 2.5 %, and would mostly be left undecided
  geo=BR: underpowered at 2.5 %: passes from a value of 0.01351 down, with 90 % power where the truth is at most 0.01; \
an equal candidate that differs on 5 % of rows breaks 2.5 %, and would mostly be left undecided
  geo=LU: no-harm check: 40 rows; 100 are required
metrics r8 fixed_rate >= 1%
  overall: has power: passes from a value of 0.01333 up, with 90 % power where the truth is at least 0.017; \
an equal candidate that differs on 5 % of rows fixes 2.5 %, and would pass
metrics r9 broken_rate gap over geo <= 0.02
  overall: has power: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap of 0.019 with 90 % power, where \
the slices do not differ; 1 smaller slice is only under the no-harm check
metrics r10 recall gap over geo <= champion + 0.02
  overall: underpowered at champion + 0.02: geo=AT (1,480 rows) and geo=BR (1,480 rows) decide a gap that is 0.068 wider \
with 90 % power, where the models are equal; 1 smaller slice is only under the no-harm check
shadow r1 flip_rate <= 2%
  overall: has power: passes from a value of 0.0145 down, with 90 % power where the truth is at most 0.011; \
models that disagree on 5 % of requests are found to differ too much
shadow r2 flip_rate <= 8% on each slice
  geo=AT: has power: passes from a value of 0.06497 down, with 90 % power where the truth is at most 0.056; \
models that disagree on 5 % of requests pass
  geo=BR: has power: passes from a value of 0.06497 down, with 90 % power where the truth is at most 0.056; \
models that disagree on 5 % of requests pass
  geo=LU: underpowered: not even 0 on 30 requests would show it
shadow r3 new_errors <= 0
  overall: counted among 2,000 requests; none among them leaves up to 0.1497 % unseen
open r1 p99_ms <= 20
  overall: has power: passes while at most 20 of 3,000 requests take longer, with 90 % power where at most 0.51 \
% truly do; fewer count where requests resemble each other; a rare stall of over 10 requests in a row would go unseen: see load.stall
open r2 p95_ms <= 20
  overall: has power: passes while at most 130 of 3,000 requests take longer, with 90 % power where at most 3.8 \
% truly do; fewer count where requests resemble each other; a rare stall of over 50 requests in a row would go unseen: see load.stall
open r3 mean_ms <= 9
  overall: not planned: how much 20 blocks of 150 requests a model differ is known when they were sent
closed r1 p99_ms <= 20
  overall: has power: passes while at most 0 of 600 requests take longer, with 90 % power where at most 0.035 % \
truly do; fewer count where requests resemble each other; stalls of up to 2 requests in a row are allowed for
closed r2 rss_mb <= 900
  overall: counted: a fact of the run, without an error rate
"""
    )


def test_every_line_says_in_plain_words_whether_its_rows_suffice(desk: Desk) -> None:
    """Or how many would, the worst slice first; what is counted is one sentence a gate."""
    every_kind(desk)
    page = desk.gate(command).stdout

    assert (
        page[page.index("metadata\n") : page.index("\nenough ")]
        == """\
metadata
  counted in the run, so that it needs no number of rows: code_commit >= 1

metrics
  recall gap over geo <= 0.2
    enough rows (3,000): for geo=AT and geo=BR a gap of 0.14 would do, yours is 0.2; 1 smaller slice only watched \
for harm
  recall gap over geo <= 0.02
    too few rows for geo=AT and geo=BR: 3,000, about 140,000 needed; a gap of 0.14 would do for these
  auc gap over geo <= 0.2
    enough rows (3,000): for geo=AT and geo=BR a gap of 0.057 would do, yours is 0.2; 1 smaller slice only watched \
for harm
  log_loss gap over geo <= 0.2
    cannot be foretold: row counts alone do not tell how much it varies; with --score a model answers the rows first
  accuracy >= 0.5
    cannot be foretold: measured numbers are compared as they are, without allowing for chance
  broken_rate <= 4%
    enough rows (3,000): it passes when 3.4 % or less are broken; a candidate that breaks 2.5 % would pass
  broken_rate <= 2% on each geo
    geo=AT: too few rows: 1,480, 319 of them positive, about 7,700 needed; a candidate that breaks 2.5 % of them would \
mostly be left undecided
    geo=BR: too few rows: 1,480, 295 of them positive, about 7,700 needed; a candidate that breaks 2.5 % of them would \
mostly be left undecided
    geo=LU: too few rows: 40, 8 of them positive, about 7,900 needed. Until then only a loss that shows plainly fails \
it
  fixed_rate >= 1%
    enough rows (3,000): it passes when 1.333 % or more are fixed; a candidate that fixes 2.5 % would pass
  broken_rate gap over geo <= 0.02
    enough rows (3,000): for geo=AT and geo=BR a gap of 0.019 would do, yours is 0.02; 1 smaller slice only watched \
for harm
  recall gap over geo <= champion + 0.02
    too few rows for geo=AT and geo=BR: 3,000, about 29,000 needed; an allowance of 0.068 would do for these

shadow
  flip_rate <= 2%
    enough requests (2,000): it passes when 1.45 % or less differ; a candidate that differs on 5 % would fail
  flip_rate <= 8% on each slice
    geo=LU: too few requests: 30, about 630 needed
    enough requests in the other 2 slices; the tightest is geo=AT (985): it passes when 6.497 % or less differ; a \
candidate that differs on 5 % would pass
  counted among 2,000 requests: new_errors <= 0; what happens less often than once in 668 may not show

open
  p99_ms <= 20
    enough requests (3,000): it passes while at most 20 of them take longer; a rare stall of more than 10 requests \
in a row may not show (load.stall in the pipeline)
  p95_ms <= 20
    enough requests (3,000): it passes while at most 130 of them take longer; a rare stall of more than 50 requests \
in a row may not show (load.stall in the pipeline)
  mean_ms <= 9
    cannot be foretold: it depends on how steadily both models answer on the machine of the run

closed
  p99_ms <= 20
    enough requests (600): it passes while none of them take longer; stalls of up to 2 requests in a row are allowed \
for
  counted in the run, so that it needs no number of rows: rss_mb <= 900
"""
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_no_line_is_wider_than_the_terminal(desk: Desk, encoding: str) -> None:
    """And every sign of it can be written there; commands alone are copied whole."""
    every_kind(desk)
    plan = planned(desk)

    for width in (40, 60, 80, 120):
        page = plan_page(plan, Medium(width, encoding), commands=[("gate run", "runs")], probed=False).plain
        assert max(map(cell_len, page.splitlines())) <= width
        assert page.encode(encoding)


def test_rows_that_are_too_few_are_named_with_how_many_would_do(desk: Desk) -> None:
    """So many are enough by the same plan, and a tenth fewer are not."""
    promoted(desk)
    [line] = [line for line in planned(desk, "--disagreement", "40%")["gates"][0]["lines"] if line["id"] == "r1"]
    [at] = [each for each in line["outlook"] if each["place"] == "geo=AT"]
    sentence = next(each for each in foretold(line) if each.lead.startswith("geo=AT"))
    needed = at["rows_enough"]

    assert (sentence.lead, needed > at["rows"]) == ("geo=AT: too few rows: ", True)
    assert f"about {rounded(needed)} needed" in sentence.text
    requirement, slices = (
        parse(line["text"]),
        [Estimate("r1", (("geo", str(n)),), 0, None, (">=", 0.0), "value", "") for n in (1, 2)],
    )
    for rows, status in ((needed, "decidable"), (round(0.9 * needed), "hopeless")):
        more = [replace(each, rows=rows) for each in slices]
        assert outlooks("r1", requirement, SUBJECTS["accuracy"], more, disagreement=0.4)[0].status == status


def test_a_candidate_that_is_production_already_is_named_so_at_the_top(desk: Desk) -> None:
    """With how another version becomes the candidate."""
    promoted(desk)
    head = desk.gate(command, "--candidate", "version=1").stdout.split("\n\n")[0].splitlines()

    assert head[0] == f"{desk.model}: candidate version 1 against champion version 1"
    assert (
        head[1]
        == f"warning  {desk.model} version 1 is Production already, so this run promotes nothing new; registered since: 2"
    )
    assert head[2].strip() == "to evaluate another version: gate run --candidate 2"


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


@pytest.mark.parametrize(("duration", "said"), [("1m", ""), ("2h", "latency: 0.2 GB of raw requests are kept\n")])
def test_a_long_load_says_how_much_it_will_keep(desk: Desk, duration: str, said: str) -> None:
    """3.6 million requests to each model, 24 bytes each; of a short one nothing is said. In 72 blocks, not 20 longer ones."""
    text = desk.pipeline.read_text().replace("rate: 200/s, requests: 3000", f"rate: 500/s, duration: {duration}")
    desk.pipeline.write_text(text)
    promoted(desk)
    shown = desk.gate(command)
    time = {"1m": "2 min", "2h": "4.0 h"}[duration]

    assert f"about {time}, if the models keep up\n" in shown.stdout
    assert ("raw requests" in shown.stdout) == bool(said)
    assert said in shown.stdout
    assert ("how much 72 blocks of 50,000 requests a model differ" in told(planned(desk))) == bool(said)
