"""Recorded answers in evidence: which findings rest on some that nobody confirmed, and the words for how they are known.

An entry says of one role: `columns` of the data; `answered_by` as the pipeline says it; `state`: `confirmed`, `unconfirmed` or
`refuted` by a sample that was asked again (`spot_check`, else `obstacle`: why none was), or `trusted` by the policy. `missing`: rows
without a recorded answer, of which none was asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lockgate.evaluation.judging.number_format import percent
from lockgate.evidence.completeness import RECORDED
from lockgate.evidence.finding import Finding, Verdict
from lockgate.text import counted, enumerated

Entries = Mapping[str, Mapping[str, Any]]
"""Role → its entry."""


def recorded_in(document: Mapping[str, Any]) -> dict[str, Entries]:
    """Data → the entries of its recorded answers, of the evidence of a run."""
    return {
        str(entry["data"]).removesuffix("-replayed"): entry["recorded"]
        for entry in document.get("scored") or ()
        if entry.get("recorded")
    }


def withhold(finding: Finding, recorded: Mapping[str, Entries], *, compares: bool) -> Finding:
    """The finding; one that passed, undecided where it rests on answers that nobody confirmed. compares: with the champion's."""
    roles = ("candidate", "champion") if compares else ("candidate",)
    unconfirmed = {
        data: doubted
        for data, entries in recorded.items()
        if (doubted := {role: entries[role] for role in roles if entries.get(role, {}).get("state") == "unconfirmed"})
    }
    if finding.verdict is not Verdict.PASS or not unconfirmed:
        return finding
    data = next(iter(unconfirmed))
    return replace(
        finding, verdict=Verdict.INCONCLUSIVE, code=RECORDED, rows_needed=None,
        reason=f"{finding.reason}. Not decided: {'; '.join(sentence(entries, name) for name, entries in unconfirmed.items())}",
        remedy="keep beside the recording what the models were given, so that a sample can be asked again, or take it at its word: "
        f"data.{data}.recorded: trusted",
        detail={**finding.detail, RECORDED: {name: sorted(entries) for name, entries in unconfirmed.items()}},
    )  # fmt: skip


def sentence(entries: Entries, data: str) -> str:
    """Who answered, and how that is known; to be read behind a semicolon."""
    return "; ".join(_clauses(entries, data))


def known_by(entry: Mapping[str, Any]) -> str:
    """`recorded (score), and 300 of 5,000 rows that were asked again got the same: …`, of one role."""
    return f"recorded ({', '.join(map(str, entry['columns'][:3]))}), {_how(entry)}"


def _clauses(entries: Entries, data: str) -> Iterator[str]:
    together: dict[str, list[str]] = {}
    for role, entry in entries.items():
        together.setdefault(_how(entry), []).append(role)
    for how, roles in together.items():
        columns = ", ".join(column for role in roles for column in entries[role]["columns"][:3])
        yield f"the answers of {enumerated([f'the {role}' for role in roles])} are recorded in {data} ({columns}), {how}"
    for role, entry in entries.items():
        if missing := int(entry.get("missing", 0)):
            yield f"{counted(missing, 'row')} {'has' if missing == 1 else 'have'} no recorded answer of the {role}"


def _how(entry: Mapping[str, Any]) -> str:
    if entry["state"] == "trusted":
        return "and nobody was asked again: recorded: trusted"
    check = entry.get("spot_check")
    if check is None:
        return f"and could not be asked again: {entry.get('obstacle', 'this run did not try')}"
    rows, total, differing = int(check["rows"]), int(check["of"]), int(check["differing"])
    sample = f"all {counted(total, 'row')}" if rows == total else f"{rows:,} of {counted(total, 'row')}"
    if differing:
        unsteady = int(check.get("unsteady", 0))
        by_itself = f", {unsteady:,} of them a third one when they were sent once more" if unsteady else ""
        return f"and of {sample} that were asked again {differing:,} got another answer{by_itself}"
    most = percent(float(f"{float(check['at_most']):.2g}"))
    bound = "" if rows == total else f": at most {most} of all would not (95 % confidence)"
    return f"and {sample} that were asked again got the same{bound}"
