"""`gate check --against REF` compares with git's objects, also of what is extended, and never with the work tree."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lockgate import git
from lockgate.cli.commands.check import command
from lockgate.errors import UsageError

GATE = "from lockgate import Gate\n\n\nclass Own(Gate):\n    limit: int = 3\n\n    def check(self, case):\n        return []\n"
FILES = {
    "gates/a.yaml": "extends: ../policy/base.yaml\nmodel: fraud\n",
    "gates/b.yaml": "extends: ../policy/base.yaml\nmodel: churn\n",
    "policy/base.yaml": """\
task: binary
registry: {uri: "${NOT_SET_ANYWHERE}"}
data: {holdout: {path: "${DATA:-x.csv}", label: y}}
gates:
  - {gate: metrics, data: holdout, require: [auc >= 0.8]}
  - {gate: "./own.py:Own", limit: 3}
signoff: {groups: {owners: [{github: ann, id: 1}]}, require: {owners: 1}}
""",
    "own.py": GATE,
}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pipelines that extend a file, committed on main, and a branch on which a test writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    _git("init", "-q", "-b", "main")
    _git("config", "user.email", "ann@example.org")
    _git("config", "user.name", "Ann")
    _git("add", ".")
    _git("commit", "-q", "-m", "policy")
    _git("tag", "v1")
    _git("switch", "-q", "-c", "topic")


def _write(name: str, old: str, new: str) -> None:
    text = Path(name).read_text()
    assert old in text
    Path(name).write_text(text.replace(old, new))


def check(*args: str) -> Result:
    return CliRunner().invoke(command, args)


@pytest.mark.parametrize("ref", ["main", "v1", "HEAD"])
def test_a_policy_as_it_was_has_nothing_to_say(ref: str) -> None:
    """One line a pipeline, by a branch, a tag or any other name of a commit."""
    result = check("gates/a.yaml", "--against", ref)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [f"gates/a.yaml: nothing changed since {ref}"]


def test_what_a_pipeline_extends_is_compared_at_the_line_that_changed() -> None:
    """A change is no fault: exit 0; the looser come first, with what was there before."""
    _write("policy/base.yaml", "auc >= 0.8", "auc >= 0.7, log_loss <= 1")
    _write("own.py", "return []", "return ()")
    result = check("gates/a.yaml", "--against", "main")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "policy/base.yaml:5:46: looser: gates.metrics.require: auc >= 0.8 → auc >= 0.7",
        "own.py: may be looser, judged by another yardstick: code: as it was → other code",
        "policy/base.yaml:5:58: stricter: gates.metrics.require: nothing → log_loss <= 1",
    ]


def test_only_stricter_changes_say_first_that_nothing_got_looser() -> None:
    """So that a reviewer can stop there."""
    _write("policy/base.yaml", "auc >= 0.8", "auc >= 0.9")
    result = check("gates/a.yaml", "--against", "main")

    assert result.stdout.splitlines()[1] == "gates/a.yaml: nothing got looser since main"


def test_the_state_before_is_read_from_the_commit_though_its_files_are_gone_here() -> None:
    """A pipeline that is gone judges nothing any more; one that is new has nothing to be compared with."""
    _git("mv", "policy/base.yaml", "policy/other.yaml")
    _write("gates/a.yaml", "base.yaml", "other.yaml")
    Path("gates/b.yaml").rename("gates/c.yaml")
    _write("gates/c.yaml", "base.yaml", "other.yaml")
    result = check("--against", "main")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "gates/a.yaml: nothing changed since main",
        "gates/c.yaml: ok (2 gates, 1 requirement)",
        "gates/c.yaml: it is new since main, so there is nothing to compare it with",
        "gates/b.yaml: looser: the pipeline itself is gone since main, so nothing is judged by it",
    ]


def test_json_has_each_change_with_its_effect_and_place() -> None:
    """Beside what check says of each pipeline anyway."""
    _write("gates/a.yaml", "model: fraud\n", "model: fraud\nsignoff: {separation_of_duties: false}\n")
    document = json.loads(check("gates/a.yaml", "--against", "main", "--json").stdout)

    assert document["removed"] == []
    assert document["pipelines"][0]["ok"] is True
    assert document["pipelines"][0]["against"] == {
        "ref": "main",
        "commit": _git("rev-parse", "main"),
        "changes": [
            {
                "effect": "looser",
                "at": "gates/a.yaml:3:33",
                "key": "signoff.separation_of_duties",
                "before": "true",
                "after": "false",
            }
        ],
    }


def test_a_policy_that_was_not_valid_is_a_fault_of_the_comparison() -> None:
    """Nobody can say then that nothing got looser: exit 2, with the complaints of that commit."""
    _write("policy/base.yaml", "auc", "acu")
    _git("commit", "-q", "-a", "-m", "slip")
    _write("policy/base.yaml", "acu", "auc")
    result = check("gates/a.yaml", "--against", "HEAD")

    assert result.exit_code == 2
    assert result.stderr.startswith("at HEAD: policy/base.yaml:5:46: metrics knows no 'acu'")


@pytest.mark.parametrize("ref", ["nowhere", "--upload-pack=x"])
def test_a_ref_that_git_does_not_have_is_a_usage_error(ref: str) -> None:
    """Also in the shallow clone of a job, which is told how to get it; an option of git is no ref."""
    with pytest.raises(UsageError, match="git has no commit"):
        CliRunner().invoke(command, [f"--against={ref}"], catch_exceptions=False)


def test_a_branch_that_only_the_remote_has_is_found_there(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a clone of another branch."""
    clone = tmp_path_factory.mktemp("clone")
    _git("clone", "-q", "--branch", "topic", str(Path.cwd()), str(clone))
    monkeypatch.chdir(clone)

    assert check("gates/a.yaml", "--against", "main").stdout.endswith("nothing changed since main\n")


def test_a_pipeline_of_another_repository_is_compared_with_that_ones_commits(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies in the working directory."""
    here, elsewhere = Path.cwd(), tmp_path_factory.mktemp("elsewhere")
    _write("policy/base.yaml", "auc >= 0.8", "auc >= 0.7")
    monkeypatch.chdir(elsewhere)
    result = check(str(here / "gates/a.yaml"), "--against", "main")

    assert "policy/base.yaml:5:46: looser: gates.metrics.require: auc >= 0.8 → auc >= 0.7" in result.stdout


def test_a_link_is_read_as_what_it_leads_to_in_that_commit() -> None:
    """And one that leads out of the repository is nothing."""
    Path("gates/link.yaml").symlink_to("a.yaml")
    _git("add", ".")
    _git("commit", "-q", "-m", "link")
    _write("policy/base.yaml", "auc >= 0.8", "auc >= 0.7")

    assert "looser: gates.metrics.require" in check("gates/link.yaml", "--against", "HEAD").stdout


def test_more_files_than_are_read_are_a_fault_of_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no silence about code that changed: exit 2."""
    monkeypatch.setattr("lockgate.integrations.policy_changes._MOST_FILES", 2)
    result = check("gates/a.yaml", "--against", "main")

    assert result.exit_code == 2
    assert "gates/a.yaml extends and names over 2 files, too many to be compared" in result.stderr


def test_a_path_that_is_missing_in_a_commit_has_no_content_whatever_it_is_called() -> None:
    """Git's answer is the name and a word."""
    assert git.content("HEAD", "own.py", Path()) == GATE.encode()
    assert git.content("HEAD", "x blob", Path()) is None


def test_what_a_command_reads_may_be_looser_where_it_is_other_code() -> None:
    """A file or a folder that both states name, in whichever file of it; what is new is no change of it."""
    command = "  - {gate: command, run: [./checks/run.sh, checks/rules], findings: found}\n"
    for name in ("checks/run.sh", "checks/rules/a.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("as it was")
    _write("policy/base.yaml", "signoff:", command + "signoff:")
    _git("add", ".")
    _git("commit", "-q", "-m", "command")
    assert check("gates/a.yaml", "--against", "HEAD").stdout.splitlines()[1:] == [
        "gates/a.yaml: nothing changed since HEAD"
    ]

    Path("checks/rules/a.txt").write_text("otherwise")

    assert check("gates/a.yaml", "--against", "HEAD").stdout.splitlines()[1:] == [
        "checks/rules: may be looser, judged by another yardstick: code: as it was → other code",
    ]
