"""Who could approve is known before anything is measured."""

from __future__ import annotations

from lockgate.signoff.decision import Ballot
from lockgate.signoff.outlook import approval_obstacles, comment_way
from lockgate.signoff.policy import Owner, SignoffPolicy

ME, OLGA = (Owner(id=number, email=f"{name}@example.org") for number, name in ((1, "me"), (2, "olga")))

OCTO = Owner(github="octo", id=3)


def said(policy: SignoffPolicy, *authors: str) -> list[str]:
    return [" | ".join(pair) for pair in approval_obstacles(policy, Ballot(authors=authors), user="me@example.org")]


def policy(*owners: Owner, **more: bool) -> SignoffPolicy:
    return SignoffPolicy(groups={"owners": owners}, require={"owners": 1}, **more)


def test_what_stands_in_the_way_of_every_approval_is_named_with_what_to_write() -> None:
    """Nobody who approves, an author whom nobody knows or who is alone; of others your own vote, and who else can."""
    assert "write signoff: {groups: " in said(SignoffPolicy())[0]
    assert "who wrote the evaluated commit is not known" in said(policy(ME))[0]
    assert "name them by email in the group `authors` there" in said(policy(ME), "stranger@example.org")[0]
    assert (
        "; a pull request asks GitHub, where an email of an account is enough | "
        in said(policy(OCTO), "stranger@example.org")[0]
    )
    assert said(policy(ME), "me@example.org")[0].startswith(
        "nobody can approve this: me@example.org wrote the commit that is evaluated, so may not approve it, "
        "and the others do not suffice: owners needs 1 and 0 can | name somebody else in signoff.groups, or "
    )
    assert said(policy(ME, OLGA), "me@example.org") == [
        "you (me@example.org) wrote the commit that is evaluated, so your own approval will not count | ask olga@example.org"
    ]


def test_nothing_is_said_where_somebody_can() -> None:
    """Of a commit of somebody else, or of somebody who has no vote anyway, where nobody signs, and where authors may."""
    assert not said(policy(ME, OLGA), "olga@example.org")
    assert not said(policy(Owner(email="me@example.org"), OLGA), "me@example.org")
    assert not said(policy(ME, separation_of_duties=False))
    assert not said(SignoffPolicy(require={"owners": 0}))


def test_where_owners_have_accounts_and_no_key_a_pull_request_is_the_way() -> None:
    """Not where enough of them have a key, nor where comments do not suffice either."""
    ana, bo = Owner(github="ana", id=1), Owner(github="bo", id=2)
    keyed = Owner(
        github="bo", id=2, key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrMsc7Svcbtr3R8Wx4Ifzz1x8S2EvKjFZmuNxcDjkJZ"
    )

    assert comment_way(policy(ana, bo), "models/churn.version") == (
        "ana or bo approves by a comment on a pull request, and only what its own job evaluated",
        "open a pull request that changes models/churn.version: the gates run there, and its comment has the line that approves; "
        "an empty line behind a number that it has already is a change",
    )
    assert (comment_way(policy(ana), None) or ("", ""))[1].startswith("open a pull request that names the candidate: ")
    assert comment_way(policy(ana, keyed), None) is None
    assert comment_way(SignoffPolicy(groups={"owners": (keyed,)}, require={"owners": 0}), None) is None
