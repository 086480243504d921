"""What got looser between two states of a pipeline is said, each change with its direction and its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from lockgate import plugins
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.gates.gate import gate_class
from lockgate.pipeline import loader
from lockgate.pipeline.comparison.change import Change
from lockgate.pipeline.comparison.compare import compare
from lockgate.pipeline.comparison.directions import DIRECTIONS, direction_of
from lockgate.pipeline.comparison.requirement_changes import effect_of
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.spec import spec_class

TODAY = date(2030, 1, 1)
PIPELINE = """\
model: fraud
task: binary
threshold: 0.5
registry: {uri: "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"}
champion: {alias: production, else: none}
data:
  holdout: {path: holdout.parquet, label: y, slices: [country, channel], small_slices: {min_rows: 50, below: merge}}
gates:
  - gate: signature
  - gate: metrics
    data: holdout
    require:
      - auc >= champion - 0.01 on each slice
      - {metric: recall, at_least: 60%, confidence: 0.9, min_rows: 100}
      - log_loss <= 0.5
  - {gate: latency, data: holdout, load: {rate: 100/s, requests: 1000}, require: [errors <= 0]}
signoff: {groups: {owners: [{github: ann, id: 1}, {github: bob, id: 2}]}, require: {owners: 2}}
isolation: {memory: 8GB}
reuse: {budget: 5}
"""


def load(text: str, folder: Path) -> Pipeline:
    (folder / "p.yaml").write_text(text)
    return loader.load(folder / "p.yaml", environ=None, root=folder)


def changes(tmp_path: Path, *replacements: tuple[str, str]) -> list[Change]:
    before, text = load(PIPELINE, tmp_path), PIPELINE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return compare(before, load(text, tmp_path), ref="main", today=TODAY)


def effects(found: list[Change]) -> set[str]:
    return {change.effect for change in found}


WAIVE = "waive: [{finding: metrics/r1, owner: ann, reason: late, until: %s}]\n"
LOOSER = [
    ("champion - 0.01", "champion - 0.02"),
    ("log_loss <= 0.5", "log_loss <= 0.6"),
    ("at_least: 60%", "at_least: 0.5"),
    (" on each slice", ""),
    ("confidence: 0.9", "confidence: 0.8"),
    ("confidence: 0.9", "claim: point"),
    ("min_rows: 100", "min_rows: 50"),
    ("min_rows: 100", "min_rows: 100, if_inconclusive: ask"),
    ("      - log_loss <= 0.5\n", ""),
    ("  - gate: signature\n", ""),
    ("    data: holdout\n", "    data: holdout\n    severity: warn\n"),
    (", channel]", "]"),
    ("below: merge", "below: watch"),
    ("requests: 1000", "requests: 500"),
    ("owners: 2", "owners: 1"),
    ("{github: bob, id: 2}", "{github: bob, id: 2}, {github: eve, id: 3}"),
    ("require: {owners: 2}", "require: {owners: 2}, separation_of_duties: false"),
    ("require: {owners: 2}", "require: {owners: 2}, expires: 30d"),
    ("memory: 8GB", "memory: 16GB"),
    ("isolation: {memory: 8GB}\n", ""),
    ("memory: 8GB", "memory: 8GB, require: 'off'"),
    ("budget: 5", "budget: 50"),
    ("reuse: {budget: 5}\n", ""),
    ("model: fraud\n", "model: fraud\n" + WAIVE % "2030-06-01"),
]


@pytest.mark.parametrize(("old", "new"), LOOSER, ids=[f"{old.strip()} → {new.strip()}" for old, new in LOOSER])
def test_what_lets_more_pass_is_looser_and_its_reverse_is_stricter(tmp_path: Path, old: str, new: str) -> None:
    """By every key that has a direction; one change is one sentence."""
    found = changes(tmp_path, (old, new))
    reverse = compare(load(PIPELINE.replace(old, new), tmp_path), load(PIPELINE, tmp_path), ref="main", today=TODAY)

    assert [change.effect for change in found] == ["looser"]
    assert [change.effect for change in reverse] == ["stricter"]


RECORDED = "label: y, scores: {candidate: p, champion: q}"


@pytest.mark.parametrize(
    ("stricter", "looser"),
    [
        ("", ", recorded: trusted"),
        ("", ", recorded: {tolerance: 0.001}"),
        (", recorded: {tolerance: 0.001}", ", recorded: trusted"),
        (", recorded: {tolerance: 0.001}", ", recorded: {tolerance: 0.1}"),
        (", answered_by: {candidate: 7}", ""),
    ],
)
def test_who_answers_for_recorded_scores_may_get_looser(tmp_path: Path, stricter: str, looser: str) -> None:
    """The less they are held to what the versions answer."""
    strict, loose = (load(PIPELINE.replace("label: y", RECORDED + more), tmp_path) for more in (stricter, looser))

    assert effects(compare(strict, loose, ref="main", today=TODAY)) == {"looser"}
    assert effects(compare(loose, strict, ref="main", today=TODAY)) == {"stricter"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("alias: production", "alias: champion"),
        ("holdout.parquet", "other.parquet"),
        ("threshold: 0.5", "threshold: 0.4"),
        ("log_loss <= 0.5", "log_loss <= champion + 0.1"),
        ("bob, id: 2", "eve, id: 3"),
        ("at_least: 60%, confidence: 0.9", "at_least: 70%, confidence: 0.8"),
    ],
)
def test_another_yardstick_may_be_looser(tmp_path: Path, old: str, new: str) -> None:
    """Nobody can tell by the policy alone; a reader must look at it as at what is looser."""
    assert effects(changes(tmp_path, (old, new))) == {"may_be_looser"}


def test_a_claim_of_no_harm_is_stricter_with_less_confidence(tmp_path: Path) -> None:
    """A loss then shows sooner; and a claim of `no_harm` lets more pass than a comparison of points."""
    line = "{metric: recall, at_least: champion - 0.1, confidence: 0.9"
    written = PIPELINE.replace("{metric: recall, at_least: 60%, confidence: 0.9", line)
    claim = ("confidence: 0.9", "confidence: 0.9, claim: no_harm")
    before = load(written.replace(*claim), tmp_path)
    after = load(written.replace(*claim).replace("confidence: 0.9", "confidence: 0.8"), tmp_path)

    assert effects(compare(before, after, ref="main", today=TODAY)) == {"stricter"}
    assert effects(compare(load(written, tmp_path), before, ref="main", today=TODAY)) == {"looser"}


def test_smaller_slices_that_block_are_stricter_the_more_of_them_there_are(tmp_path: Path) -> None:
    """Where they are watched or merged it is the other way."""
    block = PIPELINE.replace("below: merge", "below: block")
    found = compare(
        load(block, tmp_path), load(block.replace("min_rows: 50,", "min_rows: 90,"), tmp_path), ref="main", today=TODAY
    )

    assert effects(found) == {"stricter"}
    assert effects(changes(tmp_path, ("min_rows: 50,", "min_rows: 90,"))) == {"looser"}


def test_a_change_says_where_it_stands_and_what_was_there(tmp_path: Path) -> None:
    """What is gone has the place where it was; the looser come first."""
    found = changes(
        tmp_path,
        ("      - log_loss <= 0.5\n", ""),
        ("champion - 0.01", "champion - 0.005"),
        ("isolation: {memory: 8GB}", "isolation: {memory: 9GB}"),
        ("model: fraud", "description: x\nmodel: fraud"),
    )

    assert [str(change) for change in found] == [
        "p.yaml:15:9 at main: looser: gates.metrics.require: log_loss <= 0.5 → nothing",
        "p.yaml:18:21: looser: isolation.memory: 8000000000 → 9000000000",
        "p.yaml:14:9: stricter: gates.metrics.require: auc >= champion - 0.01 on each slice → auc >= champion - 0.005 on each slice",
        'p.yaml:1:14: changed: description: "" → x',
    ]


def test_a_sentence_stays_one_line_and_shows_no_password(tmp_path: Path) -> None:
    """Comments and logs show it; a name may hold anything."""
    old = 'registry: {uri: "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"}'
    found = changes(
        tmp_path,
        (old, 'registry: {uri: "https://ann:hunter22@mlflow.example.org"}'),
        ("model: fraud\n", 'model: fraud\ndescription: "a\\n::error::b"\n'),
    )

    assert [str(change).partition(": ")[2] for change in found] == [
        "may be looser, judged by another yardstick: registry.uri: sqlite:///mlflow.db → https://***@mlflow.example.org",
        'changed: description: "" → a ::error::b',
    ]


def test_what_only_warns_gets_neither_looser_nor_stricter(tmp_path: Path) -> None:
    """It blocks nothing before or after; nor does a waiver that is over."""
    warn = PIPELINE.replace("  - gate: signature", "  - gate: signature\n    severity: warn")
    text = warn.replace("  - gate: signature\n    severity: warn\n", "")

    assert effects(compare(load(warn, tmp_path), load(text, tmp_path), ref="main", today=TODAY)) == {"changed"}
    assert effects(changes(tmp_path, ("model: fraud\n", "model: fraud\n" + WAIVE % "2029-06-01"))) == {"changed"}


def test_a_policy_that_is_only_written_otherwise_has_changed_and_nothing_more(tmp_path: Path) -> None:
    """Another digest is never called the same; the same values in another form are no loosening."""
    found = changes(tmp_path, ("at_least: 60%", "at_least: 0.6"))

    assert effects(found) <= {"changed"}
    assert found
    assert changes(tmp_path, ("\nsignoff:", "\n# a comment\nsignoff:")) == []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _of_the_schema() -> set[type[BaseModel]]:
    """Every mapping of keys that a pipeline may hold, with the installed gates and registries."""
    found = set[type[BaseModel]]()
    waiting: list[type[BaseModel]] = [Pipeline]
    waiting += [gate_class(kind, root=Path()) for kind in plugins.installed(plugins.GATES)]
    waiting += [spec_class(kind) for kind in plugins.installed(plugins.REGISTRIES)]
    while waiting:
        cls = waiting.pop()
        if cls not in found:
            found.add(cls)
            waiting += [model for field in cls.model_fields.values() for model in _models(field.annotation)]
    return found


COMPARED_WHOLE = {"Condition", "FindSpec", "SmallSlices", "Owner", "Expect", "Notify"}


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("champion + 0.02", "champion + 0.05", "looser"),
        ("champion + 0.05", "champion + 0.02", "stricter"),
        ("champion * 1.2", "champion * 1.1", "stricter"),
        ("0.05", "champion + 0.02", "may_be_looser"),
        ("champion + 0.02", "0.02", "may_be_looser"),
    ],
)
def test_a_gap_beside_the_champion_has_the_direction_of_any_limit(old: str, new: str, effect: str) -> None:
    """The smaller the stricter, whatever is better of its metric; against another yardstick nobody knows."""
    before, after = (parse(f"recall gap over sex <= {limit}") for limit in (old, new))

    assert effect_of(before, after) == effect


def test_a_limit_that_the_version_declares_may_be_looser_than_any_number() -> None:
    """And any number than that: who logs the model says what it is."""
    declared, number = parse("p99_ms <= declared"), parse("p99_ms <= 50")

    assert (effect_of(number, declared), effect_of(declared, number)) == ("may_be_looser", "may_be_looser")


FEATURES = "features: {age: {type: float, range: [18, 100], nulls: 1%}, kind: {values: [a, b]}}\n"


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("type: float, ", "", "looser"),
        ("type: float", "type: integer", "may_be_looser"),
        ("[18, 100]", "[18, 120]", "looser"),
        ("[18, 100]", "[null, 100]", "looser"),
        ("[18, 100]", "[20, 120]", "may_be_looser"),
        ("range: [18, 100], ", "", "looser"),
        ("1%", "2%", "looser"),
        (", nulls: 1%", "", "looser"),
        ("[a, b]", "[a, b, c]", "looser"),
        ("{values: [a, b]}", "{}", "looser"),
        ("{values: [a, b]}", "{values: [a, b], required: false}", "looser"),
        (", kind: {values: [a, b]}", "", "looser"),
    ],
)
def test_a_contract_that_allows_more_is_looser(tmp_path: Path, old: str, new: str, effect: str) -> None:
    """And its reverse is stricter."""
    reverse = {"looser": "stricter"}.get(effect, effect)
    pipelines = [load(PIPELINE + text, tmp_path) for text in (FEATURES, FEATURES.replace(old, new))]

    assert [change.effect for change in compare(*pipelines, ref="main", today=TODAY)] == [effect]
    assert [change.effect for change in compare(*reversed(pipelines), ref="main", today=TODAY)] == [reverse]


def test_every_key_of_the_schema_has_a_direction_or_is_named_neutral() -> None:
    """A new key says in directions.py which way is looser, or that neither is; what is gone leaves the table."""
    keys = {
        (cls, field) for cls in _of_the_schema() if cls.__name__ not in COMPARED_WHOLE for field in cls.model_fields
    }
    owners = {base.__name__ for cls, _ in keys for base in cls.__mro__}
    missing = sorted(f"{cls.__name__}.{field}" for cls, field in keys if direction_of(cls, field) is None)
    stale = sorted(
        key
        for key in DIRECTIONS
        if key.partition(".")[0] not in owners or not any(field == key.partition(".")[2] for _, field in keys)
    )

    assert (missing, stale) == ([], [])


def test_what_is_compared_as_a_whole_has_no_part_that_is_passed_over() -> None:
    """A new part of a line, of a limit or of `small_slices` is weighed in effect_of and small_slices, and then named here."""
    parts = {field.name for field in fields(Requirement)}

    assert parts == {
        "subject", "op", "limit", "args", "scope", "gap", "claim", "confidence", "min_rows", "if_inconclusive",
    }  # fmt: skip
    assert {field.name for field in fields(RequirementLimit)} == {"relative", "number", "sign", "percent", "declared"}
    assert set(SmallSlices.model_fields) == {"min_rows", "min_positives", "below"}
