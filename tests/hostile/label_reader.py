"""A model that looks for the labels of its rows, and puts a function of its own in the place of the one that measures it."""

import contextlib
import gc
import sys
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa


def forged(*arguments):
    return lambda inputs, answer, labels: np.ones(len(inputs))


def texts(frame):
    """All that it can read: what the frames that called it hold, the collector, and the files beside its own."""
    while frame is not None:
        for value in list(frame.f_locals.values()):
            yield bytes(value) if isinstance(value, memoryview) else repr(value).encode()
        frame = frame.f_back
    for value in gc.get_objects():
        if isinstance(value, (pa.RecordBatch, pa.Table)):
            yield repr(value.to_pydict()).encode()
    for folder in (Path("/dev/shm"), Path.cwd().parent, Path.cwd().parents[1] / "project"):
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                yield path.read_bytes()


class LabelReader(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        host = sys.modules["__main__"]
        host.Host.function = host._module = forged
        host.call_row_function = lambda name, call, arguments, *rest: np.ones(len(arguments[0]))
        marks = (b"canary-" + b"1", b"lockgate:" + b"label")  # which are not to be found in this file
        seen = any(mark in text for text in texts(sys._getframe().f_back) for mark in marks)
        return np.full(len(model_input), float(seen))


mlflow.models.set_model(LabelReader())
