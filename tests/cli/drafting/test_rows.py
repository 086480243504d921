"""Which rows and which truth a first pipeline takes, by what the newest version is given."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lockgate.cli.drafting.pipeline_text import Draft
from lockgate.cli.drafting.registered import Registered
from lockgate.cli.drafting.rows import RowFlags, draft_rows
from lockgate.errors import UsageError
from lockgate.models.input_plan import InputSource
from lockgate.registries.ports import ModelVersion

IMAGE = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 8, 8]}}]
PIXELS = [f"pixel_{place}" for place in range(64)]


def double(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": "double"} for name in names]


def draft(inputs: Sequence[Mapping[str, Any]], data: str | None = None, model: str = "m") -> Draft:
    """The draft for a model of these inputs, with nobody there to answer."""
    newest = Registered(cast("Any", None), ModelVersion(model, "1"), {"inputs": inputs})
    return draft_rows(
        model, RowFlags(data, None, None, None, None), Path.cwd(), "sqlite:///mlflow.db", newest, ask=None
    )


def rows(path: str, *names: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({name: [0.5, 1.5, 2.5, 4.5] for name in names}), path)


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("place", [0, 30, 64])
def test_the_column_beside_a_tensors_flattened_cells_is_the_truth(place: int) -> None:
    """Wherever it stands, and of the same type; the others differ by a number alone."""
    rows("d.parquet", *PIXELS[:place], "tumour", *PIXELS[place:])

    assert draft(IMAGE, "d.parquet").label == "tumour"


def test_the_column_of_another_type_beside_many_is_the_truth() -> None:
    """Where names say nothing, of more columns than are tried one by one."""
    wide = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 784]}}]
    columns = {hex(place): [0.5, 1.5, 2.5] for place in range(784)}
    pq.write_table(pa.table({**columns, "tumour": [3, 4, 5]}), "d.parquet")

    assert draft(wide, "d.parquet").label == "tumour"


def png() -> bytes:
    """An image of eight by eight."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    return file.getvalue()


def npy() -> bytes:
    """What numpy.save writes of eight by eight."""
    file = io.BytesIO()
    np.save(file, np.zeros((8, 8)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("cells", "decode"),
    [
        (pa.array([png()] * 4), "image"),
        (pa.array([npy()] * 4, pa.large_binary()), "npy"),
        (pa.array([{"bytes": png(), "path": ""}] * 4), "image"),
        (pa.array([b"\xff\xd8\xff\xe0 JFIF"] * 4), "image"),
    ],
)
@pytest.mark.parametrize("name", [None, "x"])
def test_cells_of_bytes_are_decoded_as_they_begin(cells: pa.Array, decode: str, name: str | None) -> None:
    """By the column's name where the tensor has none; the column that the tensor leaves is the truth."""
    pq.write_table(pa.table({"scan": cells, "cell_type": [1, 2, 3, 3]}), "d.parquet")
    written = draft([{**IMAGE[0], "name": name}] if name else IMAGE, "d.parquet")

    assert written.inputs == {name or "scan": InputSource(("scan",), decode)}
    assert (written.label, written.task) == ("cell_type", "multiclass")


def test_bytes_that_say_nothing_of_themselves_are_left_to_a_person() -> None:
    """Of two columns that may be decoded, too."""
    pq.write_table(pa.table({"scan": [b"what"] * 4, "label": [1, 2, 3, 3]}), "d.parquet")
    pq.write_table(pa.table({"scan": [png()] * 4, "mask": [png()] * 4, "label": [1, 2, 3, 3]}), "two.parquet")

    assert (draft(IMAGE, "d.parquet").inputs, draft(IMAGE, "two.parquet").inputs) == ({}, {})


def test_the_one_column_that_is_no_input_is_the_truth() -> None:
    """Also one that would weigh rows beside a truth."""
    rows("d.parquet", "length", "weight", "height")

    assert draft(double("length", "height"), "d.parquet").label == "weight"


def test_a_column_of_another_type_beside_named_inputs_is_not_taken_for_the_truth() -> None:
    """Of several columns that a regressor is not given, the only one of texts is rather a group than what it predicts."""
    rows = {name: [0.5, 1.5, 2.5, 4.5] for name in ("age", "hours", "exposure", "claims")}
    pq.write_table(pa.table({**rows, "sex": ["f", "m", "m", "f"]}), "d.parquet")

    with pytest.raises(UsageError, match="exposure or claims or sex may hold the truth"):
        draft(double("age", "hours"), "d.parquet")


def test_what_may_be_the_truth_is_listed_first_and_what_is_left_out_is_counted() -> None:
    """Where inputs have no names, the first and the last columns."""
    rows("d.parquet", *PIXELS, "kind", "size")
    with pytest.raises(UsageError, match=r"it has pixel_0, .*, pixel_19, pixel_46, .*, kind, size and 26 more; name"):
        draft(IMAGE, "d.parquet")
    newest = Registered(cast("Any", None), ModelVersion("m", "1"), {"inputs": double(*PIXELS)})
    with pytest.raises(UsageError, match=r"no column 'y'; it has kind, size, pixel_0, .*, pixel_37 and 26 more; name"):
        draft_rows("m", RowFlags("d.parquet", "y", None, None, None), Path.cwd(), "", newest, ask=None)


def test_of_several_files_the_one_with_the_models_inputs_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the others are called; what it is is told."""
    rows("data/holdout.parquet", "age", "income", "label")
    rows("data/cells.parquet", "radius", "texture", "label")
    rows("data/images.parquet", *PIXELS, "kind")

    assert draft(double("radius", "texture"), model="tumor").dataset.spec.path == "data/cells.parquet"
    assert draft(IMAGE, model="digits").dataset.spec.path == "data/images.parquet"
    assert "data/cells.parquet is the one of 3 files whose columns are what tumor is given\n" in capsys.readouterr().out


def test_of_several_files_that_fit_the_name_decides() -> None:
    """And without a sign it is for a person to say."""
    for name in ("one", "two", "test"):
        rows(f"data/{name}.parquet", "age", "label")
    rows("data/other_test.parquet", "label")

    assert draft(double("age")).dataset.spec.path == "data/test.parquet"
    Path("data/test.parquet").unlink()
    assert draft(double("age"), model="two").dataset.spec.path == "data/two.parquet"
    with pytest.raises(UsageError, match=r"data/one.parquet, data/two.parquet may be the rows .* --data PATH"):
        draft(double("age"))


def test_inputs_that_no_file_has_are_named() -> None:
    """Where each is somewhere, what each file lacks; recorded scores need no inputs."""
    rows("data/holdout.parquet", "age", "label")
    rows("data/pixels.parquet", "radius", "label")
    with pytest.raises(UsageError, match=r"has the inputs of m: texture, depth are not in any of them; name rows that"):
        draft(double("radius", "texture", "depth"))
    with pytest.raises(UsageError, match=r"radius is not in data/holdout.parquet; age is not in data/pixels.parquet;"):
        draft(double("radius", "age"))
    rows("data/scored.parquet", "p", "label")

    assert draft(double("radius", "age")).dataset.spec.path == "data/scored.parquet"
