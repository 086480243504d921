"""Who could approve what is about to be evaluated: what stands in the way, whatever the verdict will be."""

from __future__ import annotations

from lockgate.signoff.decision import LAST_RESORT, NO_SIGNOFF, Ballot, able_people, unknown_authors
from lockgate.signoff.policy import SignoffPolicy, unfilled

# How a pull request names the version whose number the file has already, which a first one often is.
SAME_NUMBER = "an empty line behind a number that it has already is a change"


def approval_obstacles(policy: SignoffPolicy, ballot: Ballot, *, user: str) -> list[tuple[str, str]]:
    """(what stands in the way of an approval, what to do) for what these people made; empty where nothing does.

    user: email of whoever calls. Votes are not looked at.
    """
    if not policy.require:
        return [NO_SIGNOFF]
    if policy.nobody_signs or not policy.separation_of_duties:
        return []
    unknown = unknown_authors(policy, ballot)
    if unknown is not None:
        asks_github = not ballot.accounts and any(person.has_account for person in policy.people())
        there = "; a pull request asks GitHub, where an email of an account is enough" if asks_github else ""
        return [(f"nobody can approve this: {unknown[0]}{there}", unknown[1])]
    able, authors = able_people(policy, ballot), ", ".join(ballot.authors)
    lacking = unfilled(policy.require, able)
    if lacking:
        reason = f"{authors} wrote the commit that is evaluated, so may not approve it, and the others do not suffice: {lacking}"
        return [(f"nobody can approve this: {reason}", f"name somebody else in signoff.groups, or {LAST_RESORT}")]
    if not any(person.may_vote and person.wrote(user) for person in policy.people() if ballot.made_by(person)):
        return []
    names = " or ".join(sorted(person.name for person in able))
    return [(f"you ({user}) wrote the commit that is evaluated, so your own approval will not count", f"ask {names}")]


def comment_way(policy: SignoffPolicy | None, version_file: str | None) -> tuple[str, str] | None:
    """(why no key approves what is evaluated here, what to do) where owners approve by comments alone; None where keys can.

    version_file: that names the candidate, None where the pipeline names it otherwise.
    """
    if policy is None or not policy.takes_comments_alone:
        return None
    names = " or ".join(sorted(person.name for person in policy.people() if person.has_account))
    reason = f"{names} approves by a comment on a pull request, and only what its own job evaluated"
    return reason, ": ".join(pull_request(version_file))


def pull_request(version_file: str | None) -> tuple[str, str]:
    """(how a pull request has a candidate evaluated, what comes of it). version_file: as of `comment_way`."""
    change, more = (
        ("names the candidate", "") if version_file is None else (f"changes {version_file}", f"; {SAME_NUMBER}")
    )
    return (
        f"open a pull request that {change}",
        f"the gates run there, and its comment has the line that approves{more}",
    )
