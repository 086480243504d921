"""Read what an MLflow model's own files say about it, as text: nothing of the model is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lockgate.errors import VersionFault
from lockgate.foreign import yaml as foreign_yaml
from lockgate.registries.ports import ModelVersion, VersionFacts
from lockgate.text import cut

MODEL_FILE = "MLmodel"


def model_file(files: Path) -> Mapping[str, Any]:
    """The `MLmodel` of a folder. Raises VersionFault where there is none that can be read, or files beside it are meant."""
    path = files / MODEL_FILE
    try:
        value = foreign_yaml.read(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise VersionFault(
            "the version has no MLmodel file, so it is no model that MLflow can load",
            remedy="log it with mlflow.<flavor>.log_model(…) and register that",
        ) from error
    except (OSError, ValueError) as error:
        raise VersionFault(
            f"the version's MLmodel file cannot be read: {error}", remedy="log the model again"
        ) from error
    if not isinstance(value, dict):
        raise VersionFault("the version's MLmodel file is not a map", remedy="log the model again")
    outside = next(_leading_outside(value, files), None)
    if outside is not None:
        raise VersionFault(
            f"the version names a file outside of its own folder: {outside}",
            remedy="log the model with all its files; what lies elsewhere is in no digest, and can change after approval",
        )
    return value


# Where a file came from when the model was logged, and settings of the model's own code: MLflow loads nothing by these.
_NOT_LOADED = ("uri", "model_code_path", "config", "model_config")


def _leading_outside(model: Mapping[str, Any], files: Path) -> Iterator[str]:
    """Files that MLmodel's flavors name, and links in the folder, that lie outside of it."""
    home = files.resolve()
    for name, value in _texts(model.get("flavors"), ()):
        if _lies_outside(value.removeprefix("file://"), home):
            yield cut(f"{name}: {value}", 200)
    for path in files.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            yield cut(f"{path.relative_to(files)} is a link", 200)


def _lies_outside(name: str, home: Path) -> bool:
    try:
        path = (home / name).resolve()
        return not path.is_relative_to(home) and path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, or no path at all
        return False


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield ".".join(path), value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        if key not in _NOT_LOADED:
            yield from _texts(below, (*path, str(key)))


def facts(version: ModelVersion, files: Path) -> VersionFacts:
    """What the files of a version say of it; of its run nothing. Raises VersionFault for what is no MLflow model."""
    model = model_file(files)
    return VersionFacts(
        version=version,
        files=files,
        signature=signature(model),
        input_example=input_example(model, files),
        requirements=requirements(files),
        flavors=flavors(model),
        python_version=python_version(model, files),
        run=None,
        commit=None,
        metrics={},
        datasets=(),
        tags=dict(version.tags),
        metadata=metadata(model),
    )


def signature(model: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`{"inputs": […], "outputs": […], "params": […]}`, None where the model has none."""
    stored = model.get("signature")
    if not isinstance(stored, dict):
        return None
    try:
        parts = {part: json.loads(stored.get(part) or "[]") for part in ("inputs", "outputs", "params")}
        for part, columns in parts.items():
            if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
                raise ValueError(f"its {part} are no list of columns")
        return parts
    except (TypeError, ValueError, RecursionError) as error:
        raise VersionFault(f"the signature in MLmodel cannot be read: {error}", remedy="log the model again") from error


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
        environment = foreign_yaml.read(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return None
    return str(environment["python"]) if isinstance(environment, dict) and environment.get("python") else None
