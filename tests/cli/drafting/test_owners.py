"""Whose key signs, where nobody names an owner."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers.promoting import ssh_key
from lockgate.cli.drafting.owners import Signers, local_keys
from lockgate.foreign import yaml
from lockgate.signoff.policy import SignoffPolicy


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def test_the_key_of_ssh_and_the_address_of_git_are_one_owner(home: Path) -> None:
    """Who is alone approves their own work, too, and the file says so; whose private half is elsewhere comes last."""
    line = ssh_key(home / ".ssh", "ana").with_suffix(".pub").read_text().strip()
    (home / ".ssh" / "another.pub").write_text("no key")
    subprocess.run(["git", "config", "--global", "user.email", "ana@example.com"], check=True)
    key = next(local_keys(home, home), None)
    assert key is not None
    policy = SignoffPolicy.model_validate(yaml.read(Signers(key=key).text)["signoff"])

    assert (key.line, key.path, key.person) == (line, "~/.ssh/ana", "ana@example.com")
    assert policy.groups["owners"][0].emails == {"ana@example.com", "ana@example.org"}
    assert policy.separation_of_duties is False


def test_the_key_that_git_signs_with_comes_first(home: Path) -> None:
    """Wherever it lies."""
    ssh_key(home / ".ssh", "id_ed25519")
    mine = ssh_key(home, "mine")
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", "~/mine.pub")):
        subprocess.run(["git", "config", "--global", name, value], check=True)
    key = next(local_keys(home, home), None)

    assert key is not None
    assert key.line == mine.with_suffix(".pub").read_text().strip()


@pytest.mark.parametrize("logins", [{}, {"ana": None}, {"ana": 1071}])
def test_that_one_person_may_do_it_all_waits_as_a_comment(logins: dict[str, int | None]) -> None:
    """It holds once the comment's signs are gone, and not before."""
    text = Signers(logins).text.replace("id: N}", "id: 7}").replace('- {key: "ssh-ed25519 AAAA…', '# "')
    once = "".join(f"{line.removeprefix('# ')}\n" for line in text.splitlines())
    twice = once.replace("  # separation_of_duties", "  separation_of_duties").replace("    # authors", "    authors")

    assert SignoffPolicy.model_validate(yaml.read(once)["signoff"]).separation_of_duties is True
    assert SignoffPolicy.model_validate(yaml.read(twice)["signoff"]).separation_of_duties is False
    assert SignoffPolicy.model_validate(yaml.read(twice)["signoff"]).names("dana@example.org")


def test_owners_of_other_pipelines_wait_as_a_comment() -> None:
    """Who approves is for a person to say; what was asked of GitHub once is not asked again."""
    text = Signers(elsewhere={"ana": 1071}).text
    lines = [line.removeprefix("# ") for line in text.splitlines() if "key:" not in line]

    assert yaml.read(text) is None
    assert [
        owner.id for owner in SignoffPolicy.model_validate(yaml.read("\n".join(lines))["signoff"]).groups["owners"]
    ] == [1071]


def test_without_a_key_nobody_signs(home: Path) -> None:
    """And the file shows how."""
    assert not list(local_keys(home, home))
    assert yaml.read(Signers().text) is None
