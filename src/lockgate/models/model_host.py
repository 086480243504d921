"""Host one MLflow model inside its own interpreter: load it, predict, time requests; or functions, beside such a process.

Started as `python model_host.py REQUESTS ANSWERS LIFELINE`, three inherited descriptors. It imports nothing of lockgate,
needs mlflow and pyarrow (pandas comes with mlflow), and keeps to the syntax of Python 3.8. stdout is the model's.
`python model_host.py run LIFELINE COMMAND…` only runs a command, which then ends with the lifeline too.

A frame is `LGF1`, the length of a JSON header (u32), the length of a payload (u64), both big-endian, then the two. A
payload is an Arrow IPC stream of one batch, or two of them. Every request gets one answer with its `id`; frames that only say
`progress` may come before it.
"""

from __future__ import annotations

import collections
import errno
import faulthandler
import fcntl
import gc
import json
import numbers
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from typing import Any, Callable

MAGIC = b"LGF1"
HEAD = struct.Struct("!4sIQ")
PROGRESS_S = 0.5
SPIN_S = 0.0005  # sleep() ends up to about this much late; the rest of a wait is spent spinning
TEXT_LENGTH = 2000
MOST_CLASSES = 10_000
ERROR_KEYS = frozenset(("error", "errors"))
NO_ERROR = ("", *"none null nan nat <na> no ok false 0 0.0 -0.0".split())  # what says that there is none
LEAST_RANKED = 10  # rows, of which 1 order in 1.8 million is sorted by chance

_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
VALUE_KINDS = {"i": "numbers", "u": "numbers", "f": "numbers", "b": "bool", "U": "texts"}  # by numpy's letter

# MLflow's column types: what pyarrow calls them, and the kinds of column that can become them without loss
TEXTS = ("string", "large_string", "string_view")
TYPES = {
    "boolean": ("bool_", ("boolean",)),
    "integer": ("int32", ("integer", "floating", "decimal")),
    "long": ("int64", ("integer", "floating", "decimal")),
    "float": ("float32", ("integer", "floating", "decimal")),
    "double": ("float64", ("integer", "floating", "decimal")),
    "string": ("string", TEXTS),
    "binary": ("binary", ("binary", "large_binary", "fixed_size_binary", "binary_view", *TEXTS)),
    "datetime": ("timestamp[ns]", ("date", "timestamp", *TEXTS)),
}
WHOLE = ("integer", "long")
OFFSET = r"T.*[+-]\d\d(:?\d\d)?$"  # of a time as text; Z and +00:00 are UTC
NO_OFFSET = r"[+-]00(:?00)?$"
_SAVED_ARRAY = b"\x93NUMPY"  # how a file of numpy.save begins
TENSOR, DECODE = b"lockgate:tensor", b"lockgate:decode"  # metadata of a column: its tensor, and how its cells are read
PLAIN_KINDS = "biufcmMSU"  # of numpy: numbers, times and texts, which lie in an array themselves
LIBRARIES = (
    "mlflow mlflow-skinny pandas numpy pyarrow scikit-learn scipy xgboost lightgbm catboost torch tensorflow keras "
    "onnxruntime transformers statsmodels"
).split()

SCORING = ("predict_proba", "decision_function")
FEW_CLASSES = 100  # that a model names when it is loaded

# Variables that tell numerical libraries how many threads to use; two models are compared under the same.
THREADS = (
    "OMP_NUM_THREADS OMP_WAIT_POLICY OPENBLAS_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS VECLIB_MAXIMUM_THREADS "
    "NUMEXPR_NUM_THREADS TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS RAYON_NUM_THREADS"
).split()


class Misfit(Exception):
    """A sentence of ours. quoted: the part of it that others wrote, `Type: text`; remedy: where the usual one is not it.

    row: the first that is at fault, counted from 0 in the batch.
    """

    def __init__(self, text: str, *, quoted: str = "", remedy: str | None = None, row: int | None = None) -> None:
        super().__init__(text)
        self.quoted = quoted
        self.remedy = remedy
        self.row = row

    def sentence(self, before: int = 0) -> str:
        """The sentence with the number of the row. before: rows of earlier batches."""
        return str(self) if self.row is None else "%s, first in row %d" % (self, before + self.row + 1)


class BadInput(Misfit):
    """The batch does not fit the model's signature."""


class BadAnswer(Misfit):
    """The model returned something that is not one answer a row."""


class BadFile(Misfit):
    """The file holds no model that can be asked, or cannot be loaded here."""


class BadMetric(Misfit):
    """A function that is run beside a model broke, or answered something else than one number a row."""


def main(requests: int, answers: int, lifeline: int) -> None:
    """Answer frames until the other side closes its end."""
    _die_with_parent(lifeline)
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1)  # our side sends it to a hanging model, for the stacks of its threads
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # what a model printed before it crashed is not lost
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):
        del sys.path[0]  # the files beside this one are not the model's to import
    sys.argv[1:] = []
    host = Host(lambda block=None: write_frame(answers, {"progress": True, "block": block}))
    while True:
        frame = read_frame(requests)
        if frame is None:
            return
        header, payload = frame
        try:
            reply, out = host.answer(header, payload)
        except Exception as error:  # whatever a model raises is an answer; SystemExit ends the process, as it says
            traceback.print_exc()
            sys.stderr.flush()
            reply, out = {"error": _described(error, header.get("before", 0))}, b""
        reply["id"] = header["id"]
        write_frame(answers, reply, out)


def run(lifeline: int, command: list[str]) -> int:
    """Run a command until it ends, or the lifeline does; return its exit code, 128 and the number for a signal."""
    _die_with_parent(lifeline)
    code = subprocess.call(command)
    return code if code >= 0 else 128 - code


class Host:
    """One loaded model. progress: called now and then during a long drive, so that the other side keeps waiting.

    `block` says that one begins or has ended now.
    """

    def __init__(self, progress: Callable[..., None]) -> None:
        self.progress = progress
        self.model: Any = None
        self.folder = ""
        self.columns: list[Any] | None = None
        self.hinted = False
        self.first_prediction_s: float | None = None
        self.modules: dict[tuple[str, str], Any] = {}
        self.descriptions: dict[str | None, dict[str, Any]] = {}
        self.kinds: dict[str, str] = {}  # of the values in the first answers to a load

    def answer(self, header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Any]:
        """Return the reply's header and payload. Raises whatever the model raises."""
        verb = header["verb"]
        if verb == "load":
            return self.load(header["folder"]), b""
        if verb == "usage":
            return self.usage(), b""
        if verb == "example":
            return {"rows": self.answer_example()}, b""
        if verb == "measure":
            return {}, _stream(self.measure(header, payload))
        import pyarrow as pa

        batch = pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
        if verb == "predict":
            answer = self.predict(batch, header)
            return {"rows": answer.num_rows}, _stream(answer)
        first_error, times = self.drive(header["plan"], batch)
        return {"first_error": first_error}, _stream(times)

    def predict(self, batch: Any, header: dict[str, Any]) -> Any:
        """Answer a batch; with `packed` in the header, as it is, for a process that measures it."""
        answer = aligned(self.call_model(self.inputs(batch), header["method"]), batch.num_rows, batch)
        if header.get("packed"):
            _check_rows(answer, batch.num_rows)
            return described(packed(answer), self.describe(header["method"]))
        return described(as_batch(answer, batch.num_rows), self.describe(header["method"]))

    def measure(self, header: dict[str, Any], payload: memoryview) -> Any:
        """Run functions of (inputs, answer, labels) on rows that a model answered in another process; none is loaded here."""
        import pyarrow as pa

        size = header["rows_bytes"]
        batch, sent = (
            pa.ipc.open_stream(pa.py_buffer(part)).read_next_batch() for part in (payload[:size], payload[size:])
        )
        if header["signature"] and self.columns is None:
            from mlflow.types.schema import Schema

            self.columns = list(Schema.from_json(json.dumps(header["signature"])).inputs)
        by_name = dict(zip(batch.schema.names, batch.columns))
        labels = by_name.pop(header["label"], None)
        extra = {name: by_name.pop(alias) for alias, name in header["columns"].items()}
        inputs = self.frame(batch.select(list(by_name)))
        for name, column in extra.items():
            inputs[name] = _decoded(column).to_pandas()
        labels = None if labels is None else _decoded(labels).to_pandas().rename(None)
        answer = unpacked(sent)
        _check_rows(answer, batch.num_rows)
        columns = {}
        if header["answer"]:
            own = as_batch(fresh(answer), batch.num_rows)
            columns = dict(zip(own.schema.names, own.columns))
        rows = pa.RecordBatch.from_arrays([*by_name.values(), *extra.values()], names=[*by_name, *extra])
        for spec in header["functions"]:
            arguments = (fresh(inputs), fresh(answer), fresh(labels))
            values = call_row_function(spec["name"], self.function(spec), arguments, rows, header["before"])
            columns[header["prefix"] + spec["name"]] = pa.array(values)
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def answer_example(self) -> int:
        """Let the model answer its own input example, read as MLflow reads it; return the rows that it has.

        What holds no rows, such as one text or one object, is one request. Raises BadInput for a broken example, BadAnswer
        for rows that are not answered one by one, and whatever the model raises.
        """
        metadata = self.model.metadata
        try:
            inputs = metadata.load_input_example(self.folder)
            read_params = getattr(metadata, "load_input_example_params", None)  # an older MLflow has none
            params = None if read_params is None else read_params(self.folder)
        except Exception as error:
            raise BadInput(
                "its input example cannot be read: %s" % _raised(error),
                quoted=_raised(error),
                remedy="log the model again with an input example",
            )
        if inputs is None:
            raise BadInput("it has no input example", remedy="log the model again with an input example")
        rows = example_rows(inputs)
        if rows == 0:
            return 0
        answer = self.model.predict(inputs) if params is None else self.model.predict(inputs, params=params)
        if rows is not None:
            _check_rows(answer, rows)
            if not isinstance(inputs, list):
                as_batch(answer, rows)
        return 1 if rows is None else rows

    def function(self, spec: dict[str, Any]) -> Any:
        """Return the function of a file, read once and only if its bytes are those that were hashed."""
        key = (spec["file"], spec["sha256"])
        if key not in self.modules:
            self.modules[key] = _module(spec)
        call = getattr(self.modules[key], spec["attribute"], None)
        if not callable(call):
            raise BadMetric("%s has no function %r" % (os.path.basename(spec["file"]), spec["attribute"]))
        return call

    def load(self, folder: str) -> dict[str, Any]:
        usual = gc.get_threshold()
        gc.set_threshold(20000, 20, 100)  # imports leave little to collect, and a tenth of their time goes into looking
        file = None if os.path.isfile(os.path.join(folder, "MLmodel")) else only_file(folder)
        if file is None:
            import mlflow.pyfunc  # the first of the two: installing it brings the other

        import pyarrow  # noqa: F401  # if it is missing, loading fails, not the first batch

        began = time.perf_counter()
        self.folder = folder
        sys.dont_write_bytecode = True  # beside code that came with the model, whose files stay as they are
        self.model = mlflow.pyfunc.load_model(folder) if file is None else FileModel(file)
        seconds = time.perf_counter() - began
        gc.set_threshold(*usual)
        if file is None:
            schema = self.model.metadata.get_input_schema()
            self.columns = None if schema is None else list(schema.inputs) or None
            self.hinted = bool(self.model.metadata.to_dict().get("is_signature_from_type_hint"))
        threads = {name: os.environ[name] for name in THREADS if name in os.environ}
        return {
            "seconds": seconds,
            "python": "%d.%d.%d" % sys.version_info[:3],
            "versions": _versions(),
            "threads": threads,
            "features": self.features() if self.columns is None else None,
            "estimator": described_estimator(self.raw_model()),
        }

    def raw_model(self) -> Any:
        """Return the model below pyfunc, None where its flavor does not give it."""
        try:
            return self.model.get_raw_model()
        except Exception:  # NotImplementedError, AttributeError, MlflowException
            return None

    def features(self) -> dict[str, Any] | None:
        """Names and number of the features that the model was fitted on, as far as it knows them itself."""
        raw = self.raw_model()
        if raw is None:
            return None
        names, count = fitted_features(raw)
        return {"names": names, "count": count}

    def usage(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        first = self.first_prediction_s
        return {
            "rss_bytes": _peak_rss(),
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "first_prediction_ms": None if first is None else first * 1000,
        }

    def inputs(self, batch: Any) -> Any:
        """Return the batch as the signature describes it: a frame, an array or a dict of arrays, or a list of values."""
        columns = self.columns or []
        if columns and all(hasattr(column, "shape") for column in columns):
            return tensors(batch, columns)
        if self.hinted and len(columns) == 1 and columns[0].name is None:
            return hinted_values(batch, columns[0])
        if not columns and batch.num_columns == 1 and _mark(batch.schema[0], TENSOR) is not None:
            return stacked(batch.schema[0], batch.columns[0])
        return self.frame(batch)

    def frame(self, batch: Any) -> Any:
        """Return the batch as the pandas frame that the signature describes: its columns only, in its types, nothing lost."""
        named = list(zip(batch.schema.names, batch.columns))
        if self.columns is not None and hasattr(self.columns[0], "shape"):
            named = [(name, _decoded(column)) for name, column in named]
        elif self.columns is not None and any(column.name is not None for column in self.columns):
            by_name = _by_signature(named, self.columns)
            missing = [c.name for c in self.columns if c.name not in by_name and getattr(c, "required", True)]
            if missing:
                raise BadInput("the signature requires %s, which the data lacks" % ", ".join(map(repr, missing)))
            named = [(c.name, fit_column(c.name, by_name[c.name], c)) for c in self.columns if c.name in by_name]
        elif self.columns is not None and len(self.columns) == len(named):
            named = [(name, fit_column(name, column, field)) for (name, column), field in zip(named, self.columns)]
        else:
            named = [(name, _with_categories(column)) for name, column in named]
        return to_frame(named, self.columns)

    def call_model(self, frame: Any, method: str | None) -> Any:
        if method is None:
            call = self.model.predict
        else:
            try:
                raw = self.model.get_raw_model()
            except (AttributeError, NotImplementedError):
                raise BadInput("its flavor does not give the model below pyfunc, so %r cannot be called" % method)
            call = getattr(raw, method, None)
            if call is None:
                raise BadInput("the model is a %s and has no method %r" % (type(raw).__name__, method))
        began = time.perf_counter()
        answer = call(frame)
        if self.first_prediction_s is None:
            self.first_prediction_s = time.perf_counter() - began
        return answer

    def describe(self, method: str | None) -> dict[str, Any]:
        """What the model says of its answers: `classes` in their order, `estimator` (classifier, …), `method` called.

        Each is None where it is unknown. A pyfunc of somebody's own may answer anything: its method is unknown.
        """
        if method not in self.descriptions:
            raw = self.raw_model()
            flavors = getattr(getattr(self.model, "metadata", None), "flavors", None) or {}
            python_function = flavors.get("python_function") or {}
            loader = str(python_function.get("wrapped_loader") or python_function.get("loader_module") or "")
            known_flavor = loader.startswith("mlflow.") and not loader.startswith("mlflow.pyfunc")
            known_flavor = known_flavor or isinstance(self.model, FileModel)
            default = (python_function.get("predict_fn") or "predict") if known_flavor else None
            kind = estimator_kind(raw)
            self.descriptions[method] = {
                "classes": [-1, 1] if kind == "outlier_detector" else class_names(raw),
                "estimator": kind,
                "method": method or default,
            }
        return self.descriptions[method]

    def drive(self, plan: dict[str, Any], batch: Any) -> tuple[str | None, Any]:
        """Send the plan's requests and time each; return (first error, batch of intended, sent, done, failed, lag)."""
        import pyarrow as pa

        frames = self.requests(batch, plan["rows"], plan["requests"])
        for i in range(plan["warmup"]):
            try:
                self.call_model(fresh(frames[i % len(frames)]), None)
            except Exception:  # a failing warm-up is not recorded; the same request fails again below
                pass
            self.progress()
        block = Block(self, plan, frames)
        self.progress(block="begins")
        block.run()
        self.progress(block="ended")
        sent, lag = block.sent, [0.0] * len(block.sent)
        due = sent if block.due is None else block.due
        if block.due is not None:
            # one request at a time: until the last one is answered, waiting is the model's queue and not our lag
            free_at = [0.0, *block.done[:-1]]
            lag = [moment - max(intended, free_since) for moment, intended, free_since in zip(sent, due, free_at)]
        columns = {"intended": due, "sent": sent, "done": block.done, "failed": block.failed, "lag": lag}
        arrays = [
            pa.array(values, pa.bool_() if name == "failed" else pa.float64()) for name, values in columns.items()
        ]
        return block.first_error, pa.RecordBatch.from_arrays(arrays, names=list(columns))

    def requests(self, batch: Any, rows: int, requests: int) -> list[Any]:
        """Make inputs of `rows` rows each, before any clock runs; requests take them in turn."""
        import pyarrow as pa

        if batch.num_rows < rows:
            batch = batch.take(pa.array([i % batch.num_rows for i in range(rows)]))
        inputs = self.inputs(batch)
        count = min(requests, batch.num_rows // rows)
        return [_rows(inputs, i * rows, (i + 1) * rows) for i in range(count)]


class FileModel:
    """A model that lies in one file, behind as much of a pyfunc as is used of one without a signature."""

    def __init__(self, path: str) -> None:
        self.raw = read_model(path)
        if not callable(getattr(self.raw, "predict", None)):
            if isinstance(self.raw, dict) and any(hasattr(part, "predict") for part in self.raw.values()):
                raise BadFile(
                    "it holds a dict, of which one part is a model",
                    remedy="save the model alone, its preprocessing with it in a Pipeline",
                )
            raise BadFile(
                "it holds a %s, which has no predict" % type(self.raw).__name__,
                remedy="save an object that has predict; or log it with mlflow.FLAVOR.log_model, and name that folder",
            )

    def get_raw_model(self) -> Any:
        return self.raw

    def predict(self, frame: Any) -> Any:
        kind = type(self.raw)
        if kind.__name__ == "Booster" and kind.__module__.startswith("xgboost"):
            import xgboost  # type: ignore[import-not-found,unused-ignore]

            return self.raw.predict(xgboost.DMatrix(frame))
        return self.raw.predict(frame)


def only_file(folder: str) -> str | None:
    """Return the path of the one file in a folder that holds nothing else, else None."""
    names = os.listdir(folder)
    path = os.path.join(folder, names[0]) if len(names) == 1 else folder
    return path if os.path.isfile(path) else None


def read_model(path: str) -> Any:
    """Return what a file of joblib, pickle, cloudpickle, skops, XGBoost, LightGBM or CatBoost holds.

    Raises BadFile, MemoryError, ImportError for a library that is not here.
    """
    try:
        return _read_model(path)
    except (ImportError, MemoryError, BadFile):
        raise
    except AttributeError as error:  # of pickle: a class that the module has not
        quoted = _raised(error)
        remedy = (
            "let it answer under a python with the versions of the libraries that it was saved with; or save it again"
        )
        if "__main__" in quoted:
            remedy = (
                "its class was defined in the script or notebook that saved it: move it into a module, save again from "
                "there, and set PYTHONPATH to the folder of that module; or save with cloudpickle"
            )
        raise BadFile("what it was saved with is not here: %s" % quoted, quoted=quoted, remedy=remedy)
    except Exception as error:
        quoted = _raised(error)
        raise BadFile(
            "it cannot be read: %s" % quoted,
            quoted=quoted,
            remedy="if joblib, pickle or skops wrote it, let it answer under a python with the versions of the libraries that "
            "it was saved with",
        )


def _read_model(path: str) -> Any:
    with open(path, "rb") as file:
        head = file.read(5)
    if head[:1] == b"{":  # JSON, or UBJSON of an object
        return _xgboost(path)
    if head == b"tree\n":
        import lightgbm  # type: ignore[import-not-found,unused-ignore]

        return lightgbm.Booster(model_file=path)
    if head[:4] == b"CBM1":
        import catboost  # type: ignore[import-not-found,unused-ignore]

        return catboost.CatBoost().load_model(path)
    if head[:2] == b"PK":
        return _zipped(path)
    try:
        import joblib  # type: ignore[import-untyped,unused-ignore]
    except ImportError:  # it reads plain pickles too
        import pickle

        with open(path, "rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def _zipped(path: str) -> Any:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "schema.json" in names:
        import skops.io  # type: ignore[import-untyped,unused-ignore]

        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    raise BadFile(
        "it is an archive, and not one of skops",
        remedy="log the model with mlflow.FLAVOR.log_model, such as mlflow.pytorch.log_model, and name that folder",
    )


def _xgboost(path: str) -> Any:
    """Return a classifier or a regressor, as the objective says; the booster where it says neither."""
    import xgboost

    booster = xgboost.Booster(model_file=path)
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    for kind, prefixes in (
        ("XGBClassifier", ("binary:logistic", "multi:")),
        ("XGBRegressor", ("reg:", "count:", "survival:")),
    ):
        if objective.startswith(prefixes):
            model = getattr(xgboost, kind)()
            model.load_model(path)
            return model
    return booster


class Block:
    """One block of requests: an open loop sends one at a time, a closed loop from `concurrency` threads.

    The times are seconds since the block's start, in order of sending.
    """

    def __init__(self, host: Host, plan: dict[str, Any], frames: list[Any]) -> None:
        self.host, self.plan, self.frames = host, plan, frames
        self.containers = container_places(frames)
        self.due = None if plan["rate"] is None else arrivals(plan)
        self.sent: list[float] = []
        self.done: list[float] = []
        self.failed: list[bool] = []
        self.first_error: str | None = None
        self.start = 0.0

    def run(self) -> None:
        """Send everything, and report progress now and then meanwhile, never more often than requests end."""
        if self.due is None and self.plan["concurrency"] > 1:
            self._threads(self.plan["concurrency"])
        else:
            self._one_by_one()

    def _one_by_one(self) -> None:
        due, frames, clock = self.due, self.frames, time.perf_counter
        count = self.plan["requests"] if due is None else len(due)
        end = self.plan["duration_s"] if due is None else None
        self.start = reported = clock()
        for i in range(count):
            request = fresh(
                frames[i % len(frames)], self.containers
            )  # before waiting, so that its time is nobody's latency
            if due is not None:
                _wait_until(self.start + due[i])
            elif end is not None and clock() - self.start > end:
                return
            before, after, error = self._timed(request)
            self._record(before, after, error)
            if after - reported > PROGRESS_S:
                self.host.progress()
                reported = clock()

    def _threads(self, workers: int) -> None:
        """Run each worker in a thread with times of its own, which are merged in order of sending at the end."""
        frames, clock, end = self.frames, time.perf_counter, self.plan["duration_s"]
        places = iter(range(self.plan["requests"]))  # next() on it is one step for all threads
        by_worker: list[list[Any]] = [[] for _ in range(workers)]
        ended: list[BaseException] = []

        def work(times: list[Any]) -> None:
            try:
                for i in places:
                    if ended or (end is not None and clock() - self.start > end):
                        return
                    times.append(self._timed(fresh(frames[i % len(frames)], self.containers)))
            except BaseException as error:  # a thread would swallow a model's SystemExit
                ended.append(error)

        threads = [threading.Thread(target=work, args=(times,), daemon=True) for times in by_worker]
        self.start = clock()
        for thread in threads:
            thread.start()
        reported = 0
        for thread in threads:
            while thread.is_alive():
                thread.join(PROGRESS_S)
                done = sum(map(len, by_worker))
                if done > reported:  # of requests that hang, nothing is reported
                    self.host.progress()
                    reported = done
        if ended:
            raise ended[0]
        for before, after, error in sorted((each for mine in by_worker for each in mine), key=lambda each: each[0]):
            self._record(before, after, error)

    def _timed(self, request: Any) -> tuple[float, float, Exception | None]:
        """(time of sending, time of the answer, what was wrong with the answer)."""
        clock = time.perf_counter
        before = clock()
        try:
            answer = self.host.call_model(request, None)
            after = clock()
            columns = _check_prediction(answer, self.plan["rows"])
            kinds = {name: kind for name, values in columns.items() for kind in [value_kind(values)] if kind}
            problem = kind_change(kinds, list(columns), self.host.kinds)
            if problem is not None:
                raise BadAnswer("the model's answer is of another kind: " + problem)
            self.host.kinds = {**kinds, **self.host.kinds}
        except Exception as raised:  # a request that fails is a fact of the block, which goes on
            return before, clock(), raised
        return before, after, None

    def _record(self, before: float, after: float, error: Exception | None) -> None:
        self.sent.append(before - self.start)
        self.done.append(after - self.start)
        self.failed.append(error is not None)
        if error is not None and self.first_error is None:
            self.first_error = "%s: %s" % (type(error).__name__, _text(error))


def arrivals(plan: dict[str, Any]) -> list[float]:
    """Return intended send times in seconds since the block's start, at the plan's rate; the same for the same seed."""
    last = float("inf") if plan["duration_s"] is None else plan["duration_s"]
    draw = random.Random(plan["seed"])
    constant = plan["arrivals"] == "constant"
    times: list[float] = []
    now = 0.0
    for i in range(plan["requests"]):
        # gaps of a Poisson process are exponential with mean 1 / rate
        now = i / plan["rate"] if constant else now + draw.expovariate(plan["rate"])
        if now > last:
            break
        times.append(now)
    return times


def fit_column(name: str, column: Any, field: Any) -> Any:
    """Cast an Arrow column to the type of the signature's column. Raises BadInput where a value would change."""
    import pyarrow as pa

    stored, column = column.type, _decoded(column)
    kind = getattr(field.type, "name", "")
    if kind not in TYPES:
        return column
    target, sources = TYPES[kind]
    holds = _kind(column.type)
    if holds not in (*sources, "null"):
        remedy = "write times as ISO 8601 texts or as timestamps: MLflow takes no number for a time"
        raise BadInput(
            "column %r holds %s, and the signature says %s" % (name, _type_name(stored), kind),
            remedy=remedy if kind == "datetime" and holds in ("integer", "floating") else None,
        )
    if kind == "datetime":
        return _as_datetime(name, column)
    if kind == "binary" and holds in TEXTS:
        return _from_base64(name, column)
    missing = missing_values(column)
    if kind in WHOLE and missing:
        raise lacks_values(name, missing, kind)
    arrow_type = getattr(pa, target)()
    cast = _cast(column, arrow_type)
    if cast is None:
        raise BadInput(
            "column %r cannot become %s, as the signature says: a value would change" % (name, kind),
            row=_first_misfit(column, arrow_type),
        )
    if kind == "float" and _infinities(cast) != _infinities(column):
        raise BadInput("column %r has values too large for float, as the signature says" % name)
    return cast


def _as_datetime(name: str, column: Any) -> Any:
    """Return dates, times and ISO 8601 texts as MLflow's datetime, nanoseconds without a zone; UTC is taken as none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = getattr(column.type, "tz", None)
    holds = str(column.type)
    if _kind(column.type) in TEXTS:
        column = column.cast(pa.string())
        offset = pc.and_(
            pc.match_substring_regex(column, OFFSET), pc.invert(pc.match_substring_regex(column, NO_OFFSET))
        )
        zone = "other" if pc.any(offset).as_py() else None
        holds = "times with another zone than UTC"
    if zone not in (None, "UTC"):
        raise BadInput(
            "column %r holds %s; the signature's datetime has no time zone" % (name, holds),
            remedy="write the times in UTC, or without a zone as the model was trained on them",
        )
    for target in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        cast = _cast(column, target)
        if cast is not None:
            return cast.cast(pa.timestamp("ns"))
    raise BadInput(
        "column %r holds what is no time from 1678 to 2262, which the signature's datetime needs" % name,
        remedy="write all times as 2026-11-21T10:00:00, or all of them with a Z",
        row=max(_first_misfit(column, pa.timestamp("ns", each)) for each in (None, "UTC")),
    )


def _from_base64(name: str, column: Any) -> Any:
    """Return base64 texts as bytes, as MLflow's own server reads a binary column."""
    import base64

    import pyarrow as pa

    values = []
    for row, text in enumerate(column.to_pylist()):
        try:
            values.append(None if text is None else base64.b64decode("".join(text.split()), validate=True))
        except ValueError:
            raise BadInput(
                "column %r holds texts that are not base64, and the signature says binary" % name,
                remedy="write bytes as base64, as MLflow's server takes them, or keep them as bytes in Parquet",
                row=row,
            )
    return pa.array(values, pa.binary())


def _cast(column: Any, target: Any) -> Any:
    """Return the column in another type, None where a value would change."""
    import pyarrow as pa

    try:
        if pa.types.is_decimal(column.type) and pa.types.is_floating(target):
            column = column.cast(pa.string())  # of the number itself some results are not the nearest
        return column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _first_misfit(column: Any, target: Any) -> int:
    """The first row, from 0, whose value would change."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        if _cast(column.slice(low, middle - low), target) is None:
            high = middle
        else:
            low = middle
    return low


def lacks_values(name: str, missing: int, kind: str) -> BadInput:
    """The refusal of a column with so many missing values, whose type of the signature has none."""
    return BadInput(
        "column %r has %d missing values, and the signature says %s, which has none" % (name, missing, kind),
        remedy="log the model with that column as double, which can be missing, or fill the data",
    )


def missing_values(column: Any) -> int:
    """How many values of an Arrow column are null or NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nan = (pc.sum(pc.is_nan(column)).as_py() or 0) if pa.types.is_floating(column.type) else 0
    return int(column.null_count + nan)


def example_rows(inputs: Any) -> int | None:
    """How many rows an input example has; None for one request that is no table: a text, an object, a number."""
    if isinstance(inputs, dict):
        parts = list(inputs.values())
        arrays = parts and all(getattr(part, "ndim", 0) > 0 for part in parts)
        return int(parts[0].shape[0]) if arrays and len({part.shape[0] for part in parts}) == 1 else None
    if isinstance(inputs, list):
        return len(inputs)
    return int(inputs.shape[0]) if getattr(inputs, "ndim", 0) > 0 else None


def fresh(inputs: Any, containers: list[int] | None = None) -> Any:
    """Return inputs, or an answer, that share nothing with these: whoever gets them may change them in position.

    containers: as `container_places` has them, where many frames of one kind are copied.
    """
    import copy

    if not hasattr(inputs, "iloc"):
        try:
            return copy.deepcopy(inputs)
        except Exception:  # such as a tensor with its gradients, which cannot be copied
            return inputs
    copied = inputs.copy()
    for position in container_places([inputs]) if containers is None else containers:
        copied.isetitem(position, _series_of([copy.deepcopy(value) for value in inputs.iloc[:, position]]))
    return copied


def container_places(frames: list[Any]) -> list[int]:
    """The columns of frames in which a list, a dict or an array is, which the copy of a frame would share."""
    if not frames or getattr(frames[0], "ndim", None) != 2 or not hasattr(frames[0], "iloc"):
        return []
    objects = [position for position, kind in enumerate(frames[0].dtypes) if str(kind) == "object"]
    return [position for position in objects if any(_holds_containers(frame.iloc[:, position]) for frame in frames)]


def _holds_containers(column: Any) -> bool:
    return any(hasattr(value, "__len__") and not isinstance(value, (str, bytes)) for value in column)


def _by_signature(named: list[tuple[str, Any]], fields: list[Any]) -> dict[Any, Any]:
    """The columns by the names that the signature has for them: 0 is the column `0` of a file, whose names are texts."""
    by_name: dict[Any, Any] = dict(named)
    numbered = [field.name for field in fields if not isinstance(field.name, str) and str(field.name) in by_name]
    return {**by_name, **{name: by_name[str(name)] for name in numbered}}


def _with_categories(column: Any) -> Any:
    """The column as it is: a dictionary becomes a pandas category with all of its values, in their order."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column
    values = column.dictionary
    return _decoded(column) if values.null_count or len(values.unique()) < len(values) else column


def to_frame(named: list[tuple[Any, Any]], fields: list[Any] | None = None) -> Any:
    """Return Arrow columns as a pandas frame that owns its memory; nested ones as the types of the signature say."""
    import pyarrow as pa

    arrays = [column for _, column in named]
    frame = pa.Table.from_arrays(arrays, names=[str(name) for name, _ in named]).to_pandas()
    if len(named) == 1:
        frame = frame.copy()  # one column alone would share read-only memory with the batch
    types = {field.name: field.type for field in fields or [] if not hasattr(field, "shape")}
    for name, column in named:
        if name in types and pa.types.is_nested(column.type):
            frame[str(name)] = _series_of([nested_value(value, types[name]) for value in column.to_pylist()])
    if any(not isinstance(name, str) for name, _ in named):
        frame.columns = [name for name, _ in named]
    return frame


def _series_of(values: list[Any]) -> Any:
    """A Series of these very objects, which pandas and numpy would else unpack."""
    import numpy
    import pandas  # type: ignore[import-untyped,unused-ignore]

    array = numpy.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        array[row] = value
    return pandas.Series(array, dtype=object)


def nested_value(value: Any, declared: Any) -> Any:
    """Return a nested value as MLflow's types say: arrays of numbers by numpy, objects and maps as dicts.

    Files hold null for what an object or a map lacks; a key that need not be there is then left out.
    """
    import numpy

    kind = type(declared).__name__
    if kind == "Map" and value is not None:
        pairs = value.items() if isinstance(value, dict) else value
        return {key: nested_value(item, declared.value_type) for key, item in pairs if item is not None}
    if kind == "Object" and isinstance(value, dict):
        properties = {each.name: each for each in declared.properties}
        return {
            key: nested_value(item, properties[key].dtype if key in properties else None)
            for key, item in value.items()
            if item is not None or (key in properties and properties[key].required)
        }
    if kind == "Array" and isinstance(value, list):
        items = [nested_value(item, declared.dtype) for item in value]
        name = getattr(declared.dtype, "name", "")
        if name == "string":
            return numpy.array(items, dtype=object)
        numbers = name in ("boolean", "integer", "long", "float", "double") and items
        return numpy.array(items) if numbers and all(item is not None for item in items) else items
    return _nested_scalar(value, getattr(declared, "name", ""))


def _nested_scalar(value: Any, kind: str) -> Any:
    """A number inside of a nested value in the type that the signature says, where it stays the same number."""
    import numpy

    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == "integer" and whole and abs(value) < 2**31:
        return numpy.int32(value)
    if kind == "float" and (whole or isinstance(value, float)):
        return numpy.float32(value)
    if kind == "double" and whole and abs(value) <= 2**53:
        return float(value)
    return value


def fitted_features(raw: Any) -> tuple[list[str] | None, int | None]:
    """Return names in order and number of the features that scikit-learn, LightGBM, XGBoost or CatBoost fitted a model on.

    Names that the library made up itself are none.
    """
    for attribute in ("feature_names_in_", "feature_name_", "feature_names_", "feature_names", "feature_name"):
        try:
            names = getattr(raw, attribute, None)
            names = names() if callable(names) else names
            names = None if names is None or isinstance(names, str) else list(names)
        except Exception:  # a property that is not there before fit, or for this kind of booster
            continue
        if names and all(isinstance(name, str) for name in names) and not _made_up(names):
            return [str(name) for name in names], len(names)
    count: Any = getattr(raw, "n_features_in_", None)
    return None, int(count) if isinstance(count, int) or hasattr(count, "item") else None


def _made_up(names: list[Any]) -> bool:
    """Whether names are Column_0, f0 or 0, counted, as libraries call the columns of an array."""
    patterns = ("Column_%d", "f%d", "%d")
    return any(all(name == pattern % i for i, name in enumerate(names)) for pattern in patterns)


def tensors(batch: Any, specs: list[Any]) -> Any:
    """Return the arrays that tensor specs describe, in their types and shapes: a dict by name, or the one without a name.

    The columns of a tensor are those that say so in their metadata, else the one of its name; the only tensor takes all.
    Raises BadInput.
    """
    fields = list(zip(batch.schema, batch.columns))
    by_name = {}
    for spec in specs:
        mine = [pair for pair in fields if _mark(pair[0], TENSOR) == spec.name and spec.name is not None]
        mine = mine or [pair for pair in fields if pair[0].name == spec.name] or (fields if len(specs) == 1 else [])
        if not mine:
            raise BadInput("the signature requires the tensor %r, which the data lacks" % spec.name)
        by_name[spec.name] = tensor(mine, spec, batch.num_rows)
    return by_name[None] if None in by_name else by_name


def tensor(columns: list[Any], spec: Any, rows: int) -> Any:
    """Return the array of a tensor spec, made of one column or of several with one number a row. Raises BadInput.

    columns: (Arrow field, array).
    """
    import numpy

    shape, dtype = tuple(spec.shape), numpy.dtype(spec.type)
    if shape[0] not in (-1, rows):
        raise BadInput("the signature's tensor has %d rows in each request, and this one has %d" % (shape[0], rows))
    if rows == 0:
        return numpy.zeros((0, *tuple(max(size, 0) for size in shape[1:])), dtype)
    if len(columns) == 1:
        field, column = columns[0]
        return _cells(field, column, dtype, shape)
    if -1 not in shape[1:] and _product(shape[1:]) != len(columns):
        names = ", ".join(field.name for field, _ in columns)
        raise BadInput(
            "the signature's tensor has the shape %s, and there are %d columns: %s" % (shape, len(columns), names)
        )
    values = numpy.empty((rows, len(columns)), dtype)
    for i, (field, column) in enumerate(columns):
        values[:, i] = _numbers(field.name, _decoded(column), dtype)
    return values if -1 in shape[1:] else values.reshape((rows, *shape[1:]))


def _cells(field: Any, column: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """The array of one column of numbers, of lists, or of encoded bytes."""
    import numpy

    column, name, rest = _decoded(column), field.name, shape[1:]
    decode = _mark(field, DECODE)
    if decode is not None:
        read = {"image": _image, "npy": _npy}.get(decode)
        if read is None:
            raise BadInput("column %r is to be read by decode: %s, which this version does not know" % (name, decode))
        arrays = [_read_cell(name, row, cell, read, dtype, rest) for row, cell in enumerate(_byte_cells(name, column))]
        return numpy.stack(arrays)
    if not _nested(column.type):
        values = _numbers(name, column, dtype)
        if rest not in ((), (1,), (-1,)):
            raise BadInput(
                "column %r holds one value a row, and the signature's tensor has the shape %s" % (name, shape)
            )
        return values.reshape((len(values),) + (() if rest == () else (1,)))
    leaves, sizes = _leaves(name, column)
    if sizes is None:
        return _ragged(name, column, dtype, shape)
    values = _numbers(name, leaves, dtype).reshape(sizes)
    mine = sizes[1:]
    if len(mine) == len(rest) and all(want in (-1, size) for size, want in zip(mine, rest)):
        return values
    flat = len(mine) == 1 or [size for size in mine if size != 1] == [size for size in rest if size != 1]
    if -1 not in rest and flat and _product(mine) == _product(rest):
        return values.reshape((len(column), *rest))
    raise BadInput("column %r holds %s a row, and the signature's tensor has the shape %s" % (name, _by(mine), shape))


def stacked(field: Any, column: Any) -> Any:
    """The array of a column of lists, in its own type and shape. Raises BadInput where rows differ in shape."""
    leaves, sizes = _leaves(field.name, _decoded(column))
    if sizes is None:
        raise BadInput("column %r holds rows of different shapes, and the model was fitted on one array" % field.name)
    return leaves.to_numpy(zero_copy_only=False).reshape(sizes)


def _leaves(name: str, column: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return the innermost values of a column of lists, and its shape; None for the shape where rows differ in it."""
    import pyarrow.compute as pc

    sizes = [len(column)]
    shape, order = getattr(column.type, "shape", None), getattr(column.type, "permutation", None)
    if order is not None and list(order) != sorted(order):
        raise BadInput(
            "column %r holds tensors whose dimensions are stored in another order than they are named" % name
        )
    while _nested(column.type):
        column = getattr(column, "storage", column)
        if column.null_count:
            raise BadInput("column %r lacks %d of its lists" % (name, column.null_count))
        lengths = pc.min_max(pc.list_value_length(column)).as_py()
        if lengths["min"] != lengths["max"]:
            return None, None
        sizes.append(lengths["min"] or 0)
        column = column.flatten()
    if shape is not None:  # a tensor type knows its shape, which its flat storage does not
        sizes = [sizes[0], *shape]
    return _decoded(column), tuple(sizes)


def _ragged(name: str, column: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """An array of arrays, for a tensor whose rows may differ in size. Raises BadInput where they may not."""
    import numpy

    rows = getattr(column, "storage", column).to_pylist()
    if -1 not in shape[1:]:
        other = next((i for i, cell in enumerate(rows) if len(cell) != len(rows[0])), None)
        where = (
            "in its depth"
            if other is None
            else "row %d holds %d values, row 1 %d" % (other + 1, len(rows[other]), len(rows[0]))
        )
        raise BadInput(
            "column %r holds rows of different shapes (%s), and the signature's tensor has %s" % (name, where, shape)
        )
    values = numpy.empty(len(rows), dtype=object)
    for i, cell in enumerate(rows):
        try:
            values[i] = numpy.asarray(cell, dtype=dtype)
        except (TypeError, ValueError, OverflowError):
            raise BadInput("column %r holds values in row %d that are not %s in one shape" % (name, i + 1, dtype))
    return values


def _numbers(name: str, column: Any, dtype: Any) -> Any:
    """The values of a flat column in a tensor's type. Raises BadInput where one would change or is missing."""
    import numpy
    import pyarrow as pa

    kind = _kind(column.type)
    if dtype.kind not in "biuf":
        return _objects(name, column, dtype)
    if kind not in ("boolean", "integer", "floating", "decimal", "null"):
        raise BadInput("column %r holds %s, and the signature's tensor %s" % (name, _type_name(column.type), dtype))
    if column.null_count and dtype.kind != "f":
        raise BadInput(
            "column %r has %d missing values, and the signature's tensor holds %s" % (name, column.null_count, dtype)
        )
    if kind in ("decimal", "null"):
        column = _cast(column, pa.float64())
    if kind == "boolean":
        column = column.cast(pa.uint8())
    values = column.to_numpy(zero_copy_only=False)  # integers with missing ones become floats with NaN
    with numpy.errstate(all="ignore"):
        cast = values.astype(dtype)
        if dtype.kind != "f":
            lost = cast != values
        elif values.dtype.kind in "iu":
            lost = cast.astype(values.dtype) != values
        else:
            lost = numpy.isinf(cast) != numpy.isinf(values)
    if lost.any():
        raise BadInput(
            "column %r holds a number in row %d that %s cannot hold, as the signature says"
            % (name, int(lost.argmax()) + 1, dtype)
        )
    return cast


def _objects(name: str, column: Any, dtype: Any) -> Any:
    import numpy

    values = column.to_pylist()
    if dtype.kind in "US" and column.null_count:
        raise BadInput(
            "column %r has %d missing values, and the signature's tensor holds texts" % (name, column.null_count)
        )
    if dtype.kind in "US":
        return numpy.array(values, dtype=dtype.kind)
    if dtype.kind == "O":
        array = numpy.empty(len(values), dtype=object)
        array[:] = values
        return array
    return column.to_numpy(zero_copy_only=False).astype(dtype)


def _byte_cells(name: str, column: Any) -> list[Any]:
    """The encoded cells: bytes, or structs with `bytes` as Hugging Face's images are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
        column = pc.struct_field(column, "bytes")
    if not _kind(column.type).endswith("binary") and _kind(column.type) != "null":
        raise BadInput("column %r holds %s, and decode reads bytes" % (name, _type_name(column.type)))
    cells: list[Any] = column.to_pylist()
    if None in cells:
        raise BadInput("column %r has no bytes in row %d" % (name, cells.index(None) + 1))
    return cells


def _read_cell(name: str, row: int, cell: bytes, read: Any, dtype: Any, rest: tuple[int, ...]) -> Any:
    """One decoded cell, in the shape and type of the tensor. Raises BadInput, which names the row."""
    import numpy

    try:
        values = read(cell, rest)
    except ImportError:
        raise
    except BadInput as error:
        raise BadInput("column %r cannot be decoded in row %d: %s" % (name, row + 1, error), remedy=error.remedy)
    except Exception as error:  # whatever a reader makes of broken bytes
        raise BadInput("column %r cannot be decoded in row %d (%s)" % (name, row + 1, type(error).__name__))
    if len(values.shape) != len(rest) or any(want not in (-1, size) for size, want in zip(values.shape, rest)):
        raise BadInput(
            "column %r holds %s in row %d, and the signature says %s" % (name, _by(values.shape), row + 1, _by(rest))
        )
    cast = values.astype(dtype)
    if dtype.kind in "biu" and not numpy.array_equal(cast, values):
        raise BadInput("column %r holds numbers in row %d that %s cannot hold" % (name, row + 1, dtype))
    return cast


def _image(data: bytes, rest: tuple[int, ...]) -> Any:
    """The pixels of an encoded image, 0 to 255 as they are stored; channels last, or first where the shape says so."""
    import io

    import numpy
    from PIL import Image  # type: ignore[import-not-found,unused-ignore]

    if data.startswith(_SAVED_ARRAY):
        raise BadInput("it is an array that numpy.save wrote, and no image", remedy="write decode: npy for this column")
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    first = len(rest) == 3 and rest[2] not in modes and rest[0] in modes
    channels = 1 if len(rest) == 2 else rest[0 if first else 2] if len(rest) == 3 else None
    if channels not in modes:
        raise BadInput(
            "an image needs a shape of height, width and 1, 3 or 4 channels, and the signature says %s" % _by(rest)
        )
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith(("I", "F")):
            raise BadInput("its pixels are of mode %s, not of 8 bits" % image.mode)
        values = numpy.asarray(image if image.mode == modes[channels] else image.convert(modes[channels]))
    if len(rest) == 2:
        return values
    values = values.reshape((*values.shape[:2], channels))
    return values.transpose(2, 0, 1) if first else values


def _npy(data: bytes, rest: tuple[int, ...]) -> Any:
    import io

    import numpy

    if not data.startswith(_SAVED_ARRAY):
        raise BadInput("numpy.save did not write it", remedy="write decode: image where the column holds images")
    return numpy.load(io.BytesIO(data), allow_pickle=False)


def hinted_values(batch: Any, spec: Any) -> list[Any]:
    """Return what a `list[…]` of predict's type hint holds: a value a row, or a dict of the columns.

    MLflow makes the same of a frame, but for `list[dict[…]]`, of which it takes one column.
    """
    parts = getattr(spec.type, "properties", None)
    columns = list(zip(batch.schema.names, batch.columns))
    record = parts is not None or type(spec.type).__name__ in ("Map", "AnyType")
    if not record or (len(columns) == 1 and _is_record(columns[0], parts, type(spec.type).__name__)):
        name, column = columns[0]
        return [_plain(value) for value in fit_column(name, column, spec).to_pylist()]
    by_name = {part.name: part for part in parts or ()}
    values = {name: _property(name, column, by_name.get(name)) for name, column in columns}
    return [dict(zip(values, row)) for row in zip(*values.values())]


def _is_record(column: tuple[str, Any], parts: Any, kind: str) -> bool:
    """Whether one column holds the rows whole: objects, maps, or anything for a model that takes any type."""
    import pyarrow as pa

    name, array = column
    whole = pa.types.is_struct(array.type) or pa.types.is_map(array.type)
    return kind == "AnyType" or (whole and name not in [part.name for part in parts or ()])


def _property(name: str, column: Any, part: Any) -> list[Any]:
    """The values of one property; what is missing in a number that is required is NaN, as in a frame."""
    if part is None:
        return [_plain(value) for value in _decoded(column).to_pylist()]
    field = type("Field", (), {"type": part.dtype})
    if getattr(part.dtype, "name", "") in ("integer", "long") and not part.required:
        return _optional_integers(name, _decoded(column), field)
    values = [_plain(value) for value in fit_column(name, column, field).to_pylist()]
    if getattr(part.dtype, "name", "") in ("float", "double") and part.required:
        return [float("nan") if value is None else value for value in values]
    return values


def _optional_integers(name: str, column: Any, field: Any) -> list[Any]:
    """The whole numbers of a column, None where one is missing; NaN is missing, too."""
    import pyarrow.compute as pc

    missing = pc.is_null(column, nan_is_null=True)
    if pc.all(missing, min_count=0).as_py():
        return [None] * len(column)
    filled = pc.if_else(missing, column.filter(pc.invert(missing))[0], column)
    values = fit_column(name, filled, field).to_pylist()
    return [None if lacks else value for lacks, value in zip(missing.to_pylist(), values)]


def _plain(value: Any) -> Any:
    """A cell in plain Python: a map, which Arrow gives as pairs, as a dict."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list) and value and all(isinstance(part, tuple) and len(part) == 2 for part in value):
        return {name: _plain(part) for name, part in value}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _mark(field: Any, key: bytes) -> str | None:
    mark = (field.metadata or {}).get(key)
    return None if mark is None else mark.decode()


def _nested(kind: Any) -> bool:
    import pyarrow as pa

    kind = getattr(kind, "storage_type", kind)
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _product(sizes: Any) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _by(sizes: Any) -> str:
    """`32 × 32 × 3`."""
    return " × ".join("any" if size == -1 else str(size) for size in sizes) or "one value"


def class_names(raw: Any) -> list[Any] | None:
    """Classes of a classifier like scikit-learn's, in the order of its answer's columns; None where they are unknown."""
    try:
        labels: Any = getattr(raw, "classes_", None)
    except Exception:  # a property of a model that was not fitted
        return None
    if isinstance(labels, (list, tuple)) and labels and all(isinstance(each, (str, int, float)) for each in labels):
        return list(labels)
    if getattr(labels, "ndim", None) != 1 or len(labels) > MOST_CLASSES:
        return None
    values = [value.item() if hasattr(value, "item") else value for value in labels]
    return [value if isinstance(value, (bool, int, float, str)) else str(value) for value in values]


def estimator_kind(raw: Any) -> str | None:
    """What scikit-learn calls the model: classifier, regressor, outlier_detector or clusterer; None for no such model."""
    base: Any = sys.modules.get("sklearn.base")
    for kind in ("classifier", "regressor", "outlier_detector", "clusterer"):
        try:
            if getattr(raw, "_estimator_type", None) == kind or getattr(base, "is_" + kind)(raw):
                return kind
        except Exception:  # another version of scikit-learn, or no estimator
            continue
    return None


def described_estimator(raw: Any) -> dict[str, Any]:
    """What the model below pyfunc says of itself: kind, classes, and the methods by which it gives scores."""
    methods = []
    for name in SCORING:
        try:
            methods += [name] if callable(getattr(raw, name, None)) else []
        except Exception:  # a property of a model that was not fitted
            continue
    classes = class_names(raw)
    few = classes is not None and len(classes) <= FEW_CLASSES and all(len(str(each)) <= 200 for each in classes)
    return {"kind": estimator_kind(raw), "methods": methods, "classes": classes if few else None}


def described(batch: Any, description: dict[str, Any]) -> Any:
    """Return the batch with a description of its columns in its schema."""
    return batch.replace_schema_metadata({"lockgate.answer": json.dumps(description)})


def aligned(answer: Any, rows: int, batch: Any) -> Any:
    """Return the answer in the order of the batch's rows: by an index of its own, and by input columns that it repeats.

    Columns of the answer that hold the values of the input column of their name in another order say which row is which
    where they are distinct, and no ranks, which the model may have computed anew. Raises BadAnswer where they are not, and
    for an index that is not that of the rows, or fits two orders of them: the order of such an answer is a guess.
    """
    answer, indexed = _by_index(answer, rows, batch)
    repeats = _repeats(answer, rows, batch)
    moved = [each for each in repeats if each[1] != each[2]]
    distinct = [each for each in repeats if len(set(each[2])) == rows]
    if not moved or any(own == sent for _, own, sent in distinct):
        return answer
    keys = [(own, sent) for _, own, sent in distinct if not _may_be_ranks(sent)]
    if indexed and not keys:
        return answer
    if not keys:
        parts = [(own, sent) for _, own, sent in repeats if own == sent or not _may_be_ranks(sent)]
        keys = [(list(zip(*(own for own, _ in parts))), list(zip(*(sent for _, sent in parts))))]
    orders = []
    for own, sent in keys:
        place_of = {value: place for place, value in enumerate(own)}
        orders.append([place_of.get(value) for value in sent])
    agreed = all(order == orders[0] for order in orders)
    if not agreed or None in orders[0] or len(set(orders[0])) < rows or (indexed and orders[0] != list(range(rows))):
        raise BadAnswer(
            "the model's answer repeats the input column %s in another order than that of the rows that it got, and "
            "its values do not tell the rows apart: which answer is whose is unclear; let predict return the answers "
            "in the order of its input, and give a column that it computes anew, such as a rank, a name of its own"
            % ", ".join(name for name, _, _ in moved)
        )
    return _reordered(answer, orders[0])


def _repeats(answer: Any, rows: int, batch: Any) -> list[tuple[str, list[Any], list[Any]]]:
    """(name, values, the input's values) of the columns that the answer repeats in whatever order, spelled alike."""
    repeats = []
    for name, values in _columns_of(answer, rows, batch.schema.names).items():
        repeat = _repeat(values, _decoded(batch.column(batch.schema.names.index(name))).to_pylist())
        if repeat is not None:
            repeats.append((name, *repeat))
    return repeats


def _may_be_ranks(values: list[Any]) -> bool:
    """Whether values are those of a ranking, which every other ranking has as well: counted, or shares of their number."""
    import numpy

    try:
        distinct = numpy.unique(numpy.array(values, "float64"))
    except (TypeError, ValueError):  # a date or a text
        return False
    count, first = len(distinct), float(distinct[0])
    step = float(distinct[1]) - first if count > 1 else 1.0
    even = step > 0 and numpy.allclose(numpy.diff(distinct), step, rtol=1e-6, atol=0)
    return bool(even) and round(1 / step, 3) in (1, count, count - 1) and min(abs(first), abs(first - step)) < 1e-6


def _columns_of(answer: Any, rows: int, names: Any) -> dict[str, list[Any]]:
    """Name → values of the answer's columns of these names; empty for an answer that has no names, or other rows."""
    if isinstance(answer, (list, tuple)):
        if len(answer) != rows or not all(isinstance(record, dict) for record in answer):
            return {}
        return {name: [record.get(name) for record in answer] for name in names if rows and name in answer[0]}
    if isinstance(answer, dict):
        pairs = list(answer.items())
    elif hasattr(answer, "columns") and hasattr(answer, "iloc"):
        pairs = [(name, answer.iloc[:, place]) for place, name in enumerate(answer.columns)]
    else:
        return {}
    if any(
        not hasattr(values, "__len__") or not getattr(values, "ndim", 1) or len(values) != rows for _, values in pairs
    ):
        return {}
    return {str(name): list(values) for name, values in pairs if str(name) in names}


def _repeat(own: list[Any], sent: list[Any]) -> tuple[list[Any], list[Any]] | None:
    """Return both spelled alike where `own` holds the values of `sent` in whatever order; else None."""
    for spell in (_bare, _plain_text, _single):
        try:
            pair = [spell(value) for value in own], [spell(value) for value in sent]
            if pair[0] == pair[1] or collections.Counter(pair[0]) == collections.Counter(pair[1]):
                return pair
        except (TypeError, ValueError, OverflowError):  # values that cannot be looked up, or are no numbers
            continue
    return None


def _bare(value: Any) -> Any:
    """A value without numpy's type; None for one that is missing."""
    import pandas

    missing = pandas.isna(value)
    return None if missing is True or (getattr(missing, "ndim", 1) == 0 and missing) else value


def _plain_text(value: Any) -> Any:
    """A value as text: `1` for 1, 1.0 and "1"."""
    value = _bare(value)
    return (
        value if value is None else str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
    )


def _single(value: Any) -> Any:
    """A number in single precision, in which a signature may have it."""
    import numpy

    value = _bare(value)
    return None if value is None else float(numpy.float32(value))


def _reordered(answer: Any, order: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _reordered(values, order) for name, values in answer.items()}
    if hasattr(answer, "iloc"):
        return answer.iloc[order].reset_index(drop=True)
    return answer[order] if hasattr(answer, "shape") else [answer[place] for place in order]


def _by_index(answer: Any, rows: int, batch: Any) -> tuple[Any, bool]:
    """Return the answer in the order of the batch's rows, and whether an index of its own says it.

    An index that counts the rows, or repeats an input column whose values are distinct, says which row is which. Raises
    BadAnswer for any other, and for one that can be read in two ways, unless the columns beside it fit one of them alone.
    """
    if isinstance(answer, dict):
        parts = {name: _by_index(values, rows, batch) for name, values in answer.items()}
        return {name: part for name, (part, _) in parts.items()}, any(indexed for _, indexed in parts.values())
    index = getattr(answer, "index", None)
    if index is None or not hasattr(answer, "iloc") or len(answer) != rows:
        return answer, False
    labels = index.tolist()
    if labels == list(range(rows)) and index.name not in batch.schema.names:
        return answer, False
    orders = _index_orders(labels, answer, rows, batch)
    if len(orders) > 1:
        orders = [order for order in orders if _in_place(_reordered(answer, order), rows, batch)] or orders
    if len(orders) == 1:
        return _reordered(answer, orders[0]), True
    kind = getattr(index, "dtype", "of no type")
    if orders:
        raise BadAnswer(
            "the model answers under an index of its own (%s) that can be read in two ways, as the places of the rows and "
            "as values of theirs, such as ids or ranks: which answer is whose is unclear; let predict return the answer "
            "in the order of the rows, with reset_index(drop=True)" % kind
        )
    raise BadAnswer(
        "the model answers under an index of its own (%s), which is not that of the rows that it got (0 to %d): which "
        "answer is whose is unclear; let predict return the answers under the index of its input, or "
        "answer.to_numpy() where they are in the order of the rows" % (kind, rows - 1)
    )


def _in_place(answer: Any, rows: int, batch: Any) -> bool:
    """Whether the answer repeats input columns, and each of them row by row."""
    repeats = _repeats(answer, rows, batch)
    return bool(repeats) and all(own == sent for _, own, sent in repeats)


def _index_orders(labels: list[Any], answer: Any, rows: int, batch: Any) -> list[list[int]]:
    """The orders of the answer's rows that an index can mean; where it is an input column row by row, they are in place."""
    in_place = list(range(rows))
    orders = [order for order in [_order_by(labels, in_place)] if order is not None]
    backwards = labels == in_place[::-1]  # any data sorted the other way round, so no column says what it means
    for column in batch.columns:
        repeat = None if _nested(column.type) else _repeat(labels, _decoded(column).to_pylist())
        if repeat is None or len(set(repeat[1])) < rows:
            continue
        if repeat[0] != repeat[1]:
            if _kind(column.type) in ("integer", "string", "large_string", "timestamp", "date"):
                orders.append(_order_by(*repeat) or in_place)
        elif not backwards:
            return [in_place]
        else:
            orders.append(in_place)
    counted = _order_by(labels, list(range(1, rows + 1)))
    if orders and counted is not None:
        orders.append(counted)
    if orders and not backwards and counted is None and _ranks_a_column(orders[0], [*_numbers_of(batch), answer]):
        orders.append(in_place)
    return [order for place, order in enumerate(orders) if order not in orders[:place]]


def _order_by(labels: list[Any], values: list[Any]) -> list[int] | None:
    """The places of the values among the labels; None where these are not the same, each of them once."""
    try:
        place_of = {label: place for place, label in enumerate(labels)}
        order = [place_of[value] for value in values]
    except (TypeError, KeyError):  # a label that cannot be looked up, or is another
        return None
    return order if len(set(order)) == len(labels) else None


def _numbers_of(batch: Any) -> list[Any]:
    """The columns of numbers of a batch."""
    columns = [_decoded(column) for column in batch.columns if _kind(column.type) in ("integer", "floating")]
    return [column.to_pandas() for column in columns]


def _ranks_a_column(order: list[int], columns: list[Any]) -> bool:
    """Whether numbers stand sorted in this order, so that what counts the rows in it may be their rank.

    Of few rows, or of columns with few values, chance says so too often.
    """
    import numpy

    for column in columns:
        parts = [column] if not hasattr(column, "columns") else [column.iloc[:, i] for i in range(column.shape[1])]
        for part in parts:
            values = numpy.asarray(part)
            if len(order) < LEAST_RANKED or values.ndim != 1 or values.dtype.kind not in "iuf":
                continue
            steps = numpy.diff(values[order].astype("float64"))
            if (steps != 0).sum() * 2 > len(order) and ((steps >= 0).all() or (steps <= 0).all()):
                return True
    return False


def as_batch(answer: Any, rows: int) -> Any:
    """Convert a model's answer to an Arrow batch of `rows` rows; the columns of a matrix are `0`, `1`, …

    Raises BadAnswer.
    """
    import pyarrow as pa

    columns = _answer_columns(answer)
    names = [str(name) for name, _ in columns]
    if len(set(names)) < len(names):
        raise BadAnswer("the model returned two columns of one name: %s" % ", ".join(names))
    arrays = []
    for name, values in columns:
        if len(values) != rows:
            raise BadAnswer("the model returned %d rows for %d" % (len(values), rows))
        try:
            arrays.append(_as_array(values))
        except (pa.ArrowException, TypeError, ValueError):
            raise BadAnswer("the model's column %r holds values of no one type: %s" % (name, _types_in(values)))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def packed(answer: Any) -> Any:
    """Return an answer of any shape as a batch of bytes: JSON, then the bytes of each array in it. See `unpacked`.

    Raises BadAnswer for what is neither plain values, containers and arrays of them, nor a frame.
    """
    import pyarrow as pa

    parts = [b""]
    try:
        parts[0] = json.dumps(_packed(answer, parts)).encode()
    except (RecursionError, ValueError) as error:
        raise BadAnswer("the model's answer cannot be handed to per_row: %s" % _raised(error), quoted=_raised(error))
    return pa.RecordBatch.from_arrays([pa.array(parts, pa.large_binary())], names=["answer"])


def _packed(value: Any, parts: list[bytes]) -> Any:
    """The value as JSON: a list is one, an object holds the kind of anything else. parts: bytes are added to them."""
    import datetime

    import pandas

    if value is None or value is pandas.NA or isinstance(value, (bool, int, float, str)):
        return None if value is pandas.NA else value
    if isinstance(value, (list, tuple)):
        items = [_packed(item, parts) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        return {"dict": [[_packed(key, parts), _packed(item, parts)] for key, item in value.items()]}
    if isinstance(value, bytes):
        parts.append(value)
        return {"bytes": []}
    if isinstance(value, datetime.datetime):
        return {"time": value.isoformat()}
    if isinstance(value, pandas.DataFrame):
        columns = [[_packed(name, parts), _values(value.iloc[:, i], parts)] for i, name in enumerate(value.columns)]
        return {"frame": [columns, _index(value, parts)]}
    if isinstance(value, pandas.Series):
        return {"series": [_values(value, parts), _packed(value.name, parts), _index(value, parts)]}
    array = _plain_array(value)
    if array is None or array.dtype.kind not in "O" + PLAIN_KINDS:
        raise BadAnswer(
            "the model's answer holds a %s, which cannot be handed to per_row" % type(value).__name__,
            remedy="let predict return numbers, texts, bytes, times, lists and dicts of them, arrays or frames",
        )
    if array.dtype.kind == "O":
        return {"objects": [[_packed(item, parts) for item in array.flat], list(array.shape)]}
    parts.append(array.tobytes())
    return {"array": [array.dtype.str, list(array.shape)]}


def _values(series: Any, parts: list[bytes]) -> Any:
    import numpy

    plain = isinstance(series.dtype, numpy.dtype)
    return _packed(series.to_numpy() if plain else series.astype(object).to_numpy(), parts)


def _index(table: Any, parts: list[bytes]) -> Any:
    labels = table.index.tolist()
    return None if labels == list(range(len(labels))) else _packed(labels, parts)


def _plain_array(value: Any) -> Any:
    """The numpy array of an array, a number of numpy, a tensor, a sparse matrix or an image; None of anything else."""
    import numpy

    if hasattr(value, "toarray"):
        return value.toarray()
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        return value.detach().cpu().numpy()
    return numpy.asarray(value) if hasattr(value, "__array__") or hasattr(value, "__array_interface__") else None


def unpacked(batch: Any) -> Any:
    """Return the answer that `packed` made a batch of; its arrays can only be read.

    What a model's process sends may be anything: nothing in it is executed, its bytes are used once, and nothing larger than
    they are is made of them. Raises BadAnswer.
    """
    parts = (part.as_buffer() or b"" for part in batch.column(0))
    try:
        return _unpacked(json.loads(bytes(next(parts))), parts)
    except (Exception, RecursionError) as error:
        raise BadAnswer("its process sent what is no answer") from error


def _unpacked(node: Any, parts: Any) -> Any:
    import numpy
    import pandas

    if isinstance(node, list):
        return [_unpacked(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    [(kind, content)] = node.items()
    if kind == "tuple":
        return tuple(_unpacked(content, parts))
    if kind == "dict":
        return {_unpacked(key, parts): _unpacked(item, parts) for key, item in content}
    if kind == "bytes":
        return bytes(next(parts))
    if kind == "time":
        return pandas.Timestamp(content)
    if kind == "frame":
        columns, index = content
        named = [(_unpacked(name, parts), _unpacked(values, parts)) for name, values in columns]
        frame = pandas.DataFrame({i: values for i, (_, values) in enumerate(named)}, index=_unpacked(index, parts))
        frame.columns = [name for name, _ in named]
        return frame
    if kind == "series":
        values, name, index = (_unpacked(part, parts) for part in content)
        return pandas.Series(values, name=name, index=index)
    if kind == "objects":
        items = _unpacked(content[0], parts)
        return _series_of(items).to_numpy().reshape(content[1])
    dtype = numpy.dtype(content[0])
    if kind != "array" or dtype.kind not in PLAIN_KINDS or not dtype.itemsize:
        raise ValueError(kind)
    data = next(parts)
    array = (numpy.frombuffer(data, dtype) if len(data) else numpy.empty(0, dtype)).reshape(content[1])
    return array if content[1] else array[()]


def call_row_function(name: str, call: Any, arguments: tuple[Any, Any, Any], batch: Any, before: int) -> Any:
    """Call a row function; return one float for each row of (inputs, answer, labels). Raises BadMetric, naming the row.

    A series is put into the order of the rows as an answer is, by its index. batch: the columns of the inputs. before: rows
    of earlier batches.
    """
    import numpy

    rows = len(arguments[0])
    try:
        values, _ = _by_index(call(*arguments), rows, batch)
        values = numpy.asarray(values, dtype="float64")
    except BadAnswer as error:
        raise BadMetric(
            str(error).replace("the model answers", "%s answers" % name).replace("let predict", "let it")
        ) from error
    except Exception as error:
        first = _first_that_fails(call, arguments)
        where = (
            "in row %d" % (before + first + 1)
            if first is not None
            else "in rows %d to %d" % (before + 1, before + rows)
        )
        raised = _raised(error)
        text = "%s raised %s (%s), %s" % (name, raised, _origin(error), where)
        raise BadMetric(text, quoted=raised) from error
    if values.shape != (rows,):
        raise BadMetric("%s answered shape %s for %d rows; it answers one number a row" % (name, values.shape, rows))
    return values


def _first_that_fails(call: Any, arguments: tuple[Any, Any, Any]) -> int | None:
    """Bisect to the first row, from 0, that fails on its own; None if only a group fails."""
    low, high = 0, len(arguments[0])
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(call, arguments, low, middle):
            high = middle
        elif _fails(call, arguments, middle, high):
            low = middle
        else:
            return None
    return low


def _fails(call: Any, arguments: tuple[Any, Any, Any], start: int, end: int) -> bool:
    try:
        part = [_rows(value, start, end) for value in arguments]
    except Exception:  # an answer that cannot be cut does not tell which row it was
        return False
    try:
        call(*part)
    except Exception:
        return True
    return False


def _rows(value: Any, start: int, end: int) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _rows(part, start, end) for name, part in value.items()}
    if hasattr(value, "iloc"):
        return value.iloc[start:end].reset_index(drop=True)
    return value[start:end]


def _raised(error: Exception) -> str:
    """Error type and first line: `ValueError: bad mask`."""
    lines = _text(error).splitlines()
    return "%s: %s" % (type(error).__name__, lines[0]) if lines else type(error).__name__


def _origin(error: Exception) -> str:
    """Where an error was raised: `masks.py, line 12`."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "%s, line %s" % (os.path.basename(last.filename), last.lineno)


def _module(spec: dict[str, Any]) -> Any:
    import hashlib
    import types

    file = spec["file"]
    with open(file, "rb") as source:
        data = source.read()
    if "sha256:" + hashlib.sha256(data).hexdigest() != spec["sha256"]:
        raise BadMetric("%s changed since the run began" % os.path.basename(file))
    module = types.ModuleType("lockgate_per_row_" + spec["sha256"][7:19])
    module.__file__ = file
    sys.modules[module.__name__] = module
    try:
        exec(compile(data, file, "exec"), module.__dict__)
    except ImportError:
        raise
    except Exception as error:
        text = "%s could not be loaded: %s (%s)" % (os.path.basename(file), _raised(error), _origin(error))
        raise BadMetric(text, quoted=_raised(error)) from error
    return module


def _answer_columns(answer: Any) -> list[tuple[Any, Any]]:
    import numpy
    import pandas  # type: ignore[import-untyped,unused-ignore]

    if hasattr(answer, "toarray"):
        answer = answer.toarray()  # a sparse matrix
    elif hasattr(answer, "detach") and hasattr(answer, "numpy"):
        answer = answer.detach().cpu().numpy()  # a tensor
    if isinstance(answer, dict):
        return list(_dict_columns(answer).items())
    if isinstance(answer, (list, tuple)):
        first = answer[0] if answer else None
        if isinstance(first, dict):
            answer = pandas.DataFrame(answer)
        elif isinstance(first, (list, tuple, numpy.ndarray)):
            answer = numpy.stack([numpy.asarray(row) for row in answer])
        else:
            return [("prediction", list(answer))]
    if isinstance(answer, pandas.DataFrame):
        return [(name, answer.iloc[:, i]) for i, name in enumerate(answer.columns)]
    if isinstance(answer, pandas.Series):
        return [("prediction", answer)]
    if isinstance(answer, numpy.ndarray) and answer.ndim == 1:
        return [("prediction", answer)]
    if isinstance(answer, numpy.ndarray) and answer.ndim == 2:
        return [(i, answer[:, i]) for i in range(answer.shape[1])]
    shape = " of shape %s" % (answer.shape,) if isinstance(answer, numpy.ndarray) else ""
    raise BadAnswer("the model returned a %s%s, which is not one answer a row" % (type(answer).__name__, shape))


def _dict_columns(answer: dict[Any, Any]) -> dict[Any, Any]:
    """Return the columns of a dict, without an error that is none. Raises BadAnswer for one, and for what is no column."""
    import numpy

    columns = {}
    for name, values in answer.items():
        try:
            values = numpy.asarray(values)
        except ValueError:  # lists of different lengths
            values = list(values)
        whole = getattr(values, "ndim", 1) == 0
        if name in ERROR_KEYS and (whole or not len(values)):
            if error_text(values) is not None:
                raise BadAnswer("the model returned an error in place of predictions")
        elif whole:
            raise BadAnswer("the model returned an object whose %r is not one value a row" % name)
        else:
            columns[name] = values
    if not columns.keys() - ERROR_KEYS:
        raise BadAnswer("the model returned an object without predictions")
    return columns


def _as_array(values: Any) -> Any:
    import numpy
    import pyarrow as pa

    if isinstance(getattr(values, "dtype", None), numpy.dtype) and values.dtype.kind in "biuf":
        return pa.array(numpy.ascontiguousarray(values))  # a NaN stays a NaN
    array = pa.array(values) if isinstance(values, list) else pa.array(values, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    plain = {"string_view": pa.large_string, "binary_view": pa.large_binary}.get(_kind(array.type))
    return _decoded(array) if plain is None else array.cast(plain())


def _types_in(values: Any) -> str:
    """The types of the values of a column, at most five of them: `float, str`."""
    return ", ".join(sorted({type(value).__name__ for value in values})[:5])


def _check_rows(answer: Any, rows: int) -> None:
    count = answer.shape[0] if hasattr(answer, "shape") and answer.shape else None
    if count is None and isinstance(answer, (list, tuple)):
        count = len(answer)
    if count is not None and count != rows:
        raise BadAnswer("the model returned %d rows for %d" % (count, rows))


def _check_prediction(answer: Any, rows: int) -> dict[str, Any]:
    """Return the columns of an answer by name, `prediction` where it has no names, without errors.

    Raises BadAnswer for an answer to a request under load that is no prediction: None, an error, a value that is missing.

    Cheap, because the next request waits: a sum tells whether numbers are finite. Of a vector or a matrix every value
    counts; of named columns one in each row is enough.
    """
    if answer is None:
        raise BadAnswer("the model returned None")
    _check_rows(answer, rows)
    named = _named(answer)
    if named is not None:
        errors = [values for name, values in named.items() if name in ERROR_KEYS]
        if (errors and len(errors) == len(named)) or any(error_text(values) is not None for values in errors):
            raise BadAnswer("the model returned an error in place of predictions")
    if isinstance(answer, dict):
        columns = [values for name, values in _dict_columns(answer).items() if name not in ERROR_KEYS]
        for values in columns:
            _check_rows(values, rows)
        lacking = any(all(map(_lacks, row)) for row in zip(*(list(values) for values in columns)))
    elif isinstance(answer, (list, tuple)):
        lacking = any(
            all(_lacks(value) for name, value in row.items() if name not in ERROR_KEYS)
            if isinstance(row, dict)
            else _lacks(row)
            for row in answer
        )
    elif hasattr(answer, "columns") and hasattr(answer, "to_numpy"):
        lacking = _lacks_rows(answer.to_numpy(), every=False)
    else:
        values = answer.detach().cpu() if hasattr(answer, "detach") else getattr(answer, "values", answer)
        lacking = hasattr(values, "dtype") and _lacks_rows(values, every=True)
    if lacking:
        raise BadAnswer("the model returned a prediction that is missing, NaN or infinite")
    by_name = {"prediction": answer} if named is None else named
    return {str(name): values for name, values in by_name.items() if name not in ERROR_KEYS}


def value_kind(values: Any) -> str:
    """Return what the values of a column are: `numbers`, `texts`, `bool`, …; empty where there are none."""
    import numpy

    values = getattr(values, "values", values)  # of a series
    kind = getattr(getattr(values, "dtype", None), "kind", "f" if hasattr(values, "detach") else None)
    if kind == "f" and isinstance(values, numpy.ndarray) and bool(numpy.isnan(values).all()):  # for what is missing
        return ""
    if kind in VALUE_KINDS:
        return VALUE_KINDS[kind]
    return " and ".join(sorted(set(_kinds_in(values if hasattr(values, "__iter__") else [values]))))


def _kinds_in(values: Any) -> Any:
    for value in values:
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, (list, tuple)):
            yield from _kinds_in(value)
        elif not _lacks(value):
            number = isinstance(value, numbers.Number) and not isinstance(value, bool)
            yield "numbers" if number else "texts" if isinstance(value, str) else type(value).__name__


def kind_change(kinds: Any, names: list[str], verified: Any) -> str | None:
    """Return how columns differ in kind from those of the first answer, both as `value_kind` by name; None where they do not."""
    for name, kind in verified.items():
        if name not in names and (kind == "numbers" or len(verified) == 1):
            return "it has no %r, as the first answer has; it has %s" % (name, ", ".join(map(repr, names[:10])))
        if kinds.get(name, kind) != kind:
            return "its predictions (%r) are %s, and those of the first answer are %s" % (name, kinds[name], kind)
    return None


def _named(answer: Any) -> dict[Any, Any] | None:
    """Name → values of an answer whose columns have names: a dict, a frame, objects in a list; None for any other."""
    if isinstance(answer, dict):
        return answer
    if hasattr(answer, "columns") and hasattr(answer, "iloc"):
        return {name: answer.iloc[:, i] for i, name in enumerate(answer.columns)}
    if isinstance(answer, (list, tuple)) and any(isinstance(row, dict) for row in answer):
        rows = [row if isinstance(row, dict) else {} for row in answer]
        return {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}
    return None


def error_text(value: Any) -> str | None:
    """Return what the value of an `error` says, in 200 characters; None where it says that there is none.

    That is null, NaN, false, 0, a text such as `ok`, and a list or an object of nothing but such values.
    """
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple, dict)):
        parts = value.values() if isinstance(value, dict) else value
        if all(error_text(part) is None for part in parts):
            return None
        return json.dumps(value, ensure_ascii=False, default=str)[:200]
    text = str(value)
    return None if text.strip().lower() in NO_ERROR else text[:200]


def _lacks(value: Any) -> bool:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple)):
        return any(map(_lacks, value))
    return value is None or (isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))))


def _lacks_rows(values: Any, *, every: bool) -> bool:
    """Whether some row has a value that is missing, NaN or infinite; with `every` False, none but such values."""
    import numpy

    values = numpy.asarray(values)
    kind = values.dtype.kind
    if kind == "f":
        total = float(values.sum())
        if total - total == 0:  # neither NaN nor infinite
            return False
        present = numpy.isfinite(values)
    elif kind == "O":
        present = numpy.array([not _lacks(value) for value in values.ravel()], bool).reshape(values.shape)
    else:
        return False
    if present.ndim < 2:
        return not bool(present.all())
    by_row = present.reshape(len(present), -1)
    return not bool((by_row.all(axis=1) if every and present.ndim == 2 else by_row.any(axis=1)).all())


def _wait_until(moment: float) -> None:
    """Sleep, and spin for the last half millisecond, because sleeping ends late."""
    seconds = moment - time.perf_counter()
    if seconds > SPIN_S:
        time.sleep(seconds - SPIN_S)
    while time.perf_counter() < moment:
        pass


def _decoded(column: Any) -> Any:
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _type_name(arrow_type: Any) -> str:
    """The name of a type, however it is laid out: pandas 3 stores texts as large_string."""
    return str(arrow_type).replace("large_", "").replace("_view", "")


def _kind(arrow_type: Any) -> str:
    import pyarrow as pa

    kinds = (
        "null boolean integer floating decimal string large_string string_view binary large_binary fixed_size_binary "
        "binary_view date timestamp"
    )
    checks = ((kind, getattr(pa.types, "is_" + kind, None)) for kind in kinds.split())  # an old pyarrow has no views
    return next((kind for kind, check in checks if check is not None and check(arrow_type)), str(arrow_type))


def _infinities(column: Any) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return 0
    return pc.sum(pc.is_inf(column)).as_py() or 0


def _stream(batch: Any) -> Any:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _described(error: Exception, before: int = 0) -> dict[str, Any]:
    kind = "raised"
    for types, name in (
        (MemoryError, "memory"),
        (ImportError, "import"),
        (BadInput, "input"),
        (BadAnswer, "answer"),
        (BadFile, "file"),
        (BadMetric, "metric"),
    ):
        if isinstance(error, types):
            kind = name
    return {
        "kind": kind,
        "type": type(error).__name__,
        "text": error.sentence(before) if isinstance(error, Misfit) else _text(error),
        "quoted": getattr(error, "quoted", ""),
        "remedy": getattr(error, "remedy", None) if isinstance(error, Misfit) else None,
        "module": getattr(error, "name", None) if kind == "import" else None,
        "denied": _denied(error),
        "lacking": "\n".join(_lacking(error.__cause__ if kind == "metric" and error.__cause__ else error)) or None,
        "fault": _fault(error),
    }


def _fault(error: Exception) -> str:
    """What an exception that a model raised is a fault of: `columns` that the rows lack, `schema` that they do not fit.

    `named_tensor`: it is about the dict that MLflow makes of the only tensor where the signature names it. `code`: the model's
    own is on the way to where it was raised; `library`: nothing but installed code is, which refuses the rows as often as the
    model is wrong.
    """
    if _lacking(error):
        return "columns"
    if _refuses_dict(error):
        return "named_tensor"
    files = [place.f_code.co_filename for place, _ in traceback.walk_tb(error.__traceback__)]
    if any(file != __file__ and not _installed(file) for file in files):
        return "code"
    schema = type(error).__name__ == "MlflowException" and "%smlflow%s" % (os.sep, os.sep) in files[-1]
    return "schema" if schema else "library"


def _refuses_dict(error: Exception) -> bool:
    """Whether a model was given one array in a dict, and what it raised speaks of that: by its type, or by what it shows."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == __file__]
    inputs = [frame.f_locals.get("frame") for frame in frames]
    name = next((next(iter(arrays)) for arrays in inputs if isinstance(arrays, dict) and len(arrays) == 1), None)
    return name is not None and ("dict" in str(error).lower() or "{%r" % name in str(error))


def _installed(file: str) -> bool:
    """Whether a frame's file belongs to Python or to an installed package, compiled ones too."""
    parts = file.replace("\\", "/").split("/")
    if file.startswith("<frozen") or file.endswith((".pyx", ".pxd", ".pxi")):
        return True
    return bool({"site-packages", "dist-packages"} & set(parts)) or file.startswith(_STANDARD_LIBRARY)


def _denied(error: BaseException | None) -> str | None:
    """The path that was denied, where that is what an error is about, or came from."""
    for _ in range(10):
        if (
            isinstance(error, OSError)
            and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            and isinstance(error.filename, (str, bytes))
        ):
            return os.path.abspath(os.fsdecode(error.filename))[:TEXT_LENGTH]
        error = None if error is None else error.__cause__ or error.__context__
    return None


def _lacking(error: BaseException) -> list[str]:
    """The names of columns that somebody wanted of a frame which has none of that name."""
    if not isinstance(error, KeyError):
        return []
    for place, _ in traceback.walk_tb(error.__traceback__):
        code = place.f_code
        if code.co_name == "__getitem__" and code.co_filename.endswith(os.path.join("pandas", "core", "frame.py")):
            frame, key = place.f_locals.get("self"), place.f_locals.get("key")
            names = key if isinstance(key, list) else [key]
            return [name for name in names[:10] if isinstance(name, str) and name not in getattr(frame, "columns", ())]
    return []


def _text(error: Exception) -> str:
    """Text of the error, cut because a model may quote its whole input."""
    try:
        text = str(error)
    except Exception:
        return ""
    return text if len(text) <= TEXT_LENGTH else text[:TEXT_LENGTH] + " …"


def _versions() -> dict[str, str]:
    from importlib import metadata

    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return versions


def _peak_rss() -> int:
    """Bytes. On Linux from VmHWM, because ru_maxrss also remembers the process that started this one."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _die_with_parent(lifeline: int) -> None:
    """Kill this whole process group when the other end of the lifeline closes.

    On Linux the kernel does it, so that it works while a model holds the interpreter's lock; elsewhere a thread does.
    PR_SET_PDEATHSIG would not do: it fires when the thread ends that started us, and spares the model's children.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        try:
            gone = os.read(lifeline, 1) == b""
        except BlockingIOError:
            gone = False
        if gone:
            os.killpg(0, signal.SIGKILL)
        return

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def read_frame(descriptor: int) -> tuple[dict[str, Any], memoryview] | None:
    """Return the next frame, None at the end of the pipe."""
    head = _read(descriptor, HEAD.size)
    if head is None:
        return None
    _, header_size, payload_size = HEAD.unpack(head)
    header = _read(descriptor, header_size)
    payload = _read(descriptor, payload_size)
    if header is None or payload is None:
        return None
    return json.loads(bytes(header)), payload


def write_frame(descriptor: int, header: dict[str, Any], payload: Any = b"") -> None:
    text = json.dumps(header).encode()
    body = memoryview(payload).cast("B")
    for part in (memoryview(HEAD.pack(MAGIC, len(text), len(body)) + text), body):
        while part:
            part = part[os.write(descriptor, part) :]


def _read(descriptor: int, size: int) -> memoryview | None:
    data = memoryview(bytearray(size))
    filled = 0
    while filled < size:
        count = os.readv(descriptor, [data[filled:]])
        if count == 0:
            return None
        filled += count
    return data


if __name__ == "__main__":
    # the model's own children must not hold these pipes open
    alone = sys.argv[1:2] == ["run"]
    descriptors = [int(text) for text in (sys.argv[2:3] if alone else sys.argv[1:4])]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003
    if alone:
        sys.exit(run(descriptors[0], sys.argv[3:]))
    main(*descriptors)
