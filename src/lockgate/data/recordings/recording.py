"""How many records a recording has, and which of them give no rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# why a record gives no rows, or a row is not used → what is said of so many of them
REASONS: Mapping[str, str] = {
    "damaged": "could not be decoded",
    "empty": "hold no row",
}


@dataclass
class Recording:
    """What was read: records, and by reason those that are not used. example: where the first damaged record is, and why."""

    records: int = 0
    unused: Counter[str] = field(default_factory=Counter)
    example: str = ""

    def to_json(self) -> dict[str, Any]:
        """As evidence has it."""
        return {
            "records": self.records,
            "unused": {reason: self.unused[reason] for reason in REASONS if self.unused[reason]},
        }

    def sentence(self, name: str) -> str:
        """What a gate's summary says of it; nothing where every record is used."""
        parts = [f"{self.unused[reason]:,} {words}" for reason, words in REASONS.items() if self.unused[reason]]
        return f"of {self.records:,} records of {name} {', '.join(parts)}" if parts else ""
