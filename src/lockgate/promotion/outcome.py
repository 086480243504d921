"""Outcome of a request to move a version, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lockgate.errors import UsageError
from lockgate.models.signature_diff import Change
from lockgate.promotion.ledger.entry import MOVES, Done, Entry
from lockgate.promotion.ledger.standing import Standing
from lockgate.signoff.vote import check_reason
from lockgate.units import utc_text

_WORDS = {
    "adopted": "adopted as Production",
    "staged": "Staging",
    "promoted": "Production",
    "override": "Production, by override",
    "rolled_back": "Production again",
    "archived": "Archived",
    "repaired": "Production, as the ledger says",
    "production": "Production",
    "staging": "Staging",
}


def describe(entry: Entry) -> str:
    """An entry in a few words: its number, version, kind, actor and time."""
    kind = entry.kind.replace("_", " ")
    return (
        f"revision {entry.epoch} (epoch {entry.epoch}, version {entry.target or entry.source} {kind} by {entry.actor} "
        f"at {utc_text(entry.at)})"
    )


@dataclass(frozen=True)
class ForwardedEntry:
    """An entry that others had left unfinished, and the mark that says how it ended now."""

    entry: Entry
    mark: Done

    @property
    def line(self) -> str:
        entry = describe(self.entry)
        if self.mark.ending == "abandoned":
            return f"gave up what was left: {entry}, because {self.mark.reason}"
        if self.mark.ending == "unswitched":
            return f"closed what was left: {entry}, without switching traffic"
        return f"finished what was left: {entry}"

    def to_json(self) -> dict[str, Any]:
        return {**self.entry.to_json(), "ending": self.mark.ending}


@dataclass(frozen=True)
class Outcome:
    """What became of a request. already: nothing had to be moved. forwarded: entries others had left unfinished.

    breaks: what clients of the version that left may break on, None where that is not known or was not compared.
    """

    model: str
    entry: Entry
    standing: Standing
    already: bool = False
    forwarded: tuple[ForwardedEntry, ...] = ()
    notes: tuple[str, ...] = ()
    breaks: tuple[Change, ...] | None = None

    @property
    def lines(self) -> list[str]:
        """The outcome for people, a sentence per line."""
        finished = [forwarded.line for forwarded in self.forwarded]
        entry, standing = self.entry, self.standing
        at, version = utc_text(entry.at), entry.target or entry.source
        if self.already:
            waits = entry.kind == "staged" and standing.staging == version  # the previous version may, too
            state = "staging" if waits else standing.state(str(version))
            head = f"{self.model} version {version} is {_WORDS.get(state, state)} already, since {at} ({entry.actor})"
        else:
            subject = self.model if version is None else f"{self.model} version {version}"
            words = "as the ledger says" if version is None else _WORDS[entry.kind]
            head = f"{subject} is {words} since {at}"
        others = []
        if entry.kind in MOVES and not self.already:
            if entry.kind == "rolled_back" and entry.source is not None:
                others.append(f"version {entry.source} is withdrawn")
            if standing.standby is not None:
                others.append(
                    f"version {standing.standby} is the previous version, to which gate rollback {self.model} goes"
                )
        return [*finished, head, *others, *self.notes]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/outcome/v1",
            "model": self.model,
            "already": self.already,
            "entry": self.entry.to_json(),
            "entry_sha256": self.entry.sha256,
            "production": self.standing.production,
            "standby": self.standing.standby,
            "staging": self.standing.staging,
            "finished": [forwarded.to_json() for forwarded in self.forwarded],
            "notes": list(self.notes),
            "breaks": None if self.breaks is None else [_change_json(change) for change in self.breaks],
        }


def _change_json(change: Change) -> dict[str, str]:
    return {"side": change.side, "name": change.name, "what": change.kind, "old": change.old, "new": change.new}


def require_reason(reason: str) -> str:
    """The reason without blanks around it. Raises UsageError where there is none, or more than one plain line."""
    if not reason.strip():
        raise UsageError("a reason is needed, for whoever reads this in a year", remedy='add --reason "…"')
    return check_reason(reason.strip())
