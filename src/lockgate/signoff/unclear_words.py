"""Words to the gate that were not understood, and which of them still stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Person, person_of
from lockgate.signoff.vote import Vote


@dataclass(frozen=True)
class UnclearWords:
    """Words of somebody to the gate that were not understood, and where they stand.

    heard_as: "approving" where they look like an approval, so that they are an objection only where one counts already;
    "altered" where somebody else edited them.
    """

    by: Identity
    at: datetime
    url: str
    heard_as: str

    @property
    def approving(self) -> bool:
        return self.heard_as == "approving"

    @property
    def altered(self) -> bool:
        return self.heard_as == "altered"


def still_unclear(
    people: Sequence[Person],
    unclear: Sequence[UnclearWords],
    newest: Mapping[Person, Vote],
    counted: Mapping[Person, Vote],
) -> tuple[UnclearWords, ...]:
    """The words of owners that were not understood, and that no later vote of the same person on this evidence made clear."""
    first = min((vote.at for vote in counted.values()), default=None)
    standing = []
    for words in unclear:
        person = person_of(people, words.by)
        later = newest.get(person) if person is not None else None
        if person is None or (later is not None and later.at > words.at):
            continue
        # who approved already says nothing new by what looks like an approval
        if not words.approving or (person not in counted and first is not None and first <= words.at):
            standing.append(words)
    return tuple(standing)


def unclear_reason(people: Sequence[Person], words: UnclearWords) -> tuple[str, str]:
    """(whom to ask, why their words hold it)."""
    person = person_of(people, words.by)
    name = str(words.by) if person is None else person.name
    if words.altered:
        return name, f"somebody else edited what {name} wrote, which may have been an objection: {words.url}"
    return (
        name,
        f"{name} wrote something to the gate that it does not understand, and that may be an objection: {words.url}",
    )
