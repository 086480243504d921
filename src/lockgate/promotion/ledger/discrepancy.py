"""A thing that is not as the ledger says it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Discrepancy:
    """code: stable, for machines. where: the thing. message: how it is and how it should be. remedy: what to do about it."""

    code: str
    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}; {self.remedy}"

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "where": self.where, "what": self.message, "remedy": self.remedy}
