"""The scored table: checked rows, both models' scores beside them, one file that depends on the rows alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.reference import FILES
from lockgate import hashing as digests
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError, LockgateError, ModelFault
from lockgate.evaluation.scoring.scored_table import Scored, build_scored, write_scored

ADULT = FILES / "adult_test.csv.gz"

Batches = Iterator[pa.RecordBatch]
Answers = Iterator[np.ndarray[Any, np.dtype[Any]]]


def ask(column: str = "x", *, add: float = 0.0) -> Callable[[Batches], Answers]:
    """A model whose score is a column."""

    def scores(batches: Batches) -> Answers:
        for batch in batches:
            yield np.array([value + add for value in batch.column(column).to_pylist()], float)

    return scores


def build(folder: Path, table: dict[str, Any], *, task: Any = "binary", positive: Any = 1, **spec: Any) -> Scored:
    """Both models asked about a table that lies in a file."""
    models = spec.pop("ask", {"candidate": ask(), "champion": ask(add=0.5)})
    options = {key: spec.pop(key) for key in ("may_fail", "columns", "progress", "classes") if key in spec}
    pq.write_table(pa.table(table), folder / "d.parquet")
    dataset = Dataset("holdout", DatasetSpec.model_validate({"path": "d.parquet", **spec}), folder)
    return build_scored(
        dataset,
        scorers=models,
        task=task,
        positive=positive,
        salt=b"salt",
        path=folder / "out" / "s.parquet",
        **options,
    )


TABLE: dict[str, Any] = {
    "txn": ["a", "b", "c", "d"],
    "y": [1, 0, 0, 1],
    "user": ["u", "v", "u", "w"],
    "w": [1.0, 0.5, 0.0, 2.0],
    "geo": ["BR", None, "US", "BR"],
    "x": [0.1, 0.2, 0.3, 0.4],
}


def test_the_table_holds_what_the_contract_names(tmp_path: Path) -> None:
    """Columns in their order, ids hashed with the salt, no user's name; then one column a slice."""
    scored = build(
        tmp_path, TABLE, label="y", id="txn", cluster="user", weight="w",
        slices=["geo", {"name": "late", "where": {"x": {"gt": 0.25}}}],
    )  # fmt: skip
    table = pq.read_table(tmp_path / "out" / "s.parquet")

    assert table.to_pydict() == {
        "id": [hashlib.sha256(b"salt" + each).hexdigest() for each in (b"a", b"b", b"c", b"d")],
        "label": [True, False, False, True],
        "weight": [1.0, 0.5, 0.0, 2.0],
        "cluster": [0, 1, 0, 2],
        "candidate": [0.1, 0.2, 0.3, 0.4],
        "champion": [0.6, 0.7, 0.8, 0.9],
        "geo": ["BR", "(missing)", "US", "BR"],
        "late": ["false", "false", "true", "true"],
    }
    assert pq.read_metadata(tmp_path / "out" / "s.parquet").metadata[b"lockgate.schema"] == b"lockgate/scored/v1"
    assert scored.rows == 4
    assert scored.labels is not None
    assert scored.labels.dtype == np.bool_
    assert scored.sha256 == digests.sha256_file(tmp_path / "out" / "s.parquet")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["s.parquet"]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.uint8(), pa.decimal128(9, 0), pa.bool_()], ids=str)
@pytest.mark.parametrize(("task", "classes"), [("binary", ()), ("multiclass", ("0", "1"))])
def test_a_label_may_be_stored_as_any_number(tmp_path: Path, kind: pa.DataType, task: str, classes: Any) -> None:
    """Half floats too, which Arrow cannot compare."""
    classes = ("false", "true") if classes and kind == pa.bool_() else classes
    table = TABLE | {"y": pa.array(TABLE["y"]).cast(pa.int8()).cast(kind)}
    scored = build(tmp_path, table, ask={}, task=task, classes=classes, label="y")

    assert scored.labels is not None
    assert scored.labels.tolist() == TABLE["y"]


def test_what_the_data_has_not_is_none(tmp_path: Path) -> None:
    """Traffic has no labels."""
    scored = build(tmp_path, TABLE, ask={"candidate": ask()})

    assert (scored.labels, scored.champion, scored.weights, scored.clusters) == (None, None, None, None)
    assert scored.candidate is not None
    assert scored.candidate.tolist() == [0.1, 0.2, 0.3, 0.4]


def test_ids_are_kept_where_that_is_said(tmp_path: Path) -> None:
    """To join late labels by hand."""
    build(tmp_path, TABLE, id="txn", keep_ids=True)

    assert pq.read_table(tmp_path / "out" / "s.parquet").column("id").to_pylist() == ["a", "b", "c", "d"]


def test_a_declared_value_that_no_row_has_is_there_with_zero_rows(tmp_path: Path) -> None:
    """It must become inconclusive, not silence; the order is that of the declaration."""
    scored = build(
        tmp_path, TABLE,
        slices=[
            {"column": "geo", "values": ["US", "EU", "BR"]},
            {"name": "band", "column": "x", "bins": [0.15, 0.2, 0.25, 9]},
            {"name": "none", "where": {"x": {"gt": 5}}},
            {"name": "every", "column": "geo"},
        ],
    )  # fmt: skip

    def rows(name: str) -> dict[str, int]:
        labels, codes = scored.codes(name)
        return {label: int((codes == code).sum()) for code, label in enumerate(labels)}

    assert rows("geo") == {"US": 1, "EU": 0, "BR": 2, "(other)": 1}
    assert rows("band") == {"(-inf,0.15)": 1, "[0.15,0.2)": 0, "[0.2,0.25)": 1, "[0.25,9)": 2}
    assert rows("none") == {"true": 0, "false": 4}
    assert rows("every") == {"(missing)": 1, "BR": 2, "US": 1}


@pytest.mark.parametrize(
    ("labels", "positive", "expected"),
    [
        ([1, 0], 1, [True, False]),
        ([1.0, 0.0], True, [True, False]),
        ([True, False], 1, [True, False]),
        (["yes", "no"], "yes", [True, False]),
        ([0, 1], 0, [True, False]),
        ([0, 0], 1, [False, False]),
        (["no", "no"], "yes", [False, False]),
        ([1, 1], 1, [True, True]),
        (pa.array(["1", "0"]).dictionary_encode(), "1", [True, False]),
        ([Decimal("0.10"), Decimal("1.10")], 0.1, [True, False]),
        (pa.array([1, 0], pa.float16()), 1, [True, False]),
    ],
)
def test_a_label_is_positive_where_it_equals_positive(
    tmp_path: Path, labels: Any, positive: Any, expected: list[bool]
) -> None:
    """Numbers and true/false by value, texts by text; one class alone is data that cannot tell, not an error."""
    scored = build(tmp_path, {"y": labels, "x": [0.1, 0.2]}, label="y", positive=positive)

    assert scored.labels is not None
    assert scored.labels.tolist() == expected


@pytest.mark.parametrize(
    ("change", "spec", "message"),
    [
        ({}, {"label": "is_y"}, r"d\.parquet has no column 'is_y', the label; its columns are txn, y, user"),
        ({}, {"id": "txm"}, r"no column 'txm', the id; .* did you mean 'txn'\?"),
        ({}, {"weight": "ww"}, "'ww', the weight"),
        ({}, {"cluster": "usr"}, "'usr', the cluster"),
        ({}, {"slices": ["gei"]}, "'gei', the column of slice 'gei'"),
        ({}, {"scores": {"candidate": "p"}}, "'p', the candidate's score"),
        (
            {"y": ["yes", "no", "no", "yes"]},
            {},
            r"holds 'no', 'yes', none of which is `positive: 1`.*positive: \"yes\"",
        ),
        ({"y": [Decimal(2), Decimal(3)] * 2}, {}, r"holds 2, 3, none of which is `positive: 1`.*positive: 3$"),
        ({"y": [2] * 4}, {}, r"holds 2, none of which is `positive: 1`.*positive: 2$"),
        ({"y": ["1", "0", "0", "1"]}, {}, r"holds '0', '1', none of which is `positive: 1`.*positive: \"1\""),
        ({"y": [Decimal(n) for n in (2, 3, 3, 2)]}, {}, r"holds 2, 3, none of which is `positive: 1`.*positive: 3"),
        ({"y": ["0"] * 4}, {}, "none of which"),
        ({"y": [2, 3, 3, 2]}, {}, r"holds 2, 3, none of which"),
        ({"y": [1, 0, 2, 1]}, {}, "more than two values .0, 1, 2, ….*task: regression"),
        ({"y": [1, None, 0, None]}, {}, "label .column 'y' .* is missing in 2 rows, the first is row 2"),
        ({"y": [1.0, 0.0, float("nan"), 1.0]}, {}, "is missing in 1 row: row 3"),
        ({"y": [[1]] * 4}, {}, "holds list<"),
        ({"y": [None] * 4}, {}, "is missing in 4 rows, the first is row 1"),
        ({"y": ["a", "b", "c", "d"]}, {"task": "regression"}, "holds string, not numbers"),
        ({"y": [True] * 4}, {"task": "regression"}, "holds bool, not numbers"),
        ({"y": [1.0, float("inf"), 1.0, 2.0]}, {"task": "regression"}, "is infinite in 1 row: row 2"),
        ({"y": [1.0, 1e300, 1.0, 2.0]}, {"task": "regression"}, r"is beyond 1e\+150 in 1 row: row 2"),
        ({"txn": ["SECRET", "b", "SECRET", "b"]}, {}, "is not unique: 2 rows repeat the id of .*for example row 3"),
        ({"txn": ["a", None, "c", "d"]}, {}, "the id .* is missing in 1 row: row 2"),
        ({"w": [1.0, -1.0, -2.0, 1.0]}, {}, "weight .* is negative or infinite in 2 rows, the first is row 2"),
        ({"w": [1.0, 1.0, float("nan"), 1.0]}, {}, "weight .* is missing in 1 row: row 3"),
        ({"w": ["a"] * 4}, {}, "weight .* holds string"),
        ({"user": ["u", None, None, "w"]}, {}, "cluster .* is missing in 2 rows"),
        (
            {},
            {"slices": [{"name": "b", "column": "geo", "bins": [0]}]},
            "data 'holdout': slice 'b': column 'geo' has the",
        ),
    ],
)
def test_rows_that_cannot_be_judged_stop_the_run_before_a_model_is_asked(
    tmp_path: Path, change: dict[str, Any], spec: dict[str, Any], message: str
) -> None:
    """With column, count, first row and remedy, and nothing of an id."""

    def never(batches: Batches) -> Answers:
        raise AssertionError("a model was asked")
        yield from ()

    declared = {"label": "y", "id": "txn", "cluster": "user", "weight": "w", "ask": {"candidate": never}} | spec
    with pytest.raises(DataError, match=f"(?s){message}") as wrong:
        build(tmp_path, TABLE | change, **declared)

    assert "SECRET" not in str(wrong.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_no_rows_are_a_table_without_rows(tmp_path: Path, task: Any) -> None:
    """Its findings will be inconclusive; no model is asked."""
    empty = pa.schema([("y", pa.int64()), ("x", pa.float64()), ("geo", pa.string())]).empty_table()
    pq.write_table(empty, tmp_path / "e.parquet")
    spec = DatasetSpec.model_validate(
        {"path": "e.parquet", "label": "y", "id": "geo", "slices": [{"column": "geo", "values": ["BR"]}]}
    )

    scored = build_scored(
        Dataset("holdout", spec, tmp_path), scorers={"candidate": ask()}, task=task, positive=1, salt=b"",
        path=tmp_path / "s.parquet",
    )  # fmt: skip

    assert scored.rows == 0
    assert scored.labels is not None
    assert scored.labels.dtype == (np.bool_ if task == "binary" else np.float64)
    assert scored.candidate is not None
    assert scored.candidate.shape == (0,)
    assert scored.codes("geo")[0] == ("BR",)


def test_known_scores_need_no_model(tmp_path: Path) -> None:
    """`data.*.scores`: already scored elsewhere."""
    table = TABLE | {"p_old": [0.9, 0.8, 0.7, 0.6]}

    scored = build(tmp_path, table, label="y", scores={"candidate": "x", "champion": "p_old"}, ask={})

    assert scored.candidate is not None
    assert scored.champion is not None
    assert scored.champion.tolist() == [0.9, 0.8, 0.7, 0.6]
    with pytest.raises(DataError, match=r"the candidate's score .* is missing in 1 row: row 2"):
        build(tmp_path, TABLE | {"x": [0.1, None, 0.2, 0.3]}, scores={"candidate": "x"}, ask={})


def test_a_table_in_memory_is_the_table_on_disk(tmp_path: Path) -> None:
    """Same checks, same views, same digest."""
    spec: dict[str, Any] = {"label": "y", "weight": "w", "cluster": "user", "slices": ["geo"]}
    on_disk = build(tmp_path, TABLE, **spec)
    table = pa.table(TABLE | {"candidate": TABLE["x"], "champion": [0.6, 0.7, 0.8, 0.9]})

    in_memory = Scored.from_table(
        table, DatasetSpec.model_validate({"path": "(table)", **spec}), task="binary", positive=1
    )

    assert in_memory.sha256 == on_disk.sha256
    assert in_memory.rows == on_disk.rows
    for view in ("labels", "candidate", "champion", "weights", "clusters"):
        assert np.array_equal(getattr(in_memory, view), getattr(on_disk, view))
    assert in_memory.codes("geo")[0] == on_disk.codes("geo")[0]
    assert np.array_equal(in_memory.codes("geo")[1], on_disk.codes("geo")[1])


def test_nan_is_kept_only_of_requests_that_may_fail(tmp_path: Path) -> None:
    """A replay counts them; elsewhere they are the model's fault."""
    table = TABLE | {"x": [0.1, float("nan"), 0.3, float("inf")]}

    replayed = build(tmp_path, table, may_fail=True)

    assert replayed.candidate is not None
    assert np.isnan(replayed.candidate).tolist() == [False, True, False, True]
    with pytest.raises(
        ModelFault, match="the candidate's scores are NaN or infinite in 2 of rows 1 to 4, first in row 2"
    ):
        build(tmp_path, table)


def test_what_is_said_of_each_row_beside_a_model_stands_beside_its_score(tmp_path: Path) -> None:
    """Holes are kept; where no score was answered there is none, and no slice is mistaken for such a column."""

    def beside(batches: Batches) -> Any:
        for batch in batches:
            yield {"iou": np.where(np.arange(batch.num_rows) == 2, np.nan, 0.5), "": np.ones(batch.num_rows)}

    def alone(batches: Batches) -> Any:
        for batch in batches:
            yield {"iou": np.full(batch.num_rows, 0.25)}

    scored = build(tmp_path, TABLE, ask={"candidate": beside, "champion": alone}, slices=["geo"], label="y")

    names = pq.read_schema(tmp_path / "out" / "s.parquet").names
    assert names == ["label", "candidate", "candidate:iou", "champion:iou", "geo"]
    assert str(scored.per_row("candidate", "iou").tolist()) == "[0.5, 0.5, nan, 0.5]"
    assert scored.per_row("champion", "iou").tolist() == [0.25] * 4
    assert np.isnan(scored.per_row("champion", "dice")).all()
    assert scored.champion is None
    assert scored.candidate is not None


def test_the_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    """However they came in, in which batches, and however often."""
    table = pa.table({"candidate": np.arange(300_000) / 7, "geo": [str(n % 13) for n in range(300_000)]})
    encoded = table.set_column(1, "geo", table.column("geo").dictionary_encode())

    write_scored(tmp_path / "a", table.to_batches(max_chunksize=999))
    write_scored(tmp_path / "b", encoded.to_batches(max_chunksize=100_000))

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert Scored.open(tmp_path / "a").rows == 300_000


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """What was there stays, and nothing is left over."""
    (tmp_path / "s.parquet").write_bytes(b"before")

    def broken() -> Batches:
        yield pa.RecordBatch.from_pydict({"candidate": [0.5]})
        raise ModelFault("gone")

    with pytest.raises(ModelFault, match="gone"):
        write_scored(tmp_path / "s.parquet", broken())

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("s.parquet", b"before")]


def test_a_file_that_is_no_scored_table_is_refused(tmp_path: Path) -> None:
    """So is one that lacks a slice."""
    (tmp_path / "s.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is not a scored table"):
        Scored.open(tmp_path / "s.parquet")

    scored = build(tmp_path, TABLE, slices=["geo"])
    build(tmp_path, TABLE)
    with pytest.raises(DataError, match="has no slice 'geo'"):
        Scored.open(tmp_path / "out" / "s.parquet", slices=scored.slices)


COLUMN = st.lists(
    st.tuples(st.booleans(), st.floats(-5, 5), st.one_of(st.none(), st.sampled_from(["BR", "US", "", "é&="]))),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(COLUMN)
def test_what_goes_in_comes_out(tmp_path: Path, rows: list[tuple[bool, float, str | None]]) -> None:
    """Labels, scores, and slices whose masks are all rows, each once."""
    table = pa.table(
        {
            "y": pa.array([row[0] for row in rows], pa.bool_()),
            "x": pa.array([row[1] for row in rows], pa.float64()),
            "geo": pa.array([row[2] for row in rows], pa.string()),
        }
    )
    scored = build(
        tmp_path, dict(zip(table.column_names, table.columns, strict=True)), label="y", positive=True,
        slices=["geo", {"name": "b", "column": "x", "bins": [0, 1]}, {"name": "d", "column": "geo", "values": ["US", "SE"]}],
    )  # fmt: skip

    assert scored.labels is not None
    assert scored.labels.tolist() == [row[0] for row in rows]
    assert scored.candidate is not None
    assert scored.candidate.tolist() == [row[1] for row in rows]
    for declared in scored.slices:
        labels, codes = scored.codes(declared.name)
        masks = [codes == code for code in range(len(labels))]
        assert codes.dtype == np.uint8
        assert sum(masks, np.zeros(len(rows), int)).tolist() == [1] * len(rows)
    labels, codes = scored.codes("geo")
    assert [labels[code] for code in codes] == ["(missing)" if row[2] is None else row[2] for row in rows]


MANY: dict[str, Any] = {"x": np.arange(1_000_000) / 1e6}


def test_models_are_asked_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for the other to begin, which two calls in a row never would."""
    both = threading.Barrier(2, timeout=60)

    def model(batches: Batches) -> Answers:
        for batch in batches:
            both.wait()
            yield np.zeros(batch.num_rows)

    done: list[tuple[int, int]] = []
    build(tmp_path, TABLE, ask={"candidate": model, "champion": model}, progress=lambda *each: done.append(each))

    assert done == [(4, 4)]


def test_crossings_follow_from_their_parts_and_take_no_column(tmp_path: Path) -> None:
    """The file holds the parts; quantiles are cut over all batches together."""
    rows = 100_000
    table = {
        "x": np.arange(rows)[::-1] / rows,
        "y": np.arange(rows) % 2,
        "geo": [["BR", "US"][n % 2] for n in range(rows)],
    }
    scored = build(
        tmp_path,
        table,
        label="y",
        slices=["geo", {"column": "x", "name": "q", "quantiles": 2}, {"cross": ["geo", "q"]}],
    )
    labels, codes = scored.codes("geo×q")

    assert pq.read_schema(tmp_path / "out" / "s.parquet").names == ["label", "candidate", "champion", "geo", "q"]
    assert scored.codes("q")[0] == ("(-inf,0.5)", "[0.5,inf)")
    assert np.bincount(codes).tolist() == [25_000] * 4
    assert [scored.slices[2].key(label) for label in labels] == [
        (("geo", geo), ("q", band)) for geo in ("BR", "US") for band in ("(-inf,0.5)", "[0.5,inf)")
    ]


@pytest.mark.parametrize(
    ("slices", "message", "remedy"),
    [
        (["x"], "slice 'x': column 'x' has 65,536 values in the first 65,536 rows, and at most 1,000 are judged", "bins or quantiles"),
        ([{"column": "k", "max": 12}], "column 'k' has 13 values", "a larger max"),
        (["k", "m", {"cross": ["k", "m"], "max": 90}], "slice 'k×m': crossing k and m gives 91 slices, and at most 90", "fewer values"),
    ],
)  # fmt: skip
def test_too_many_slices_are_refused_before_a_model_is_asked(
    tmp_path: Path, slices: list[Any], message: str, remedy: str
) -> None:
    """What, how many, and what to do."""
    rows = np.arange(100_000)
    asked: list[int] = []

    def never(batches: Batches) -> Answers:
        asked.append(1)
        yield from (np.zeros(batch.num_rows) for batch in batches)

    with pytest.raises(DataError, match=message) as refused:
        build(tmp_path, {"x": rows / 1e6, "k": rows % 13, "m": rows % 7}, slices=slices, ask={"candidate": never})

    assert remedy in str(refused.value.remedy)
    assert asked == []


def test_as_many_slices_as_the_maximum_are_judged(tmp_path: Path) -> None:
    """The bound is meant inclusively, and a larger one may be written."""
    rows = np.arange(3_000)

    scored = build(
        tmp_path, {"x": rows / 1e6, "k": rows % 13, "m": rows % 7},
        slices=[{"column": "x", "max": 3_000}, {"column": "k", "max": 13}, "m", {"cross": ["k", "m"], "max": 91}],
    )  # fmt: skip

    assert [len(scored.codes(one.name)[0]) for one in scored.slices] == [3_000, 13, 7, 91]


def test_no_model_runs_far_ahead_of_the_other(tmp_path: Path) -> None:
    """Memory stays bounded by a few batches, however slow one of them is."""
    taken = {"candidate": 0, "champion": 0}
    ahead: list[int] = []

    def model(role: str) -> Callable[[Batches], Answers]:
        def scores(batches: Batches) -> Answers:
            for batch in batches:
                taken[role] += 1
                ahead.append(abs(taken["candidate"] - taken["champion"]))
                yield np.zeros(batch.num_rows)

        return scores

    build(tmp_path, MANY, ask={role: model(role) for role in taken})

    assert taken == {"candidate": 16, "champion": 16}
    assert max(ahead) <= 5


def test_a_model_may_take_batches_before_it_answers(tmp_path: Path) -> None:
    """A pipe is kept full that way; nothing waits for anything else."""

    def eager(batches: Batches) -> Answers:
        held = list(batches)
        yield from (np.full(batch.num_rows, 2.0) for batch in held)

    scored = build(tmp_path, MANY, ask={"candidate": eager, "champion": ask()})

    assert scored.candidate is not None
    assert set(scored.candidate.tolist()) == {2.0}
    assert scored.champion is not None
    assert np.array_equal(scored.champion, MANY["x"])


class Boom(LockgateError):
    """An error of a model, whatever it may be."""


def raising(after: int) -> Callable[[Batches], Answers]:
    def scores(batches: Batches) -> Answers:
        for place, batch in enumerate(batches):
            if place == after:
                raise Boom("the model broke")
            yield np.zeros(batch.num_rows)

    return scores


def ending(after: int) -> Callable[[Batches], Answers]:
    def scores(batches: Batches) -> Answers:
        for place, batch in enumerate(batches):
            if place == after:
                return
            yield np.zeros(batch.num_rows)

    return scores


def short(batches: Batches) -> Answers:
    for batch in batches:
        yield np.zeros(batch.num_rows - 1)


def more(batches: Batches) -> Answers:
    yield from (np.zeros(batch.num_rows) for batch in batches)
    yield np.zeros(1)


@pytest.mark.parametrize("role", ["candidate", "champion"])
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (raising(0), Boom, "the model broke"),
        (raising(7), Boom, "the model broke"),
        (raising(15), Boom, "the model broke"),
        (ending(0), ModelFault, "ended after 0 batches"),
        (ending(15), ModelFault, "ended after 15 batches of at least 16"),
        (short, ModelFault, r"answered 65,535 scores for 65,536 rows"),
        (more, ModelFault, "answered more than the 16 batches"),
    ],
)
def test_a_model_that_breaks_ends_the_other_and_no_thread_stays(
    tmp_path: Path, role: str, model: Callable[[Batches], Answers], error: type[Exception], message: str
) -> None:
    """Whatever it does and whenever; the error is the model's own."""
    ended: list[bool] = []

    def other(batches: Batches) -> Answers:
        try:
            yield from (np.zeros(batch.num_rows) for batch in batches)
        finally:
            ended.append(True)

    roles = {"candidate": other, "champion": other} | {role: model}
    before = threading.active_count()

    with pytest.raises(error, match=message):
        build(tmp_path, MANY, ask=roles)

    assert ended == [True]
    assert threading.active_count() == before
    assert not (tmp_path / "out").exists()


def test_the_census_is_scored_by_slice(tmp_path: Path) -> None:
    """Counts as a plain reading of the file gives them."""
    spec = DatasetSpec.model_validate(
        {"path": ADULT.name, "label": "income_over_50k", "slices": ["sex", "race", "workclass", "native_country"]}
    )
    scored = build_scored(
        Dataset("adult", spec, ADULT.parent), scorers={"candidate": ask("age")}, task="binary", positive=1, salt=b"",
        path=tmp_path / "s.parquet",
    )  # fmt: skip

    labels, codes = scored.codes("sex")
    assert dict(zip(labels, np.bincount(codes).tolist(), strict=True)) == {"Female": 5_421, "Male": 10_860}
    assert len(scored.codes("native_country")[0]) == 41
    assert scored.labels is not None
    assert int(scored.labels.sum()) == 3_846


def test_scoring_imports_no_pandas(tmp_path: Path) -> None:
    """Neither does looking at what was scored."""
    pq.write_table(pa.table(TABLE), tmp_path / "d.parquet")
    code = f"""
import sys
from pathlib import Path
import numpy as np
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import build_scored
def ask(batches):
    for batch in batches:
        yield np.zeros(batch.num_rows)
spec = DatasetSpec(path="d.parquet", label="y", id="txn", cluster="user", weight="w", slices=["geo"])
scored = build_scored(Dataset("d", spec, Path({str(tmp_path)!r})), scorers=dict(candidate=ask), task="binary", positive=1,
                      salt=b"", path=Path({str(tmp_path / "s")!r}))
scored.labels, scored.candidate, scored.weights, scored.clusters, scored.codes("geo"), scored.sha256
print("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


OF_CLASSES: dict[str, Any] = {
    "team": ["b", "a", "c", "a"],
    "geo": ["BR", "US", "US", "BR"],
    "p_a": [0.1, 0.5, 0.2, 0.9],
    "p_b": [0.7, 0.2, 0.2, 0.1],
    "p_c": [0.2, 0.3, 0.6, 0.0],
    "old": ["b", "a", "a", "a"],
}
SHARES = {"c": "p_c", "a": "p_a", "b": "p_b"}


def test_several_classes_are_a_list_of_scores_in_a_fixed_order(tmp_path: Path) -> None:
    """Labels are places among the classes, whose names the file holds; the same table is the same bytes."""
    spec: dict[str, Any] = {"label": "team", "scores": {"candidate": SHARES, "champion": "old"}, "slices": ["geo"]}
    classes = ("a", "b", "c")
    scored = build(tmp_path, OF_CLASSES, task="multiclass", classes=classes, **spec)
    file = pq.ParquetFile(tmp_path / "out" / "s.parquet")
    known = Scored.from_table(
        pa.table(OF_CLASSES), DatasetSpec.model_validate({"path": "t", **spec}), task="multiclass", positive=None
    )

    assert file.schema_arrow.field("candidate").type == pa.list_(pa.float64(), 3)
    assert file.schema_arrow.field("label").type == file.schema_arrow.field("champion").type == pa.int32()
    assert file.metadata.metadata[b"lockgate.classes"] == b'["a", "b", "c"]'
    assert scored.classes == known.classes == classes
    for one in (scored, known):
        assert one.labels is not None
        assert one.labels.tolist() == [1, 0, 2, 0]
        assert one.candidate is not None
        assert one.candidate.tolist() == [[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6], [0.9, 0.1, 0.0]]
        assert one.champion is not None
        assert one.champion.tolist() == [1, 0, 0, 0]
        assert one.codes("geo")[0] == ("BR", "US")
    assert scored.sha256 == known.sha256


def test_models_answer_with_scores_of_classes_or_with_classes(tmp_path: Path) -> None:
    """Each as it can; batches are put together."""

    def matrix(batches: Batches) -> Answers:
        for batch in batches:
            yield np.column_stack([np.array(batch.column(name).to_pylist()) for name in ("p_a", "p_b", "p_c")])

    def places(batches: Batches) -> Answers:
        for batch in batches:
            yield np.array(["abc".index(name) for name in batch.column("old").to_pylist()], float)

    scored = build(
        tmp_path, OF_CLASSES, task="multiclass", classes=("a", "b", "c"), label="team",
        ask={"candidate": matrix, "champion": places},
    )  # fmt: skip

    assert scored.candidate is not None
    assert scored.candidate[0].tolist() == [0.1, 0.7, 0.2]
    assert scored.champion is not None
    assert (scored.champion.dtype, scored.champion.tolist()) == (np.int32, [1, 0, 0, 0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"team": ["b", "a", "d", "a"]}, "is 'd', which is none of the classes (a, b, c), in 1 row: row 3"),
        ({"team": ["b", None, "c", "a"]}, "the label (column 'team' of d.parquet) is missing in 1 row: row 2"),
        ({"old": ["b", "a", "x", "x"]}, "the champion's answer (column 'old' of d.parquet) is 'x', which is none"),
        (
            {"p_b": [0.7, None, 0.2, 0.1]},
            "the candidate's score of class b (column 'p_b' of d.parquet) is missing in 1 row",
        ),
    ],
)
def test_rows_without_a_known_class_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    """With the first of them, and what it holds."""
    with pytest.raises(DataError) as caught:
        build(
            tmp_path, OF_CLASSES | change, task="multiclass", classes=("a", "b", "c"), label="team",
            scores={"candidate": SHARES, "champion": "old"},
        )  # fmt: skip

    assert said in str(caught.value)


def test_scores_of_other_classes_than_the_labels_are_refused(tmp_path: Path) -> None:
    """A class of the label that nobody scores, and one that is scored and that no label has."""
    for scores, said in (
        ({"a": "p_a", "b": "p_b"}, "scores of the candidate scores no class 'c'; it scores a, b"),
        ({**SHARES, "d": "p_a"}, "scores of the candidate scores the class 'd', which is none; known: a, b, c"),
    ):
        with pytest.raises(DataError) as caught:
            build(
                tmp_path, OF_CLASSES, task="multiclass", classes=("a", "b", "c"), label="team",
                scores={"candidate": scores},
            )  # fmt: skip

        assert said in str(caught.value)
