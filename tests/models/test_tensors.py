"""What the host makes of a batch for a model of tensors, or one whose predict has a type hint."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from lockgate.models.input_plan import InputPlan, ModelInput
from lockgate.models.model_host import BadInput, fitted_features, hinted_values, stacked, tensors


def spec(*shape: int, name: str | None = None, dtype: str = "float64") -> Any:
    return SimpleNamespace(name=name, type=np.dtype(dtype), shape=shape)


def batch(**columns: Any) -> pa.RecordBatch:
    arrays = {name: cells if isinstance(cells, pa.Array) else pa.array(cells) for name, cells in columns.items()}
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def decoded(how: str, cells: list[Any], kind: pa.DataType | None = None) -> pa.RecordBatch:
    plan = InputPlan((ModelInput("image", "image", how),))
    return plan.select(batch(image=pa.array(cells, kind)))


def encoded(pixels: Any, *, kind: str = "PNG", mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
FLAT = batch(a=[1.0, 2.0], b=[3, 4], c=[True, False])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_columns_become_an_array_of_the_declared_type(dtype: str) -> None:
    """In their order; of every dtype that holds the values."""
    array = tensors(FLAT, [spec(-1, 3, dtype=dtype)])

    assert array.dtype == np.dtype(dtype)
    assert array.tolist() == [[1, 3, 1], [2, 4, 0]]
    assert tensors(FLAT, [spec(-1, 3, 1)]).shape == (2, 3, 1)
    assert tensors(FLAT, [spec(-1, -1)]).shape == (2, 3)


@pytest.mark.parametrize(
    ("cells", "kind", "shape"),
    [
        ([[[1, 2], [3, 4]]], None, (-1, 2, 2)),
        ([[1, 2, 3, 4]], None, (-1, 2, 2)),
        ([[1, 2, 3, 4]], pa.list_(pa.float32(), 4), (-1, 2, 2, 1)),
        ([[[1, 2], [3, 4]]], pa.large_list(pa.list_(pa.int8(), 2)), (-1, 1, 2, 2)),
        ([[[1, 2], [3, 4]]], None, (-1, -1, 2)),
    ],
)  # fmt: skip
def test_lists_become_an_array_whatever_kind_they_are(cells: Any, kind: Any, shape: tuple[int, ...]) -> None:
    """Nested as the shape says, flat, or with dimensions of one more or less."""
    array = tensors(batch(image=pa.array(cells, kind)), [spec(*shape)])

    assert array.ravel().tolist() == [1, 2, 3, 4]
    assert len(array.shape) == len(shape)


def test_a_column_of_tensors_has_the_shape_that_its_type_says() -> None:
    """Its storage is flat, and taken for flat lists it would be cut wrongly."""
    cells = np.arange(12, dtype=np.float64).reshape(1, 3, 4)
    rows = batch(image=pa.FixedShapeTensorArray.from_numpy_ndarray(cells))

    assert np.array_equal(tensors(rows, [spec(-1, 3, 4)]), cells)
    with pytest.raises(BadInput, match="holds 3 × 4 a row"):
        tensors(rows, [spec(-1, 4, 3)])


def test_lists_without_a_signature_become_an_array_of_their_own_type_and_shape() -> None:
    """For a model that was fitted on an array; rows of another shape are refused."""
    made = stacked(
        pa.field("x", pa.null()), pa.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], pa.list_(pa.list_(pa.int16())))
    )

    assert (made.shape, made.dtype.name, made[1, 0, 1]) == ((2, 2, 2), "int16", 6)
    with pytest.raises(BadInput, match="column 'x' holds rows of different shapes"):
        stacked(pa.field("x", pa.null()), pa.array([[1.0], [1.0, 2.0]]))


def test_tensors_by_name_are_a_dict() -> None:
    """By the column of the name, or by the columns that say whose part they are."""
    plan = InputPlan(
        (
            ModelInput("x.a", "a", tensor="x"),
            ModelInput("x.b", "b", tensor="x"),
            ModelInput("text", "word", tensor="text"),
        )
    )
    rows = plan.select(batch(a=[1.0], b=[2.0], word=["hi"]))
    arrays = tensors(rows, [spec(-1, 2, name="x", dtype="float32"), spec(-1, name="text", dtype="O")])

    assert {name: (array.tolist(), str(array.dtype)) for name, array in arrays.items()} == {
        "x": ([[1.0, 2.0]], "float32"), "text": (["hi"], "object"),
    }  # fmt: skip
    assert tensors(batch(n=[1, 2]), [spec(-1, 1, name="n")])["n"].shape == (2, 1)
    assert tensors(batch(n=[1.0, None]), [spec(-1)]).tolist()[0] == 1.0


def test_rows_of_different_length_are_an_array_of_arrays_where_the_shape_allows_it() -> None:
    """Otherwise the row is named."""
    rows = batch(tokens=[[1, 2], [3]])

    assert [row.tolist() for row in tensors(rows, [spec(-1, -1, dtype="int64")])] == [[1, 2], [3]]
    with pytest.raises(BadInput, match="row 2 holds 1 values, row 1 2"):
        tensors(rows, [spec(-1, 2)])


@pytest.mark.parametrize(
    ("rows", "shape", "reason"),
    [
        (batch(a=[1.5]), spec(-1, dtype="int64"), "a number in row 1 that int64 cannot hold"),
        (batch(a=[300]), spec(-1, dtype="uint8"), "a number in row 1 that uint8 cannot hold"),
        (batch(a=[2**53 + 1]), spec(-1), "a number in row 1 that float64 cannot hold"),
        (batch(a=[1, None]), spec(-1, dtype="int64"), "column 'a' has 1 missing values"),
        (batch(a=["x"], b=[1]), spec(-1, 2), "column 'a' holds string, and the signature's tensor float64"),
        (batch(a=[[1, 2], None]), spec(-1, 2), "column 'a' lacks 1 of its lists"),
        (batch(a=[1], b=[2]), spec(-1, 3), "has the shape .-1, 3., and there are 2 columns: a, b"),
        (batch(a=[1, 2, 3]), spec(2), "has 2 rows in each request, and this one has 3"),
        (batch(a=[[[1, 2, 3], [4, 5, 6]]]), spec(-1, 3, 2), "holds 2 × 3 a row, and the signature's tensor has the shape"),
    ],
)  # fmt: skip
def test_what_would_change_a_value_or_is_of_another_shape_is_refused(rows: Any, shape: Any, reason: str) -> None:
    """Nothing is rounded, filled in or turned round."""
    with pytest.raises(BadInput, match=reason):
        tensors(rows, [shape])


@pytest.mark.parametrize(
    ("how", "shape", "pixels"),
    [
        ("image", spec(-1, 4, 5, 3, dtype="uint8"), PIXELS),
        ("image", spec(-1, 3, 4, 5, dtype="float32"), PIXELS.transpose(2, 0, 1)),
        ("image", spec(-1, -1, -1, 3), PIXELS),
    ],
)
def test_an_encoded_image_becomes_its_pixels(how: str, shape: Any, pixels: Any) -> None:
    """From 0 to 255, channels last or first; also where bytes lie in a struct, as Hugging Face writes them."""
    data = encoded(PIXELS)
    plain = tensors(decoded(how, [data, data]), [shape])
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    nested = tensors(decoded(how, [{"bytes": data, "path": None}], kind), [shape])

    assert np.array_equal(plain[1], pixels)
    assert np.array_equal(nested[0], pixels)
    assert plain.dtype == shape.type


def test_images_are_read_in_the_mode_of_the_shape() -> None:
    """A grey picture has one channel; a palette is no colour; a JPEG is read too; .npy is an array."""
    grey = encoded(PIXELS, mode="L")
    buffer = io.BytesIO()
    np.save(buffer, PIXELS)

    assert tensors(decoded("image", [grey]), [spec(-1, 4, 5, dtype="uint8")]).shape == (1, 4, 5)
    assert tensors(decoded("image", [grey]), [spec(-1, 4, 5, 3, dtype="uint8")]).shape == (1, 4, 5, 3)
    assert tensors(decoded("image", [encoded(PIXELS, kind="JPEG")]), [spec(-1, 4, 5, 3)]).shape == (1, 4, 5, 3)
    assert np.array_equal(tensors(decoded("npy", [buffer.getvalue()]), [spec(-1, 4, 5, 3, dtype="uint8")])[0], PIXELS)


@pytest.mark.parametrize(
    ("how", "cell", "reason"),
    [
        ("image", encoded(PIXELS[:3]), "holds 3 × 5 × 3 in row 1, and the signature says 4 × 5 × 3"),
        ("image", b"no picture", r"cannot be decoded in row 1 \(UnidentifiedImageError\)"),
        ("image", encoded(PIXELS)[:50], "cannot be decoded in row 1"),
        ("image", None, "has no bytes in row 1"),
        (
            "image",
            b"\x93NUMPY and more",
            "cannot be decoded in row 1: it is an array that numpy.save wrote, and no image",
        ),
        ("npy", encoded(PIXELS), "cannot be decoded in row 1: numpy.save did not write it"),
        ("npy", b"\x93NUMPYjunk", r"cannot be decoded in row 1 \(ValueError\)"),
    ],
    ids=["size", "text", "cut", "missing", "array", "picture", "npy"],
)
def test_an_image_that_does_not_fit_is_named_by_its_row(how: str, cell: Any, reason: str) -> None:
    """Nothing is resized; what is of the other kind is told with the line to write."""
    with pytest.raises(BadInput, match=reason) as refused:
        tensors(decoded(how, [cell], pa.binary()), [spec(-1, 4, 5, 3)])
    remedies = {
        "and no image": "write decode: npy for this column",
        "did not write it": "write decode: image where the column holds images",
    }

    assert refused.value.remedy == next((remedy for end, remedy in remedies.items() if reason.endswith(end)), None)


def hint(kind: Any, name: str | None = None) -> list[Any]:
    from mlflow.types.schema import ColSpec

    return [ColSpec(kind)]


def test_type_hints_get_values_or_records() -> None:
    """Plain Python values, in the types of the hint; a column of objects is the rows themselves."""
    from mlflow.types.schema import AnyType, Array, DataType, Map, Object, Property

    row = Object([Property("a", DataType.double), Property("b", DataType.string, required=False)])
    rows = batch(a=[1, None], b=["x", None])
    whole = batch(request=[{"a": 1.0, "b": "x"}])
    values = {
        name: hinted_values(rows, hint(kind)[0]) for name, kind in {"object": row, "map": Map(DataType.string)}.items()
    }

    assert values["map"] == [{"a": 1, "b": "x"}, {"a": None, "b": None}]
    assert values["object"][0] == {"a": 1.0, "b": "x"}
    assert (str(values["object"][1]["a"]), values["object"][1]["b"]) == ("nan", None)
    assert hinted_values(whole, hint(row)[0]) == [{"a": 1.0, "b": "x"}]
    assert hinted_values(batch(text=["x", "y"]), hint(DataType.string)[0]) == ["x", "y"]
    assert hinted_values(batch(v=[[1.0, 2.0]]), hint(Array(DataType.double))[0]) == [[1.0, 2.0]]
    assert hinted_values(batch(v=[1, "x"][:1]), hint(AnyType())[0]) == [1]


def test_the_features_that_libraries_remember_are_read() -> None:
    """Of scikit-learn, LightGBM, XGBoost and CatBoost, wherever they keep them; names that they made up are none."""

    def model(**known: Any) -> Any:
        return SimpleNamespace(**known)

    assert fitted_features(model(feature_names_in_=np.array(["b", "a"], object))) == (["b", "a"], 2)
    assert fitted_features(model(feature_name=lambda: ["Column_0", "Column_1"])) == (None, None)
    assert fitted_features(model(feature_name_=["x"], n_features_in_=1)) == (["x"], 1)
    assert fitted_features(model(feature_names=["f0", "f1"], n_features_in_=2)) == (None, 2)
    assert fitted_features(model(feature_names_=["0", "1"])) == (None, None)
    assert fitted_features(model(feature_names=None, n_features_in_=np.int64(3))) == (None, 3)


@pytest.mark.parametrize("age", [[30, None], [30.0, None], [30.0, float("nan")], [None, None]])
def test_an_optional_whole_number_may_be_missing(age: list[Any]) -> None:
    """It is None, as any optional property is; a required one may not be missing."""
    from mlflow.types.schema import DataType, Object, Property

    optional = Object([Property("age", DataType.long, required=False), Property("a", DataType.double, required=False)])
    rows = [{"age": age[0] and 30, "a": 1.0}, {"age": None, "a": None}]

    assert hinted_values(batch(age=age, a=[1.0, None]), hint(optional)[0]) == rows
    with pytest.raises(BadInput, match="which has none"):
        hinted_values(batch(age=age), hint(Object([Property("age", DataType.long)]))[0])
    if age[0] is not None:
        with pytest.raises(BadInput, match="a value would change"):
            hinted_values(batch(age=[30.5, None]), hint(optional)[0])
