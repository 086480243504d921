"""What `pip install` lays down on a machine without a checkout works there."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ["3.11", "3.12", "3.13"]
UV = [sys.executable, "-m", "uv", "--quiet"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone; other packages are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    made, home = folder / "dist", folder / "venv"
    constraints = ["--build-constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*UV, "build", "--wheel", *constraints, "--out-dir", str(made), str(ROOT)], check=True)
    subprocess.run([*UV, "venv", "--python", sys.executable, str(home)], check=True)
    (wheel,) = made.glob("*.whl")
    into = ["--python", str(home / "bin" / "python"), "--no-deps", "--offline"]
    subprocess.run([*UV, "pip", "install", *into, str(wheel)], check=True)
    (packages,) = home.glob("lib/*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def called(environment: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(environment / "bin" / "gate"), *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_its_pipelines_and_its_workflows(environment: Path) -> None:
    """And nothing of the suite, no cache, no data."""
    (packages,) = environment.glob("lib/*/site-packages")
    laid = {path.relative_to(packages) for path in (packages / "lockgate").rglob("*") if path.suffix != ".pyc"}
    source = ROOT / "src"
    ours = {path.relative_to(source) for path in (source / "lockgate").rglob("*") if path.suffix != ".pyc"}
    pipelines = {Path("lockgate/pipelines") / path.name for path in (ROOT / "gates").iterdir()}

    no_caches = [{path for path in each if path.name != "__pycache__"} for each in (laid, ours)]
    assert no_caches[0] == no_caches[1] | pipelines | {Path("lockgate/pipelines")}
    assert {path.name for path in laid if path.suffix == ".yml"} >= {"gate.yml", "gate-approve.yml"}


def test_its_command_works_where_there_is_no_checkout(environment: Path, tmp_path: Path) -> None:
    """From the version to a pipeline with its workflows, which are filled in from the package."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    action = "acme/lockgate@" + "0123456789" * 4

    assert called(environment, tmp_path, "--version") == f"lockgate, version {version}\n"
    called(environment, tmp_path, "init", "--model", "fraud", "--github", "--action", action, "--yes")
    assert called(environment, tmp_path, "check").startswith("gates/fraud.yaml: ok")
    assert f"uses: {action}" in (tmp_path / ".github" / "workflows" / "gate.yml").read_text()
    assert "metrics" in called(environment, tmp_path, "kinds")


def test_the_pythons_are_the_same_wherever_they_are_named() -> None:
    """For who installs it, in CI, and where it is released."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    workflows = ROOT / ".github" / "workflows"
    suite = yaml.safe_load((workflows / "ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    release = (workflows / "release.yml").read_text()

    assert project["requires-python"] == f">={PYTHONS[0]}"
    assert re.findall(r":: (3\.\d+)", " ".join(project["classifiers"])) == suite == PYTHONS
    assert f"for version in {' '.join(PYTHONS)};" in release
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in (ROOT / "README.md").read_text()
