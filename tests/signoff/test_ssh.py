"""A vote counts when ssh-keygen says that an owner's key signed exactly these bytes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.promoting import NOW, evidence, signed, ssh_key
from lockgate.errors import LockgateError, UsageError
from lockgate.signoff import ssh
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ssh_key(tmp_path_factory.mktemp("keys"), "alice")


@pytest.fixture(scope="module")
def eve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ssh_key(tmp_path_factory.mktemp("keys"), "eve")


def policy(*keys: Path) -> SignoffPolicy:
    owners = [{"key": ssh.public_key(key)} for key in keys]
    return SignoffPolicy.model_validate({"groups": {"owners": owners}, "require": {"owners": 1}})


def test_what_a_key_signed_is_believed(alice: Path) -> None:
    """And anybody can check it with ssh-keygen alone."""
    vote, signature = signed(evidence(), alice)

    votes, objections = ssh.read_votes([(vote, signature)], policy(alice))

    assert [one.bytes for one in votes] == [vote]
    assert objections == {}
    assert ssh.identity(alice).name == "alice@example.org"
    listed = subprocess.run(["ssh-keygen", "-lf", f"{alice}.pub"], capture_output=True, text=True, check=True)
    assert ssh.identity(alice).id in listed.stdout


def test_changed_bytes_other_keys_and_borrowed_names_are_not(alice: Path, eve: Path) -> None:
    """Each with its reason."""
    about = evidence()
    vote, signature = signed(about, alice)
    hers = Vote.read(signed(about, eve)[0])
    borrowed = replace(hers, by=ssh.identity(alice), stored=None).bytes
    comment = replace(hers, by=Identity("github", "583231", "octocat"), stored=None).bytes

    def objection(vote: bytes, signature: bytes) -> str:
        return next(iter(ssh.read_votes([(vote, signature)], policy(alice))[1].values())).reason

    assert "its signature is not that of" in objection(
        vote.replace(b"approve", b"approve".upper().lower()) + b" ", signature
    )
    assert "its signature is not that of" in objection(borrowed, ssh.sign(borrowed, eve))
    assert "is not in the policy" in objection(*signed(about, eve))
    assert "signed by no SSH key" in objection(comment, ssh.sign(comment, eve))
    assert "its signature is not that of" in objection(vote, b"")


def test_a_signature_for_another_purpose_is_not_a_vote(alice: Path, tmp_path: Path) -> None:
    """The namespace keeps signatures under commits or files apart."""
    vote, _ = signed(evidence(), alice)
    (tmp_path / "vote").write_bytes(vote)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(alice), str(tmp_path / "vote")],
        check=True,
        capture_output=True,
    )

    _, objections = ssh.read_votes([(vote, (tmp_path / "vote.sig").read_bytes())], policy(alice))

    assert len(objections) == 1


def test_a_good_copy_of_a_vote_stands_beside_a_bad_one(alice: Path) -> None:
    """Somebody who adds a false signature to a true vote takes nothing away."""
    vote, signature = signed(evidence(), alice)

    for stored in ([(vote, b"x"), (vote, signature)], [(vote, signature), (vote, b"x")]):
        votes, objections = ssh.read_votes(stored, policy(alice))
        assert (len(votes), objections) == (1, {})


def test_bytes_that_are_no_vote_are_left_out(alice: Path) -> None:
    """They are nobody's."""
    assert ssh.read_votes([(b"{}", b"")], policy(alice)) == ((), {})


def test_votes_lie_beside_the_evidence(alice: Path, tmp_path: Path) -> None:
    """Stored twice they are one."""
    vote, signature = signed(evidence(), alice)

    for _ in range(2):
        ssh.store_vote(tmp_path / "votes", Vote.read(vote), signature)

    assert ssh.stored_votes(tmp_path / "votes") == [(vote, signature)]
    assert ssh.stored_votes(tmp_path / "nothing") == []


def test_keys_that_cannot_sign_say_why(alice: Path, tmp_path: Path) -> None:
    """A missing file, a file that is no key, and a key behind a passphrase that nobody can type."""
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    (tmp_path / "noise").write_text("noise")
    half = tmp_path / "half"
    half.write_bytes(alice.read_bytes())
    half.chmod(0o600)

    with pytest.raises(UsageError, match="there is no key at"):
        ssh.identity(tmp_path / "missing")
    with pytest.raises(UsageError, match="cannot be read"):
        ssh.identity(tmp_path / "noise")
    with pytest.raises(UsageError, match="ssh-add"):
        ssh.sign(b"vote", locked)
    assert ssh.identity(half).id == ssh.identity(alice).id


def test_a_machine_without_ssh_keygen_is_told_what_to_install(
    alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of a traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LockgateError, match="openssh-client"):
        ssh.sign(b"vote", alice)


def test_the_moment_of_a_vote_is_kept_to_the_millisecond() -> None:
    """So that reading it back gives the same vote."""
    vote = Vote("approve", evidence().digest, "fraud", None, "", NOW, Identity("ssh", "SHA256:x"))

    assert Vote.read(vote.bytes).at == NOW
