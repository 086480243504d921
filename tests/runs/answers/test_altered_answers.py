"""Who is asked for altered rows, and who answers none of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import DataError
from lockgate.evaluation.behaviour.alteration import Alteration
from lockgate.evaluation.behaviour.altering import Altering, facts_of, inputs_of
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.input_plan import InputPlan, ModelInput
from lockgate.models.model import Output, ScoreReading
from lockgate.runs.answers import altered_answers
from lockgate.runs.answers.altered_answers import asking


class _Halves:
    """Answers every row with one half."""

    def predict(self, batches: Any, **_: Any) -> Any:
        return (pa.RecordBatch.from_pydict({"p": [0.5] * batch.num_rows}) for batch in batches)


def test_a_champion_that_is_given_no_numbers_has_no_answer_that_noise_changes() -> None:
    """As one that is not given the column of a swap; a candidate without numbers is told so."""
    dataset = TableDataset(
        pa.table({"city": ["a", "b", "c"], "flag": [0, 1, 0], "x": [0.5, 1.5, 2.5]}), DatasetSpec(path="t")
    )
    builder: Any = SimpleNamespace(case=SimpleNamespace(seed=7))

    def altered(role: str, *columns: str) -> Any:
        plan = InputPlan(tuple(ModelInput(name, name) for name in columns))
        contender: Any = SimpleNamespace(role=role)
        noise = Alteration("noise", amount=0.01)
        return altered_answers._altering(builder, contender, dataset, plan, noise, FeatureContract())

    assert altered("champion", "city", "flag") is None
    assert list(altered("champion", "city", "x").facts) == list(altered("candidate", "city", "x").facts) == ["x"]
    with pytest.raises(DataError, match="moves columns of numbers, and the model is given none that varies"):
        altered("candidate", "city", "flag")


@pytest.mark.parametrize(("kind", "answered"), [("long", False), ("integer", False), ("double", True)])
def test_a_row_without_what_the_signature_wants_in_every_row_is_not_answered(kind: str, answered: bool) -> None:
    """As MLflow refuses it in service; it says of the candidate what a model that raises says."""
    batch = pa.RecordBatch.from_pydict({"k": [1, 2, 3], "x": [0.5, 1.5, 2.5]})
    signature = {"inputs": [{"name": "k", "type": kind}, {"name": "x", "type": "double"}]}
    contender: Any = SimpleNamespace(facts=SimpleNamespace(signature=signature), model=_Halves())
    results = {}
    for column in ("k", "x"):
        alteration = Alteration("drop", column)
        facts = inputs_of(alteration, facts_of([batch], [column]), data="holdout")
        altering = Altering(alteration, facts, {}, 7)
        reader = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=True), may_fail=True)
        answers = np.concatenate(list(asking(contender, reader, altering)(iter([batch]))))
        results[column] = np.isfinite(answers).tolist()
        assert altering.altered.all()

    assert results == {"k": [answered] * 3, "x": [True] * 3}
