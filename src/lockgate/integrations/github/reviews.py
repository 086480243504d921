"""Reviews that request changes: whose still stand. No requests here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lockgate.integrations.github.schema import IssueEvent, Review
from lockgate.signoff.decision import Ballot
from lockgate.signoff.policy import Person, SignoffPolicy, person_of
from lockgate.signoff.unclear_words import UnclearWords

_STATES = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")  # a mere comment leaves a person's state as it is


def requests_changes(
    reviews: Sequence[Review], dismissals: Mapping[int, IssueEvent], policy: SignoffPolicy, made: Ballot
) -> Iterator[Review]:
    """The newest review of each person who still requests changes.

    Whoever may write here may dismiss a review. A dismissal lifts one where its author did that, or another owner who had no
    hand in what was evaluated.
    """
    people = policy.people()
    for person, review in _newest(reviews, people).items():
        if review.state == "CHANGES_REQUESTED":
            yield review
        elif review.state == "DISMISSED":
            event = dismissals.get(review.id)
            if event is not None and event.dismissed_state not in (None, "changes_requested"):
                continue  # it approved
            by = person_of(people, None if event is None or event.actor is None else event.actor.identity)
            if by is None or (by != person and made.made_by(by)):
                yield review


def approved_after(reviews: Sequence[Review], policy: SignoffPolicy, words: UnclearWords) -> bool:
    """Whether a person's newest review approves, and came after words of theirs: so these were no objection."""
    newest = _newest(reviews, policy.people())
    return any(
        person.is_(words.by) and review.state == "APPROVED" and review.changed_at > words.at
        for person, review in newest.items()
    )


def any_dismissed(reviews: Sequence[Review], policy: SignoffPolicy | None) -> bool:
    """Whether it matters who dismissed a review. policy: None where everybody could be an owner."""
    newest = reviews if policy is None else _newest(reviews, policy.people()).values()
    return any(review.state == "DISMISSED" for review in newest)


def _newest(reviews: Sequence[Review], people: Sequence[Person]) -> dict[Person, Review]:
    newest: dict[Person, Review] = {}
    for review in sorted(reviews, key=lambda review: (review.changed_at, review.id)):
        person = person_of(people, None if review.user is None else review.user.identity)
        if person is not None and review.state in _STATES:
            newest[person] = review
    return newest
