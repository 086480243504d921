"""Whatever lies in a model's folder is a finding or none, and never an error; what is read stays within bounds."""

from __future__ import annotations

import gzip
import io
import pickle
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.hostile_models import (
    FOLDERS,
    LAMBDA,
    by_joblib,
    executed,
    keras,
    mlmodel,
    saved,
    skops,
    tarred,
    torch_zip,
    zipped,
)
from lockgate.models.artifact.inspection import InspectionPolicy, inspect

NAMES = (
    "model.pkl",
    "model.pt",
    "model.npy",
    "model.npz",
    "model.h5",
    "model.keras",
    "model.skops",
    "model.onnx",
    "a.tar",
    "x",
    "MLmodel",
)
MAGICS = (
    *(
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"BZh9",
        b"\xfd7zXZ\x00",
        b"]\x00\x00",
        b"x\x9c",
        b"\x04\x22M\x18",
        b"\x80\x04",
        b"\x80\x02",
    ),
    *(
        b"\x93NUMPY\x01\x00",
        b"\x89HDF\r\n\x1a\n",
        b"\x08\x07",
        b"\x10\0\0\0\0\0\0\0{",
        b"PAR1",
        b"(",
        b"c",
        b"{",
        b"flavors:\n",
        b"",
    ),
)
WHOLE = (
    *(executed("pass"), by_joblib([saved], protocol=2), by_joblib(b"x" * 99, compress=("zlib", 1)), saved(LAMBDA), torch_zip(executed(""))),
    *(keras(LAMBDA), skops("os", "system"), tarred({"a/b": b"1" * 700, "c": b""}), zipped({"a": b"b"}, zipfile.ZIP_DEFLATED)),
    *(zipped({"a.zip": zipped({"b.npy": saved([1])})}), gzip.compress(tarred({"x": executed("")})), b"flavors: {sklearn: {data: x}}"),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


def looked_at(folder: Path, name: str, data: bytes) -> None:
    """The files with one more, looked at."""
    shutil.rmtree(folder)
    folder.mkdir()
    mlmodel(folder)
    (folder / name).write_bytes(data)

    inspection = inspect(folder, InspectionPolicy())

    assert inspection.files in (2, 3)
    assert set(inspection.counts) == {problem.kind for problem in inspection.problems}
    assert all(str(problem).isprintable() for problem in inspection.problems)


@settings(max_examples=150)
@given(st.sampled_from(NAMES), st.sampled_from(MAGICS), st.binary(max_size=400))
def test_any_bytes_are_no_error(folder: Path, name: str, magic: bytes, data: bytes) -> None:
    """Behind the beginning of whatever format."""
    looked_at(folder, name, magic + data)


@settings(max_examples=150)
@given(st.sampled_from(NAMES), st.sampled_from(WHOLE), st.data())
def test_a_file_that_was_damaged_is_no_error(folder: Path, name: str, data: bytes, draw: st.DataObject) -> None:
    """A few bytes of it changed, cut out or put in."""
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(damaged)))
        damaged[at : at + draw.draw(st.integers(0, 9))] = draw.draw(st.binary(max_size=9))

    looked_at(folder, name, bytes(damaged))


def test_what_unpacks_to_much_is_read_in_parts(tmp_path: Path) -> None:
    """A few kilobytes that come to a thirty megabytes take none of them."""
    mlmodel(tmp_path)
    text, zeros = b"x" * 30_000_000, bytes(30_000_000)
    (tmp_path / "model.pkl").write_bytes(
        gzip.compress(b"\x80\x04\x8e" + (30_000_000).to_bytes(8, "little") + zeros + b".", 1)
    )
    (tmp_path / "a.zip").write_bytes(zipped({"a.txt": text}, zipfile.ZIP_DEFLATED))
    del text, zeros
    tracemalloc.start()

    inspection = inspect(tmp_path, InspectionPolicy())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert inspection.counts == {}
    assert most < 10_000_000


def test_a_pickle_with_many_objects_is_gone_through_in_little_memory(tmp_path: Path) -> None:
    """Its memo and its stack hold what may be a name, and marks for all else."""
    mlmodel(tmp_path)
    buffer = io.BytesIO()
    pickle.dump([(number, {"a": [float(number)]}) for number in range(5_000)], buffer)
    (tmp_path / "model.pkl").write_bytes(buffer.getvalue())
    tracemalloc.start()

    inspection = inspect(tmp_path, InspectionPolicy())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert inspection.counts == {}
    assert most < 5_000_000


def test_there_are_many_hostile_folders() -> None:
    """At least twenty-five are asked for."""
    assert len(FOLDERS) > 130
