"""Whose work a pull request is: authors, committers, co-authors, and who started its runs. No requests here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lockgate.integrations.github.schema import Account, ChangedFile, Commit, PullEvent, PullRequest, WorkflowRun
from lockgate.integrations.trailers import co_authors
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy

_NOREPLY = re.compile(r"(?P<id>\d+)\+(?P<login>[^@+]+)@users\.noreply\.github\.com", re.IGNORECASE)


def contributors(
    pull: PullRequest,
    commits: Sequence[Commit],
    run: WorkflowRun,
    policy: SignoffPolicy,
    updates: Collection[str] = (),
    pushers: Mapping[str, Account] | None = None,
) -> Ballot:
    """The contributors to what was evaluated; no votes.

    updates: commits that bring the base and nothing else. pushers: commit → who started its first run.
    A bot counts by its address, which blocks until the policy names it: anybody could act through it.
    """
    pushers = pushers or {}
    nobodys = _nobodys(commits, updates, pushers)
    hands = _Hands()
    if pull.user is not None:
        hands.add(pull.user, "opened the pull request")
    for commit in commits:
        where = f"commit {commit.sha[:12]}"
        for email in co_authors(commit.commit.message, named=policy.names):
            hands.emails.setdefault(email, f"Co-authored-by in {where}")
        if commit.sha in nobodys:
            continue
        if (pusher := pushers.get(commit.sha)) is not None:
            hands.add(pusher, f"started the first run on {where}, as who pushes does")
        deed = (
            f"an update of the branch, {where}, which is not seen to bring the base alone" if commit.merged else where
        )
        signed = (
            ("author", commit.author, commit.commit.author),
            ("committer", commit.committer, commit.commit.committer),
        )
        for role, account, git_person in signed:
            email = git_person.email.strip().lower() if git_person is not None else ""
            if account is not None:
                hands.add(account, f"{role} of {deed}")
            if account is None or policy.names(email):
                hands.emails.setdefault(email or f"nobody-{commit.sha[:12]}", f"{role} of {deed}")
    for account in _starters(commits, run, nobodys):
        hands.add(account, f"started run {run.id}, or ran it again")
    return hands.ballot()


@dataclass
class _Hands:
    """Who had a hand in it, and which: accounts by their number, emails. The first that is known of each is kept."""

    accounts: dict[int, tuple[Account, str]] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)

    def add(self, account: Account, hand: str) -> None:
        self.accounts.setdefault(account.id, (account, hand))

    def ballot(self) -> Ballot:
        """Without votes. Accounts of programs are emails that the policy must name."""
        people = {account.identity: hand for account, hand in self.accounts.values() if account.is_person}
        unknown = {account.noreply.lower(): hand for account, hand in self.accounts.values() if not account.is_person}
        for email, hand in self.emails.items():
            match = _NOREPLY.fullmatch(email)
            if match is None or match["login"].endswith("[bot]"):
                unknown.setdefault(email, hand)
            elif int(match["id"]) not in self.accounts:
                people.setdefault(Identity("github", match["id"], match["login"]), hand)
        hands = unknown | {identity.id: hand for identity, hand in people.items()}
        return Ballot(authors=tuple(unknown), accounts=tuple(people), hands=hands)


def event_contributors(event: PullEvent, *, updated: bool = False) -> Ballot:
    """The contributors of a pull request, as far as its event names them; no votes.

    updated: its newest commit may be an update from the base, whose sender has no other hand in it.
    """
    accounts = [account for account in (event.author, None if updated else event.sender) if account is not None]
    people = tuple(dict.fromkeys(account.identity for account in accounts if account.is_person))
    bots = tuple(dict.fromkeys(account.noreply.lower() for account in accounts if not account.is_person))
    return Ballot(authors=bots, accounts=people)


def possible_updates(commits: Sequence[Commit]) -> tuple[Commit, ...]:
    """The merges of the base that GitHub made, newest first; whether somebody chose what they hold is not known yet.

    The second parent is of the base's history where it is none of the pull request's commits, which are all others.
    """
    own = {commit.sha for commit in commits}
    merges = [
        commit for commit in commits if (parents := commit.merged) and parents[0] in own and parents[1] not in own
    ]
    return tuple(reversed(merges))


def brings_only_the_base(base: Sequence[ChangedFile] | None, merge: Sequence[ChangedFile] | None) -> bool:
    """Whether a merge changes a branch by what the base changed, file by file, and by nothing else.

    base: what the base changed since the branch left it. merge: what the merge changes in the branch. None where not all of it
    is known. A conflict that somebody
    solved on GitHub's pages is signed by GitHub as well; a file that both sides changed has bytes that neither had.
    """
    if base is None or merge is None:
        return False
    contents = _contents(base)
    return contents is not None and contents == _contents(merge)


def _contents(files: Sequence[ChangedFile]) -> dict[str, str] | None:
    """path → blob, empty where it is gone; None where GitHub leaves a blob out."""
    contents: dict[str, str] = {}
    for file in files:
        if file.sha is None:
            return None
        if file.previous_filename and file.status == "renamed":
            contents.setdefault(file.previous_filename, "")
        contents[file.filename] = "" if file.status == "removed" else file.sha
    return contents


def _nobodys(commits: Sequence[Commit], updates: Collection[str], pushers: Mapping[str, Account]) -> frozenset[str]:
    """The updates that are nobody's work: those on a commit of which it is known who pushed it.

    Commits name whomever their maker likes; on any other one an update could hide the push of whoever pressed for it.
    """
    nobodys = set[str]()
    for commit in commits:  # parents first
        before = commit.parents[0].sha if commit.parents else ""
        if commit.sha in updates and (before in nobodys or (before in pushers and before not in updates)):
            nobodys.add(commit.sha)
    return frozenset(nobodys)


def _starters(commits: Sequence[Commit], run: WorkflowRun, updates: Collection[str]) -> list[Account]:
    """Who started the run, and who ran it again; not who updated the branch from its base, which starts a run by itself."""
    head = next((commit for commit in commits if commit.sha == run.head_sha), None)
    updater = head.author if head is not None and head.sha in updates else None
    if updater is None or updater.id != run.actor.id:
        return [run.actor, run.triggering_actor]
    return [] if run.run_attempt == 1 and run.triggering_actor.id == updater.id else [run.triggering_actor]
