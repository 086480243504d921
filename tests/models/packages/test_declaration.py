"""What a version's files declare: requirements.txt, python_env.yaml, conda.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.errors import VersionFault
from lockgate.models.packages.declaration import Declaration

CONDA = """\
name: mlflow-env
channels: [conda-forge]
dependencies:
- python=3.11.9
- pip<=24.0
- pip:
  - mlflow==3.1.0
  - numpy==1.26.4
"""


def declared(folder: Path, python: str | None = None) -> list[tuple[str, str, str]]:
    lines = Declaration.read(folder, name="candidate", python=python).lines
    return [(line.name, str(line.versions), line.file) for line in lines]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """As MLflow writes them, in three files that say the same."""
    (tmp_path / "requirements.txt").write_text("mlflow==3.1.0\nnumpy==1.26.4\n")
    (tmp_path / "python_env.yaml").write_text(
        "python: 3.11.9\nbuild_dependencies: [pip]\ndependencies: [-r requirements.txt]\n"
    )
    (tmp_path / "conda.yaml").write_text(CONDA)
    return tmp_path


def test_what_three_files_say_alike_is_declared_once(files: Path) -> None:
    """By the first that says it."""
    assert declared(files) == [
        ("mlflow", "==3.1.0", "requirements.txt"),
        ("numpy", "==1.26.4", "requirements.txt"),
        ("python", "==3.11.9", "python_env.yaml"),
        ("pip", "<=24.0", "conda.yaml"),
    ]


def test_what_two_files_say_differently_is_declared_twice(files: Path) -> None:
    """Which of them is installed depends on who serves, so each is compared."""
    (files / "conda.yaml").write_text(CONDA.replace("1.26.4", "2.1.3"))

    assert [each for each in declared(files) if each[0] == "numpy"] == [
        ("numpy", "==1.26.4", "requirements.txt"),
        ("numpy", "==2.1.3", "conda.yaml"),
    ]


def test_the_python_of_mlmodel_stands_in_where_no_file_says_one(tmp_path: Path) -> None:
    """A version without any of the files declares no more than that."""
    assert declared(tmp_path, python="3.11.9") == [("python", "==3.11.9", "MLmodel")]
    assert declared(tmp_path) == []


def test_what_conda_includes_is_read_beside_it(tmp_path: Path) -> None:
    """As pip does where conda has made the environment."""
    (tmp_path / "conda.yaml").write_text("dependencies: [python=3.11, {pip: [-r more.txt]}]\n")
    (tmp_path / "more.txt").write_text("numpy==1.26.4\n")

    assert ("numpy", "==1.26.4", "more.txt") in declared(tmp_path)


def test_nothing_outside_of_the_model_is_read(tmp_path: Path) -> None:
    """A link, and a path that leads out, are no declaration."""
    model = tmp_path / "model"
    model.mkdir()
    (tmp_path / "outside.txt").write_text("numpy==1.26.4\n")
    (model / "requirements.txt").write_text("-r ../outside.txt\n")

    assert declared(model) == [("", "", "requirements.txt")]
    (model / "requirements.txt").unlink()
    (model / "requirements.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(VersionFault, match=r"requirements\.txt: it lies outside of the model's folder"):
        declared(model)


@pytest.mark.parametrize("text", ["dependencies: 3", "- a", "{", "a: &a [*a]"])
def test_a_file_that_cannot_be_read_is_a_fault_of_the_model(files: Path, text: str) -> None:
    """With the file's name, never as if it declared nothing."""
    (files / "conda.yaml").write_text(text)

    with pytest.raises(VersionFault, match=r"^candidate declares an environment that cannot be read: conda\.yaml: "):
        declared(files)
