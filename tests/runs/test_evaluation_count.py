"""Evaluations of a holdout are counted once each, wherever they are on record, and never guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers.promoting import evidence
from helpers.report_evidence import finding
from lockgate.errors import RegistryError
from lockgate.evidence.evaluations import EvaluationRecord
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Verdict
from lockgate.pipeline.loader import load
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.publish import published_facts
from lockgate.runs.evaluation_count import Evaluations, begin, end, judged_data

TEXT = """\
model: fraud
task: binary
threshold: 0.5
registry: {uri: "sqlite:///m.db"}
candidate: {newest: true}
champion: {alias: production, else: none}
data:
  holdout: {path: data.parquet, label: y}
  copy: {path: copy.parquet, label: y}
  traffic: {path: t.jsonl, last: 7d, time: ts, label: y}
gates:
  - {gate: metrics, data: holdout, require: [auc >= 0.7]}
  - {gate: metrics, name: again, data: copy, require: [auc >= 0.7]}
  - {gate: metrics, name: lately, data: traffic, require: [auc >= 0.7]}
  - {gate: latency, data: holdout, load: {requests: 3000}, require: [p99_ms <= 20]}
  - {gate: shadow, data: holdout, require: [errors <= 0]}
"""
MODELS = ("7", "6")
BYTES, OTHERS = ("sha256:" + digit * 64 for digit in "ab")


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    path = tmp_path / "p.yaml"
    path.write_text(TEXT)
    return load(path, environ={}, root=tmp_path)


def inputs(candidate: str = "7", champion: str | None = "6", **data: str) -> dict[str, Any]:
    """What a run has read, as `CaseBuilder.digests` says it."""
    return {
        "policy": "sha256:p", "functions": {"per_row": {}}, "data": data, "candidate": [candidate, f"sha256:{candidate}"],
        "champion": None if champion is None else [champion, f"sha256:{champion}"],
    }  # fmt: skip


def counted(
    pipeline: Pipeline, run: str, *names: str, published: Sequence[Mapping[str, str]] = (), **more: Any
) -> Evaluations:
    """The counts of a run whose gates judge by data of these names."""
    gates = [gate for gate in pipeline.gates if pipeline.data_of(gate) in names]
    given: dict[str, Any] = {"inputs": inputs(holdout=BYTES), "published": lambda: published, **more}
    return begin(pipeline, gates, run, MODELS, **given)


def facts(counts: Evaluations) -> dict[str, str]:
    """What is published of a run with these counts."""
    about = evidence()
    entries = {name: count.to_json() for name, count in counts.items()}
    run = {**about.document["run"], "looks": dict.fromkeys(entries, 1), "evaluations": entries}
    return published_facts(Evidence.from_document({**about.document, "run": run}))


def test_only_data_whose_rows_decide_something_is_evaluated(pipeline: Pipeline) -> None:
    """Neither latency nor counts use a sample up."""
    assert judged_data(pipeline, pipeline.gates) == ("holdout", "copy", "traffic")


def test_runs_of_a_checkout_are_counted_whether_they_publish_or_not(pipeline: Pipeline, tmp_path: Path) -> None:
    """And one that is published as well is one."""
    record = EvaluationRecord(tmp_path, "fraud")
    numbers = []
    for candidate in "1234":
        counts = counted(pipeline, f"r{candidate}", "holdout", record=record, inputs=inputs(candidate, holdout=BYTES))
        numbers.append(counts["holdout"].number)
    fifth = counted(pipeline, "r5", "holdout", record=record, published=[facts(counts)])

    assert numbers == [1, 2, 3, 4]
    assert fifth["holdout"].number == 5


def test_a_version_beside_itself_is_no_evaluation(pipeline: Pipeline, tmp_path: Path) -> None:
    """Nothing can be promoted by it; what evaluated it as a candidate counts on."""
    record = EvaluationRecord(tmp_path, "fraud")
    counted(pipeline, "r1", "holdout", record=record)
    itself = counted(pipeline, "r2", "holdout", record=record, inputs=inputs("7", "7", holdout=BYTES))
    after = counted(pipeline, "r3", "holdout", record=record, inputs=inputs("8", "7", holdout=BYTES))

    assert itself == {}
    assert after["holdout"].number == 2


def test_a_version_beside_itself_counts_where_the_champion_need_not_be_production(tmp_path: Path) -> None:
    """By such evidence a version can be promoted, and its values are no longer unseen when it is evaluated beside another."""
    path = tmp_path / "p.yaml"
    path.write_text(TEXT.replace("{alias: production, else: none}", "{version: 7}"))
    itself = counted(load(path, environ={}, root=tmp_path), "r1", "holdout", inputs=inputs("7", "7", holdout=BYTES))

    assert itself["holdout"].number == 1


def test_two_names_of_the_same_bytes_are_one_set(pipeline: Pipeline, tmp_path: Path) -> None:
    """Here and in what is published; other bytes under another name are another set."""
    record = EvaluationRecord(tmp_path, "fraud")
    first = counted(pipeline, "r1", "holdout", record=record)
    copied = inputs("8", copy=BYTES)

    assert counted(pipeline, "r2", "copy", inputs=copied, record=record)["copy"].number == 2
    assert counted(pipeline, "r3", "copy", inputs=copied, published=[facts(first)])["copy"].number == 2
    assert (
        counted(pipeline, "r4", "copy", inputs=inputs("8", copy=OTHERS), published=[facts(first)])["copy"].number == 1
    )


def test_rows_that_are_added_under_a_name_are_the_same_sample_longer(pipeline: Pipeline) -> None:
    """Else evaluating with more and more rows until it passes would be a first evaluation each time."""
    first = counted(pipeline, "r1", "holdout")
    longer = counted(pipeline, "r2", "holdout", inputs=inputs(holdout=OTHERS), published=[facts(first)])

    assert longer["holdout"].number == 2


def test_the_same_models_count_once_in_a_checkout(pipeline: Pipeline, tmp_path: Path) -> None:
    """Whatever limits their scores are held against; another candidate, champion or function of one's own has other scores."""
    record = EvaluationRecord(tmp_path, "fraud")
    same = inputs(holdout=BYTES)
    runs = [same, same, {**same, "policy": "sha256:q"}, inputs("8", holdout=BYTES), inputs(champion="5", holdout=BYTES)]
    runs += [{**same, "functions": {"per_row": {"mine.py": "sha256:m"}}}, same]
    counts = [
        counted(pipeline, f"r{number}", "holdout", record=record, inputs=one)["holdout"]
        for number, one in enumerate(runs)
    ]

    assert [one.number for one in counts] == [1, 1, 1, 2, 3, 4, 4]
    assert [one.repeats for one in counts] == [False, True, True, False, False, False, True]


def test_a_run_in_which_no_row_decided_is_no_evaluation(pipeline: Pipeline, tmp_path: Path) -> None:
    """The model broke before anything was shown of the rows."""
    record = EvaluationRecord(tmp_path, "fraud")
    broken = GateResult("metrics", "metrics", True, Verdict.ERROR, "the model was killed")
    counts = counted(pipeline, "r1", "holdout", record=record)

    assert end(pipeline, counts, [broken], "r1", MODELS, record=record) == {}
    assert counted(pipeline, "r2", "holdout", record=record, inputs=inputs("8", holdout=BYTES))["holdout"].number == 1


def test_answers_that_change_make_a_repetition_another_draw(pipeline: Pipeline, tmp_path: Path) -> None:
    """A model that is asked until it is lucky is evaluated each time."""
    record = EvaluationRecord(tmp_path, "fraud")
    random = GateResult(
        "metrics", "metrics", True, Verdict.PASS, "", (), (finding(),), {"unrepeatable": {"candidate": {}}}
    )
    for run in ("r1", "r2", "r3"):
        counts = counted(pipeline, run, "holdout", record=record)
        ended = end(pipeline, counts, [random], run, MODELS, record=record)

    assert ended["holdout"].number == 3
    assert [each.id for each in record.of_others(("8", None))] == ["run r1", "run r2", "run r3"]


def test_each_publication_counts(pipeline: Pipeline, tmp_path: Path) -> None:
    """Also of the same models again; the run that was published is not counted where it was made as well."""
    record = EvaluationRecord(tmp_path, "fraud")
    first = facts(counted(pipeline, "r1", "holdout", record=record))
    both = [{**first, "run_id": "r1"}, {**first, "run_id": "r2"}]

    assert counted(pipeline, "r3", "holdout", record=record, published=both)["holdout"].number == 3


def test_what_a_publication_remembers_of_its_pull_request_counts(pipeline: Pipeline) -> None:
    """Each pair of models once, also where another publication remembers it, or is of it."""
    ids = ("aa", "bb", "cc")
    others = [
        json.dumps([{"data": "holdout", "id": id_, "rows": BYTES} for id_ in some]) for some in (ids[:2], ids[1:])
    ]
    published = [
        {"evaluations": json.dumps([{"data": "holdout", "id": id_, "rows": BYTES}]), "earlier_evaluations": earlier}
        for id_, earlier in zip(("cc", "dd"), others, strict=True)
    ]

    assert counted(pipeline, "r1", "holdout", published=published)["holdout"].number == 5


def test_rows_of_the_last_days_are_others_each_time(pipeline: Pipeline, tmp_path: Path) -> None:
    """So the same models evaluated anew are not repeated."""
    record = EvaluationRecord(tmp_path, "fraud")
    for run in ("r1", "r2", "r3"):
        counts = counted(pipeline, run, "traffic", record=record, inputs=inputs(traffic=BYTES))

    assert counts["traffic"].number == 3


@pytest.mark.parametrize(
    ("published", "number"),
    [
        ([], 1),
        ([{"data": '["holdout"]'}, {"data": '["holdout","other"]'}, {"data": '["other"]'}, {"data": "[]"}], 3),
        ([{"version": "1"}], 2),
        ([{"evaluations": "{", "data": '["holdout"]'}], 2),
    ],
)
def test_what_an_older_lockgate_published_counts_by_name(
    pipeline: Pipeline, published: list[dict[str, str]], number: int
) -> None:
    """What does not say on which data counts as an evaluation of each."""
    assert counted(pipeline, "r1", "holdout", published=published)["holdout"].number == number


def test_what_cannot_be_known_is_no_number(pipeline: Pipeline, tmp_path: Path) -> None:
    """The registry does not answer, or runs like this one leave no record; what is on record is still counted."""

    def broken() -> Sequence[Mapping[str, str]]:
        raise RegistryError("the store does not answer")

    record = EvaluationRecord(tmp_path, "fraud")
    counted(pipeline, "r1", "holdout", record=record)
    other = {"inputs": inputs("8", holdout=BYTES), "record": record}
    unread = begin(pipeline, pipeline.gates[:1], "r2", MODELS, published=broken, **other)["holdout"]
    nobody = begin(pipeline, pipeline.gates[:1], "r2", MODELS, published=None, **other)["holdout"]
    unrecorded = counted(pipeline, "r2", "holdout", unrecorded=True, **other)["holdout"]

    assert [(one.number, one.counted) for one in (unread, nobody, unrecorded)] == [(None, 2)] * 3
    assert [one.unknown for one in (unread, nobody, unrecorded)] == ["unread", "unread", "unrecorded"]


def test_without_rows_nobody_is_asked(pipeline: Pipeline) -> None:
    """A pipeline of counts needs no store."""

    def never() -> Sequence[Mapping[str, str]]:
        raise AssertionError

    assert begin(pipeline, pipeline.gates[4:], "r1", MODELS, inputs={}, published=never) == {}


def test_the_published_facts_say_what_was_evaluated(pipeline: Pipeline) -> None:
    """By name and by digest; evidence from before there were digests names all that it read."""
    counts = counted(pipeline, "r1", "holdout")
    about = evidence()
    old = Evidence.from_document({**about.document, "data": [{"name": "b"}, {"name": "a"}]})

    assert facts(counts)["data"] == '["holdout"]'
    assert json.loads(facts(counts)["evaluations"]) == [
        {"data": "holdout", "id": counts["holdout"].this.id, "rows": BYTES}
    ]
    assert published_facts(old)["data"] == '["a","b"]'
    assert "evaluations" not in published_facts(old)
