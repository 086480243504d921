"""History of a model: who moved which version and why, what was blocked, and what was Production at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

from lockgate import hashing
from lockgate.errors import RegistryError, Unavailable, UsageError
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES, Entry, version_text
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.promotion.operator import stored_chain
from lockgate.registries.ports import Registry
from lockgate.signoff.vote import Vote
from lockgate.text import one_line
from lockgate.units import utc, utc_text

_VOTE = "vote."
_HEAD = ("REVISION", "WHEN (UTC)", "WHAT", "VERSION", "WHO", "EVIDENCE", "APPROVALS", "WHY")


@dataclass(frozen=True)
class BlockedRun:
    """Published evidence that was never promoted: what was evaluated, and how it ended."""

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
    blocked: tuple[BlockedRun, ...]
    objections: tuple[tuple[str, Vote], ...]
    problems: tuple[str, ...]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What happened, newest first: revision, moment, event, version, person, evidence, approvals, reason."""
        times = accumulate((entry.at for entry in self.chain.entries), max)  # a clock that runs behind reorders nothing
        rows = [(moment, self._row(entry)) for moment, entry in zip(times, self.chain.entries, strict=True)]
        rows += [(run.at, self._blocked_row(run)) for run in self.blocked]
        rows += [(vote.at, self._objection_row(version, vote)) for version, vote in self.objections]
        rows.reverse()  # equal times: the later entry first, as the sort is stable
        return [tuple(map(one_line, row)) for _, row in sorted(rows, key=lambda row: row[0], reverse=True)]

    @property
    def lines(self) -> list[str]:
        """The same as a table."""
        table = self.rows
        if not table:
            return [f"{self.model}: nothing is on record", *(f"! {problem}" for problem in self.problems)]
        widths = [max(len(row[column]) for row in (_HEAD, *table)) for column in range(len(_HEAD) - 1)]
        lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in (_HEAD, *table)]
        return [*lines, *(f"! {problem}" for problem in self.problems)]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/history/v1",
            "model": self.model,
            "at": utc_text(self.at),
            "entries": [entry_json(self.chain, entry) for entry in reversed(self.chain.entries)],
            "blocked": [
                {
                    "version": run.version,
                    "verdict": run.verdict,
                    "evidence": run.digest,
                    "run_id": run.run_id,
                    "at": utc_text(run.at),
                }
                for run in self.blocked
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
        suffix = "" if ending == "done" else f" ({ending or 'not done'})"
        way = entry.target or entry.source or ""
        if entry.kind == "archived":
            way = entry.source or ""
        elif entry.source not in (None, entry.target):
            way = f"{entry.source} → {entry.target}"
        if entry.copied is not None and entry.kind in MOVES:
            way += f", copy of {entry.copied}"
        return (
            str(entry.epoch), _when(entry.at), _words(entry) + suffix, way, str(entry.actor),
            _short(entry.evidence), str(len(entry.votes) or ""), entry.reason,
        )  # fmt: skip

    def _blocked_row(self, run: BlockedRun) -> tuple[str, ...]:
        return ("", _when(run.at), f"blocked ({run.verdict})", run.version, "", _short(run.digest), "", run.run_id)

    def _objection_row(self, version: str, vote: Vote) -> tuple[str, ...]:
        word = "rejected" if vote.verb == "reject" else "revoked"
        return ("", _when(vote.at), word, version, str(vote.by), _short(vote.digest), "", vote.reason)


@dataclass(frozen=True)
class PastProduction:
    """What was Production at a moment, from the ledger.

    recorded: whether the ledger reaches back so far. entry: what had made it Production last. let_in: the promotion,
    adoption or override that let that version in, which is `entry` itself unless that was a rollback. ended: what took
    its place later. approvals: the votes that the letting in rests on, as far as their bytes can be read.
    """

    model: str
    moment: datetime
    chain: Chain
    standing: Standing
    recorded: bool = True
    entry: Entry | None = None
    let_in: Entry | None = None
    ended: Entry | None = None
    approvals: tuple[Vote, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The answer for people, a sentence per line."""
        when, entry = utc_text(self.moment), self.entry
        if not self.recorded:
            first = self.chain.entries[0] if self.chain.entries else None
            begins = "has no entry" if first is None else f"begins on {utc_text(first.at)}"
            return [f"what was Production of {self.model} on {when} is not known: the ledger {begins}", *self.notes]
        if entry is None:
            return [f"{self.model} had no Production on {when}", *self.notes]
        until = (
            "and still is"
            if self.ended is None
            else f"until {utc_text(self.ended.at)} (revision {self.ended.epoch}, epoch {self.ended.epoch})"
        )
        lines = [
            f"{self.model} version {entry.target} was Production on {when}",
            f"  since {utc_text(entry.at)} (revision {entry.epoch}, epoch {entry.epoch}), {until}",
            f"  {_words(entry)} by {entry.actor}{f': {entry.reason}' if entry.reason else ''}",
        ]
        if self.let_in is not None and self.let_in is not entry:
            reason = f": {self.let_in.reason}" if self.let_in.reason else ""
            lines.append(
                f"  first admitted on {utc_text(self.let_in.at)} (revision {self.let_in.epoch}, epoch {self.let_in.epoch}), "
                f"{_words(self.let_in)} by {self.let_in.actor}{reason}"
            )
        copied = None if self.let_in is None else self.let_in.copied
        lines += [] if copied is None else [f"  copy of {copied}"]
        lines.append(f"  on evidence {self.evidence or 'none'}")
        lines += [
            f"  {'overridden' if vote.verb == 'override' else 'approved'} by {vote.by} on {utc_text(vote.at)}{f': {vote.reason}' if vote.reason else ''}"
            for vote in self.approvals
        ]
        return [*lines, *(f"! {note}" for note in self.notes)]

    @property
    def evidence(self) -> str | None:
        entries = [entry for entry in (self.entry, self.let_in) if entry is not None]
        return next((entry.evidence for entry in entries if entry.evidence is not None), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/history/v1",
            "model": self.model,
            "asked": utc_text(self.moment),
            "known": self.recorded,
            "production": None if self.entry is None else self.entry.target,
            "standby": self.standing.standby,
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
    chain = stored_chain(registry, model)
    problems = [] if chain.bad is None else [f"the ledger does not hold together: {chain.bad}"]
    published: Sequence[Mapping[str, str]] = ()
    try:
        published = registry.evidence(model).all()
    except Unavailable:
        raise
    except RegistryError as error:
        problems.append(f"which runs were blocked cannot be read: {error}")
    let_in = {entry.evidence for entry in chain.finished}
    blocked: list[BlockedRun] = []
    for facts in published:
        if facts.get("verdict") == "pass" or facts["digest"] in let_in:
            continue
        try:
            moment = utc(facts["at"])
            blocked.append(
                BlockedRun(facts["version"], facts["verdict"], facts["digest"], facts.get("run_id", ""), moment)
            )
        except (KeyError, ValueError):
            problems.append(f"the tags of the evidence {facts['digest']} were edited; see gate verify {model}")
    return History(
        model,
        now,
        chain,
        tuple(sorted(blocked, key=lambda run: run.at, reverse=True)),
        tuple(sorted(_objections(published), key=lambda pair: pair[1].at, reverse=True)),
        tuple(problems),
    )


def production_at(registry: Registry, model: str, *, moment: datetime, now: datetime) -> PastProduction:
    """What was Production at a moment. Raises UsageError for one that is still to come, Refused for a deleted ledger."""
    if moment > now:
        raise UsageError(f"{utc_text(moment)} is still to come", remedy=f"it is {utc_text(now)} now")
    chain = stored_chain(registry, model)
    notes = [] if chain.bad is None else [f"the ledger does not hold together, what follows is unknown: {chain.bad}"]
    past = standing_at(chain, moment, model)
    entry, let_in = past.entry, past.let_in
    if entry is not None and moment < chain.done[entry.epoch].at:
        notes.append(
            f"in between: {entry.label} was claimed on {utc_text(entry.at)} and done on "
            f"{utc_text(chain.done[entry.epoch].at)}; until then {version_text(entry.source)} may have answered"
        )
    if chain.unfinished is not None and chain.unfinished.at <= moment:
        notes.append(f"{chain.unfinished.label}, {_words(chain.unfinished)}, was claimed and is not done")
    votes: list[Vote] = []
    if let_in is not None and let_in.votes and let_in.evidence is not None:
        try:
            stored = registry.evidence(model).votes(let_in.evidence)
            by_hash = {hashing.sha256(vote): vote for vote, _ in stored}
            for sha256 in let_in.votes:
                try:
                    votes += [Vote.read(by_hash[sha256])] if sha256 in by_hash else []
                except ValueError as error:
                    notes.append(f"the approval {sha256} cannot be read: {error}")
            notes += [
                f"the signed bytes of the approval {sha256} are gone"
                for sha256 in let_in.votes
                if sha256 not in by_hash
            ]
        except RegistryError as error:
            notes.append(f"the approvals cannot be read: {error}")
    return replace(past, approvals=tuple(votes), notes=tuple(notes))


def standing_at(chain: Chain, moment: datetime, model: str) -> PastProduction:
    """What was Production at a moment, from the chain alone."""
    current = standing(chain.finished, moment)
    if not any(entry.at <= moment for entry in chain.finished):
        return PastProduction(model, moment, chain, current, recorded=False)
    if current.production is None:
        return PastProduction(model, moment, chain, current)
    upto = max(number for number, entry in enumerate(chain.finished, start=1) if entry.at <= moment)
    before, after = chain.finished[:upto], chain.finished[upto:]
    made = [entry for entry in before if entry.kind in MOVES and entry.target == current.production]
    lets = [entry for entry in made if entry.kind != "rolled_back"]
    ended = next((entry for entry in after if entry.kind in MOVES and entry.target != current.production), None)
    return PastProduction(model, moment, chain, current, entry=made[-1], let_in=lets[-1] if lets else None, ended=ended)


def entry_json(chain: Chain, entry: Entry) -> dict[str, Any]:
    """An entry with its hash, and who finished it when."""
    mark = chain.done.get(entry.epoch)
    done = None if mark is None else {"at": utc_text(mark.at), "by": mark.actor.to_json(), "ending": mark.ending}
    return {**entry.to_json(), "sha256": entry.sha256, "done": done}


def _objections(published: Sequence[Mapping[str, str]]) -> list[tuple[str, Vote]]:
    objections = []
    for facts in published:
        for key, text in facts.items():
            if key.startswith(_VOTE):
                try:
                    vote = Vote.read(text.encode())
                except ValueError:
                    continue  # a tag that somebody wrote; gate verify holds votes against their hashes
                if vote.objects:
                    objections.append((facts.get("version", ""), vote))
    return objections


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _words(entry: Entry) -> str:
    return "OVERRIDE" if entry.kind == "override" else entry.kind.replace("_", " ")


def _short(digest: str | None) -> str:
    return "" if digest is None else digest.removeprefix("sha256:")[: hashing.SHORTEST]
