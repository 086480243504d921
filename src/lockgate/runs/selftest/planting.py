"""Copies of a model's files with a defect in them; nothing of the model is loaded here."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.errors import LockgateError
from lockgate.foreign import yaml as foreign_yaml
from lockgate.models.model_host import SCORING
from lockgate.runs.selftest import planted_model
from lockgate.runs.selftest.defects import SLOWER_MS

_LOADER = "lockgate_planted"
PLANTED_IMPORTS, PLANTED_FILES = (_LOADER,), (f"*/{_LOADER}.py",)  # what each copy has beside the model
_MODEL_FILE, _REQUIREMENTS = "MLmodel", "requirements.txt"


class NoPlace(LockgateError):
    """The defect has no place in these files: the message says why."""


@dataclass(frozen=True)
class Copies:
    """Copies of the model in a folder. files: of the real one. classifies: whether it answers with classes."""

    files: Path
    classifies: bool

    def wrapped(self, folder: Path, kind: str, *, rows: int = 0, payload: str | None = None) -> Path:
        """A copy that is loaded by `planted_model`. rows: of the slice. payload: code that its pickle runs."""
        copy, model = self._copy(folder)
        flavor = _python_function(model)
        code = flavor["code"] = str(flavor.get("code") or "code")
        plan = {
            "kind": kind,
            "loader": flavor["loader_module"],
            "methods": sorted({"predict", str(flavor.get("predict_fn") or "predict"), *SCORING}),
            "classifies": self.classifies,
            "seconds": SLOWER_MS / 1000,
            "rows": rows,
        }
        flavor["wrapped_loader"], flavor["loader_module"] = flavor["loader_module"], _LOADER
        if not (copy / code).resolve().is_relative_to(copy.resolve()):
            raise NoPlace("the folder of its code is not one of its own")
        (copy / code).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(planted_model.__file__, copy / code / f"{_LOADER}.py")
        (copy / code / "planted.json").write_text(json.dumps(plan), encoding="utf-8")
        if payload is not None:
            (copy / code / "payload.pkl").write_bytes(pickle.dumps(_Payload(payload)))
        _write(copy / _MODEL_FILE, json.dumps(model, ensure_ascii=False))
        return copy

    def otherwise_signed(self, folder: Path, *, dropped: bool) -> tuple[Path, str]:
        """(a copy whose signature lacks the last of its named inputs, or names it otherwise; that input). Raises NoPlace."""
        copy, model = self._copy(folder)
        signature = model.get("signature")
        try:
            columns = json.loads(signature["inputs"]) if isinstance(signature, dict) else []
            named = [column for column in columns if column.get("name")]
        except (KeyError, TypeError, ValueError, AttributeError):
            named = []
        if not isinstance(signature, dict) or len(named) < 1 + dropped:
            raise NoPlace("the signature names no inputs" if not named else "the signature names one input alone")
        name = str(named[-1]["name"])
        if dropped:
            columns.remove(named[-1])
        else:
            named[-1]["name"] = f"{name}_renamed"
        signature["inputs"] = json.dumps(columns)
        _write(copy / _MODEL_FILE, json.dumps(model, ensure_ascii=False))
        return copy, name

    def otherwise_required(self, folder: Path, *, emptied: bool) -> Path:
        """A copy without requirements, or that requires a version which nobody has. Raises NoPlace."""
        copy, _ = self._copy(folder)
        path = copy / _REQUIREMENTS
        if not path.is_file():
            raise NoPlace("the model's files name no requirements")
        text = path.read_text(encoding="utf-8", errors="replace")
        _write(path, "" if emptied else f"mlflow==0.0.0\nnumpy==0.0.0\n{text}")
        return copy

    def _copy(self, folder: Path) -> tuple[Path, dict[str, Any]]:
        """(a copy that shares its files with the model, what is in its MLmodel). Raises NoPlace."""
        if not (self.files / _MODEL_FILE).is_file():
            raise NoPlace("the version has no MLmodel file")
        copy = Path(shutil.copytree(self.files, folder / "model", copy_function=os.link, symlinks=True))
        return copy, foreign_yaml.read((copy / _MODEL_FILE).read_text(encoding="utf-8"))


class _Payload:
    """What is run where its pickle is read."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self._code, {})


def _python_function(model: Mapping[str, Any]) -> dict[str, Any]:
    flavors = model.get("flavors")
    flavor = flavors.get("python_function") if isinstance(flavors, dict) else None
    if not isinstance(flavor, dict) or not flavor.get("loader_module"):
        raise NoPlace("the model has no flavor python_function")
    return flavor


def _write(path: Path, text: str) -> None:
    """Write a file anew: the one that was there is the model's own, too."""
    path.unlink()
    path.write_text(text, encoding="utf-8")
