"""What a pipeline says of its data decides what a model without a signature is given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError, ModelFault
from lockgate.evaluation.scoring.row_metrics import RowMetric
from lockgate.gates.metrics import Metrics
from lockgate.models.input_plan import FittedFeatures
from lockgate.pipeline.pipeline import InputSpec, Pipeline
from lockgate.runs.scoring_inputs import ScoringInputs

COLUMNS = ("a", "y", "w", "key", "person", "ask", "at", "old", "country", "score", "mask", "b")
HOLDOUT = {"path": "d.parquet", "label": "y", "weight": "w", "id": "key", "cluster": "person", "query": "ask", "time": "at",
           "slices": ["country", {"name": "young", "where": {"age": {"lt": 30}}}]}  # fmt: skip


def scoring_inputs(folder: Path, *, inputs: dict[str, InputSpec] | None = None, gates: Any = ()) -> ScoringInputs:
    data = {
        "holdout": DatasetSpec.model_validate(HOLDOUT),
        "logs": DatasetSpec.model_validate({"path": "d.parquet", "scores": {"candidate": "score", "champion": "old"}}),
    }
    function = RowMetric(function="./f.py:f", better=None, columns=("mask",))
    fields: dict[str, Any] = {
        "data": data,
        "inputs": inputs or {},
        "per_row": {"f": function},
        "gates": gates,
        "task": "binary",
    }
    return ScoringInputs(Pipeline.model_construct(**fields))


def dataset(folder: Path, name: str = "logs", **spec: Any) -> Dataset:
    return Dataset(name, DatasetSpec.model_validate({"path": "d.parquet", **spec}), folder)


def contender(*names: str, signature: Any = None) -> Any:
    """A version whose model was fitted on those names, where any are given."""
    fitted = FittedFeatures(names or None)
    return SimpleNamespace(
        role="candidate",
        facts=SimpleNamespace(signature=signature),
        model=SimpleNamespace(load=lambda: SimpleNamespace(fitted=fitted)),
    )


def given(folder: Path, data: Dataset, *names: str, **how: Any) -> list[str]:
    plan = scoring_inputs(folder, **how).checked_plan(contender(*names), data)
    return [column.column for column in plan.columns]


def frame(folder: Path, columns: tuple[str, ...] = COLUMNS, *, index: Any = None) -> None:
    pd.DataFrame({name: [1.0, 2.0] for name in columns}, index=index).to_parquet(folder / "d.parquet")


def test_what_any_data_set_says_of_a_column_holds_in_all(tmp_path: Path) -> None:
    """One model gets the same columns everywhere, also of data that declare less."""
    frame(tmp_path)

    assert given(tmp_path, dataset(tmp_path)) == ["a", "b"]
    assert given(tmp_path, dataset(tmp_path), "country", "b") == ["country", "b"]
    assert given(tmp_path, dataset(tmp_path), inputs={"x": InputSpec(column="at")}) == ["at"]


@pytest.mark.parametrize("name", [None, "customer"])
def test_the_index_of_a_frame_is_no_feature(tmp_path: Path, name: str | None) -> None:
    """With a name of its own, or under pandas' for it; of CSV the column without a name."""
    frame(tmp_path, ("a", "b"), index=pd.Index(["x", "y"], name=name))
    (tmp_path / "d.csv").write_text(",a,Unnamed: 0,b\n0,1,5,2\n")

    assert given(tmp_path, dataset(tmp_path)) == ["a", "b"]
    assert given(tmp_path, dataset(tmp_path, path="d.csv")) == ["a", "b"]


def test_the_keys_of_folders_are_no_features_unless_a_model_knows_them(tmp_path: Path) -> None:
    """A folder says where a row lies; only its names say that a model was trained on that."""
    (tmp_path / "t" / "day=1").mkdir(parents=True)
    frame(tmp_path / "t" / "day=1", ("a", "b"))

    assert given(tmp_path, dataset(tmp_path, path="t")) == ["a", "b"]
    assert given(tmp_path, dataset(tmp_path, path="t"), "a", "day") == ["a", "day"]


def test_a_signature_that_names_the_label_is_refused_where_no_gate_fails_it(tmp_path: Path) -> None:
    """A blocking signature gate calls it a leak; without one nothing is measured."""
    frame(tmp_path)
    leaking = contender(signature={"inputs": [{"name": "a", "type": "double"}, {"name": "y", "type": "double"}]})
    gate = SimpleNamespace(gate="signature", severity="block")
    data = dataset(tmp_path, "holdout", label="y")

    with pytest.raises(DataError, match=r"^leak: input y of the candidate's signature is the label"):
        scoring_inputs(tmp_path).checked_plan(leaking, data)
    assert scoring_inputs(tmp_path, gates=(gate,)).checked_plan(leaking, data).sources == ("a", "y")


@pytest.mark.parametrize(
    ("lines", "of_candidate", "of_champion"),
    [
        (("auc >= 0.5", "accuracy >= champion - 0.05"), True, False),
        (("auc >= champion - 0.01", "accuracy >= 0.5"), True, True),
        (("accuracy >= champion", "recall >= 0.5"), False, False),
    ],
)
def test_scores_are_asked_of_a_champion_only_where_a_line_compares_them(
    tmp_path: Path, lines: tuple[str, ...], of_candidate: bool, of_champion: bool
) -> None:
    """A line about the candidate alone says nothing of the champion, whose labels then do."""
    gate = Metrics.model_validate({"gate": "metrics", "data": "holdout", "require": lines})
    inputs = scoring_inputs(tmp_path, gates=(gate,))

    assert inputs.need_scores("holdout", "candidate") == of_candidate
    assert inputs.need_scores("holdout", "champion") == of_champion
    assert not inputs.need_scores("logs", "candidate")


def test_a_copy_of_the_label_is_refused_of_a_model_without_a_signature(tmp_path: Path) -> None:
    """Also its opposite; not where a blocking signature gate fails it, and not of data without the label."""
    rows = pd.DataFrame({"a": range(40), "paid": [1, 0] * 20, "y": [0, 1] * 20})
    rows.to_parquet(tmp_path / "d.parquet")
    data = dataset(tmp_path, "holdout", label="y")
    gate = SimpleNamespace(gate="signature", severity="block")
    leak = "^leak: paid, which the candidate is given, is a copy of the label of data 'holdout' in every row"

    for names in ((), ("a", "paid")):
        with pytest.raises(DataError, match=leak):
            given(tmp_path, data, *names)
        assert given(tmp_path, data, *names, gates=(gate,)) == ["a", "paid"]
    assert given(tmp_path, data, "a") == ["a"]
    assert given(tmp_path, dataset(tmp_path), "a", "paid") == ["a", "paid"]


def test_what_was_given_without_a_signature_is_said(tmp_path: Path) -> None:
    """Once for the run, and beside whatever the model raises, with the slices that it may lack."""
    frame(tmp_path, ("a", "y", "country"))
    inputs, data = scoring_inputs(tmp_path), dataset(tmp_path)
    plan = inputs.checked_plan(contender(), data)

    def broken(batches: Any) -> Any:
        yield list(batches)
        raise ModelFault("KeyError", alive=True)

    with pytest.raises(ModelFault) as raised:
        list(inputs.feed(broken, data, plan)(data.batches(plan.sources)))

    given = "has no signature and was given a, not country (slice), y (label): log it with signature=infer_signature(…), or "
    assert inputs.notes == (f"the candidate {given}write inputs: [a]",)
    assert raised.value.remedy == f"it {given}write inputs: [a, country]"


def test_columns_without_names_have_one_order_or_are_refused(tmp_path: Path) -> None:
    """Of a tensor and of nameless columns; whoever of the run knows another order, and `inputs:` settles it."""
    frame(tmp_path, ("bp", "a", "y"))
    data = dataset(tmp_path, "holdout", label="y")
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}
    double = {"type": "double", "required": True}

    def asked(signature: Any, other: Any, own: Any = None, **how: Any) -> ScoringInputs:
        inputs = scoring_inputs(tmp_path, **how)
        model = contender(signature={"inputs": signature})
        model.load_facts = lambda _: SimpleNamespace(fitted=FittedFeatures(own))
        champion = contender(signature={"inputs": [{"name": name, **double} for name in other]})
        champion.role, champion.load_facts = "champion", lambda _: None
        inputs = ScoringInputs(inputs.pipeline, lambda: (model, champion))
        inputs.checked_plan(model, data)
        return inputs

    for signature in ([tensor], [{"name": "x", **tensor}], [double, double]):
        for other, own in ((("a", "bp"), None), ((), ("a", "bp"))):
            with pytest.raises(DataError, match=r"data have bp, a, the c.* was trained on a, bp") as raised:
                asked(signature, other, own)
            assert str(raised.value.remedy).startswith("write inputs: [a, bp], in the order")
        assert asked(signature, ("a", "other")).notes == (
            "the candidate has a signature without names and was given bp, a, in the order of the data; "
            "if it was trained in another order, list the columns under inputs:",
        )
        both = asked(signature, ("a", "other"))
        both.unsigned["champion"] = both.unsigned["candidate"]
        assert [note.partition(" a signature")[0] for note in both.notes] == ["the candidate and the champion have"]
        listed = {"a": InputSpec(column="a"), "bp": InputSpec(column="bp")}
        assert asked(signature, ("a", "bp"), inputs=listed).notes == ()


@pytest.mark.parametrize(
    ("second", "refused"), [(("b", "a"), True), (("b", "c"), True), (("a", "b"), False), (("c", "d"), False)]
)
def test_columns_without_names_have_one_order_in_all_data_sets(
    tmp_path: Path, second: tuple[str, str], refused: bool
) -> None:
    """A column that stands in two places is refused, until `inputs:` lists them; other columns are no other order."""
    signature = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]
    model = contender(signature={"inputs": signature})
    model.load_facts = lambda _: None
    listed = {name: InputSpec(column=name) for name in second}
    frame(tmp_path, ("a", "b"))
    data = dataset(tmp_path, "holdout")
    (tmp_path / "other").mkdir()
    frame(tmp_path / "other", second)
    other = dataset(tmp_path / "other", "logs")

    inputs = scoring_inputs(tmp_path)
    inputs.checked_plan(model, data)
    inputs.checked_plan(model, data)
    if refused:
        with pytest.raises(DataError, match=r"data 'holdout' have a, b, data 'logs' have b, ") as raised:
            inputs.checked_plan(model, other)
        assert str(raised.value.remedy).startswith("write inputs: [a, b], in the order")
    else:
        assert inputs.checked_plan(model, other).sources == second
    assert scoring_inputs(tmp_path, inputs=listed).checked_plan(model, other).sources == second


def test_the_values_of_a_label_are_read_as_the_pipeline_writes_the_positive_one(tmp_path: Path) -> None:
    """CSV has texts alone: `positive` says which of the two its label is. Where no label has two values, there are none."""
    (tmp_path / "d.csv").write_text("a,y\n1,0\n2,1\n3,1\n")
    labelled, bare = (dataset(tmp_path, path="d.csv", label=label) for label in ("y", None))

    def values(data: Dataset, **fields: Any) -> Any:
        return ScoringInputs(Pipeline.model_construct(**{"task": "binary", "positive": 1} | fields)).label_values(data)

    assert values(labelled) == (0, 1)
    assert values(labelled, positive="1") == ("0", "1")
    assert values(bare) is None
    assert values(labelled, task="regression") is None
