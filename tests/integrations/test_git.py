"""Authors are those of the commit that was evaluated."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lockgate.integrations import git


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

    assert git.authors(head.stdout.strip(), repository) == ("dev@example.org", "pat@example.org")


def test_a_commit_that_is_not_here_has_no_known_authors(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nor has one outside a repository, nor something that is no commit at all."""
    assert git.authors("0" * 40, repository) == ()
    assert git.authors("--output=x", repository) == ()
    assert git.authors("0" * 40, tmp_path_factory.mktemp("elsewhere")) == ()


def test_who_runs_a_command_is_a_claim(repository: Path) -> None:
    """And marked as such."""
    assert str(git.current_identity(repository)) == "Dev (unverified)"


def test_a_commit_is_merged_once_the_default_branch_has_it(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As the clone knows it; without a remote nobody can say."""

    def git_(*arguments: str, at: Path) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=at, check=True, capture_output=True, text=True
        ).stdout.strip()  # fmt: skip

    head = git_("rev-parse", "HEAD", at=repository)
    clone = tmp_path_factory.mktemp("clone")
    git_("clone", "-q", str(repository), ".", at=clone)
    person = ["-c", "user.name=D", "-c", "user.email=d@example.org"]
    git_(*person, "commit", "-q", "--allow-empty", "-m", "more", at=clone)

    assert git.is_merged(head, clone)
    assert not git.is_merged(git_("rev-parse", "HEAD", at=clone), clone)
    assert not git.is_merged(head, repository)
    assert not git.is_merged("--all", clone)
