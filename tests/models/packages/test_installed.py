"""What an interpreter would import, told without running anything of its environment."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lockgate.errors import ModelFault
from lockgate.models.packages.installed import installed_packages

HERE = "python{}.{}".format(*sys.version_info)


def package(site: Path, name: str, version: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An environment with two packages, and a file that runs code whenever Python starts there."""
    home = tmp_path / "venv"
    site = home / "lib" / HERE / "site-packages"
    package(site, "numpy", "1.26.4")
    package(site, "Risk_Model", "0.1")
    (site / "code.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    (home / "pyvenv.cfg").write_text(f"home = {Path(os.path.realpath(sys.executable)).parent}\n")
    return home / "bin" / "python"


def test_an_environment_lists_its_own_packages_and_runs_nothing_of_them(python: Path, tmp_path: Path) -> None:
    """A `.pth` file is code of whoever built the environment."""
    found = installed_packages(str(python), {}, source="serving")

    assert dict(found.versions) == {"numpy": ("1.26.4",), "risk-model": ("0.1",)}
    assert found.python == "{}.{}.{}".format(*sys.version_info)
    assert not (tmp_path / "ran").exists()


def test_what_pythonpath_names_is_imported_first(python: Path, tmp_path: Path) -> None:
    """As where a model answers."""
    package(tmp_path / "first", "numpy", "2.4.6")
    found = installed_packages(str(python), {"PYTHONPATH": str(tmp_path / "first")}, source="serving")

    assert found.versions["numpy"] == ("2.4.6",)


def test_this_interpreter_lists_what_it_imports() -> None:
    """Of a real environment, each package in the version that it has here."""
    found = installed_packages(sys.executable, os.environ, source="serving").versions

    assert {name: found[name] for name in ("numpy", "mlflow", "pyarrow")} == {
        name: (metadata.version(name),) for name in ("numpy", "mlflow", "pyarrow")
    }


@pytest.mark.parametrize("program", ["/nowhere/python", "false"])
def test_what_does_not_start_is_named(program: str) -> None:
    """With what to write instead."""
    with pytest.raises(ModelFault, match=f"^{program} does not say which packages it has: .*; name an interpreter"):
        installed_packages(program, {"PATH": os.environ["PATH"]}, source="serving")
