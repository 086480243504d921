"""Who moved which version, when, why and on what evidence; what was stopped; and what was Production at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

from lockgate import hashing as digest
from lockgate.errors import RegistryError, Unavailable, UsageError
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.registries.ports import Registry
from lockgate.signoff.vote import Vote
from lockgate.units import utc, utc_text

_VOTE = "vote."
_HEAD = ("EPOCH", "WHEN (UTC)", "WHAT", "VERSION", "WHO", "EVIDENCE", "VOTES", "WHY")


@dataclass(frozen=True)
class Blocked:
    """Published evidence that opened nothing: what was evaluated, and how it ended."""

    version: str
    verdict: str
    digest: str
    run_id: str
    at: datetime


@dataclass(frozen=True)
class History:
    """Everything that is on record of one model. objections: votes that reject evidence or lift such a vote."""

    model: str
    at: datetime
    chain: Chain
    blocked: tuple[Blocked, ...]
    objections: tuple[tuple[str, Vote], ...]
    problems: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """A table, newest first."""
        times = accumulate((entry.at for entry in self.chain.entries), max)  # a clock that runs behind reorders nothing
        rows = [(moment, self._row(entry)) for moment, entry in zip(times, self.chain.entries, strict=True)]
        rows += [(one.at, self._blocked_row(one)) for one in self.blocked]
        rows += [(vote.at, self._objection_row(version, vote)) for version, vote in self.objections]
        rows.reverse()  # equal times: the later entry first, as the sort is stable
        table = [row for _, row in sorted(rows, key=lambda one: one[0], reverse=True)]
        if not table:
            return [f"{self.model}: nothing is on record", *(f"! {problem}" for problem in self.problems)]
        widths = [max(len(row[place]) for row in (_HEAD, *table)) for place in range(len(_HEAD) - 1)]
        shown = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in (_HEAD, *table)]
        return [*shown, *(f"! {problem}" for problem in self.problems)]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/history/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "entries": [entry_json(self.chain, entry) for entry in reversed(self.chain.entries)],
            "blocked": [
                {
                    "version": one.version,
                    "verdict": one.verdict,
                    "evidence": one.digest,
                    "run_id": one.run_id,
                    "at": utc_text(one.at),
                }
                for one in self.blocked
            ],
            "objections": [
                {
                    "version": version,
                    "evidence": vote.digest,
                    "verb": vote.verb,
                    "by": vote.by.to_json(),
                    "at": utc_text(vote.at),
                    "reason": vote.reason,
                }
                for version, vote in self.objections
            ],
            "problems": list(self.problems),
        }

    def _row(self, entry: Entry) -> tuple[str, ...]:
        ending = self.chain.ending(entry)
        left = "" if ending == "done" else f" ({ending or 'not done'})"
        way = entry.target or entry.source or ""
        if entry.kind == "archived":
            way = entry.source or ""
        elif entry.source not in (None, entry.target):
            way = f"{entry.source} → {entry.target}"
        return (
            str(entry.epoch), _when(entry.at), _words(entry) + left, way, str(entry.actor),
            _short(entry.evidence), str(len(entry.votes) or ""), entry.reason,
        )  # fmt: skip

    def _blocked_row(self, one: Blocked) -> tuple[str, ...]:
        return ("", _when(one.at), f"blocked ({one.verdict})", one.version, "", _short(one.digest), "", one.run_id)

    def _objection_row(self, version: str, vote: Vote) -> tuple[str, ...]:
        what = "rejected" if vote.verb == "reject" else "revoked"
        return ("", _when(vote.at), what, version, str(vote.by), _short(vote.digest), "", vote.reason)


@dataclass(frozen=True)
class Moment:
    """What was Production at a moment, as the ledger tells.

    known: whether the ledger reaches back so far. entry: what had made it Production last. let_in: the promotion,
    adoption or override that let that version in, which is `entry` itself unless that was a rollback. ended: what took
    its place later. approvals: the votes that the letting in rests on, as far as their bytes can be read.
    """

    model: str
    moment: datetime
    chain: Chain
    place: Standing
    known: bool = True
    entry: Entry | None = None
    let_in: Entry | None = None
    ended: Entry | None = None
    approvals: tuple[Vote, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        asked, entry = utc_text(self.moment), self.entry
        if not self.known:
            first = self.chain.entries[0] if self.chain.entries else None
            begins = "has no entry" if first is None else f"begins on {utc_text(first.at)}"
            return [f"what was Production of {self.model} on {asked} is not known: the ledger {begins}", *self.notes]
        if entry is None:
            return [f"{self.model} had no Production on {asked}", *self.notes]
        until = "and still is" if self.ended is None else f"until {utc_text(self.ended.at)} (epoch {self.ended.epoch})"
        lines = [
            f"{self.model} version {entry.target} was Production on {asked}",
            f"  since {utc_text(entry.at)} (epoch {entry.epoch}), {until}",
            f"  {_words(entry)} by {entry.actor}{f': {entry.reason}' if entry.reason else ''}",
        ]
        if self.let_in is not None and self.let_in is not entry:
            why = f": {self.let_in.reason}" if self.let_in.reason else ""
            lines.append(
                f"  first let in on {utc_text(self.let_in.at)} (epoch {self.let_in.epoch}), "
                f"{_words(self.let_in)} by {self.let_in.actor}{why}"
            )
        lines.append(f"  on evidence {self.evidence or 'none'}")
        lines += [
            f"  {'overridden' if vote.verb == 'override' else 'approved'} by {vote.by} on {utc_text(vote.at)}{f': {vote.reason}' if vote.reason else ''}"
            for vote in self.approvals
        ]
        return [*lines, *(f"! {note}" for note in self.notes)]

    @property
    def evidence(self) -> str | None:
        on = [entry.evidence for entry in (self.entry, self.let_in) if entry is not None]
        return next((one for one in on if one is not None), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/history/v1",
            "model": self.model,
            "asked": utc_text(self.moment),
            "known": self.known,
            "production": None if self.entry is None else self.entry.target,
            "standby": self.place.standby,
            "evidence": self.evidence,
            "entry": None if self.entry is None else entry_json(self.chain, self.entry),
            "let_in": None if self.let_in is None else entry_json(self.chain, self.let_in),
            "until": None if self.ended is None else utc_text(self.ended.at),
            "approvals": [
                {"by": vote.by.to_json(), "at": utc_text(vote.at), "reason": vote.reason, "sha256": vote.sha256}
                for vote in self.approvals
            ],
            "notes": list(self.notes),
        }


def history(registry: Registry, model: str, *, now: datetime) -> History:
    """Everything on record, in as many calls for a thousand entries as for one. Raises Refused for a deleted ledger."""
    chain = read_chain(registry.ledger(model).keys())
    problems = [] if chain.bad is None else [f"the ledger does not hold together: {chain.bad}"]
    published: Sequence[Mapping[str, str]] = ()
    try:
        published = registry.evidence(model).all()
    except Unavailable:
        raise
    except RegistryError as error:
        problems.append(f"which runs were blocked cannot be read: {error}")
    let_in = {entry.evidence for entry in chain.entries}
    blocked: list[Blocked] = []
    for facts in published:
        if facts.get("verdict") == "pass" or facts["digest"] in let_in:
            continue
        try:
            moment = utc(facts["at"])
            blocked.append(
                Blocked(facts["version"], facts["verdict"], facts["digest"], facts.get("run_id", ""), moment)
            )
        except (KeyError, ValueError):
            problems.append(f"the tags of the evidence {facts['digest']} were edited; see gate verify {model}")
    return History(
        model,
        now,
        chain,
        tuple(sorted(blocked, key=lambda one: one.at, reverse=True)),
        tuple(sorted(_objections(published), key=lambda one: one[1].at, reverse=True)),
        tuple(problems),
    )


def at(registry: Registry, model: str, *, moment: datetime, now: datetime) -> Moment:
    """What was Production at a moment. Raises UsageError for one that is still to come, Refused for a deleted ledger."""
    if moment > now:
        raise UsageError(f"{utc_text(moment)} is still to come", remedy=f"it is {utc_text(now)} now")
    chain = read_chain(registry.ledger(model).keys())
    notes = [] if chain.bad is None else [f"the ledger does not hold together, what follows is unknown: {chain.bad}"]
    found = standing_at(chain, moment, model)
    entry, let_in = found.entry, found.let_in
    if entry is not None and moment < chain.done[entry.epoch].at:
        notes.append(
            f"in between: epoch {entry.epoch} was claimed on {utc_text(entry.at)} and done on "
            f"{utc_text(chain.done[entry.epoch].at)}; until then {_version(entry.source)} may have answered"
        )
    if chain.unfinished is not None and chain.unfinished.at <= moment:
        notes.append(f"epoch {chain.unfinished.epoch} ({_words(chain.unfinished)}) was claimed and is not done")
    votes: list[Vote] = []
    if let_in is not None and let_in.votes and let_in.evidence is not None:
        try:
            stored = registry.evidence(model).votes(let_in.evidence)
            by_hash = {digest.sha256(vote): vote for vote, _ in stored}
            votes = [Vote.read(by_hash[one]) for one in let_in.votes if one in by_hash]
            notes += [f"the bytes of the vote {one} are gone" for one in let_in.votes if one not in by_hash]
        except (RegistryError, ValueError) as error:
            notes.append(f"the votes cannot be read: {error}")
    return replace(found, approvals=tuple(votes), notes=tuple(notes))


def standing_at(chain: Chain, moment: datetime, model: str) -> Moment:
    """What the chain alone tells of a moment."""
    place = standing(chain.finished, moment)
    if not any(entry.at <= moment for entry in chain.finished):
        return Moment(model, moment, chain, place, known=False)
    if place.production is None:
        return Moment(model, moment, chain, place)
    upto = max(number for number, entry in enumerate(chain.finished, start=1) if entry.at <= moment)
    before, after = chain.finished[:upto], chain.finished[upto:]
    made = [entry for entry in before if entry.kind in MOVES and entry.target == place.production]
    lets = [entry for entry in made if entry.kind != "rolled_back"]
    ended = next((entry for entry in after if entry.kind in MOVES and entry.target != place.production), None)
    return Moment(model, moment, chain, place, entry=made[-1], let_in=lets[-1] if lets else None, ended=ended)


def entry_json(chain: Chain, entry: Entry) -> dict[str, Any]:
    """An entry with its hash, and who finished it when."""
    mark = chain.done.get(entry.epoch)
    done = None if mark is None else {"at": utc_text(mark.at), "by": mark.actor.to_json(), "ending": mark.ending}
    return {**entry.to_json(), "sha256": entry.sha256, "done": done}


def _objections(published: Sequence[Mapping[str, str]]) -> list[tuple[str, Vote]]:
    found = []
    for facts in published:
        for key, text in facts.items():
            if key.startswith(_VOTE):
                try:
                    vote = Vote.read(text.encode())
                except ValueError:
                    continue  # a tag that somebody wrote; gate verify holds votes against their hashes
                if vote.verb in ("reject", "revoke"):
                    found.append((facts.get("version", ""), vote))
    return found


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _words(entry: Entry) -> str:
    return "OVERRIDE" if entry.kind == "override" else entry.kind.replace("_", " ")


def _short(found: str | None) -> str:
    return "" if found is None else found.removeprefix("sha256:")[:12]


def _version(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"
