"""Look at folders with tools that have an environment of their own; runs there, and prints what was found as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import joblib
import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.models.artifact.inspection import InspectionPolicy, inspect
from lockgate.models.artifact.signing import Signer

DENSE: dict[str, Any] = {
    "class_name": "Sequential",
    "config": {"layers": [{"class_name": "Dense", "config": {"units": 3}}]},
}
LAMBDA: dict[str, Any] = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('it ran')",)


def problems(folder: Path, **policy: Any) -> list[str]:
    unsafe = inspect(folder, InspectionPolicy(**policy)).problems
    return [problem.text for problem in unsafe if problem.kind == "unsafe_files"]


def alone(write: Any, name: str, **policy: Any) -> list[str]:
    """What is found in a folder with this one file."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, name))
        return problems(Path(folder), **policy)


def described(config: dict[str, Any], *, large: bool = False) -> Any:
    """What writes a file as Keras does: its description an attribute, beside numbers."""

    def write(path: Path) -> None:
        with h5py.File(path, "w", libver="latest" if large else "earliest") as file:
            file.attrs["keras_version"] = "2.15.0"
            file.attrs["model_config"] = json.dumps({**config, "padding": "x" * (200_000 if large else 1)})
            file.create_group("model_weights")["kernel"] = np.ones((300, 300))

    return write


def key() -> tuple[bytes, str]:
    """A private key and its public one, as PEM."""
    private = ec.generate_private_key(ec.SECP256R1())
    form, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    public = private.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(form, serialization.PrivateFormat.PKCS8, plain), public.decode()


def signed() -> dict[str, list[str]]:
    """What is found of a signature: as it was made, and after each change."""
    found = {}
    with tempfile.TemporaryDirectory() as home:
        folder, file = Path(home, "model"), Path(home, "key.pem")
        folder.mkdir()
        private, public = key()
        file.write_bytes(private)
        (folder / "model.json").write_text("{}")
        found["unsigned"] = problems(folder, signer=Signer(public, "model.sig"))
        command = [sys.executable, "-m", "model_signing", "sign", "key", "--private_key", file]
        subprocess.run([*command, "--signature", folder / "model.sig", folder], check=True, capture_output=True)
        folder = folder.rename(Path(home, "fetched"))
        (folder / "MLmodel").write_text("flavors: {}")
        found["more"] = problems(folder, signer=Signer(public, "model.sig"))
        (folder / "MLmodel").unlink()
        found["whole"] = problems(folder, signer=Signer(public, "model.sig"))
        found["other key"] = problems(folder, signer=Signer(key()[1], "model.sig"))
        (folder / "model.json").write_text("[]")
        found["changed"] = problems(folder, signer=Signer(public, "model.sig"))
        (folder / "model.sig").write_text("{}")
        found["no signature"] = problems(folder, signer=Signer(public, "model.sig"))
    return found


def main() -> None:
    lines = [1.5, Payload()]
    found = {
        "scanned": alone(lambda path: joblib.dump(lines, path), "model.joblib", scanners=("picklescan",)),
        "clean": alone(lambda path: joblib.dump([1.5], path), "model.joblib", scanners=("picklescan",)),
        "allowed": alone(
            lambda path: joblib.dump(lines, path), "model.joblib", scanners=("picklescan",), imports=("builtins.exec",)
        ),
        "lz4": alone(lambda path: joblib.dump([np.ones(99), Payload()], path, compress="lz4"), "model.joblib"),
        "clean lz4": alone(lambda path: joblib.dump([np.ones(99)], path, compress="lz4"), "model.joblib"),
        "hdf5": alone(described(LAMBDA), "model.h5"),
        "large hdf5": alone(described(LAMBDA, large=True), "model.h5"),
        "clean hdf5": alone(described(DENSE), "model.h5"),
        **signed(),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
