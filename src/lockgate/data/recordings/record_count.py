"""How many records a recording has, and which of them, or of their rows, are not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# why a record gives no rows, or a row is not used → what is said of so many of them
REASONS: Mapping[str, str] = {
    "damaged": "could not be read",
    "truncated": "were cut when they were recorded",
    "empty": "hold no row",
    "other": "are no requests with answers",
    "repeated": "repeat another one",
    "contradictory": "have an id that others with another content have",
    "unasked": "answer a request that is not there",
    "late": "answered too late",
    "unanswered": "have no answer",
}
# of these, reasons for which a request that was made is not judged
LOST = ("damaged", "truncated", "contradictory", "late")


@dataclass
class RecordCount:
    """What was read: records, and by reason those that are not used, or rows of them. example: what was wrong with the first
    that could not be read. sampled: the smallest and the largest share of the traffic that was recorded, where records say it.
    losses: what is lost, where that is more than may be.
    """

    records: int = 0
    unused: Counter[str] = field(default_factory=Counter)
    example: str = ""
    sampled: tuple[float, float] | None = None
    losses: str = ""

    def note(self, reason: str, example: str) -> None:
        """Count a record that gives no row, for another reason than that it holds none."""
        self.unused[reason] += 1
        self.unused["empty"] -= 1
        self.example = self.example or example

    def note_sample(self, share: float) -> None:
        low, high = self.sampled or (share, share)
        self.sampled = (min(low, share), max(high, share))

    def limit_losses(self, most: float, rows: int, *, answers: bool) -> None:
        """Learn whether more than a share of the requests is lost. answers: whether those without an answer are."""
        reasons = (*LOST, "unanswered") if answers else LOST
        lost = {reason: self.unused[reason] for reason in reasons if self.unused[reason]}
        total = max(self.records, rows)
        if sum(lost.values()) > most * total:
            causes = ", ".join(f"{count:,} {REASONS[reason]}" for reason, count in lost.items())
            self.losses = (
                f"{total:,} requests, of which {causes}, and max_unused allows {100 * most:.3g} %{self.example}"
            )

    def problem(self, name: str) -> str | None:
        """Why nothing can be decided on what is used, and what to do; None where something can."""
        remedy = "requests that are left out may be those that matter: mend the recording, or allow more of them"
        return f"{name} has {self.losses}; {remedy}" if self.losses else None

    def to_json(self) -> dict[str, Any]:
        """As evidence has it."""
        unused = {reason: self.unused[reason] for reason in REASONS if self.unused[reason]}
        shares = {} if self.sampled is None else {"sampled": [repr(share) for share in self.sampled]}
        return {"records": self.records, "unused": unused, **shares}

    def sentence(self, name: str) -> str:
        """What a gate's summary says of it; nothing where every record is used, and all traffic was recorded."""
        parts = [f"{self.unused[reason]:,} {words}" for reason, words in REASONS.items() if self.unused[reason]]
        text = f"of {self.records:,} records of {name} {', '.join(parts)}" if parts else ""
        if self.sampled is None or self.sampled == (1.0, 1.0):
            return text
        low, high = (f"{100 * share:.4g}" for share in self.sampled)
        sampled = f"{name} is a sample of {low if low == high else f'{low} to {high}'} % of the traffic"
        return "; ".join(filter(None, [text, sampled]))
