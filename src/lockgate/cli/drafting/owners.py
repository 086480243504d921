"""Find who can sign here: the SSH key of whoever writes the first pipeline, and the address in their commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockgate import git
from lockgate.cli.drafting.yaml_text import yaml_value
from lockgate.errors import LockgateError
from lockgate.signoff import ssh

_KINDS = ("ed25519", "ecdsa", "rsa")  # in the order in which ssh-keygen makes them by default today
NO_KEY = (
    "nobody can approve yet, as there is no SSH key in ~/.ssh: mkdir -p ~/.ssh && ssh-keygen -t ed25519 makes one; then "
    "call gate init --force, or write the line of its .pub file into signoff"
)
_DUTIES = (
    "  # separation_of_duties: false  # where one person is all there is: who made a version then approves it, too"
)
_KEY_ENTRY = (
    '- {key: "ssh-ed25519 AAAA… you@example.org"}  # the line of ~/.ssh/id_ed25519.pub; approves by gate approve'
)
_AUTHORS = (
    "    # authors: [{email: dana@example.org}]  # who trains: an author whose email belongs to nobody here stops every approval, but "
    "on GitHub that of an account"
)
_ACCOUNT_ENTRY = "- {github: LOGIN, id: N}  # approves by a comment on GitHub; `gh api users/LOGIN --jq .id` prints N"


@dataclass(frozen=True)
class LocalKey:
    """A key that can sign on this machine. line: of its .pub file. path: as people write it. email: git's, None without one."""

    line: str
    path: str
    email: str | None

    @property
    def person(self) -> str:
        return self.email or " ".join(self.line.split()[2:]) or self.path


@dataclass(frozen=True)
class Signers:
    """Who approves. logins: on GitHub → number of the account, None where that is not known. key: of this machine.

    elsewhere: accounts that sign in other pipelines of the project, proposed where nobody is named.
    """

    logins: Mapping[str, int | None] = field(default_factory=dict)
    key: LocalKey | None = None
    elsewhere: Mapping[str, int] = field(default_factory=dict)

    @property
    def signs(self) -> bool:
        """Whether somebody can approve as it is written."""
        return self.key is not None or any(number is not None for number in self.logins.values())

    @property
    def text(self) -> str:
        entries = [
            _account(login, number)
            if number is not None
            else f"# - {{github: {login}, id: N}}  # gh api users/{login} --jq .id prints N"
            for login, number in self.logins.items()
        ]
        lines = [
            "signoff:",
            "  groups:",
            "    owners:",
            *(f"      {entry}" for entry in entries),
            _AUTHORS,
            "  require: {owners: 1}",
        ]
        if any(number is not None for number in self.logins.values()):
            return "\n".join([*lines, _DUTIES])
        if self.logins:
            lines.append(_DUTIES)
            return "\n".join(f"# {line.replace('# - ', '- ')}" for line in lines)
        if self.key is None:
            others = [f"{_account(*entry)}  # as in another pipeline of gates/" for entry in self.elsewhere.items()]
            lines[3:3] = [f"      {entry}" for entry in [_KEY_ENTRY, *(others or [_ACCOUNT_ENTRY])]]
            return "\n".join(f"# {line}" for line in [*lines, _DUTIES])
        email = "" if self.key.email is None else f", email: {yaml_value(self.key.email)}"
        lines[3:3] = [f"      - {{key: {yaml_value(self.key.line)}{email}}}"]
        alone = "  separation_of_duties: false  # you alone approve, your own work too; remove this with a second owner"
        return "\n".join([*lines, alone])


def _account(login: str, number: int) -> str:
    return f"- {{github: {login}, id: {number}}}"


def local_keys(home: Path, root: Path) -> Iterator[LocalKey]:
    """The key that git signs with, then those of ~/.ssh, the one that ssh-keygen would make today before others."""
    email = git.configured("user.email", root) or None
    signing = git.configured("user.signingkey", root) if git.configured("gpg.format", root) == "ssh" else ""
    paths = [Path(signing.replace("~", str(home), 1) if signing.startswith("~/") else signing)] if signing else []
    for path in [*paths, *sorted((home / ".ssh").glob("*.pub"), key=_rank)]:
        private = path.with_suffix("") if path.suffix == ".pub" else path
        try:
            line = ssh.public_key(private if private.is_file() else path)
        except (LockgateError, OSError):
            continue
        if "-cert-" in line.split()[0]:
            continue
        key_file = private if private.is_file() else path
        yield LocalKey(
            line, f"~/{key_file.relative_to(home)}" if key_file.is_relative_to(home) else str(key_file), email
        )


def _rank(path: Path) -> tuple[bool, int, str]:
    """Keys whose private half lies beside them first; others may be held by an agent, or be somebody else's."""
    kind = next((rank for rank, kind in enumerate(_KINDS) if kind in path.name), len(_KINDS))
    return not path.with_suffix("").is_file(), kind, path.name
