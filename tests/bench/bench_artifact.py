"""How much processor time does it take to look at a model's files before they are loaded, beside hashing them once?"""

from __future__ import annotations

import io
import json
import pickle
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import joblib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.hostile_models import mlmodel
from lockgate.hashing import folder_digest
from lockgate.models.artifact.inspection import InspectionPolicy, inspect

SIZE = 200_000_000
GOAL_S = 2.0
ROUNDS = 3
NUMBERS = np.random.default_rng(0).random(SIZE // 8)


def text(folder: Path) -> None:
    (folder / "model.json").write_bytes((b'{"split": 0.123456789, "leaf": -1},\n' * (SIZE // 30))[:SIZE])


def tensors(folder: Path) -> None:
    header = json.dumps({"w": {"dtype": "F64", "shape": [len(NUMBERS)], "data_offsets": [0, NUMBERS.nbytes]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + NUMBERS.tobytes())


def torch(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", NUMBERS.tobytes())


def objects(folder: Path) -> None:
    buffer = io.BytesIO()
    pickle.dump([{"at": number, "split": [float(number), str(number)]} for number in range(SIZE // 800)], buffer)
    (folder / "model.pkl").write_bytes(buffer.getvalue())


FOLDERS: Mapping[str, Callable[[Path], object]] = {
    "a pickle of arrays": lambda folder: (folder / "model.pkl").write_bytes(pickle.dumps({"coef": NUMBERS}, 5)),
    "joblib": lambda folder: joblib.dump(
        [NUMBERS[: len(NUMBERS) // 2], NUMBERS[len(NUMBERS) // 2 :]], folder / "model.pkl"
    ),
    "arrays in a zip": lambda folder: np.savez(folder / "model.npz", w=NUMBERS),
    "torch": torch,
    "safetensors": tensors,
    "HDF5": lambda folder: (folder / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + NUMBERS.tobytes()),
    "ONNX": lambda folder: (folder / "model.onnx").write_bytes(b"\x08\x0a" + NUMBERS.tobytes()),
    "JSON": text,
    "a pickle of small objects": objects,
}


def main() -> None:
    print(f"median of {ROUNDS}; goal for {SIZE / 1e6:.0f} MB: under {GOAL_S} s beyond reading them once")
    for name, write in FOLDERS.items():
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home)
            mlmodel(folder, {"python_function": {"loader_module": "mlflow.sklearn"}})
            write(folder)
            size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            hashed, looked = [], []
            for _ in range(ROUNDS):
                began = time.process_time()
                folder_digest(folder)
                hashed.append(time.process_time() - began)
                inspection = inspect(folder, InspectionPolicy())
                looked.append(time.process_time() - began - hashed[-1])
            assert not inspection.problems, [str(problem) for problem in inspection.problems]
            print(f"{name:26} {size:5.0f} MB   looked at in {median(looked):.2f} s   hashed in {median(hashed):.2f} s")
    print(
        f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, of which the arrays of this benchmark hold some 600"
    )


if __name__ == "__main__":
    main()
