"""The command `gate`: what it knows, what it says to what it does not know, and what it ends with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lockgate import __version__
from lockgate.cli import main as cli
from lockgate.errors import LockgateError, PipelineError, Refused, RegistryError, UsageError, Waiting

PIPELINE = """\
model: fraud
task: binary
registry: {uri: "sqlite:///mlflow.db"}
candidate: {version: 1}
gates:
  - gate: metadata
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty checkout; the handler that `run` sets for SIGTERM is gone afterwards."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """In groups, in the order in which one needs them; what only the Action calls is not listed."""
    code = cli.run(["--help"])

    out = capsys.readouterr().out
    assert code == 0
    assert re.findall(r"^(\w.*):$", out, re.M) == ["Options", *cli.GROUPS]
    assert re.findall(r"^  ([a-z]+)  ", out, re.M) == [name for name in cli.COMMANDS if name != "github"]
    assert "0 pass or done, 1 fail or refused, 2 wrong usage or pipeline, 3 inconclusive" in " ".join(out.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_given_a_script_that_completes(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the variable that docs/pipeline.md names for each."""
    page = (Path(__file__).parents[2] / "docs" / "pipeline.md").read_text(encoding="utf-8")
    monkeypatch.setenv("_GATE_COMPLETE", f"{shell}_source")

    with pytest.raises(SystemExit) as end:
        cli.run([])

    assert end.value.code == 0
    assert f"_GATE_COMPLETE={shell}_source gate" in page
    assert f"_GATE_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And every option of it says what it does."""
    code = cli.run([name, "--help"])

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith(f"Usage: gate {name} ")
    command = cli.gate.get_command(click.Context(cli.gate), name)
    assert command is not None
    silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert silent == []


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """As the evidence names it."""
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"lockgate, version {__version__}\n"


def test_an_unknown_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the list of those that are known."""
    code = cli.run(["promot", "fraud"])

    err = capsys.readouterr().err
    assert code == 2
    assert "there is no command 'promot'; known: init, check, plan, " in err
    assert err.endswith("; did you mean 'promote'?\n")


@pytest.mark.parametrize(
    "arguments",
    [["run", "--staged"], ["approve", "sha256:0"], ["rollback", "fraud"], ["adopt", "fraud", "--version", "x"]],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is missing, on standard error."""
    code = cli.run(arguments)

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.startswith("Usage: gate ") or said.err.startswith("gate: ")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_the_only_pipeline_is_meant_and_several_are_listed(
    desk: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the list; with none, the way to get one."""
    none = cli.run([command]), capsys.readouterr().err
    (desk / "gates" / "fraud.yaml").write_text(PIPELINE)
    (desk / "gates" / "churn.yaml").write_text(PIPELINE)
    several = cli.run([command]), capsys.readouterr().err

    assert none == (2, "gate: there is no pipeline in gates/\n      name one, or write one with gate init\n")
    assert several == (
        2,
        "gate: gates/ holds several pipelines: gates/churn.yaml, gates/fraud.yaml\n"
        "      name one of them, like gates/churn.yaml\n",
    )


def test_a_model_finds_its_pipeline_or_the_list(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None and several are both exit 2, and --pipeline is the way out."""
    (desk / "gates" / "fraud.yaml").write_text(PIPELINE)
    (desk / "gates" / "again.yaml").write_text(PIPELINE)
    several = cli.run(["status", "fraud"]), capsys.readouterr().err
    none = cli.run(["status", "churn"]), capsys.readouterr().err

    remedy = "\n      name one with --pipeline FILE, or the registry with --registry URI\n"
    listed = "gates/again.yaml, gates/fraud.yaml"
    assert several[0] == 2
    assert several[1].startswith(
        f"gate: several pipelines name the model fraud: {listed}\n      name one with --pipeline"
    )
    assert none == (2, f"gate: no pipeline in gates/ names the model churn: {listed}{remedy}")


def test_a_wrong_pipeline_shows_every_complaint(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With line and column, and exit 2, whatever was asked."""
    (desk / "gates" / "fraud.yaml").write_text(PIPELINE.replace("task: binary", "task: binari\ntreshold: 0.5"))

    code = cli.run(["run"])

    complaints = capsys.readouterr().err.splitlines()
    assert code == 2
    assert [line.rsplit("gates/", 1)[1].split(": ")[0] for line in complaints] == ["fraud.yaml:2:7", "fraud.yaml:3:1"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Refused("no", code="no", remedy="ask"), 1, "gate: no\n      ask\n"),
        (UsageError("what"), 2, "gate: what\n"),
        (PipelineError(["a.yaml:1:1: x", "a.yaml:2:1: y"]), 2, "a.yaml:1:1: x\na.yaml:2:1: y\n"),
        (Waiting("wait", code="wait"), 3, "gate: wait\n"),
        (RegistryError("down"), 4, "gate: down\n"),
        (LockgateError("broken"), 4, "gate: broken\n"),
        (KeyboardInterrupt(), 130, "\ngate: interrupted\n"),
        (click.Abort(), 130, "gate: interrupted\n"),
    ],
)
def test_every_error_has_its_exit_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, and below it what to do; never a traceback."""

    def broken() -> None:
        raise error

    monkeypatch.setattr(cli._Commands, "get_command", lambda *_: click.Command("run", callback=broken))

    assert cli.run(["run"]) == code
    assert capsys.readouterr() == ("", said)


def test_a_reader_who_leaves_breaks_nothing() -> None:
    """`gate schema | head -1` ends without a traceback."""
    pipe = subprocess.Popen(
        [sys.executable, "-m", "lockgate.cli", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert pipe.stdout is not None
    assert pipe.stderr is not None
    pipe.stdout.close()
    said = pipe.stderr.read().decode()
    pipe.stderr.close()

    assert pipe.wait() == 141
    assert "Traceback" not in said


def test_json_is_one_document(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every command that has --json and needs no registry, also where something is wrong."""
    (desk / "gates" / "fraud.yaml").write_text(PIPELINE)
    (desk / "gates" / "wrong.yaml").write_text("model: 1\n")

    codes, documents = [], []
    for arguments in (["check", "--json"], ["check", "gates/fraud.yaml", "--json"], ["kinds", "--json"]):
        codes.append(cli.run(arguments))
        documents.append(json.loads(capsys.readouterr().out))

    assert codes == [2, 0, 0]
    assert len(documents[0]["pipelines"]) == 2


def test_the_script_is_installed() -> None:
    """`gate` is the same as `python -m lockgate.cli`."""
    script = Path(sys.executable).with_name("gate")
    if not script.exists():
        pytest.skip("the package's scripts are not installed beside this python")

    ended = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, env={**os.environ})

    assert ended.stdout == f"lockgate, version {__version__}\n"


def test_an_interrupt_while_a_module_is_executed_ends_with_130(tmp_path: Path) -> None:
    """The interpreter remembers such an interrupt and would end by the signal, although it was caught."""
    (tmp_path / "interrupted.py").write_text(
        "from lockgate.cli import main\nmain.gate.main = lambda **_: exec('raise KeyboardInterrupt')\nmain.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (130, "gate: interrupted\n")
