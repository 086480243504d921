"""Read what an MLflow model's own files say about it, as text: nothing of the model is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lockgate.errors import RegistryError

MODEL_FILE = "MLmodel"


def model_file(files: Path) -> Mapping[str, Any]:
    """The `MLmodel` of a folder. Raises RegistryError where there is none that can be read."""
    path = files / MODEL_FILE
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RegistryError(
            "the version has no MLmodel file, so it is no model that MLflow can load",
            remedy="log it with mlflow.<flavor>.log_model(…) and register that",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RegistryError(
            f"the version's MLmodel file cannot be read: {error}", remedy="log the model again"
        ) from error
    if not isinstance(value, dict):
        raise RegistryError("the version's MLmodel file is not a map", remedy="log the model again")
    return value


def signature(model: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`{"inputs": […], "outputs": […], "params": […]}`, None where the model has none."""
    stored = model.get("signature")
    if not isinstance(stored, dict):
        return None
    try:
        return {part: json.loads(stored.get(part) or "[]") for part in ("inputs", "outputs", "params")}
    except (TypeError, ValueError) as error:
        raise RegistryError(
            f"the signature in MLmodel cannot be read: {error}", remedy="log the model again"
        ) from error


def input_example(model: Mapping[str, Any], files: Path) -> Path | None:
    info = model.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    path = files / str(name) if name else None
    return path if path is not None and path.is_file() and path.resolve().is_relative_to(files.resolve()) else None


def requirements(files: Path) -> tuple[str, ...]:
    """The lines of requirements.txt that name a package."""
    path = files / "requirements.txt"
    if not path.is_file():
        return ()
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def metadata(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was given as `metadata=` when the model was logged."""
    stored = model.get("metadata")
    return stored if isinstance(stored, dict) else {}


def flavors(model: Mapping[str, Any]) -> tuple[str, ...]:
    stored = model.get("flavors")
    return tuple(sorted(str(name) for name in stored)) if isinstance(stored, dict) else ()


def python_version(model: Mapping[str, Any], files: Path) -> str | None:
    stored = model.get("flavors")
    pyfunc = stored.get("python_function") if isinstance(stored, dict) else None
    if isinstance(pyfunc, dict) and pyfunc.get("python_version"):
        return str(pyfunc["python_version"])
    path = files / "python_env.yaml"
    if not path.is_file():
        return None
    try:
        environment = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError:
        return None
    return str(environment["python"]) if isinstance(environment, dict) and environment.get("python") else None
