"""Authors are those of the commit that was evaluated."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lockgate import git
from lockgate.errors import LockgateError
from lockgate.integrations import committers


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    for command in (
        ["init", "-q"],
        ["config", "user.email", "Dev@example.org"],
        ["config", "user.name", "Dev"],
        ["commit", "-q", "--allow-empty", "-m", "train\n\nCo-authored-by: Pat <pat@example.org>"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_author_and_co_authors_wrote_a_commit(repository: Path) -> None:
    """Whoever only committed it did not."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)

    assert committers.authors(head.stdout.strip(), repository) == ("dev@example.org", "pat@example.org")


def test_a_commit_that_is_not_here_has_no_known_authors(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nor has one outside a repository, nor something that is no commit at all."""
    assert committers.authors("0" * 40, repository) == ()
    assert committers.authors("--output=x", repository) == ()
    assert committers.authors("0" * 40, tmp_path_factory.mktemp("elsewhere")) == ()


def test_who_runs_a_command_is_a_claim(repository: Path) -> None:
    """And marked as such."""
    assert str(committers.current_identity(repository)) == "Dev (unverified)"


def refused(repository: Path) -> LockgateError:
    with pytest.raises(LockgateError) as error:
        git.checkout_state(repository)
    return error.value


def test_a_checkout_of_another_user_is_refused_with_gits_own_words(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of who asks for its commit or authors; who only wants a name for the ledger is answered all the same."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    error = refused(repository)

    assert "fatal: detected dubious ownership in repository at" in error.message
    assert f"git config --global --add safe.directory {repository}" in str(error.remedy)
    for call in (git.head_commit, git.is_repository, lambda root: committers.authors("0" * 40, root)):
        with pytest.raises(LockgateError, match="dubious ownership"):
            call(repository)
    assert committers.current_identity(repository).kind == "unverified"
    assert git.origin_url(repository) is None
    assert not git.ignores("x", repository)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config", "[core"),
        ("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"),
        ("config", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tother = true\n"),
        ("HEAD", "nothing"),
        ("HEAD", None),
        ("index", "nothing"),
    ],
)
def test_a_damaged_checkout_is_refused_with_gits_own_words(repository: Path, file: str, content: str | None) -> None:
    """It is no folder outside of git, where nothing is known and nothing is wrong."""
    if content is None:
        (repository / ".git" / file).unlink()
    else:
        (repository / ".git" / file).write_text(content)

    error = refused(repository)

    assert f"git refuses the checkout {repository}: " in error.message
    assert error.exit_code == 4


def test_a_lost_object_a_lost_worktree_and_a_wrong_git_dir_are_refused(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with what git says of it."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / ".git").write_text(f"gitdir: {repository}/.git/worktrees/gone\n")

    lost = refused(tree)
    with monkeypatch.context() as patched:
        patched.setenv("GIT_DIR", "/nowhere")
        elsewhere = refused(repository)
    subprocess.run(["git", "init", "-q", str(tree / "other")], check=True)
    with monkeypatch.context() as patched:
        patched.setenv("GIT_DIR", str(tree / "other" / ".git"))
        another = refused(repository)
        patched.setenv("GIT_DIR", ".git")
        assert git.checkout_state(repository)["dirty"] is False
    for path in (repository / ".git" / "objects").glob("??"):
        shutil.rmtree(path)
    gone = refused(repository)

    assert "not a git repository: " in lost.message
    assert "not a git repository: '/nowhere'" in elsewhere.message
    assert "unset GIT_DIR" in str(elsewhere.remedy)
    assert f"GIT_DIR names the repository {tree}/other/.git, and the checkout {repository} is of" in another.message
    assert "bad object HEAD" in gone.message


def test_without_the_program_a_checkout_is_refused_and_another_folder_is_not(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git is needed for what only git knows."""
    monkeypatch.setenv("PATH", "/nowhere")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / ".git").mkdir()

    assert "install git" in str(refused(repository).remedy)
    assert git.checkout_state(elsewhere) == {"commit": None, "dirty": None}


def test_before_the_first_commit_there_is_none(tmp_path: Path) -> None:
    """And nothing is wrong."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    assert git.checkout_state(tmp_path) == {"commit": None, "dirty": False}
    assert git.is_repository(tmp_path)


def test_a_commit_that_a_clone_lacks_is_fetched_by_its_hash(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Into clones as runners make them and into whole ones, which stay whole; where the remote is gone, git says so."""
    for branch in ("feature", "main"):
        subprocess.run(["git", "checkout", "-q", "-B", branch], cwd=repository, check=True)
        message = f"on {branch}\n\nCo-authored-by: Pat <pat@example.org>"
        subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", message], cwd=repository, check=True)
    commit = git.head_commit(repository)
    assert commit is not None
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "more"], cwd=repository, check=True)
    whole = ["--single-branch", "--branch=feature"]
    clones = [tmp_path_factory.mktemp("clone") for _ in range(3)]
    for clone, cut in zip(clones, (["--depth=1"], whole, whole), strict=True):
        subprocess.run(["git", "clone", "-q", *cut, f"file://{repository}", "."], cwd=clone, check=True)
    subprocess.run(["git", "remote", "set-url", "origin", "file:///nowhere"], cwd=clones[2], check=True)

    lacking = [git.obtain(commit, clone) for clone in clones]

    assert lacking == [None, None, "fatal: '/nowhere' does not appear to be a git repository"]
    assert [len(committers.authors(commit, clone)) for clone in clones] == [2, 2, 0]
    assert [git.is_shallow(clone) for clone in clones] == [True, False, False]
