"""How long does it take to lift a million recorded requests out of nested logs, beside one pass of pyarrow over the same file?"""

from __future__ import annotations

import base64
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REQUESTS = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 1_000_000
MOST_MIB = 300
PATHS = {
    "id": "id", "amount": "request.body.amount", "country": "request.body.country", "age": "request.body.age",
    "user": "request.body.user.id", "score": "response.predictions[0]",
}  # fmt: skip
# how the body is held → (the step to it, how often the processor time of pyarrow's pass ours may be)
KINDS = {"nested": ("", 2.0), "text": ("|json", 4.0), "base64": ("|base64|json", 4.0)}


def write(folder: Path) -> None:
    """The same requests in each way."""
    draw = random.Random(7)
    files = {kind: (folder / f"{kind}.jsonl").open("w") for kind in KINDS}
    for number in range(REQUESTS):
        body = {
            "amount": draw.random() * 100, "country": draw.choice(["BR", "US", "EU"]), "age": draw.randint(18, 90),
            "user": {"id": f"u{number % 5000}", "tier": "gold"},
        }  # fmt: skip
        text = json.dumps(body)
        bodies = {"nested": body, "text": text, "base64": base64.b64encode(text.encode()).decode()}
        for kind, file in files.items():
            record = {
                "id": f"req-{number:08d}", "ts": "2026-11-29T10:00:00Z",
                "request": {"method": "POST", "headers": {"host": "model", "agent": "curl"}, "body": bodies[kind]},
                "response": {"status": 200, "predictions": [draw.random()]},
            }  # fmt: skip
            file.write(json.dumps(record) + "\n")
    for file in files.values():
        file.close()


def lift(folder: Path, kind: str) -> None:
    """In a process of its own: print processor seconds, and the peak of memory in MiB."""
    from lockgate.data.dataset import Dataset
    from lockgate.data.dataset_spec import DatasetSpec

    columns = {name: path.replace("body", f"body{KINDS[kind][0]}", 1) for name, path in PATHS.items()}
    spec = DatasetSpec.model_validate({"path": f"{kind}.jsonl", "columns": columns})
    began = time.process_time()
    if (rows := Dataset("traffic", spec, folder).count()) != REQUESTS:
        raise SystemExit(f"{rows:,} rows of {REQUESTS:,} requests")
    print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def one_pass(folder: Path, kind: str) -> None:
    """In a process of its own: the processor seconds of pyarrow's pass."""
    import pyarrow.json

    began = time.process_time()
    pyarrow.json.read_json(str(folder / f"{kind}.jsonl"))
    print(time.process_time() - began, 0)


def measured(folder: Path, what: str, kind: str) -> tuple[float, float]:
    command = [sys.executable, __file__, what, str(folder), kind, str(REQUESTS)]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


def main() -> None:
    slow = []
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        write(folder)
        for kind, (_, most) in KINDS.items():
            pairs = [(measured(folder, "pass", kind)[0], *measured(folder, "lift", kind)) for _ in range(3)]
            theirs, ours = min(each[0] for each in pairs), min(each[1] for each in pairs)
            peak = max(each[2] for each in pairs)
            print(
                f"{kind:8} {REQUESTS:,} requests: {ours:.2f} s of the processor, pyarrow's pass {theirs:.2f} s, "
                f"×{ours / theirs:.2f} (at most ×{most:g}), peak {peak:.0f} MiB (at most {MOST_MIB})"
            )
            slow += [kind] if ours > most * theirs or peak > MOST_MIB else []
    if slow:
        raise SystemExit(f"too slow or too large: {', '.join(slow)}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        {"lift": lift, "pass": one_pass}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    else:
        main()
