"""`gate demo`: play the whole story in one command, on a registry, data and models made here."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path

import click

import lockgate
from lockgate.cli.main import run
from lockgate.cli.output import show
from lockgate.errors import LockgateError, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import latest

AUTHOR = "dana@example.org"
OWNER = "olga@example.org"
_REPEATS = 3  # runs of the good candidate that a busy machine may leave undecided
_BRAZIL = {"metrics/r2/country=BR", "shadow/r2/country=BR"}
_CARELESS = {
    "artifact/r1/overall",  # the payload
    "signature/r2/overall",  # the renamed column
    "metadata/r1/overall",  # the data called `latest`
    "metadata/r10/overall",  # the NumPy without a version
}

_PIPELINE = """\
# Written by `gate demo`. The policy is in ../policy/demo.yaml; who signs is said here.
extends: ../policy/demo.yaml
environment: {{python: {python}}}
signoff:
  groups:
    owners: [{{key: "{key}"}}]
    authors: [{{email: {author}}}]
  require: {{owners: 1}}
"""


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where to play it; emptied.",
)
def command(folder: Path) -> int:
    """Stop a candidate that looks better on average, promote a good one, roll it back, promote it anew, and load nothing of one with a payload."""
    missing = [tool for tool in ("git", "ssh-keygen") if shutil.which(tool) is None]
    if missing:
        raise UsageError(f"the demo needs {' and '.join(missing)}", remedy="install it and call again")
    started = time.monotonic()
    before = Path.cwd()
    folder = folder.absolute()
    _clear(folder)
    try:
        os.chdir(folder)
        story = _Story(folder)
        story.build()
        story.play()
    except _UnexpectedEnd as error:
        raise LockgateError(f"the demo failed: {error}", remedy="report it with the output above") from error
    finally:
        os.chdir(before)
    click.echo(f"\nDone in {time.monotonic() - started:.0f} s. Open the report that stopped the bad candidate:")
    click.echo(f"  {_relative(story.stopped, before)}")
    click.echo("Then your own model: gate init, edit, gate run.")
    return 0


class _UnexpectedEnd(Exception):
    """A step that ended otherwise than the story says."""


def _clear(folder: Path) -> None:
    """Empty the demo's folder; refuses one that somebody else made."""
    mark = folder / ".lockgate-demo"
    if folder.exists():
        if any(folder.iterdir()) and not mark.exists():
            raise UsageError(f"{folder} is not a folder of the demo", remedy="choose another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.write_text("This folder is made anew by every `gate demo`.\n", encoding="utf-8")


def _relative(path: Path, base: Path) -> str:
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


class _Story:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "keys" / "owner"
        self.stopped = folder

    def build(self) -> None:
        """Make data, key, pipelines, a git history and the registry with its four versions."""
        from lockgate.cli.demo.register import prepare

        self.headline("A registry, a champion, three candidates")
        self.key.parent.mkdir()
        _quiet(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", OWNER, "-f", str(self.key)], self.folder)
        (self.folder / "policy").mkdir()
        shutil.copyfile(_policy(), self.folder / "policy" / "demo.yaml")
        (self.folder / "gates").mkdir()
        text = _PIPELINE.format(
            python=sys.executable, key=self.key.with_suffix(".pub").read_text(encoding="utf-8").strip(), author=AUTHOR
        )
        (self.folder / "gates" / "fraud.yaml").write_text(text, encoding="utf-8")
        (self.folder / ".gitignore").write_text("*\n!gates/\n!gates/*\n!policy/\n!policy/*\n", encoding="utf-8")
        _quiet(["git", "init", "-q"], self.folder)
        for name, value in (("user.email", AUTHOR), ("user.name", "Dana, who trains the models")):
            _quiet(["git", "config", name, value], self.folder)
        _quiet(["git", "config", "commit.gpgsign", "false"], self.folder)
        _quiet(["git", "add", "gates", "policy"], self.folder)
        _quiet(["git", "commit", "-q", "--no-verify", "-m", "a fraud model and its gates"], self.folder)
        commit = _quiet(["git", "rev-parse", "HEAD"], self.folder).strip()
        chatter = io.StringIO()
        try:
            with redirect_stderr(chatter):  # MLflow's hints to people who log models
                trained = prepare(self.folder, commit=commit)
        except BaseException:
            show(chatter.getvalue(), err=True)
            raise
        for version, model in enumerate(trained, start=1):
            click.echo(f"  version {version}  {model.name}: {model.story}")

    def play(self) -> None:
        """The story, each step through the command that a person would call."""
        self.step(
            "The champion is in production already: the ledger begins with it",
            ["adopt", "fraud", "--version", "1", "--reason", "in production since before lockgate"],
        )
        self.step(
            "The first candidate looks better on average",
            ["run", "--candidate", "version=2"],
            code=1,
        )
        evidence, self.stopped = self.newest()
        findings = {finding.id: finding for gate in evidence.gates for finding in gate.findings}
        failed = {name for name, finding in findings.items() if finding.verdict.value == "fail"}
        tail = findings["latency/r1/overall"]
        if not failed >= _BRAZIL or tail.verdict.value == "pass":
            raise _UnexpectedEnd(f"the bad candidate was stopped on {sorted(failed)}")
        click.echo(f"On average: {findings['metrics/r3/overall'].reason}.")
        click.echo(f"In last week's traffic: {findings['shadow/r2/country=BR'].reason}.")
        if tail.id not in failed:
            click.echo(f"This machine is too busy to show its slow tail: {tail.reason}.")
        self.evaluate("The second candidate")
        self.sign_and_promote()
        self.step(
            "At night something looks wrong: back, first", ["rollback", "fraud", "--reason", "chargebacks doubled"]
        )
        self.step(
            "It was not the model. What was withdrawn is evaluated anew: its old evidence cannot promote it",
            ["promote", self.digest],
            code=1,
        )
        self.evaluate("Evaluated again")
        self.sign_and_promote()
        self.step(
            "A week later: a candidate that answers as well, and that nobody can say where it comes from",
            ["run", "--candidate", "version=4"],
            code=1,
        )
        self.not_run()
        self.step("Where everything stands", ["status", "fraud"])
        self.step("Who moved what, when and why", ["history", "fraud"])

    def evaluate(self, text: str) -> None:
        """Run the gates on the good candidate; again where a busy machine left its tail undecided, as the gate advises."""
        arguments = ["run", "--candidate", "version=3", "--stage"]
        for _ in range(_REPEATS):
            if self.ended(text, arguments) == 0:
                return
            evidence, _path = self.newest()
            undecided = {gate.name: gate.verdict.value for gate in evidence.gates if gate.verdict.value != "pass"}
            if undecided != {"latency": "inconclusive"}:
                raise _UnexpectedEnd(f"the good candidate was stopped: {undecided}")
            text = "This machine is too busy to show how slow a version is: once more, as the gate says"
        self.step(text, arguments)

    def sign_and_promote(self) -> None:
        evidence, _ = self.newest()
        self.digest = evidence.digest
        self.step("The owner signs exactly that evidence", ["approve", self.digest, "--key", str(self.key)])
        self.step("It becomes Production; the previous version is kept", ["promote", self.digest])

    def not_run(self) -> None:
        """Say that the payload was seen and has not run, and by what else its candidate was stopped."""
        from lockgate.cli.demo.register import payload_mark

        evidence, _ = self.newest()
        failed = {finding.id for gate in evidence.gates for finding in gate.findings if finding.verdict.value == "fail"}
        if _CARELESS - failed or payload_mark(self.folder).exists():
            raise _UnexpectedEnd(f"the careless candidate was stopped on {sorted(failed)}")
        click.echo("Its payload has not run: nothing of a model is loaded before its files pass.")

    def newest(self) -> tuple[Evidence, Path]:
        """The evidence and the report of the newest run."""
        run = latest(self.folder)
        if run is None:
            raise _UnexpectedEnd("there is no run")
        return run.evidence(), run.path / "report.html"

    def headline(self, text: str) -> None:
        click.echo(click.style(f"\n── {text} ", bold=True), color=None)

    def step(self, text: str, args: list[str], *, code: int = 0) -> None:
        """Run one command in this process; another exit code than the story's ends the demo."""
        actual = self.ended(text, args)
        if actual != code:
            raise _UnexpectedEnd(f"gate {args[0]} ended with exit code {actual}, and the story says {code}")

    def ended(self, text: str, args: list[str]) -> int:
        """The exit code of one command, run in this process below a headline."""
        self.headline(text)
        words = [_relative(Path(word), self.folder) if word.startswith(str(self.folder)) else word for word in args]
        click.echo(f"$ gate {' '.join(_quoted(word) for word in words)}")
        sys.stdout.flush()
        actual = run(args)
        if actual == 130:
            raise KeyboardInterrupt
        return actual


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _policy() -> Path:
    """gates/fraud.yaml, as installed with the package or in the checkout that it is installed from."""
    package = Path(lockgate.__file__).parent
    for path in (package / "pipelines" / "fraud.yaml", package.parents[1] / "gates" / "fraud.yaml"):
        if path.is_file():
            return path
    raise _UnexpectedEnd("gates/fraud.yaml is not installed")


def _quiet(arguments: list[str], folder: Path) -> str:
    answer = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise _UnexpectedEnd(f"{arguments[0]} {arguments[1]} failed: {answer.stderr.strip()}")
    return answer.stdout
