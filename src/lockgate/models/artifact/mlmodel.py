"""What a model's MLmodel names: files that are there, loaders that are MLflow's, pickles by any name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockgate.foreign import yaml as foreign_yaml
from lockgate.foreign.files import read_regular
from lockgate.models.artifact.archives import name_fault
from lockgate.models.artifact.problem import Kind, printable

MLMODEL, _REQUIREMENTS = "MLmodel", "requirements.txt"
_MOST_REQUIREMENTS = 1 << 20
# What flavors of MLflow call the files and folders that they load.
_FILES = (
    "data",
    "pickled_model",
    "model_data",
    "model_path",
    "python_model",
    "code",
    "env",
    "conda",
    "virtualenv",
    "path",
)
_SERVED_BY = {"pytorch": "torch", "sklearn": "scikit-learn"}
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


@dataclass(frozen=True)
class ModelFile:
    """MLmodel, read as text. pickles: files that are unpickled, whatever they are called. fault: why it could not be read."""

    flavors: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None

    @classmethod
    def read(cls, folder: Path) -> ModelFile | None:
        """None where there is none."""
        try:
            value = foreign_yaml.read(read_regular(folder / MLMODEL).decode("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            return cls(fault=f"it cannot be read: {printable(str(error))}")
        flavors = value.get("flavors") if isinstance(value, dict) else None
        if not isinstance(flavors, dict) or not all(isinstance(each, dict) for each in flavors.values()):
            return cls(fault="it names no flavors, so nothing says how the model is loaded")
        return cls({str(name): flavor for name, flavor in flavors.items()})

    @property
    def pickles(self) -> frozenset[str]:
        names = set()
        for name, flavor in self.flavors.items():
            skops = flavor.get("serialization_format") == "skops"
            keys = ("python_model",) if skops else ("pickled_model", "python_model")
            names |= {str(flavor[key]) for key in keys if key in flavor}
            if name in ("statsmodels", "pmdarima") and "data" in flavor:
                names.add(str(flavor["data"]))
        return frozenset(name for name in names if not name.endswith(".py"))

    @property
    def code(self) -> frozenset[str]:
        """Files that are run as code, whatever they are called: MLflow takes the last part of where each came from."""
        paths = (flavor.get("model_code_path") for flavor in self.flavors.values())
        return frozenset(str(path).rpartition("/")[2] for path in paths if path)

    @property
    def loaders(self) -> Iterator[str]:
        """Modules that load the model and are not MLflow's."""
        for flavor in self.flavors.values():
            loader = flavor.get("loader_module")
            if loader is not None and not str(loader).startswith("mlflow."):
                yield str(loader)

    def faults(self, exists: Callable[[str], bool]) -> Iterator[tuple[Kind, str]]:
        """(kind of problem, sentence) of files that it names and that are not there, or not its own."""
        for flavor, parts in self.flavors.items():
            for path, name in _texts(parts, (printable(flavor, 40),), named=False):
                if _ADDRESS.match(name):
                    yield "unsafe_paths", f"{path} names {printable(name, 80)}, which is none of its files"
                elif (fault := name_fault(name)) is not None:
                    yield "unsafe_paths", f"{path} names {printable(name, 80)}: {fault}"
                elif not exists(name):
                    yield "missing_files", f"{path} names {printable(name, 80)}, which is not there"

    def distributions(self, folder: Path) -> list[str]:
        """What it requires by its requirements and by its flavors."""
        try:
            text = read_regular(folder / _REQUIREMENTS, most=_MOST_REQUIREMENTS).decode("utf-8", "replace")
        except OSError:
            text = ""
        required = [match[0] for line in text.splitlines() if (match := _DISTRIBUTION.match(line.strip()))]
        return required + [_SERVED_BY.get(name, name) for name in self.flavors]


def _texts(value: Any, path: tuple[str, ...], *, named: bool) -> Iterator[tuple[str, str]]:
    """(Where it stands, text) of all that names files."""
    if isinstance(value, str):
        if named and value:
            yield ".".join(path), value
        return
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _texts(below, (*path, printable(str(key), 40)), named=str(key) in _FILES)
