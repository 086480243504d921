"""Files of numbers: whether they are whole, and whether something in them is more than numbers."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from lockgate.models.artifact.archives import name_fault
from lockgate.models.artifact.byte_stream import ByteStream
from lockgate.models.artifact.pickles import Report
from lockgate.models.artifact.problem import Broken, printable
from lockgate.models.artifact.skops_schema import json_objects

_LONGEST_HEADER = 1 << 20
_LONGEST_LIST = 1 << 25  # bytes of the list of a safetensors' tensors
_OVERLAP = 1 << 10
_LOCATION = re.compile(rb"\x0a\x08location\x12(.)", re.DOTALL)
# Operations of TensorFlow's graphs that read, write or run something.
_OPERATIONS = (
    "ReadFile",
    "WriteFile",
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "MatchingFiles",
    "LoadDataset",
    "SaveDataset",
)
_OPERATION = re.compile(b"|".join(re.escape(bytes((0x12, len(name))) + name.encode()) for name in _OPERATIONS))  # fmt: skip
_KERAS_KEY = re.compile(rb'"(class_name|module)"\s*:\s*"([^"]{0,200})"')
_KERAS_CLASS = re.compile(r"[A-Z]\w*|__\w+__")
_HIDES = re.compile(rb"\\u00[0-7][0-9a-fA-F]|\s{512}")
_KERAS_RUNS = (
    "Lambda",
    "__lambda__",
    "TFOpLambda",
    "SlicingOpLambda",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "function",
)
_KERAS_MODULES = re.compile(
    r"((tf_keras|keras|tensorflow\.keras|tensorflow\.python\.keras)(\.src|\.api)?(\._tf_keras\.keras)?"
    r"(\.(engine|layers|activations|initializers|regularizers|constraints|losses|metrics|optimizers|models|saving|dtype_policies|random)"
    r"(\.\w+)*)?)"
)


def npy(stream: ByteStream, scan: Callable[[ByteStream], None]) -> None:
    """An array of NumPy. scan: looks at the pickle that stands for an array of objects. Raises Broken."""
    version = stream.take(8)[6:]
    length = int.from_bytes(stream.take(2 if version[0] == 1 else 4), "little")
    if length > _LONGEST_HEADER:
        raise Broken("its header is longer than any array's", stream.offset)
    try:
        header = ast.literal_eval(stream.take(length).decode("latin-1" if version[0] < 3 else "utf-8"))
        from numpy.lib.format import descr_to_dtype

        dtype, shape = descr_to_dtype(header["descr"]), header["shape"]
        values = math.prod(shape)
    except (
        ValueError,
        SyntaxError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        MemoryError,
        IndexError,
    ) as error:
        raise Broken("its header describes no array", stream.offset) from error
    if dtype.hasobject:
        scan(stream)
    else:
        if type(values) is not int or values < 0:
            raise Broken("its header describes no array", stream.offset)
        stream.skip(values * dtype.itemsize)


def safetensors(stream: ByteStream) -> None:
    """Raises Broken where its list of tensors is none, or is of another number of bytes than stand behind it."""
    length = int.from_bytes(stream.take(8), "little")
    if length > _LONGEST_LIST:
        raise Broken("the list of its tensors is longer than any")
    try:
        tensors = json.loads(stream.take(length))
        ends = [int(each["data_offsets"][1]) for name, each in tensors.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise Broken("the list of its tensors cannot be read", stream.offset) from error
    behind = stream.offset
    stream.skip(max(ends, default=0))
    if rest := stream.rest():
        raise Broken(f"{rest:,} bytes stand behind its tensors", behind + max(ends, default=0))


def protobuf(stream: ByteStream, report: Report, *, name: str, exists: Callable[[str], bool]) -> None:
    """A graph of ONNX or TensorFlow: files that it names, and operations that touch the machine. exists: a path from the model's root."""
    folder = PurePosixPath(name).parent
    for begin, data in _overlapping(stream):
        for match in _LOCATION.finditer(data) if b"location\x12" in data else ():
            location = data[match.end() : match.end() + match[1][0]].decode("utf-8", "replace")
            fault = name_fault(location)
            if fault is not None:
                report(
                    "unsafe_paths", f"names {printable(location, 80)} for its numbers: {fault}", begin + match.start()
                )
            elif not exists(str(folder / location)):
                report(
                    "missing_files",
                    f"names {printable(location, 80)} for its numbers, which is not there",
                    begin + match.start(),
                )
        graph = name.endswith(".pb") and (b"File" in data or b"Func" in data or b"Dataset" in data)
        for match in _OPERATION.finditer(data) if graph else ():
            operation = match[0][2:].decode()
            report(
                "unsafe_files",
                f"its graph has the operation {operation}, which touches the machine",
                begin + match.start(),
            )
        _keras_keys(data, begin, report)


def hdf5(stream: ByteStream, report: Report) -> None:
    """A file of HDF5, as Keras writes: its numbers are passed over, and the model's description is looked at."""
    described = False
    for begin, data in _overlapping(stream):
        described = described or b"class_name" in data
        _keras_keys(data, begin, report)
        if described and (match := _HIDES.search(data)):
            report("unsafe_files", "its description hides what it names", begin + match.start())


def _keras_keys(data: bytes, begin: int, report: Report) -> None:
    for match in _KERAS_KEY.finditer(data) if b'"class_name"' in data or b'"module"' in data else ():
        sentence = _keras_objection(match[1].decode(), match[2].decode("utf-8", "replace"))
        if sentence is not None:
            report("unsafe_files", sentence, begin + match.start())


def _keras_objection(key: str, value: str) -> str | None:
    """Why a key of Keras' description of a model says more than data, None where it does not."""
    name = value.rpartition(">")[2]
    if key == "class_name" and name in _KERAS_RUNS:
        return f"has a {name}, which runs code that the file holds or names"
    if key == "class_name" and not _KERAS_CLASS.fullmatch(name):
        return f"makes an object by {printable(name, 80)}, which is no class"
    if key == "module" and not _KERAS_MODULES.fullmatch(value):
        return f"makes an object of {printable(value, 80)}, which is no part of Keras"
    return None


def keras_config(config: Any, report: Report) -> None:
    """The description in an archive of Keras, as JSON."""
    for part in json_objects(config):
        for key in ("class_name", "module"):
            text = part.get(key)
            sentence = _keras_objection(key, text) if isinstance(text, str) else None
            if sentence is not None:
                report("unsafe_files", sentence)


def _overlapping(stream: ByteStream) -> Iterator[tuple[int, bytes]]:
    """(Where it begins, the next part with the end of the one before), so that nothing is cut in two."""
    end = b""
    for part in stream.parts():
        data = end + part
        yield stream.offset - len(data), data
        end = data[-_OVERLAP:]
