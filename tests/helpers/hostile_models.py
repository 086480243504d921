"""Folders of models that run something when they are loaded, or are broken; each payload would write a file `ran`.

What is done to a folder stands by its name in `FOLDERS`, with what the artifact gate counts it as. None is ever loaded here.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import yaml
from joblib.numpy_pickle import NumpyArrayWrapper

Writer = Callable[[Path, str], None]
FOLDERS: dict[str, tuple[str, Writer]] = {}
RAN = "ran"


class Payload:
    """Writes the file where its pickle is read."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.code, {})


def code_of(folder: Path) -> str:
    return f"open({str(folder / RAN)!r}, 'w').close()"


def mlmodel(folder: Path, flavors: dict[str, Any] | None = None, **sklearn: Any) -> None:
    flavor = {
        "pickled_model": "model.pkl",
        "serialization_format": "cloudpickle",
        "sklearn_version": "1.9.1",
        **sklearn,
    }
    loaded = {"loader_module": "mlflow.sklearn", "model_path": flavor["pickled_model"], "predict_fn": "predict"}
    document = {"flavors": {"sklearn": flavor, "python_function": loaded} if flavors is None else flavors}
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    (folder / "requirements.txt").write_text("scikit-learn==1.9.1\nmlflow==3.17.2\ncloudpickle==3.1.2\n")


def hostile(kind: str, name: str | None = None) -> Callable[[Writer], Writer]:
    def register(writer: Writer) -> Writer:
        FOLDERS[name or writer.__name__] = kind, writer
        return writer

    return register


def pickled(name: str, data: Callable[[str], bytes], *, kind: str = "unsafe_files", file: str = "model.pkl") -> None:
    """A folder whose model is this pickle. data: of the code that would be run."""

    @hostile(kind, name)
    def write(folder: Path, code: str) -> None:
        mlmodel(folder, pickled_model=file)
        (folder / file).write_bytes(data(code))


def beside(name: str, kind: str, data: bytes, *, of: str = "extra") -> None:
    @hostile(kind, of)
    def write(folder: Path, code: str) -> None:
        mlmodel(folder)
        (folder / "model.pkl").write_bytes(pickle.dumps({"coef": 1}))
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(data)


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def called(module: str, name: str, *arguments: str, head: bytes = b"\x80\x04") -> bytes:
    """A pickle that calls a name with texts."""
    return head + b"c" + f"{module}\n{name}\n".encode() + b"(" + b"".join(map(text, arguments)) + b"tR."


def executed(code: str) -> bytes:
    return pickle.dumps(Payload(code))


def by_joblib(value: Any, **more: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **more)
    return buffer.getvalue()


def array_of_opcodes(opcodes: bytes) -> bytes:
    """What joblib reads as an array, as versions before 1.2 wrote it, and `pickle.load` goes on with."""
    wrapper = NumpyArrayWrapper(np.ndarray, (len(opcodes),), "C", np.dtype("u1"))
    del wrapper.numpy_array_alignment_bytes
    return pickle.dumps(wrapper, 4)[:-1] + opcodes + b"."


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(entries: dict[str, bytes], mode: Any = "w", **links: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def torch_zip(data: bytes) -> bytes:
    return zipped({"archive/data.pkl": data, "archive/version": b"3\n", "archive/data/0": b"\x80\x02" * 64})


# what a pickle can do

pickled("exec", executed)
pickled("exec of protocol 0", lambda code: pickle.dumps(Payload(code), 0))
pickled("os.system", lambda code: called("os", "system", f"python -c {code!r}", head=b""))
pickled("posix.system by the names of Python 2", lambda code: b"cposix\nsystem\n(S'id'\ntR.")
pickled("__builtin__.eval by the names of Python 2", lambda code: called("__builtin__", "eval", code, head=b"\x80\x02"))
for _module, _name in (
    *(("subprocess", "Popen"), ("subprocess", "check_output"), ("importlib", "import_module"), ("runpy", "run_path")),
    *(
        ("pty", "spawn"),
        ("socket", "create_connection"),
        ("ctypes", "CDLL"),
        ("shutil", "rmtree"),
        ("webbrowser", "open"),
    ),
    *(("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "open"), ("operator", "attrgetter")),
    *(("operator", "methodcaller"), ("functools", "partial"), ("types", "FunctionType"), ("types", "CodeType")),
    *(("marshal", "loads"), ("pickle", "loads"), ("numpy", "load"), ("numpy.testing._private.utils", "runstring")),
    *(("numpy.f2py.crackfortran", "getlincoef"), ("pandas", "read_pickle"), ("pandas", "eval"), ("joblib", "load")),
    *(("torch", "load"), ("torch.storage", "_load_from_bytes"), ("sklearn.datasets", "load_files"), ("pip", "main")),
    *(("mlflow.pyfunc", "load_model"), ("joblib.memory", "os.system"), ("sklearn.utils._testing", "subprocess.Popen")),
    *(("sklearn.pipeline", "Pipeline.fit"), ("acme.features", "Scaler"), ("cProfile", "runctx"), ("timeit", "timeit")),
):
    pickled(f"{_module}.{_name}", lambda code, where=(_module, _name): called(*where, code))
pickled("names from the memo", lambda code: b"\x80\x04" + text("os") + b"q\x00" + text("system") + b"q\x010"
        b"h\x00h\x01\x93(" + text("id") + b"tR.")  # fmt: skip
pickled("MEMOIZE behind a hole", lambda code: b"\x80\x04" + text("x") + b"q\x07" + text("os") + b"\x94" + text("system")
        + b"\x940h\x01h\x02\x93(" + text("id") + b"tR.")  # fmt: skip
pickled("a name too long to be kept", lambda code: b"\x80\x04" + text("os." * 700) + text("system") + b"\x93)R.")
pickled("INST", lambda code: b"(" + text(code) + b"ibuiltins\nexec\n.")
pickled("OBJ", lambda code: b"(cbuiltins\nexec\n" + text(code) + b"o.")
pickled("NEWOBJ", lambda code: b"\x80\x02csubprocess\nPopen\n)\x81.")
pickled("an extension registry", lambda code: b"\x80\x02\x82\x01)R.")
pickled("a call of what a call returned", lambda code: b"\x80\x04cnumpy\ndtype\n(" + text("f8") + b"tR)R.")
pickled("a class that is changed", lambda code: b"\x80\x04csklearn.base\nBaseEstimator\n}" + text("predict") + b"Nsb.")
pickled("a list of a module that is changed", lambda code: b"\x80\x04csklearn.base\n__all__\nNa.")
pickled("truncated behind its payload", lambda code: executed(code)[:-1])
pickled("broken behind its payload", lambda code: executed(code)[:-1] + b"\xfe\xfe.")
pickled("a second pickle behind the first", lambda code: pickle.dumps({}) + executed(code))
pickled("cloudpickle by value", lambda code: cloudpickle.dumps(lambda rows: eval(code)))
pickled("a pickle called model.json", executed, file="model.json")
pickled("a pickle without a suffix", executed, file="model")
pickled("a pickle before a zip", lambda code: executed(code) + zipped({"weights": b"1"}), file="model.pt")
pickled("a pickle of text called model.txt", lambda code: pickle.dumps(Payload(code), 0), file="model.txt")

pickled("a function that imports what it is handed", lambda code: b"\x80\x04csklearn.preprocessing._function_transformer\n"
        b"FunctionTransformer\n)\x81}" + text("func") + b"cnumpy._core\n_ufunc_reconstruct\n" + text("os") + text("system")
        + b"\x86Rsb.")  # fmt: skip
pickled("a function that calls what it is handed", lambda code: b"\x80\x04cnumpy.random._pickle\n__randomstate_ctor\n"
        + text("id") + b"csklearn.utils._show_versions\nshow_versions\n\x86R.")  # fmt: skip
pickled("a method that writes", lambda code: called("pandas.core.frame", "DataFrame.to_csv", code))
pickled("a function that writes", lambda code: b"\x80\x04cscipy.sparse\nsave_npz\n.")
for _module, _name in (
    *(("sklearn.utils.fixes", "tarfile_extractall"), ("sklearn.metrics.pairwise", "config_context")),
    *(("scipy.special._ufuncs", "seterr"), ("numpy", "set_printoptions"), ("numpy", "a_function_of_tomorrow")),
):
    pickled(f"a function of {_module} that is on no list, {_name}", lambda code, where=(_module, _name): b"\x80\x04"
            b"csklearn.preprocessing._function_transformer\nFunctionTransformer\n)\x81}" + text("func")
            + "c{}\n{}\n".format(*where).encode() + b"sb.")  # fmt: skip
pickled("a memo that is filled up", lambda code: b"\x80\x04" + b"".join(text(f"a.{number}") + b"\x940" for number in range(300_000))
        + b"cnumpy\nlog1p\n\x94.", kind="broken_files")  # fmt: skip

# joblib

pickled("joblib, behind an array", lambda code: by_joblib([np.arange(50.0), Payload(code)]), file="model.joblib")
pickled(
    "joblib, in an array of objects",
    lambda code: by_joblib(np.array([Payload(code), 1], dtype=object)),
    file="m.joblib",
)
for _kind in ("zlib", "gzip", "bz2", "lzma", "xz"):
    pickled(f"joblib by {_kind}", lambda code, kind=_kind: by_joblib([np.arange(50.0), Payload(code)], compress=(kind, 3)),
            file="model.joblib")  # fmt: skip
pickled("an array of joblib that is opcodes", lambda code: array_of_opcodes(executed(code)[2:-1]), file="model.joblib")
pickled("an array of joblib that takes its opcodes from what stands below", lambda code: array_of_opcodes(b"0" + executed(code)[2:-1]),
        file="model.joblib")  # fmt: skip


def global_(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


WRAPPER = global_("joblib.numpy_pickle", "NumpyArrayWrapper")


def number_type(name: str = "u1", size: int = -1, flags: int = 0, subarray: bytes = b"N") -> bytes:
    state = b"(K\x03" + text("|") + subarray + b"NN" + struct.pack("<cicicB", b"J", size, b"J", -1, b"K", flags) + b"t"
    return global_("numpy", "dtype") + text(name) + b"\x89\x88\x87R" + state + b"b"


def array(size: int, number: bytes | None = None, more: bytes = b"", made: bytes = WRAPPER + b")\x81") -> bytes:
    """An array of joblib, up to its bytes. more: keys of its state, behind the others."""
    shape, kind = struct.pack("<cH", b"M", size) + b"\x85", number_type() if number is None else number
    keys = text("subclass") + global_("numpy", "ndarray") + text("order") + text("C") + text("allow_mmap") + b"\x89"
    return made + b"}(" + keys + text("dtype") + kind + text("shape") + shape + more + b"ub"


def named_by_text(code: str) -> bytes:
    """A call by names that are texts only where they are loaded."""
    names = [global_("builtins", "str") + text(name) + b"\x85R" for name in ("builtins", "exec")]
    return b"".join(names) + b"\x93" + text(code) + b"\x85R."


def in_its_bytes(code: str, size: int = 1, **more: Any) -> bytes:
    """An array that is said to be as long as the payload, and is one byte long."""
    data = b"N" + named_by_text(code)
    return b"\x80\x05" + array(len(data), **more) + data + b"."


def behind_its_bytes(code: str, made: bytes, before: bytes = b"") -> bytes:
    """An array of which joblib passes over nine bytes, and others over what stands behind them."""
    data = b"0" + executed(code)[2:]
    return b"\x80\x05" + before + array(9, made=made) + b"NNN0B" + struct.pack("<I", len(data)) + data + b"."


_FULL = b"(" + (text("x") + b"\x94") * (1 << 17) + b"1"
_KEYS = b"".join(text(f"key {number}") + b"N" for number in range(80))
for _name, _data in {
    "whose wrapper is made by copyreg": lambda code: behind_its_bytes(
        code, global_("copyreg", "_reconstructor") + WRAPPER + global_("builtins", "object") + b"N\x87R"
    ),
    "whose wrapper is handed to a function of copyreg": lambda code: behind_its_bytes(
        code, global_("copyreg", "__newobj__") + WRAPPER + b"\x85R"
    ),
    "whose wrapper is behind a full memo": lambda code: behind_its_bytes(
        code, b"j" + struct.pack("<I", 1 << 17), before=_FULL + WRAPPER + b")\x81\x940"
    ),
    "whose shape is set by a key that is no text yet": lambda code: in_its_bytes(
        code, more=global_("builtins", "str") + text("shape") + b"\x85RK\x01\x85"
    ),
    "whose shape is set behind many keys": lambda code: in_its_bytes(code, more=_KEYS + text("shape") + b"K\x01\x85"),
    "whose numbers have another size than their name": lambda code: in_its_bytes(code, number=number_type("S9", 1)),
    "whose numbers are flagged as objects": lambda code: in_its_bytes(code, number=number_type("u1", flags=0x3F)),
    "whose numbers are arrays": lambda code: in_its_bytes(
        code, number=number_type("u1", subarray=b"(" + number_type("O8", flags=0x3F) + b"K\x01\x85t")
    ),
    "that is filled twice": lambda code: b"\x80\x05" + array(1, number_type("O8", flags=0x3F)) + b"\x80\x05"
    + global_("types", "SimpleNamespace") + b")R}" + text("dtype") + number_type() + b"sb.}b"
    + named_by_text(code),
    "that is made and not filled": lambda code: b"\x80\x05" + WRAPPER + b")\x81" + b"0" + in_its_bytes(code)[2:],
}.items():  # fmt: skip
    pickled(f"an array of joblib {_name}", _data, file="model.joblib",
            kind="unsafe_files" if "copyreg" in _name else "broken_files")  # fmt: skip

# functions that are harmless where they are called, and not where they are handed to somebody who calls them

pickled("a function that imports, handed on", lambda code: b"\x80\x04" + global_("sklearn.preprocessing._function_transformer",
        "FunctionTransformer") + b")\x81}" + text("func") + global_("numpy._core", "_ufunc_reconstruct") + b"sb.")  # fmt: skip
pickled("a module that is changed", lambda code: b"\x80\x04" + global_("numpy._core", "_ufunc_reconstruct") + text("numpy")
        + text("linalg") + b"\x86R}" + text("norm") + global_("numpy", "zeros") + b"sb.")  # fmt: skip
pickled("a class that copyreg calls", lambda code: b"\x80\x04" + global_("copyreg", "_reconstructor")
        + global_("xgboost.core", "DMatrix") * 2 + text("/etc/passwd") + b"\x87R.")  # fmt: skip
for _module, _name in (
    *(("scipy.optimize._nonlin", "_nonlin_wrapper"), ("scipy._lib._uarray._backend", "unpickle_function")),
    *(("scipy.stats.contingency", "reduce"), ("scipy.optimize._linprog", "deepcopy")),
    *(("numpy._pytesttester", "PytestTester"), ("numpy._core._methods", "_dump")),
):
    pickled(f"{_module}.{_name}, named", lambda code, where=(_module, _name): b"\x80\x04" + global_(*where) + b".")

pickled("gzip around a pickle", lambda code: gzip.compress(executed(code)), file="model.pkl.gz")
pickled(
    "gzip in bzip2 in xz", lambda code: lzma.compress(bz2.compress(gzip.compress(executed(code)))), file="model.pkl.x"
)
pickled("a second member of gzip", lambda code: gzip.compress(executed(code)[:20]) + gzip.compress(executed(code)[20:]))
pickled(
    "half of a compressed pickle",
    lambda code: zlib.compress(pickle.dumps(list(range(9999))))[:-20],
    kind="broken_files",
)

# arrays, tensors, archives


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


pickled("an array of objects", lambda code: saved(np.array([Payload(code)], dtype=object)), file="model.npy")
pickled("npz", lambda code: zipped({"a.npy": saved(np.array([Payload(code)], dtype=object))}), file="model.npz")
pickled("an array larger than its file", lambda code: saved(np.zeros(9))[:-8], kind="broken_files", file="model.npy")
pickled("torch", lambda code: torch_zip(executed(code)), file="model.pth")
pickled("torch's storage", lambda code: torch_zip(called("torch.storage", "_load_from_bytes", code)), file="model.pt")
pickled("torch before 1.6", lambda code: b"".join(map(pickle.dumps, (0x1950A86A20F9469CFC6C, 1001, {}, Payload(code), []))),
        file="model.pt")  # fmt: skip
pickled("a zip in a zip", lambda code: zipped({"a.zip": zipped({"b.pkl": executed(code)})}), file="model.zip")
pickled("a tar", lambda code: tarred({"weights/model.pkl": executed(code)}), file="model.tar")
pickled("a tar in gzip", lambda code: tarred({"a" * 150: executed(code)}, "w:gz"), file="model.tar.gz")
pickled("a zip in a tar", lambda code: tarred({"a.zip": zipped({"b": executed(code)})}), file="model.tar")
pickled("deflated", lambda code: zipped({"b.pkl": executed(code)}, zipfile.ZIP_DEFLATED), file="model.bin")


def nested(data: bytes, depth: int) -> bytes:
    for _ in range(depth):
        data = zipped({"x.zip": data})
    return data


def damaged(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def linked_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(1))
        with warnings.catch_warnings(action="ignore"):
            archive.writestr("data.pkl", pickle.dumps(2))
    return buffer.getvalue()


def bomb() -> bytes:
    one = zipped({"x": b" " * (1 << 26)}, zipfile.ZIP_DEFLATED)
    return zipped({f"{number}.zip": one for number in range(40)}, zipfile.ZIP_DEFLATED)


pickled("a zip bomb", lambda code: bomb(), kind="broken_files", file="model.zip")
pickled("zips ten deep", lambda code: nested(executed(code), 10), kind="broken_files", file="model.zip")
pickled("half a zip", lambda code: zipped({"a": b"1" * 99})[:-30], kind="broken_files", file="model.zip")
pickled("a zip that leads out", lambda code: zipped({"../../x": b""}), kind="unsafe_paths", file="model.zip")
pickled("a zip with an absolute path", lambda code: zipped({"/etc/x": b"1"}), kind="unsafe_paths", file="model.zip")
pickled("a zip with a link", lambda code: linked_zip(), kind="unsafe_paths", file="model.zip")
pickled(
    "a tar with a link", lambda code: tarred({"a": b"1"}, link="/etc/passwd"), kind="unsafe_paths", file="model.tar"
)
pickled("two entries of one name", lambda code: twice(), kind="broken_files", file="model.pt")
pickled("a zip whose two lists differ", lambda code: damaged(zipped({"data.pkl": b"12345"}), b"PK\x03\x04" + b"\x14\x00" * 1,
        b"PK\x03\x04\x14\x00").replace(b"data.pkl", b"dbta.pkl", 1), kind="broken_files", file="model.pt")  # fmt: skip
pickled("an encrypted entry", lambda code: damaged(zipped({"data.pkl": b"12345"}), b"PK\x01\x02\x14\x03\x14\x00\x00\x00",
        b"PK\x01\x02\x14\x03\x14\x00\x01\x00"), kind="broken_files", file="model.pt")  # fmt: skip
pickled("a list of a million entries", lambda code: damaged(zipped({"a": b"1"}), b"PK\x05\x06", b"PK\x05\x06")[:-10]
        + struct.pack("<IIH", 1 << 31, 0, 0), kind="broken_files", file="model.zip")  # fmt: skip

# Keras, skops, graphs


def keras(config: dict[str, Any]) -> bytes:
    return zipped(
        {"config.json": json.dumps(config).encode(), "metadata.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}
    )


def layer(name: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    own = {"module": module, "class_name": name, "config": config}
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": [own]}}


LAMBDA = layer("Lambda", function={"class_name": "__lambda__", "config": {"code": base64.b64encode(b"\xe3").decode()}})
pickled("a layer of code", lambda code: keras(LAMBDA), file="model.keras")
pickled("a layer of another module", lambda code: keras(layer("system", "os")), file="model.keras")
pickled("a function of Keras", lambda code: keras(layer("function", "keras.config")), file="model.keras")
pickled(
    "a layer of code in HDF5",
    lambda code: b"\x89HDF\r\n\x1a\n" + b"\0" * 300_000 + json.dumps(LAMBDA).encode(),
    file="m.h5",
)
pickled("a layer of code, hidden", lambda code: b"\x89HDF\r\n\x1a\n" + json.dumps(LAMBDA).replace("Lambda", "\\u004cambda").encode(),
        file="m.h5")  # fmt: skip


def skops(module: str, name: str, **more: Any) -> bytes:
    node = {"__class__": name, "__module__": module, "__loader__": "ObjectNode", "content": None, **more}
    return zipped({"schema.json": json.dumps({**node, "protocol": 2, "_skops_version": "0.16.0"}).encode()})


for _module, _name in (("os", "system"), ("builtins", "eval"), ("functools", "partial"), ("operator", "methodcaller")):
    pickled(f"skops with {_module}.{_name}", lambda code, where=(_module, _name): skops(*where), file="model.skops")
pickled("skops with a method", lambda code: skops("builtins", "str", __loader__="MethodNode", content={"obj": {}, "func": "to_pickle"}),
        file="model.skops")  # fmt: skip
pickled(
    "skops nested too deep",
    lambda code: zipped({"schema.json": b"[" * 500_000}),
    kind="broken_files",
    file="model.skops",
)


pickled(
    "a class of Keras that is a function of Python", lambda code: keras(layer("eval", "builtins")), file="model.keras"
)
pickled("skops that calls a function with a list", lambda code: skops("numpy", "frombuffer", __loader__="ListNode", content=[]),
        file="model.skops")  # fmt: skip
pickled(
    "skops that calls an operator",
    lambda code: skops("numpy", "call", __loader__="OperatorFuncNode"),
    file="model.skops",
)
pickled(
    "skops with a partial by another name",
    lambda code: skops("numpy", "log", __loader__="PartialNode"),
    file="model.skops",
)
pickled("skops behind the beginning of Parquet", lambda code: b"PAR1" + skops("os", "system"), file="model.skops")
pickled("HDF5 behind the beginning of Parquet", lambda code: b"PAR1".ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + json.dumps(LAMBDA).encode(),
        file="model.h5")  # fmt: skip


@hostile("unsafe_files")
def a_tag_of_yaml(folder: Path, code: str) -> None:
    mlmodel(folder, {"acme": {"data": "config.yaml"}})
    (folder / "config.yaml").write_text(f"!!python/object/apply:exec [{json.dumps(code)}]\n")


@hostile("unsafe_files")
def a_graph_that_writes(folder: Path, code: str) -> None:
    mlmodel(folder, {"tensorflow": {"data": "saved_model.pb"}})
    (folder / "saved_model.pb").write_bytes(b"\x08\x01" + b"\x0a\x02ab\x12\x09WriteFile" * 3)


_OBJECT = b"python/object/apply:os.system [id]\n"
for _name, _data in {
    "in full": b"a: !<tag:yaml.org,2002:" + _OBJECT.replace(b" ", b"> "),
    "by a handle": b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system [id]\n",
    "with a sign by its number": b"a: !!%70ython/object/apply:os.system [id]\n",
    "far behind": b"#" * ((1 << 18) - 8) + b"\na: !!" + _OBJECT,
}.items():
    beside("conf.yaml", "unsafe_files", _data, of=f"a tag of YAML, {_name}")
pickled("marks without end", lambda code: b"\x80\x04" + b"(" * (1 << 23) + b"N" * 9, kind="broken_files")

# pickles behind the beginning of something else, which whoever unpickles them takes for opcodes

for _name, _data in {
    "a call by names that are texts later": named_by_text("id"),
    "a class that copyreg calls": global_("copyreg", "_reconstructor") + global_("subprocess", "Popen") * 2 + text("id") + b"\x87R.",
    "much that does nothing": b"N0" * 600_000 + executed("id")[2:],
    "a number of another base": b"I0x1\n" + executed("id")[2:],
    "a text with quotation marks in it": b"S'it's'\n" + executed("id")[2:],
    "a name too long to be kept": b"X" + struct.pack("<I", 2000) + b"o" * 2000 + text("x") + b"\x93)R.",
}.items():  # fmt: skip
    beside("weights.gguf", "unsafe_files", b"GGUF" + bytes(5) + b"0" + _data, of=f"a file of GGUF, and {_name}")
    beside("weights.onnx", "unsafe_files", _data, of=f"a file of ONNX, and {_name}")
    beside("a.txt", "unsafe_files", b"N0" + _data, of=f"a text, and {_name}")
pickled("a pickle that begins as GGUF", lambda code: b"GGUF" + bytes(5) + b"0" + executed(code)[2:], file="model.gguf")


@hostile("unsafe_paths")
def a_graph_with_numbers_elsewhere(folder: Path, code: str) -> None:
    mlmodel(folder, {"onnx": {"data": "model.onnx"}})
    (folder / "model.onnx").write_bytes(b"\x08\x0a\x6a\x1f\x0a\x08location\x12\x13../../../etc/passwd")


@hostile("missing_files")
def a_graph_without_its_numbers(folder: Path, code: str) -> None:
    mlmodel(folder, {"onnx": {"data": "model.onnx"}})
    (folder / "model.onnx").write_bytes(b"\x08\x0a\x6a\x1f\x0a\x08location\x12\x07weights")


pickled("tensors that end too early", lambda code: struct.pack("<Q", 60) + b'{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}     ',
        kind="broken_files", file="model.safetensors")  # fmt: skip

# the folder


beside("code/features.py", "code_files", b"import os\n", of="code")
beside("features.pyc", "code_files", b"\xa7\r\r\n\0\0\0\0", of="byte code")
beside("lib/fast.so", "code_files", b"\x7fELF\x02\x01", of="a library")
beside("weights.bin", "code_files", b"\x7fELF\x02\x01", of="a library under another name")
beside("setup", "code_files", b"#!/bin/sh\nid\n", of="a script")
beside("train.ipynb", "code_files", b"{}", of="a notebook")
beside("weights.dat", "unknown_files", bytes(range(256)), of="a format that nobody knows")
beside("weights.7z", "unknown_files", b"7z\xbc\xaf\x27\x1c\0\4", of="an archive that is not read")
beside("a\nb.txt", "unsafe_paths", b"", of="a name of two lines")
beside("a\u202etxt.exe.txt", "unsafe_paths", b"", of="a name that turns round")
beside("a\\..\\b.txt", "unsafe_paths", b"", of="a name with backslashes")
beside("mlMODEL", "unsafe_paths", b"", of="a twin of MLmodel")
beside("end. ", "unsafe_paths", b"", of="a name that ends with a blank")


@hostile("unsafe_paths")
def a_link_that_leads_out(folder: Path, code: str) -> None:
    mlmodel(folder)
    (folder / "model.pkl").symlink_to("/etc/passwd")


@hostile("unsafe_paths")
def a_link_to_a_folder(folder: Path, code: str) -> None:
    mlmodel(folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(1))
    (folder / "more").symlink_to("..")


@hostile("unsafe_paths")
def a_pipe(folder: Path, code: str) -> None:
    mlmodel(folder)
    os.mkfifo(folder / "model.pkl")


@hostile("missing_files")
def no_mlmodel(folder: Path, code: str) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(1))
    (folder / "requirements.txt").write_text("scikit-learn\n")


@hostile("missing_files")
def a_model_that_is_not_there(folder: Path, code: str) -> None:
    mlmodel(folder)


@hostile("unsafe_paths")
def a_model_elsewhere(folder: Path, code: str) -> None:
    mlmodel(folder, pickled_model="../../model.pkl")


@hostile("broken_files")
def an_mlmodel_of_aliases(folder: Path, code: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (folder / "MLmodel").write_text("\n".join(lines))


@hostile("broken_files")
def an_mlmodel_that_is_no_map(folder: Path, code: str) -> None:
    (folder / "MLmodel").write_bytes(b"\xff\xfe\0")


@hostile("code_files")
def code_under_another_name(folder: Path, code: str) -> None:
    loaded = {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "/home/dana/notes.txt"}
    mlmodel(folder, {"python_function": loaded})
    (folder / "notes.txt").write_text(code)


@hostile("code_files")
def a_loader_of_its_own(folder: Path, code: str) -> None:
    mlmodel(folder, {"python_function": {"loader_module": "acme_loader", "data": "model.json"}})
    (folder / "model.json").write_text("{}")


def written(name: str, folder: Path) -> str:
    """Write that folder; what it is counted as."""
    kind, writer = FOLDERS[name]
    folder.mkdir()
    writer(folder, code_of(folder.parent))
    return kind
