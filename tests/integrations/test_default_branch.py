"""A commit is merged once the default branch has it, in every kind of clone; and nothing else counts as merged."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lockgate.integrations.default_branch import NotMerged, not_merged


def git(*arguments: str, at: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=at, check=True, capture_output=True, text=True).stdout.strip()


class Remote:
    """A repository whose default branch is `trunk`, with two commits, and a branch `side` with one more."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clones = folder, 0
        self.path = folder / "remote"
        self.path.mkdir()
        git("init", "-q", "-b", "trunk", at=self.path)
        for name, value in {"user.name": "D", "user.email": "d@example.org", "commit.gpgsign": "false"}.items():
            git("config", name, value, at=self.path)
        self.old, self.merged = self.commit("old"), self.commit("merged")
        git("checkout", "-q", "-b", "side", at=self.path)
        self.open = self.commit("open")
        git("checkout", "-q", "trunk", at=self.path)

    def commit(self, text: str) -> str:
        git("commit", "-q", "--allow-empty", "-m", text, at=self.path)
        return git("rev-parse", "HEAD", at=self.path)

    def clone(self, *fetch: str) -> Path:
        """A clone as runners make it: no origin/HEAD. fetch: what is fetched, the tip of trunk without."""
        self.clones += 1
        clone = self.folder / f"clone{self.clones}"
        clone.mkdir()
        git("init", "-q", at=clone)
        git("remote", "add", "origin", f"file://{self.path}", at=clone)
        git("fetch", "-q", *(fetch or ("origin", "+refs/heads/trunk:refs/remotes/origin/trunk")), at=clone)
        git("checkout", "-q", "FETCH_HEAD", at=clone)
        return clone

    def shallow(self) -> Path:
        return self.clone("--depth=1", "origin", "+refs/heads/trunk:refs/remotes/origin/trunk")


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return Remote(tmp_path)


def obstacle(commit: str | None, clone: Path, branch: str | None = None, **environ: str) -> NotMerged | None:
    return not_merged(commit, clone, branch=branch, environ=environ)


def test_the_default_branch_is_what_the_policy_the_job_the_clone_or_the_remote_says(
    remote: Remote, tmp_path: Path
) -> None:
    """Each by itself suffices."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"default_branch": "trunk"}}))
    clone = remote.clone()
    assert obstacle(remote.old, clone) is None, "the remote says it"
    git("remote", "set-url", "origin", "file:///nowhere", at=clone)

    unknown = obstacle(remote.old, clone)
    assert obstacle(remote.old, clone, "trunk") is None
    assert obstacle(remote.old, clone, CI_DEFAULT_BRANCH="trunk") is None
    assert obstacle(remote.old, clone, GITHUB_EVENT_PATH=str(event)) is None
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk", at=clone)
    assert obstacle(remote.old, clone) is None

    assert unknown is not None
    assert "which branch is origin's default is not known here" in unknown.reason
    assert "nowhere" in unknown.reason, "git's own words"
    assert "git remote set-head origin --auto" in unknown.remedy


@pytest.mark.parametrize("event", ["", "[]", "{}", '{"repository": {"default_branch": 7}}', "no JSON"])
def test_an_event_without_a_branch_says_nothing(remote: Remote, tmp_path: Path, event: str) -> None:
    """The remote does."""
    (tmp_path / "event").write_text(event)

    assert obstacle(remote.old, remote.clone(), GITHUB_EVENT_PATH=str(tmp_path / "event")) is None


def test_a_shallow_clone_is_deepened_as_far_as_it_must_be(remote: Remote) -> None:
    """Not at all where it has what is needed; where it cannot be, the command is named."""
    clone, cut = remote.shallow(), remote.shallow()
    git("remote", "set-url", "origin", "file:///nowhere", at=cut)

    assert obstacle(remote.merged, clone, "trunk") is None
    assert git("rev-parse", "--is-shallow-repository", at=clone) == "true"
    assert obstacle(remote.old, clone, "trunk") is None
    assert obstacle(remote.open, clone, "trunk") is not None
    assert obstacle(remote.merged, cut, "trunk") is None
    unable = obstacle(remote.old, cut, "trunk")
    assert unable is not None
    assert "this clone is shallow, and what it has does not tell" in unable.reason
    assert "nowhere" in unable.reason, "git's own words"
    assert "git fetch --unshallow origin +refs/heads/trunk:refs/remotes/origin/trunk; or" in unable.remedy
    assert "fetch-depth: 0" in unable.remedy


def test_a_token_in_the_remotes_address_is_told_nobody(remote: Remote) -> None:
    """Runners write it there, and git repeats the address."""
    clone = remote.clone("origin", "refs/heads/side")
    git("remote", "set-url", "origin", "http://runner:t0ken@127.0.0.1:9/x.git", at=clone)

    unable = obstacle(remote.old, clone, "trunk")

    assert unable is not None
    assert "http://127.0.0.1:9/x.git" in unable.reason
    assert "t0ken" not in unable.reason + unable.remedy


def test_a_clone_of_another_branch_or_of_one_commit_fetches_the_default_one(remote: Remote) -> None:
    """As a job of a merge request has it, deep or shallow."""
    for depth in ([], ["--depth=1"]):
        clone = remote.clone(*depth, "origin", "refs/heads/side")

        assert obstacle(remote.old, clone, "trunk") is None
        assert obstacle(remote.open, clone, "trunk") is not None


def test_a_clone_that_lags_behind_fetches_what_was_merged(remote: Remote) -> None:
    """From the only remote, whatever it is called; where that is gone, git's own words say so."""
    clone = remote.clone()
    git("remote", "rename", "origin", "upstream", at=clone)
    git("merge", "-q", "--no-ff", "side", at=remote.path)
    address = git("remote", "get-url", "upstream", at=clone)
    git("remote", "set-url", "upstream", "file:///nowhere", at=clone)

    cut = obstacle(remote.open, clone, "trunk")
    git("remote", "set-url", "upstream", address, at=clone)

    assert cut is not None
    assert "is not in the history of upstream's default branch here (trunk): fatal: '/nowhere'" in cut.reason
    assert obstacle(remote.open, clone) is None


def test_nothing_else_counts_as_merged(remote: Remote) -> None:
    """Neither another branch, nor a squashed copy, nor what only looks like a commit or a branch."""
    git("merge", "-q", "--squash", "side", at=remote.path)
    remote.commit("squashed")
    clone = remote.clone()
    git("tag", "abcdef1", "refs/remotes/origin/trunk", at=clone)
    git("fetch", "-q", "origin", "side", at=clone)
    git("replace", remote.open, remote.merged, at=clone)

    squashed = obstacle(remote.open, clone)
    assert squashed is not None
    assert squashed.reason.endswith("is not in the history of origin's default branch here (trunk)")
    assert "after a squash or a rebase evaluate what was merged" in squashed.remedy
    for word in (None, "abcdef1", "--all", "trunk", "0" * 40, remote.old[:12]):
        assert obstacle(word, clone) is not None
    for name in ("trunk~0", "trunk:refs/heads/x", "*", "-x..", "no such"):
        assert obstacle(remote.old, clone, name) is not None
    assert obstacle(remote.old, remote.path) is not None, "without a remote nobody can say"
