"""What a model is given: by its signature, by `inputs:`, or by what is left of the data."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.models.input_check import misfits
from lockgate.models.input_plan import FittedFeatures, InputPlan, InputPlanner, InputSource

DATA: dict[str, pa.DataType] = {
    "a": pa.float64(), "b": pa.int64(), "label": pa.int64(), "c": pa.float64(), "country": pa.string(), "id": pa.string(),
}  # fmt: skip
ROLES = {"label": "label", "country": "slice", "id": "id", "score": "recorded score of the champion"}


def column(name: str | None, kind: str = "long", **more: Any) -> dict[str, Any]:
    return ({} if name is None else {"name": name}) | {"type": kind, "required": True} | more


def tensor(*shape: int, name: str | None = None, dtype: str = "float64") -> dict[str, Any]:
    return column(name, "tensor", **{"tensor-spec": {"dtype": dtype, "shape": list(shape)}})


def rows_of(**properties: str) -> dict[str, Any]:
    return column(
        None, "object", properties={name: {"type": kind, "required": True} for name, kind in properties.items()}
    )


def sources(**columns: Any) -> dict[str, InputSource]:
    return {name: InputSource((value,) if isinstance(value, str) else tuple(value)) for name, value in columns.items()}


def plan(
    *signature: dict[str, Any],
    types: dict[str, pa.DataType] | None = None,
    inputs: dict[str, InputSource] | None = None,
    fitted: FittedFeatures | None = None,
) -> InputPlan:
    return InputPlanner(DATA if types is None else types, ROLES, inputs or {}).plan(list(signature), fitted)


def given(**how: Any) -> list[str]:
    made = plan(*how.pop("signature", ()), **how)
    assert made.problems == ()
    return [each.column if each.name == each.column else f"{each.name}={each.column}" for each in made.columns]


@pytest.mark.parametrize(
    ("columns", "types", "inputs", "reasons"),
    [
        ([column("a")], {"a": pa.int32()}, {}, []),
        ([column("a")], {"a": pa.string()}, {}, ["input a is long, in the data it is string"]),
        ([column("a")], {}, {}, ["input a is not in the data"]),
        ([column("a")], {}, {"a": "b"}, ["input a is not in the data (as b)"]),
        ([column("a")], {"b": pa.int64()}, {"a": "b"}, []),
        ([column("a", required=False)], {}, {}, []),
        ([column("a", "string")], {"a": pa.dictionary(pa.int32(), pa.string())}, {}, []),
        ([column("a", "datetime")], {"a": pa.timestamp("us")}, {}, []),
        ([column("a", "double")], {"a": pa.null()}, {}, []),
        ([column("a", "object")], {"a": pa.struct({"x": pa.int64()})}, {}, []),
        ([column("a", "array")], {"a": pa.float64()}, {}, ["input a is array, in the data it is double"]),
        ([tensor(-1, 2)], {"a": pa.list_(pa.float64())}, {}, ["column 'a' holds 3 a row, and the signature's tensor has the shape (-1, 2)"]),
        ([tensor(-1, 3)], {"a": pa.list_(pa.float64())}, {}, []),
    ],
)  # fmt: skip
def test_data_against_a_signature(columns: Any, types: Any, inputs: Any, reasons: list[str]) -> None:
    """By name, renamed by `inputs`, by the kind of type; of lists, by the first rows."""
    cells = {name: [[1.0, 2.0, 3.0]] if pa.types.is_list(kind) else pa.nulls(1, kind) for name, kind in types.items()}
    table = pa.table({name: pa.array(values, types[name]) for name, values in cells.items()})
    dataset = TableDataset(table, DatasetSpec.model_validate({"path": "t.parquet"}))
    made = InputPlanner(types, {}, sources(**inputs)).plan(columns)

    assert [*made.problems, *misfits(columns, made, dataset)] == reasons


def test_a_model_is_given_what_its_signature_names() -> None:
    """In its order, an id and a slice too; the properties of a type hint are names."""
    assert given(signature=[column("country", "string"), column("id", "string"), column("a", "double")]) == [
        "country",
        "id",
        "a",
    ]
    assert given(signature=[rows_of(c="double", country="string")]) == ["c", "country"]


def test_without_a_signature_a_model_is_given_the_features_alone() -> None:
    """Not what has a role; `inputs:` lists them whole, slices too."""
    made = plan()

    assert [each.column for each in made.columns] == ["a", "b", "c"]
    assert made.left_out == {"label": "label", "country": "slice", "id": "id"}
    assert made.unsigned
    assert given(inputs=sources(x="b", country="country")) == ["x=b", "country"]


def test_the_names_that_a_model_was_fitted_on_decide() -> None:
    """Order and slices; LightGBM writes spaces as underscores; `inputs:` renames."""
    assert given(fitted=FittedFeatures(("country", "c", "a"))) == ["country", "c", "a"]
    assert given(types={"my feature": pa.float64()}, fitted=FittedFeatures(("my_feature",))) == [
        "my_feature=my feature"
    ]
    assert given(fitted=FittedFeatures(("amount",)), inputs=sources(amount="a")) == ["amount=a"]


@pytest.mark.parametrize("kind", [pa.list_(pa.list_(pa.float64())), pa.list_(pa.float32(), 64)])
@pytest.mark.parametrize("named", [{}, {"image": "image"}])
def test_the_only_column_of_lists_is_the_array_that_a_model_was_fitted_on(kind: Any, named: Any) -> None:
    """Where it counts features and names none; beside other columns where these are not as many. Others get a frame."""
    only = plan(types={"image": kind, "id": pa.string()}, inputs=sources(**named), fitted=FittedFeatures(None, 8))
    among = plan(types={"image": kind, "b": pa.int64()}, fitted=FittedFeatures(None, 8))
    features = plan(types={"image": kind, "b": pa.int64()}, fitted=FittedFeatures(None, 2))
    unknown = plan(types={"image": kind}, fitted=FittedFeatures())

    for each in (only, among):
        assert [(column.column, column.tensor) for column in each.columns] == [("image", "image")]
    assert [column.tensor for column in (*features.columns, *unknown.columns)] == [None, None, None]


@pytest.mark.parametrize(
    ("fitted", "reason", "remedy"),
    [
        (FittedFeatures(("a", "label")), "leak: it was fitted on 'label', which is the label of the data", "train it without 'label'"),
        (FittedFeatures(("a", "z")), "it was fitted on 'z', which is not in the data", "write inputs: {z: data column}"),
        (FittedFeatures(("a", "id")), "it has no signature and was fitted on 'id', which is the id of the data",
         "log the model with infer_signature if that is meant, or write inputs: {id: id}"),
        (FittedFeatures(None, 4), "it was fitted on 4 columns, and the data has 3 that may be features: a, b, c; left out are "
         "label (label), country (slice), id (id)", "write inputs: [a, b, c, country], in the order in which the model was trained"),
    ],
)  # fmt: skip
def test_what_a_model_was_fitted_on_may_not_fit(fitted: FittedFeatures, reason: str, remedy: str) -> None:
    """Said with the line to write."""
    made = plan(fitted=fitted)

    assert (made.problems, made.remedy) == ((reason,), remedy)


def test_a_tensor_is_made_of_the_features_in_order() -> None:
    """Flat or in any shape of as many values; of one column of lists; of what `inputs:` says."""
    image = {"image": pa.list_(pa.list_(pa.uint8())), "width": pa.int64(), "label": pa.int64()}

    assert given(signature=[tensor(-1, 3)]) == ["a", "b", "c"]
    assert given(signature=[tensor(-1, 3, 1)]) == ["a", "b", "c"]
    assert given(signature=[tensor(-1, 3, name="x")]) == ["a", "b", "c"]
    assert given(signature=[tensor(-1, 4, 4)], types=image) == ["image"]
    assert given(signature=[tensor(-1, 2)], inputs=sources(c="c", a="a")) == ["c", "a"]
    assert given(signature=[tensor(-1, 2, name="x"), tensor(-1, name="a")], inputs=sources(x=["c", "b"])) == [
        "x.c=c", "x.b=b", "a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("signature", "inputs", "reason", "remedy"),
    [
        ([tensor(-1, 2)], {}, "the tensor of shape (-1, 2) takes 2 columns, and the data has 3 that may be features: a, b, c; "
         "left out are label (label), country (slice), id (id)", "write inputs: [a, b, c] with the 2 columns"),
        ([tensor(-1, 2)], {"a": "a"}, "the tensor of shape (-1, 2) takes 2 columns, and inputs: lists 1 that may be features: a",
         "write inputs: [a, b, c] with the 2 columns"),
        ([tensor(-1, 1)], {"country": "country"}, "the tensor of shape (-1, 1) holds float64, and column country is string", "write"),
        ([tensor(8, 3)], {}, "the tensor of shape (8, 3) holds 8 rows in each request; log the model with -1 as the first", "write"),
        ([tensor(-1, 2, name="x"), tensor(-1, name="y")], {}, "the tensor 'x' of shape (-1, 2) is not in the data", "write inputs: {x: ["),
        ([column(None, "string")], {}, "its signature has 1 input without a name, and the data has 3 that may be features", "write"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_signature_is_said(signature: Any, inputs: Any, reason: str, remedy: str) -> None:
    """Both numbers, the columns, and the line to write."""
    made = plan(*signature, inputs=sources(**inputs))

    assert made.problems[0].startswith(reason)
    assert str(made.remedy).startswith(remedy)


@pytest.mark.parametrize(
    "signature",
    [[], [tensor(-1, 2)], [column(None)], [column(None, "map")], [rows_of(x="double")]],
    ids=["none", "tensor", "unnamed", "map", "type hint"],
)
def test_inputs_that_the_data_lack_are_named_whatever_the_signature(signature: Any) -> None:
    """The line to correct is the pipeline's own."""
    made = plan(*signature, inputs=sources(a="a", row="gone"))

    assert (made.columns, made.problems) == ((), ("inputs: names 'gone', which is not in the data",))
    assert (made.remedy, made.unsigned) == ("correct inputs:", not signature)


def test_encoded_images_are_read_only_where_the_pipeline_says_so() -> None:
    """Bytes could be anything; the line that says what they are is in the remedy."""
    types = {"image": pa.binary(), "label": pa.int64()}
    made = plan(tensor(-1, 8, 8, 3), types=types)

    assert made.remedy == "write inputs: {image: {column: image, decode: image}}, or decode: npy"
    assert given(signature=[tensor(-1, 8, 8, 3)], types=types, inputs={"image": InputSource(("image",), "image")}) == [
        "image"
    ]
