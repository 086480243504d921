"""Models as their libraries write them pass; what an owner allows, and no more, passes beside them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sparse
import scipy.stats
import yaml
from sklearn.cluster import BisectingKMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler, scale
from sklearn.tree import DecisionTreeClassifier

from helpers.hostile_models import LAMBDA, keras, layer, mlmodel, saved, tarred, torch_zip, zipped
from lockgate.models.artifact.inspection import Inspection, InspectionPolicy, inspect

X = np.random.default_rng(0).random((40, 3))
Y = (X[:, 0] > 0.5).astype(int)


def looked_at(folder: Path, **allowed: Any) -> Inspection:
    return inspect(folder, InspectionPolicy(**allowed))


def pipelines() -> list[Any]:
    scaled = ColumnTransformer([("scale", StandardScaler(), [0, 1]), ("log", FunctionTransformer(np.log1p), [2])])
    return [
        make_pipeline(scaled, RandomForestClassifier(3)).fit(X, Y),
        GradientBoostingClassifier(n_estimators=2).fit(X, Y),
        HistGradientBoostingRegressor(max_iter=2).fit(X, Y),
        SGDClassifier().fit(X, Y),
        KNeighborsClassifier().fit(X, Y),
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad news"] * 5, [0, 1] * 5),
    ]


@pytest.mark.parametrize("form", ["skops", "pickle", "cloudpickle"])
def test_a_model_of_sklearn_passes_as_mlflow_logs_it(tmp_path: Path, form: Any) -> None:
    """With signature, example and environment files, in each of its forms."""
    trusted = {"skops_trusted_types": ["sklearn.tree._tree.Tree"]} if form == "skops" else {}
    mlflow.sklearn.save_model(
        pipelines()[0], tmp_path / "model", serialization_format=form, input_example=X[:2],
        pip_requirements=["scikit-learn==1.9.1"], **trusted,
    )  # fmt: skip

    inspection = looked_at(tmp_path / "model")

    assert (inspection.problems, inspection.counts) == ((), {})
    assert inspection.formats["zip" if form == "skops" else "pickle"] == 1


def test_skops_is_heard_whatever_the_model_trusts(tmp_path: Path) -> None:
    """Less what the owner allows."""
    import skops.io  # which imports all of scikit-learn

    mlmodel(
        tmp_path,
        pickled_model="model.skops",
        serialization_format="skops",
        skops_trusted_types=["sklearn.tree._tree.Tree"],
    )
    skops.io.dump(DecisionTreeClassifier(max_depth=1).fit(X, Y), tmp_path / "model.skops")

    silent, heard, allowed = (
        [problem.text for problem in looked_at(tmp_path, **policy).problems]
        for policy in ({}, {"scanners": ("skops",)}, {"scanners": ("skops",), "imports": ("sklearn.tree._tree.Tree",)})
    )

    assert (silent, heard, allowed) == ([], ["skops does not trust sklearn.tree._tree.Tree"], [])


def test_estimators_pass_in_every_protocol_and_by_joblib(tmp_path: Path) -> None:
    """Compressed or not; arrays of every kind stand between the opcodes then."""
    mlmodel(tmp_path)
    arrays = [
        *(np.zeros((0, 3)), np.asfortranarray(np.ones((3, 4))), np.array(["a", None], dtype=object), np.array(["x", "yz"])),
        *(np.array([("a", 1)], dtype=[("x", "U3"), ("y", "i4")]), np.array(["2020"], "M8[D]"), sparse.csr_matrix(np.eye(3))),
        *(np.float32(1), np.random.RandomState(1), np.random.default_rng(1), np.ma.array([1.0])),
    ]  # fmt: skip
    frame = pd.DataFrame(
        {"a": [1, 2], "b": ["x", "y"], "c": pd.to_datetime(["2020", "2021"]), "d": pd.Categorical(["u", "v"])}
    )
    models = [*pipelines(), arrays, [frame, frame.set_index("c"), pd.Timestamp("2020", tz="UTC")]]
    for number, model in enumerate(models):
        for protocol in (0, 2, 5):
            (tmp_path / f"{number}-{protocol}.pkl").write_bytes(pickle.dumps(model, protocol))
        joblib.dump(model, tmp_path / f"{number}.joblib")
    for compression in ("zlib", "gzip", "bz2", "lzma", "xz"):
        joblib.dump(models[0], tmp_path / f"0.joblib.{compression}", compress=(compression, 3))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(models[0]))

    assert looked_at(tmp_path).problems == ()


def test_functions_that_models_hold_pass_and_no_other_of_their_packages(tmp_path: Path) -> None:
    """Scores, transformations, distributions and matrices, some of them classes that are spelt as functions."""
    mlmodel(tmp_path)
    held = [
        *(make_pipeline(SplineTransformer(), SelectKBest(mutual_info_classif), BisectingKMeans(2)).fit(X, Y), scipy.stats.loguniform(1, 9)),
        *(ColumnTransformer([("scale", FunctionTransformer(scale), make_column_selector(dtype_include="number"))]), scipy.stats.gaussian_kde(X.T)),
        *(getattr(sparse, f"{form}_{kind}")(np.eye(3)) for form in ("bsr", "coo", "csc", "csr", "dia") for kind in ("matrix", "array")),
        *map(get_scorer, get_scorer_names()),
        *(scipy.special.expit, scipy.special.softmax, scipy.stats.zscore, np.nanmean, np.linalg.norm, np.char.lower),
        *(pd.interval_range(0, 3), pd.to_timedelta([1]), pd.NaT),
    ]  # fmt: skip
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(held))
    assert looked_at(tmp_path).problems == ()

    (tmp_path / "model.pkl").write_bytes(pickle.dumps([*held, np.apply_along_axis]))
    (problem,) = looked_at(tmp_path).problems
    assert (problem.text, problem.allow) == (
        "imports numpy.apply_along_axis, which is not on the list of what a model may import",
        ("imports", "numpy.apply_along_axis"),
    )
    assert looked_at(tmp_path, imports=("numpy.apply_along_axis",)).problems == ()


def tensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(header)) + header + np.ones(4, np.float32).tobytes()


def torch_tensor() -> bytes:
    """The state of a layer as `torch.save` pickles it."""
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpuK\4tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\4\x85K\1\x85\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02ccollections\nOrderedDict\n)R(X\6\0\0\0weight" + tensor + b"u."


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), buffer)
    return buffer.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "xgboost": ("model.json", lambda: json.dumps({"learner": {"gradient_booster": {}}, "version": [3, 0, 0]}).encode()),
    "xgboost in UBJSON": ("model.ubj", lambda: b"{L\0\0\0\0\0\0\0\7learner{}" + b"\xff\xfe"),
    "lightgbm": ("model.lgb", lambda: b"tree\nversion=v4\nnum_class=1\nend of trees\n"),
    "catboost": ("model.cb", lambda: b"CBM1" + bytes(range(256))),
    "onnx": ("model.onnx", lambda: b"\x08\x0a\x12\x07pytorch" + np.random.default_rng(1).bytes(9999)),
    "safetensors": ("model.safetensors", tensors),
    "torch": ("model.pth", lambda: torch_zip(torch_tensor())),
    "keras": ("model.keras", lambda: keras(layer("Dense", units=3, activation="relu"))),
    "an array": ("weights.npy", lambda: saved(np.ones((3, 4)))),
    "arrays": ("weights.npz", lambda: zipped({"a.npy": saved(np.ones(3))})),
    "rows": ("rows.parquet", parquet),
    "text": ("vocabulary.txt", "cos\nsystem\nné\n".encode),
    "words that are opcodes": ("notes.txt", lambda: b"cloudpickle\nnumpy\nscikit-learn\n"),
    "text in gzip": ("vocabulary.txt.gz", lambda: gzip.compress(b"a\nb\n")),
    "a tar": ("tokens.tar", lambda: tarred({"vocabulary.txt": b"a\n"})),
    "nothing": ("empty", bytes),
}


@pytest.mark.parametrize("name", FILES)
def test_a_model_of_another_library_passes(tmp_path: Path, name: str) -> None:
    """Formats without code need nobody's word."""
    file, data = FILES[name]
    flavors = {"python_function": {"loader_module": "mlflow.pyfunc.model", "data": file}, "torch": {}}
    mlmodel(tmp_path, flavors)
    (tmp_path / file).write_bytes(data())

    inspection = looked_at(tmp_path)

    assert (inspection.problems, inspection.counts) == ((), {})


def test_a_file_alone_needs_no_mlmodel(tmp_path: Path) -> None:
    """As `gate try` is handed one."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(pipelines()[3]))

    assert looked_at(tmp_path).problems == ()


def test_an_empty_folder_is_no_file(tmp_path: Path) -> None:
    """Zero, of which nothing is shown."""
    assert looked_at(tmp_path).files == 0


def test_an_owner_allows_a_package_or_a_name(tmp_path: Path) -> None:
    """A package does not bring what runs programs; a name in full does, as somebody looked at it."""
    scaler = b"\x80\x04cacme.features\nScaler\n)\x81."
    (tmp_path / "model.pkl").write_bytes(scaler)
    refused, package, name = (
        looked_at(tmp_path, imports=imports) for imports in ((), ("acme",), ("acme.features.Scaler",))
    )
    (tmp_path / "model.pkl").write_bytes(scaler[:-1] + b"cacme.tools\nsystem\n)R.")
    runs, exact = (looked_at(tmp_path, imports=imports) for imports in (("acme",), ("acme", "acme.tools.system")))

    assert [each.counts for each in (refused, package, name, runs, exact)] == [
        {"unsafe_files": 1}, {}, {}, {"unsafe_files": 1}, {},
    ]  # fmt: skip
    assert refused.problems[0].allow == ("imports", "acme.features.Scaler")


def test_an_owner_allows_files(tmp_path: Path) -> None:
    """Code and formats that nobody knows, by pattern; a pickle is looked at whatever is allowed."""
    mlmodel(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "features.py").write_text("import numpy\n")
    (tmp_path / "weights.dat").write_bytes(bytes(range(256)))
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n.")

    assert looked_at(tmp_path, files=("code/*", "*.dat", "*.pkl")).counts == {"unsafe_files": 1}


def test_a_package_that_the_model_does_not_require_may_not_be_imported(tmp_path: Path) -> None:
    """The list goes by what requirements and flavors say."""
    booster = b"\x80\x04clightgbm.basic\nBooster\n)\x81."
    mlmodel(tmp_path)
    (tmp_path / "model.pkl").write_bytes(booster)
    without = looked_at(tmp_path).counts
    (tmp_path / "requirements.txt").write_text("LightGBM>=4\n")

    assert (without, looked_at(tmp_path).counts) == ({"unsafe_files": 1}, {})


def test_a_layer_of_code_in_a_large_file_is_seen_across_its_parts(tmp_path: Path) -> None:
    """Files are read in parts, and nothing is cut in two."""
    for length in range(262_090, 262_200, 10):
        (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * length + json.dumps(LAMBDA).encode())

        assert looked_at(tmp_path).counts == {"unsafe_files": 1}


def test_names_of_strangers_are_quoted_and_cut(tmp_path: Path) -> None:
    """Nothing in them is a second line, a command or invisible; a name that is no text is none."""
    names = ["x" * 200 + ".dat", "a\n## b.dat", "::error::c.dat", "\u202ed.dat"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(range(256)))
    raw = Path(bytes(tmp_path).decode()) / b"\xff\xfe.dat".decode("utf-8", "surrogateescape")
    raw.write_bytes(b"1")

    problems = looked_at(tmp_path).problems
    quoted = {problem.file for problem in problems}

    assert all(
        name.startswith("'") and name.endswith("'") and len(name) <= 82 and name.isprintable() for name in quoted
    )
    assert {r"'a\n## b.dat'", r"'\u202ed.dat'", r"'\udcff\udcfe.dat'"} <= quoted
    yaml.safe_dump([str(problem) for problem in problems]).encode("utf-8")
