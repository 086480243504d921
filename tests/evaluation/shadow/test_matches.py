"""Do both models give the same text, or the same structure? Of recorded answers, and nothing of them is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fakes import ask, case_of
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError, PipelineError
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import build_scored
from lockgate.evaluation.shadow.answer_pairs import AnswerForm, canonical, normalised, parsed
from lockgate.evaluation.shadow.matches import form_of
from lockgate.evidence.evidence import GateResult
from lockgate.gates.shadow import Shadow
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=8,
)  # fmt: skip


def verdict(folder: Path, new: Any, old: Any, *lines: str, **spec: Any) -> GateResult:
    """What the gate says of recorded answers, read from a file as a run does."""
    more = spec.pop("columns", {})
    pq.write_table(pa.table({"new": new, "old": old, **more}), folder / "t.parquet")
    dataset = Dataset(
        "traffic",
        DatasetSpec.model_validate({"path": "t.parquet", "scores": {"candidate": "new", "champion": "old"}, **spec}),
        folder,
    )
    scored = build_scored(
        dataset, scorers={}, task="text", positive=1, salt=b"", path=folder / "scored.parquet", may_fail=True,
        forms={form_of(parse(line)) for line in lines if line.startswith("match_rate")},
    )  # fmt: skip
    case = replace(
        case_of(folder), task="text", datasets=("traffic",), dataset=lambda name: dataset, replayed=lambda name: scored,
        threshold=lambda role: None,
    )  # fmt: skip
    return ask(case, Shadow.model_validate({"gate": "shadow", "data": "traffic", "require": list(lines)}))


def observed(result: GateResult) -> list[float | None]:
    return [finding.observed for finding in result.findings]


def test_texts_are_compared_as_they_are_or_normalised(tmp_path: Path) -> None:
    """Case, spaces and compatible signs say nothing then; a request without an answer is no match and no difference."""
    old = ["Ja, gern.", "Straße", "ﬁne", "no", "x"] * 200
    new = ["ja,  gern. ", "STRASSE", "fine", "no", None] * 200
    lines = [
        "match_rate >= 20%",
        "match_rate(normalised) >= 99%",
        "errors <= 200",
        "new_errors <= 200",
        "null_rate <= 30%",
    ]

    result = verdict(tmp_path, new, old, *lines)

    assert observed(result) == [0.25, 1.0, 200, 200, 0.2]
    assert {finding.verdict for finding in result.findings} == {"pass"}


def test_structures_are_compared_field_by_field(tmp_path: Path) -> None:
    """Keys have no order, whole numbers one spelling; what is ignored differs freely, and a nested column is as its JSON."""

    def answer(total: Any, at: str, number: int) -> dict[str, Any]:
        return {"total": total, "meta": {"at": at}, "items": [{"sku": "a", "n": number}], "note": None}

    old = [answer(12.0, "mon", int(row % 10 == 0)) for row in range(1000)]
    new = [answer(12, "tue", 0) for _ in range(1000)]
    texts = [
        [json.dumps(each, sort_keys=side == "new") for each in column] for side, column in (("new", new), ("old", old))
    ]
    lines = [
        "match_rate >= 80%",
        'match_rate(field="meta.at") <= 10%',
        "match_rate(field=total) >= 99%",
        'match_rate(field="items.n") >= 85%',
    ]

    of_texts = verdict(tmp_path, *texts, *lines, ignore=["meta.at"])
    nested = verdict(
        tmp_path,
        pa.array(new),
        pa.array([{**each, "total": float(each["total"])} for each in old]),
        *lines,
        ignore=["meta.at"],
    )
    strict = verdict(tmp_path, *texts, "match_rate <= 1%", "match_rate(field=meta) <= 1%")

    assert observed(of_texts) == observed(nested) == [0.9, 0.0, 1.0, 0.9]
    assert observed(strict) == [0.0, 0.0]


def test_by_slice_and_what_is_kept(tmp_path: Path) -> None:
    """Where the answers differ is shown by slice; the kept table says whether they do, and holds no word of them."""
    old = ["the secret of Elbonia"] * 1000
    new = [text if row % 2 else "the secret of Graustark" for row, text in enumerate(old)]
    countries = ["AT" if row % 2 else "BR" for row in range(1000)]
    result = verdict(
        tmp_path, new, old, "match_rate >= 90% on each slice", columns={"country": countries}, slices=["country"]
    )

    assert [(finding.slice["country"], finding.verdict) for finding in result.findings] == [
        ("AT", "pass"),
        ("BR", "fail"),
    ]
    assert b"secret" not in (tmp_path / "scored.parquet").read_bytes()
    assert "secret" not in repr(result)


def test_a_field_that_no_answer_has_is_misspelt(tmp_path: Path) -> None:
    """Else all would agree on it."""
    with pytest.raises(DataError, match="has no field 'totl' in any row"):
        verdict(tmp_path, ['{"total": 1}'], ['{"total": 1}'], "match_rate(field=totl) >= 90%")


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_an_answer_matches_itself_however_it_is_written(value: Any) -> None:
    def shuffled(each: Any) -> Any:
        if isinstance(each, Mapping):
            return {name: shuffled(each[name]) for name in reversed(list(each))}
        return [shuffled(below) for below in each] if isinstance(each, list) else each

    for form in (AnswerForm(), AnswerForm(normalised=True)):
        assert canonical(value, form) == canonical(shuffled(value), form)
    written = json.dumps(value)
    assert canonical(parsed(written), AnswerForm()) == canonical(
        value if written[:1] in "[{" else written, AnswerForm()
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalised(text)

    assert normalised(once) == once
    assert normalised(f"  {text.upper().lower()} ") == normalised(text.upper().lower())


@pytest.mark.parametrize(
    "text", ["[" * 5000 + "]" * 5000, '{"a":' * 800 + "1" + "}" * 800, "[1, ", '{"a": NaN}', '["\\ud800"]']
)
def test_no_answer_breaks_the_comparison(text: str, tmp_path: Path) -> None:
    """Nested beyond reason, cut off, or no JSON at all: equal texts match."""
    result = verdict(tmp_path, [text] * 300, [text] * 300, "match_rate >= 90%", ignore=["x"])

    assert observed(result) == [1.0]


PIPELINE = """\
model: writer
task: text
registry: {{uri: "sqlite:///mlflow.db"}}
champion: {{alias: production, else: none}}
data:
  traffic: {{path: t.jsonl{scores}}}
gates:
  - {{gate: {gate}, data: traffic, require: ["{line}"]}}
"""


@pytest.mark.parametrize(
    ("scores", "gate", "line", "words"),
    [
        (", scores: {champion: old}", "shadow", "match_rate >= 90%", "no model is asked for them; write data.traffic.scores"),
        (", scores: {candidate: new, champion: old}", "shadow", "flip_rate <= 1%", "flip_rate is for task binary or multiclass"),
        (", scores: {candidate: new, champion: old}", "shadow", "match_rate(fuzzy) >= 90%", "form must be normalised"),
        (", scores: {candidate: new, champion: old}", "metrics", "auc >= 0.9", "auc is for task binary"),
        (", ignore: [a]", "shadow", "errors <= 0", "`ignore` needs `scores`"),
    ],
)  # fmt: skip
def test_what_texts_have_not_is_refused(scores: str, gate: str, line: str, words: str, tmp_path: Path) -> None:
    text = PIPELINE.format(scores=scores, gate=gate, line=line)
    with pytest.raises(PipelineError) as caught:
        loader.read(text, name="p.yaml", root=tmp_path)
    assert words in " ".join(caught.value.complaints)


def test_a_pipeline_of_texts_says_which_forms_it_needs(tmp_path: Path) -> None:
    """Of its own data alone."""
    from lockgate.runs.scoring_inputs import ScoringInputs

    text = PIPELINE.format(
        scores=", scores: {candidate: new, champion: old}", gate="shadow", line="match_rate(field=total) >= 9%"
    )
    pipeline: Pipeline = loader.read(text, name="p.yaml", root=tmp_path)

    assert ScoringInputs(pipeline).answer_forms("traffic") == {AnswerForm(field="total")}
    assert ScoringInputs(pipeline).answer_forms("other") == frozenset()
