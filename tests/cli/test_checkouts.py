"""What the checkout says on the command line: one that git refuses, and clones as runners make them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import promote, rollback, run
from lockgate.cli.run_document import lacks_authors, next_commands
from lockgate.errors import LockgateError, NotFound, UsageError, Waiting
from lockgate.pipeline.loader import load


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return Desk(tmp_path, monkeypatch)


def git(*arguments: str, at: Path) -> str:
    person = ["-c", "user.name=D", "-c", "user.email=d@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *person, *arguments]
    return subprocess.run(command, cwd=at, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_that_git_refuses_is_told_before_anything_is_evaluated(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 4 with git's own remedy, also where the commit names the candidate; a rollback goes on."""
    desk.register()
    git("init", "-q", at=desk.folder)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    errors = [
        desk.gate(run.command, *options).exception for options in ((), ("--candidate", "git_commit=head"), ("--stage",))
    ]
    back = desk.gate(rollback.command, desk.model, "--reason", "stalls").exception

    for error in errors:
        assert isinstance(error, LockgateError)
        assert error.exit_code == 4
        assert "fatal: detected dubious ownership" in error.message
        assert f"git config --global --add safe.directory {desk.folder}" in str(error.remedy)
    assert not (desk.folder / ".gate" / "runs").exists()
    assert "the ledger knows no Production" in str(back)


def test_before_the_first_commit_none_can_name_the_candidate(desk: Desk) -> None:
    """It says which of the two is missing."""
    desk.register()
    outside = desk.gate(run.command, "--candidate", "git_commit=head").exception
    git("init", "-q", at=desk.folder)
    unborn = desk.gate(run.command, "--candidate", "git_commit=head").exception

    assert isinstance(outside, UsageError)
    assert isinstance(unborn, UsageError)
    assert "needs a git checkout" in str(outside)
    assert "needs a commit, and there is none yet" in str(unborn)


def test_a_candidate_that_is_not_there_begins_no_run(desk: Desk) -> None:
    """It is wrong usage; the newest run stays what it was."""
    desk.register()
    absent, unset = (desk.gate(run.command, "--candidate", name).exception for name in ("9", "@nothing"))

    assert isinstance(absent, UsageError)
    assert "9" in absent.message
    assert isinstance(unset, NotFound)
    assert not (desk.folder / ".gate").exists()


def test_a_checkout_that_is_damaged_is_told_as_such_at_promotion(desk: Desk) -> None:
    """As at the run: exit 4, and nothing is said of authors or of the merge."""
    separate = desk.pipeline.read_text().replace("separation_of_duties: false", "")
    git("init", "-q", at=desk.folder)
    git("commit", "-q", "--allow-empty", "-m", "evaluated", at=desk.folder)
    commit, version = git("rev-parse", "HEAD", at=desk.folder), desk.register()
    for path in (desk.folder / ".git" / "objects").glob("??"):
        shutil.rmtree(path)
    for text in (separate, f"{separate}promotion: {{when: merged, branch: main}}\n"):
        desk.pipeline.write_text(text)
        error = desk.gate(promote.command, desk.evaluate(version, commit=commit).digest).exception
        assert isinstance(error, LockgateError)
        assert error.exit_code == 4
        assert f"git refuses the checkout {desk.folder}: " in error.message


def test_what_names_no_commit_has_no_next_step_where_authors_count(desk: Desk) -> None:
    """Nobody could approve it."""
    version = desk.register()
    steps = []
    for text in (desk.pipeline.read_text(), desk.pipeline.read_text().replace("separation_of_duties: false", "")):
        desk.pipeline.write_text(text)
        for commit in ("a" * 40, None):
            about = desk.evaluate(version, commit=commit)
            finished: Any = SimpleNamespace(
                evidence=about, pipeline=load(desk.pipeline, environ={}), in_production=False, published=True
            )
            steps.append([len(next_commands(finished)), len(lacks_authors(finished))])

    assert steps == [[1, 0], [1, 0], [1, 0], [0, 1]]


def test_a_merged_commit_is_promoted_from_the_clone_of_a_runner(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shallow, and without origin/HEAD: git, GitLab or the policy says which branch is meant."""
    remote = tmp_path_factory.mktemp("remote")
    git("init", "-q", "-b", "main", at=remote)
    git("commit", "-q", "--allow-empty", "-m", "evaluated", at=remote)
    commit = git("rev-parse", "HEAD", at=remote)
    git("commit", "-q", "--allow-empty", "-m", "later", at=remote)
    git("init", "-q", at=desk.folder)
    git("remote", "add", "origin", f"file://{remote}", at=desk.folder)
    git("fetch", "-q", "--depth=1", "origin", "+refs/heads/main:refs/remotes/origin/main", at=desk.folder)
    desk.write("promotion: {when: merged}\n")
    desk.pipeline.write_text(desk.pipeline.read_text().replace("require: {owners: 1}", "require: {owners: 0}"))
    about = desk.evaluate(desk.register(), commit=commit)
    git("remote", "set-url", "origin", "file:///nowhere", at=desk.folder)

    nameless = desk.gate(promote.command, about.digest).exception
    monkeypatch.setenv("CI_DEFAULT_BRANCH", "main")
    cut = desk.gate(promote.command, about.digest).exception
    git("remote", "set-url", "origin", f"file://{remote}", at=desk.folder)
    with monkeypatch.context() as patched:
        patched.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        foreign = desk.gate(promote.command, about.digest).exception
    merged = desk.gate(promote.command, about.digest)

    assert isinstance(foreign, LockgateError)
    assert "fatal: detected dubious ownership" in foreign.message
    assert isinstance(nameless, Waiting)
    assert isinstance(cut, Waiting)
    assert (nameless.code, cut.code) == ("not_merged", "not_merged")
    assert "git remote set-head origin --auto" in str(nameless)
    assert "git fetch --unshallow origin" in str(cut)
    assert merged.exit_code == 0, merged.exception
    assert desk.aliases["production"] == "1"


def test_authors_that_a_clone_lacks_are_asked_of_the_remote_or_the_command_is_told(desk: Desk) -> None:
    """Evidence without a commit has none, a folder outside of git fetches none, and a fetch that fails says by what."""
    desk.pipeline.write_text(desk.pipeline.read_text().replace("separation_of_duties: false", ""))
    version = desk.register()
    without, lacking = desk.evaluate(version), desk.evaluate(version, commit="a" * 40)
    errors = [str(desk.gate(promote.command, about.digest).exception) for about in (without, lacking)]
    git("init", "-q", at=desk.folder)
    git("remote", "add", "upstream", "file:///nowhere", at=desk.folder)
    errors.append(str(desk.gate(promote.command, lacking.digest).exception))

    assert "evaluate again in a git checkout" in errors[0]
    assert f"call this in a clone of the repository that has commit {'a' * 40}" in errors[1]
    assert f"git fetch upstream {'a' * 40} (a job clones all by fetch-depth: 0 on GitHub" in errors[2]
    assert "of which git says here: fatal: '/nowhere' does not appear to be a git repository" in errors[2]
    assert "separation_of_duties" not in "".join(errors)
