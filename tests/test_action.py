"""The action installs from hashes what the project is tested with, and offers only what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import venv
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, get_args, get_type_hints

import pytest
import yaml

from helpers.index import reachable
from lockgate.cli.commands.github import command
from lockgate.evidence.finding import Verdict
from lockgate.registries.mlflow import faults
from lockgate.signoff.decision import SignoffDecision

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
PIN = re.compile(r"^([A-Za-z0-9._\-]+)(?:\[[a-z,\-]+\])?==([^ ;\\]+)", re.M)


def pins(name: str) -> dict[str, str]:
    """Package → version of a file of pins."""
    found = PIN.findall((ROOT / name).read_text(encoding="utf-8"))
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


EXTRAS = ("azure", "gcs", "mysql", "postgresql", "s3")


@pytest.mark.parametrize("lock", [f"locks/{name}.txt" for name in ("uv", "decide", "run", *EXTRAS)])
def test_a_lock_holds_tested_versions_by_hash_and_names_no_index(lock: str) -> None:
    """Every version is the one of constraints.txt, where that has the package; each has hashes."""
    text, tested = (ROOT / lock).read_text(encoding="utf-8"), pins("constraints.txt")
    entries = re.split(r"\n(?=\S)", text.strip())

    assert {name: tested[name] for name in pins(lock) if name in tested} == {
        name: version for name, version in pins(lock).items() if name in tested
    }
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_the_locks_hold_what_is_needed() -> None:
    """All dependencies of ours for a run, few and no mlflow for a decision; both can build us without an index. One uv."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=\[]", one)[0] for one in project["dependencies"]}

    assert needed | {"hatchling"} <= set(pins("locks/run.txt"))
    assert {"click", "pydantic", "pyyaml", "requests", "rfc8785", "hatchling"} <= set(pins("locks/decide.txt"))
    assert len(pins("locks/decide.txt")) < 25
    assert not {"mlflow", "numpy", "pandas", "pyarrow"} & set(pins("locks/decide.txt"))
    assert set(pins("locks/uv.txt")) == {"uv"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_lock_of_an_extra_holds_what_pyproject_says_and_agrees_with_that_of_a_run(extra: str) -> None:
    """Both are installed at once; a package of two versions would be none."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    held, run = pins(f"locks/{extra}.txt"), pins("locks/run.txt")

    assert {re.split(r"[<>=\[]", line)[0] for line in extras[extra]} <= set(held)
    assert held == held | {name: version for name, version in run.items() if name in held}


@pytest.mark.parametrize("extras", ["s3 gcz", "../run", "*", "s3,$(id)", "S3"])
def test_an_extra_that_nobody_knows_is_refused_before_anything_is_installed(tmp_path: Path, extras: str) -> None:
    """Those that there are get named."""
    given = {
        "ACTION": str(ROOT),
        "SCRATCH": str(tmp_path),
        "GATE_COMMAND": "run",
        "GATE_INDEX": "",
        "GATE_EXTRAS": extras,
    }
    done = subprocess.run(["bash", "-c", STEPS[0]["run"]], env=os.environ | given, capture_output=True, text=True)

    assert done.returncode == 2
    assert all(name in done.stderr for name in EXTRAS)
    assert list(tmp_path.iterdir()) == []


def test_the_extras_are_those_of_the_description_and_of_the_errors() -> None:
    """What is said to be missing can be asked for."""
    offered = re.findall(r"^ +([a-z0-9 |]+)\) if ", STEPS[0]["run"], re.M)

    assert tuple(name.strip() for name in offered[0].split("|")) == EXTRAS
    assert all(name in ACTION["inputs"]["extras"]["description"] for name in EXTRAS)
    assert set(faults.EXTRAS.values()) == set(EXTRAS)


def test_it_offers_what_gate_github_has() -> None:
    """Commands are the same in the description, in the installation and in the program."""
    cases = re.findall(r"^ +([a-z |]+)\) lock=", STEPS[0]["run"], re.M)
    installed = {name.strip() for case in cases for name in case.split("|")}

    assert installed == set(command.commands)
    assert all(name in ACTION["inputs"]["command"]["description"] for name in installed)


def test_no_text_from_outside_stands_in_a_script() -> None:
    """Inputs reach the program as variables; every one does, and nothing is imported from the workspace."""
    for step in STEPS:
        assert "${{" not in step["run"]
        assert step["run"].startswith("set -euo pipefail\n")
        called = re.findall(r"(?:bin/python|python3)\b.*", step["run"])
        assert called
        assert all(re.match(r"\S+ -I |\S+\" -I ", line) for line in called)
    given = {value.strip("${ }") for step in STEPS for value in step["env"].values()}

    assert {f"inputs.{name}" for name in ACTION["inputs"]} <= given
    assert {re.search(r"outputs\.([a-z\-]+)", out["value"])[1] for out in ACTION["outputs"].values()} == set(
        ACTION["outputs"]
    )  # type: ignore[index]


def test_every_word_that_an_output_can_be_is_described() -> None:
    """Those of a decision, those that commands end with, and the verdicts."""
    source = "".join(path.read_text() for path in (ROOT / "src/lockgate/cli/commands").glob("github*.py"))
    states = {*re.findall(r'\bstate(?:": |=)"(\w+)"', source), *get_args(get_type_hints(SignoffDecision)["state"])}
    said = {name: set(re.findall(r"\w+", output["description"])) for name, output in ACTION["outputs"].items()}

    assert {"approved", "refused", "error", "promoted", "rolled_back"} <= states
    assert states <= said["state"]
    assert {verdict.value for verdict in Verdict} <= said["verdict"]
    assert {"yes", "by_owner", "no"} <= said["opens"]


def test_every_option_of_a_command_is_an_input() -> None:
    """What a command can be told, the action passes on."""
    told = set(STEPS[1]["env"])
    for sub in command.commands.values():
        assert {option.envvar for option in sub.params} - {None} <= told


@pytest.mark.parametrize("schema", ["vendor.github-actions"])
def test_it_is_what_github_accepts(schema: str) -> None:
    """By GitHub's own schema, and without a finding of zizmor."""
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "action.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    judged = subprocess.run(
        [str(Path(sys.executable).parent / "zizmor"), "--offline", "action.yml", ".github/workflows"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout
    assert judged.returncode == 0, judged.stdout


LOADED = "import os; open(os.environ['LOADED'], 'a').write(__file__); raise SystemExit('loaded from the workspace')"
TRAPS = ("requests", "click", "hatchling", "pip", "venv", "ensurepip", "sitecustomize", "usercustomize", "lockgate")
NOWHERE = "http://127.0.0.1:9/index"


def hostile(workspace: Path) -> dict[str, str]:
    """What a pull request can leave in its checkout, and what a job can have set for other steps than ours."""
    for name in TRAPS:
        (workspace / f"{name}.py").write_text(LOADED)
    (workspace / "pip.conf").write_text(f"[global]\nindex-url = {NOWHERE}\n")
    (workspace / "uv.toml").write_text(f'no-index = true\nindex-url = "{NOWHERE}"\n')
    (workspace / "pyproject.toml").write_text(
        f'[tool.uv]\nindex-url = "{NOWHERE}"\noverride-dependencies = ["click==1.0"]\n'
    )
    (workspace / ".python-version").write_text("2.7\n")
    (workspace / ".env").write_text(f"UV_INDEX_URL={NOWHERE}\nPYTHONPATH=.\n")
    return {
        "PYTHONPATH": str(workspace), "PYTHONSTARTUP": str(workspace / "click.py"), "PYTHONHOME": "",
        "PIP_CONFIG_FILE": str(workspace / "pip.conf"), "PIP_INDEX_URL": NOWHERE, "PIP_NO_INDEX": "1", "PIP_TARGET": str(workspace),
        "UV_CONFIG_FILE": str(workspace / "uv.toml"), "UV_INDEX_URL": NOWHERE, "UV_DEFAULT_INDEX": NOWHERE, "UV_PYTHON": "2.7",
        "UV_NO_VERIFY_HASHES": "1", "UV_OVERRIDE": str(workspace / "pip.conf"), "UV_CACHE_DIR": str(workspace / "cache"),
    }  # fmt: skip


def test_45_nothing_in_the_workspace_and_no_variable_of_the_job_is_what_gets_installed_or_imported(
    tmp_path: Path,
) -> None:
    """Modules, settings of installers and a python without pip; what is installed is the lock, and no installer with it."""
    if not reachable():
        pytest.skip("no package index can be reached, so nothing can be installed from hashes")
    workspace, scratch, loaded = tmp_path / "workspace", tmp_path / "scratch", tmp_path / "loaded"
    workspace.mkdir()
    scratch.mkdir()
    venv.create(tmp_path / "bare", with_pip=False)
    kept = {name: os.environ[name] for name in os.environ if name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    given = kept | hostile(workspace) | {"LOADED": str(loaded), "PATH": f"{tmp_path}/bare/bin:{os.environ['PATH']}"}
    given |= {
        "ACTION": str(ROOT),
        "SCRATCH": str(scratch),
        "GATE_COMMAND": "decide",
        "GATE_INDEX": "",
        "GATE_EXTRAS": "s3, gcs",
    }
    given |= {
        "GATE_RECORD": str(scratch / "record"),
        "GITHUB_EVENT_PATH": "",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": "",
    }
    done = [
        subprocess.run(
            ["bash", "-c", step["run"]], cwd=workspace, env=given, capture_output=True, text=True, timeout=300
        )
        for step in STEPS
    ]
    found = [path.name.removesuffix(".dist-info") for path in scratch.glob("lockgate/lib/*/site-packages/*.dist-info")]
    installed = {name.lower().replace("_", "-"): version for name, version in (one.rsplit("-", 1) for one in found)}

    assert done[0].returncode == 0, done[0].stderr
    assert (done[1].returncode, loaded.exists()) == (2, False), done[1].stderr
    assert "GITHUB_EVENT_PATH is not set" in done[1].stderr
    assert installed.pop("lockgate") == "0.1.0"
    assert installed.items() <= pins("locks/decide.txt").items()
    assert {"click", "pydantic", "pyyaml", "requests", "rfc8785"} <= set(installed)
    assert not {"pip", "uv", "mlflow"} & set(installed)
    assert not (workspace / "cache").exists()
    assert not (tmp_path / ".cache").exists()


class Index(BaseHTTPRequestHandler):
    """A package index that has one file for every package, under the name of the version that is asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = f"uv-{pins('locks/uv.txt')['uv']}-py3-none-any.whl"
        page = self.path.endswith("/")
        said = f'<a href="/files/{name}">{name}</a>'.encode() if page else b"PK: somebody else's uv"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args: object) -> None:
        pass


def test_an_index_that_offers_another_file_installs_nothing(tmp_path: Path) -> None:
    """The input `index` is where files come from, and their hashes are what they are held to; the exit code is 4."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    index = f"http://127.0.0.1:{server.server_address[1]}/index"
    given = {
        "ACTION": str(ROOT),
        "SCRATCH": str(tmp_path),
        "GATE_COMMAND": "promote",
        "GATE_INDEX": index,
        "GATE_EXTRAS": "",
    }
    done = subprocess.run(
        ["bash", "-c", STEPS[0]["run"]], env=os.environ | given, capture_output=True, text=True, timeout=120
    )
    server.shutdown()
    server.server_close()

    assert [path.split("/")[1] for path in Index.asked] == ["index", "files"]
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert (done.returncode, done.stderr.splitlines()[-1]) == (4, "lockgate could not be installed")
    assert not (tmp_path / "lockgate-uv" / "bin").exists()
