"""Read which packages, and which Python, a version's files declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from lockgate.errors import VersionFault
from lockgate.foreign import yaml as foreign_yaml
from lockgate.foreign.files import read_regular
from lockgate.models.packages.package_list import PYTHON, conda_dependencies
from lockgate.models.packages.requirement_lines import PackageLine, read_requirements

REQUIREMENTS, PYTHON_ENV, CONDA = "requirements.txt", "python_env.yaml", "conda.yaml"


@dataclass(frozen=True)
class Declaration:
    """What the files of a version declare: packages, Python among them under its own name, each once for each other pin."""

    lines: Sequence[PackageLine]

    @classmethod
    def read(cls, files: Path, *, name: str, python: str | None = None) -> Declaration:
        """Read requirements.txt, python_env.yaml and conda.yaml. python: of MLmodel, where these files say none.

        name: of the model in messages. Raises VersionFault for a file that is there and cannot be read.
        """
        lines: list[PackageLine] = []
        for file, read in ((REQUIREMENTS, _requirements), (PYTHON_ENV, _python), (CONDA, _conda)):
            if not (files / file).exists():
                continue
            try:
                lines += read(files, file)
            except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
                raise VersionFault(
                    f"{name} declares an environment that cannot be read: {file}: {error}",
                    remedy="log the model again, with its requirements",
                ) from error
        if python is not None and not any(line.name == PYTHON for line in lines):
            lines += _of_python(python, "MLmodel")
        distinct: dict[tuple[str, str], PackageLine] = {}
        for line in lines:
            distinct.setdefault((line.name or line.text, str(line.versions)), line)
        return cls(tuple(distinct.values()))


def _text(files: Path, file: str) -> str:
    """A file of the version; one outside of its folder is none. Raises OSError, ValueError."""
    path = (files / file).resolve()
    if not path.is_relative_to(files.resolve()):
        raise ValueError("it lies outside of the model's folder")
    return read_regular(path).decode("utf-8", "replace")


def _requirements(files: Path, file: str) -> list[PackageLine]:
    return read_requirements(_text(files, file), file=file, include=lambda name: _text(files, name))


def _python(files: Path, file: str) -> list[PackageLine]:
    document = foreign_yaml.read(_text(files, file))
    python = document.get("python") if isinstance(document, dict) else None
    return [] if python is None else _of_python(str(python), file)


def _of_python(python: str, file: str) -> list[PackageLine]:
    try:
        return [PackageLine(PYTHON, SpecifierSet(f"=={python}"), file, f"python {python}")]
    except InvalidSpecifier:
        return []


def _conda(files: Path, file: str) -> list[PackageLine]:
    document = foreign_yaml.read(_text(files, file))
    return conda_dependencies(document, file=file, include=lambda name: _text(files, name))
