"""Votes signed with an SSH key: `ssh-keygen -Y sign` on their exact bytes, in the namespace `lockgate`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lockgate.errors import LockgateError, UsageError
from lockgate.foreign.files import read_regular
from lockgate.hashing import sha256
from lockgate.signoff.decision import Objection
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy, fingerprint
from lockgate.signoff.vote import Vote
from lockgate.text import one_line

NAMESPACE = "lockgate"
_SECONDS = 120


def identity(key: Path) -> Identity:
    """Whose key this is: fingerprint and comment. key: a private key's file, or a .pub that an agent holds."""
    line = public_key(key)
    return Identity("ssh", fingerprint(line), " ".join(line.split()[2:]))


def public_key(key: Path) -> str:
    """The public line of a key file. Raises UsageError where there is none."""
    if not key.is_file():
        raise UsageError(
            f"there is no key at {key}", remedy="name an SSH key with --key, for example ~/.ssh/id_ed25519"
        )
    beside = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    if beside.is_file():
        line = beside.read_text(errors="replace").strip()
    else:
        # an empty passphrase only helps keys that have none; the others fail at once instead of asking
        answer = _ssh_keygen(["-y", "-P", "", "-f", str(key)])
        if answer.returncode != 0:
            raise UsageError(
                f"the public half of {key} cannot be read: {_last_line(answer.stderr)}",
                remedy=f"put it beside the key, as {beside.name}",
            )
        line = answer.stdout.decode(errors="replace").strip()
    try:
        fingerprint(line)
    except ValueError as error:
        raise UsageError(f"{key} is no SSH key: {error}") from error
    return line


def sign(vote: bytes, key: Path) -> bytes:
    """The signature of the bytes, as ssh-keygen writes it. Raises UsageError where the key cannot sign."""
    if not key.is_file():
        raise UsageError(
            f"there is no key at {key}", remedy="name an SSH key with --key, for example ~/.ssh/id_ed25519"
        )
    answer = _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key)], vote)
    if answer.returncode != 0 or b"BEGIN SSH SIGNATURE" not in answer.stdout:
        raise UsageError(
            f"{key} did not sign: {_last_line(answer.stderr)}",
            remedy="a key with a passphrase signs from a terminal, or through ssh-agent after ssh-add",
        )
    return answer.stdout


def verify(vote: bytes, signature: bytes, *, identity: Identity, keys: Iterable[str]) -> str | None:
    """Why the signature is not this identity's on these bytes by one of the keys; None where it is."""
    key = next((key for key in keys if fingerprint(key) == identity.id), None)
    if identity.kind != "ssh" or key is None:
        return f"its key {identity.id} is not in the policy"
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        allowed, stored = Path(folder, "allowed_signers"), Path(folder, "vote.sig")
        kind, blob = key.split()[:2]
        allowed.write_text(f'{identity.id} namespaces="{NAMESPACE}" {kind} {blob}\n')
        stored.write_bytes(signature)
        answer = _ssh_keygen(
            ["-Y", "verify", "-n", NAMESPACE, "-I", identity.id, "-f", str(allowed), "-s", str(stored)], vote
        )
    return None if answer.returncode == 0 else f"its signature is not that of {identity.id}"


def read_votes(
    stored: Sequence[tuple[bytes, bytes]], policy: SignoffPolicy
) -> tuple[tuple[Vote, ...], dict[str, Objection]]:
    """The votes among (vote bytes, signature) pairs, each once, and SHA-256 → objection for those not to be believed.

    Bytes that are no vote say nothing and are left out; `unreadable_votes` names them.
    """
    votes: dict[str, Vote] = {}
    objections: dict[str, Objection] = {}
    for data, signature in stored:
        try:
            vote = Vote.read(data)
        except ValueError:
            continue
        if vote.by.kind != "ssh":
            objection: str | None = f"it is stored beside the evidence but signed by no SSH key ({vote.by.kind})"
        else:
            objection = verify(data, signature, identity=vote.by, keys=policy.keys)
        if objection is None:
            votes[vote.sha256] = vote
            objections.pop(vote.sha256, None)
        elif vote.sha256 not in votes:
            votes[vote.sha256] = vote
            objections[vote.sha256] = Objection("not_signed", objection)
    return tuple(votes.values()), objections


def stored_votes(folder: Path) -> list[tuple[bytes, bytes]]:
    """The (vote, signature) pairs of a run folder's `votes/`; a vote without a signature has an empty one.

    Files that are no votes are left out; `unreadable_votes` names them. Also those that somebody brought along as `gate approve --out` wrote them: `olga.json` and `olga.json.sig`.
    """
    return _read_folder(folder)[0]


def unreadable_votes(folder: Path | None, published: Iterable[tuple[bytes, bytes]] = ()) -> tuple[str, ...]:
    """A sentence for each file of `votes/`, and each published pair, that is no vote. They hinder no other one."""
    return (*([] if folder is None else _read_folder(folder)[1]), *_no_votes(published))


def _no_votes(published: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    for data, _ in published:
        try:
            Vote.read(data)
        except ValueError as error:
            yield f"what is published as the vote {sha256(data)} does not count: {error}"


def _read_folder(folder: Path) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """(the pairs whose first part is a vote, a sentence for each file that holds none)."""
    pairs, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            data = _bytes(path)
            Vote.read(data)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            problems.append(f"the file {one_line(path.name)} in {one_line(folder.name)}/ does not count: {reason}")
            continue
        signature = b""
        for beside in (path.with_suffix(".sig"), path.with_name(path.name + ".sig")):
            if not signature and beside.is_file():
                with suppress(OSError, ValueError):
                    signature = _bytes(beside)
        pairs.append((data, signature))
    return pairs, problems


def _bytes(path: Path) -> bytes:
    """The content of a small file. Raises OSError, and ValueError for what is none."""
    if not path.is_file():
        raise ValueError("it leads to nothing" if path.is_symlink() and not path.exists() else "it is no file")
    return read_regular(path, most=Vote.most)


def store_vote(folder: Path, vote: Vote, signature: bytes) -> Path:
    """Write a vote and its signature into a run folder's `votes/`; the same vote twice is one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{vote.sha256.removeprefix('sha256:')}.json"
    path.with_suffix(".sig").write_bytes(signature)
    path.write_bytes(vote.bytes)
    return path


def _ssh_keygen(arguments: list[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], input=data, capture_output=True, check=False, timeout=_SECONDS
        )
    except FileNotFoundError as error:
        raise LockgateError(
            "ssh-keygen is not installed, and votes are signed with it", remedy="install the package openssh-client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LockgateError(
            f"ssh-keygen did not end within {_SECONDS} s", remedy="load the key with ssh-add first"
        ) from error


def _last_line(text: bytes) -> str:
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
