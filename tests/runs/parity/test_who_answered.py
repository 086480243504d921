"""Who gave recorded answers: by what is said of them, and by what the versions answer when they are asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import GateBroken, ModelFault
from lockgate.evaluation.case import Contender
from lockgate.evaluation.scoring.scored_table import build_scored
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelVersion
from lockgate.runs.parity.who_answered import refuse, who_answered
from lockgate.runs.scoring_inputs import ScoringInputs

X = np.random.default_rng(1).normal(size=2_000)
NEW, OLD = 1 / (1 + np.exp(-X)), 1 / (1 + np.exp(-2 * X))
LABEL = (np.random.default_rng(2).random(2_000) < NEW).astype(int)
COLUMNS = {"x": X, "y": LABEL, "new": NEW, "old": OLD}
Predict = Callable[[Any], Any]


class Model:
    def __init__(self, answer: Predict) -> None:
        self.answer, self.rows = answer, 0

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows += batch.num_rows
            yield pa.RecordBatch.from_pydict({"prediction": self.answer(batch.column("x").to_numpy())})


def found(
    folder: Path,
    columns: Mapping[str, Any] = COLUMNS,
    *,
    new: Predict | None = None,
    may_fail: bool = False,
    **spec: Any,
) -> Any:
    """(role → entry, the candidate's model): candidate 7 answers 1 / (1 + e⁻ˣ), champion 6 another."""
    table = pa.table(dict(columns))
    parquet.write_table(table, folder / "d.parquet")
    entry = DatasetSpec.model_validate(
        {"path": "d.parquet", "label": "y", "scores": {"candidate": "new", "champion": "old"}, **spec}
    )
    models = {
        "candidate": Model(new or (lambda x: 1 / (1 + np.exp(-x)))),
        "champion": Model(lambda x: 1 / (1 + np.exp(-2 * x))),
    }
    signature = {"inputs": [{"name": "x", "type": "double", "required": True}]}
    contenders = [
        Contender(
            role,
            ModelVersion("fraud", version),
            fetch=lambda: folder,
            start=lambda *_, role=role: models[role],
            read=lambda _: SimpleNamespace(signature=signature),
        )
        for role, version in (("candidate", "7"), ("champion", "6"))
    ]  # type: ignore[misc]
    pipeline = Pipeline.model_construct(
        task="binary", positive=1, classes=(), gates=(), inputs={}, per_row={}, output=None, data={}, threshold=0.5
    )  # type: ignore[call-arg]
    dataset = Dataset("holdout", entry, folder)
    builder: Any = SimpleNamespace(
        case=SimpleNamespace(contenders=contenders, dataset=lambda _: dataset, progress=lambda *_: None),
        inputs=ScoringInputs(pipeline, lambda: contenders),
        pipeline=SimpleNamespace(root=folder, policy_digest="sha256:p", task="binary"),
        threshold=lambda role: 0.5,
    )
    readers = {
        role: AnswerReader(
            builder.inputs.reading("holdout", role, threshold=0.5, classes=(), replayed=False, recorded=column),
            may_fail=True,
            recorded=role,
        )
        for role, column in (("candidate", "new"), ("champion", "old"))
    }
    scored = build_scored(
        dataset, scorers={}, task="binary", positive=1, salt=b"", path=folder / "scored.parquet", readers=readers,
        may_fail=may_fail,
    )  # fmt: skip
    return who_answered(builder, "holdout", scored), models["candidate"]


def states(entries: Mapping[str, Any]) -> list[str]:
    return [entry["state"] for entry in entries.values()]


def test_a_sample_confirms_the_versions_own_answers(tmp_path: Path) -> None:
    """1,000 rows of each, those by chance; the version that was named stands beside it."""
    entries, model = found(tmp_path, answered_by={"candidate": 7})

    assert states(entries) == ["confirmed", "confirmed"]
    assert entries["candidate"]["answered_by"] == "7"
    assert entries["candidate"]["spot_check"] == {"rows": 1_000, "of": 2_000, "differing": 0, "at_most": "0.002991"}
    assert model.rows == 1_000


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"new": np.full(2_000, 0.4), "old": np.full(2_000, 0.4)}, ["refuted", "refuted"]),
        ({"new": OLD}, ["refuted", "confirmed"]),  # the other role's
        (
            {"new": np.where(LABEL == 1, 0.9, NEW)},
            ["refuted", "confirmed"],
        ),  # rows that are genuine, but where it matters
        ({"x": np.where(np.arange(2_000) % 400, X, np.nan), "new": NEW}, ["unconfirmed", "unconfirmed"]),
    ],
)
def test_what_somebody_else_wrote_is_told(tmp_path: Path, columns: dict[str, Any], expected: list[str]) -> None:
    entries, _ = found(tmp_path, {**COLUMNS, **columns})

    assert states(entries) == expected
    if "refuted" in expected:
        with pytest.raises(GateBroken, match=r"of holdout are not the candidate's: of 1,.* rows") as caught:
            refuse(entries, "holdout")
        assert caught.value.code == "recorded_by_other"


def test_few_positives_that_were_made_up_do_not_slip_through(tmp_path: Path) -> None:
    """All 20 positives of 20,000 rows are among those that are sent."""
    x = np.random.default_rng(3).normal(size=20_000)
    label, new = (np.arange(20_000) % 1_000 == 0).astype(int), 1 / (1 + np.exp(-x))
    entries, model = found(
        tmp_path, {"x": x, "y": label, "new": np.where(label == 1, 0.99, new), "old": 1 / (1 + np.exp(-2 * x))}
    )

    assert states(entries) == ["refuted", "confirmed"]
    assert entries["candidate"]["spot_check"]["differing"] == 20
    assert model.rows < 1_100


def test_a_model_that_contradicts_itself_confirms_nothing_and_is_named(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)

    def noisy(x: Any) -> Any:
        return 1 / (1 + np.exp(-x - draw.normal(scale=0.3, size=len(x))))

    entries, _ = found(tmp_path, {**COLUMNS, "new": noisy(X)}, new=noisy)

    assert states(entries) == ["unconfirmed", "confirmed"]
    assert entries["candidate"]["spot_check"]["unsteady"] > 900


def test_rows_without_a_recorded_answer_are_counted_and_not_compared(tmp_path: Path) -> None:
    """As the requests of a log that failed; where there is no answer at all, nothing is confirmed."""
    columns = {"x": X, "new": NEW, "old": np.where(np.arange(2_000) % 4, OLD, np.nan)}
    entries, _ = found(tmp_path, columns, label=None, may_fail=True)
    nothing, _ = found(tmp_path, {**columns, "old": np.full(2_000, np.nan)}, label=None, may_fail=True)

    assert (states(entries), entries["champion"]["missing"]) == (["confirmed", "confirmed"], 500)
    assert entries["champion"]["spot_check"]["of"] == 1_500
    assert nothing["champion"] == {
        "columns": ["old"], "state": "unconfirmed", "obstacle": "no row has a recorded answer of the champion"
    }  # fmt: skip


def test_who_cannot_be_asked_confirms_nothing(tmp_path: Path) -> None:
    """Inputs that the data lack, and a process that ends; a trusted recording asks nobody."""

    def dies(x: Any) -> Any:
        raise ModelFault("killed by signal 9")

    bare = {name: column for name, column in COLUMNS.items() if name != "x"}
    without, _ = found(tmp_path, bare)
    killed, _ = found(tmp_path, new=dies)
    trusted, model = found(tmp_path, bare, recorded="trusted")

    assert states(without) == ["unconfirmed", "unconfirmed"]
    assert "input x is not in the data" in without["candidate"]["obstacle"]
    assert (states(killed), killed["candidate"]["obstacle"]) == (["unconfirmed", "confirmed"], "killed by signal 9")
    assert (states(trusted), model.rows) == (["trusted", "trusted"], 0)


def test_decisions_are_held_to_what_scores_decide(tmp_path: Path) -> None:
    """A recording of 0 and 1 beside a model of probabilities, by the threshold."""
    entries, _ = found(tmp_path, {**COLUMNS, "new": (NEW >= 0.5).astype(int)})
    other, _ = found(tmp_path, {**COLUMNS, "new": (NEW >= 0.6).astype(int)})

    assert (states(entries), states(other)) == (["confirmed", "confirmed"], ["refuted", "confirmed"])


@pytest.mark.parametrize(
    ("answered_by", "message"),
    [
        ({"candidate": "6"}, r"fraud version 7: version 6 gave them \(data.holdout.answered_by\)"),
        ({"champion": {"column": "by"}}, r"the column by names another version: 5 in 10 rows, none in 1 row"),
    ],
)
def test_a_recording_of_another_version_is_refused_by_its_own_word(
    tmp_path: Path, answered_by: dict[str, Any], message: str
) -> None:
    """Also where it is trusted: whose answers are trusted is what it says."""
    by = [None, *["5"] * 10, *["6"] * 1_989]

    with pytest.raises(GateBroken, match=message) as caught:
        found(tmp_path, {**COLUMNS, "by": by}, answered_by=answered_by, recorded="trusted")
    assert caught.value.code == "recorded_by_other"
    entries, _ = found(tmp_path, {**COLUMNS, "by": [6.0] * 2_000}, answered_by={"champion": {"column": "by"}})
    assert entries["champion"]["answered_by"] == {"column": "by"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"recorded": "trusted"}, "`recorded` needs `scores`"),
        ({"answered_by": {"candidate": 7}}, "`answered_by` needs `scores`"),
        (
            {"scores": {"candidate": "p"}, "answered_by": {"champion": 6}},
            "names the champion, of which `scores` names no",
        ),
        ({"scores": {"candidate": "p"}, "recorded": "always"}, "recorded"),
        ({"scores": {"candidate": "p"}, "recorded": {"tolerance": 0}}, "tolerance"),
    ],
)
def test_what_says_nothing_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DatasetSpec.model_validate({"path": "d.csv", **spec})
