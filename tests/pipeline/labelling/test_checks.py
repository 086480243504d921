"""`labels:` of a shadow gate is refused where the pipeline could not judge by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import PipelineError
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline

DATA = {"traffic": {"path": "t.jsonl", "id": "id", "time": "at", "slices": ["country"]}}
LABELS = {"label": "fraud", "matured": "30d", "coverage": "80%", "require": ["recall >= champion - 0.03 on each slice"]}


def read(labels: dict[str, Any] | None, *, traffic: dict[str, Any] | None = None, **more: Any) -> Pipeline:
    gate = {"gate": "shadow", "data": "traffic", "require": ["errors <= 0"]}
    document = {
        "model": "fraud", "task": "binary", "threshold": 0.5, "registry": {"uri": "sqlite:///m.db"},
        "champion": {"alias": "production", "else": "none"}, "data": {"traffic": DATA["traffic"] | (traffic or {})},
        "gates": [gate | ({} if labels is None else {"labels": labels})],
    }  # fmt: skip
    text = json.dumps({key: value for key, value in {**document, **more}.items() if value is not None})
    return loader.read(text, name="gates/fraud.yaml", root=Path.cwd())


def complaint(labels: dict[str, Any], **more: Any) -> str:
    with pytest.raises(PipelineError) as refused:
        read(LABELS | labels, **more)
    return "\n".join(refused.value.unplaced)


def test_what_can_be_judged_is_accepted() -> None:
    """And stands in the policy, which is the same as before where it is left out."""
    assert read(LABELS).gates[0].late_labels is not None
    assert read(None).gates[0].late_labels is None
    assert read(LABELS).policy_digest != read(None).policy_digest


@pytest.mark.parametrize(
    ("labels", "more", "words"),
    [
        ({}, {"traffic": {"id": None}}, "labels are joined by id, and data.traffic names no column of one"),
        ({}, {"traffic": {"time": None}}, "matured needs the time of each request, and data.traffic names no column of it"),
        ({}, {"threshold": None}, "without a threshold nobody knows what was decided"),
        ({"require": ["recal >= 0.5"]}, {}, "shadow by labels knows no 'recal'"),
        ({"require": ["recall >= 0.5 on each region"]}, {}, "data.traffic has no slice 'region'"),
        ({"require": ["rows_in_training_time <= 0"]}, {}, "is not measured by labels that came later"),
        ({}, {"champion": None}, "compares with a champion, and there is none"),
        ({"coverage": "120%"}, {}, "120"),
        ({"require": []}, {}, "require"),
        ({"metrics": []}, {}, "metrics"),
        ({"require": ["auc >= 0.8"]}, {"task": "multiclass", "threshold": None}, "auc needs a score of each class"),
        ({"require": ["ndcg >= 0.8"]}, {"task": "ranking", "threshold": None}, "a ranking is judged by whole queries"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused_with_what_to_write(
    labels: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    """Before any run, so that nobody waits a month for it."""
    assert words in complaint(labels, **more)


def test_a_gate_may_not_have_the_name_of_what_labels_say() -> None:
    """The findings of both would have the same ids."""
    gate = {"gate": "shadow", "data": "traffic", "require": ["errors <= 0"]}

    assert "a gate has that name" in complaint({}, gates=[gate | {"labels": LABELS}, gate | {"name": "shadow-labels"}])
