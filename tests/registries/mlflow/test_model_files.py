"""What a version's own files may say, and what they may not reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.errors import VersionFault
from lockgate.registries.mlflow import model_files

GOOD = """\
flavors:
  python_function:
    artifacts:
      weights: {path: artifacts/weights.json, uri: /home/olga/weights.json}
    loader_module: mlflow.pyfunc.model
    python_model: python_model.pkl
    model_code_path: ../notebooks/model.py
    config: {service: /predict}
"""


def files(tmp_path: Path, text: str) -> Path:
    (tmp_path / "MLmodel").write_text(text)
    return tmp_path


def test_where_files_came_from_is_no_path_of_the_model(tmp_path: Path) -> None:
    """Nor is a setting of its code."""
    code = tmp_path / "model.py"
    code.touch()
    text = GOOD.replace("../notebooks/model.py", str(code))
    (tmp_path / "model").mkdir()
    assert set(model_files.model_file(files(tmp_path / "model", text))["flavors"]) == {"python_function"}


@pytest.mark.parametrize("path", ["{outside}", "../outside.json", "artifacts/../../outside.json", "file://{outside}"])
def test_weights_outside_of_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    """Nobody approved them, and they can change."""
    outside, folder = tmp_path / "outside.json", tmp_path / "model"
    outside.write_text("{}")
    folder.mkdir()
    text = GOOD.replace("artifacts/weights.json", path.format(outside=outside))
    with pytest.raises(
        VersionFault, match=r"names a file outside of its own folder: python_function\.artifacts\.weights\.path"
    ):
        model_files.model_file(files(folder, text))


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    """What it points to is in no digest."""
    (tmp_path / "outside").write_text("weights")
    folder = tmp_path / "model"
    (folder / "artifacts").mkdir(parents=True)
    (folder / "artifacts/weights").symlink_to(tmp_path / "outside")
    with pytest.raises(VersionFault, match="artifacts/weights is a link"):
        model_files.model_file(files(folder, "flavors: {}"))


def test_a_link_within_the_folder_is_of_the_model(tmp_path: Path) -> None:
    """As Hugging Face's cache lays them."""
    (tmp_path / "blob").write_text("weights")
    (tmp_path / "weights").symlink_to("blob")
    assert model_files.model_file(files(tmp_path, "flavors: {}")) == {"flavors": {}}


@pytest.mark.parametrize("text", ["a: &a [*a]", "[" * 5000, "a: 1\n---\nb: 2", "- a", "a: b: c"])
def test_files_that_cannot_be_read_are_an_error_of_theirs(tmp_path: Path, text: str) -> None:
    """A sentence that names the file."""
    with pytest.raises(VersionFault, match="MLmodel file"):
        model_files.model_file(files(tmp_path, text))


def test_a_signature_that_is_nested_too_deep_is_an_error(tmp_path: Path) -> None:
    """Of the model's."""
    with pytest.raises(VersionFault, match="signature in MLmodel"):
        model_files.signature({"signature": {"inputs": "[" * 100_000}})
