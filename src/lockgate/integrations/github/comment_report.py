"""The comment that stays on a pull request: what was found, what is in the way, who may open it and with which line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from lockgate.errors import UsageError
from lockgate.evaluation.judging.number_format import short, slice_words
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.reports.blockers import Obstacle, merged, obstacles, watched
from lockgate.reports.interval_bars import LEGEND, bars
from lockgate.signoff.decision import Ballot, Decision
from lockgate.signoff.policy import Person, SignoffPolicy
from lockgate.text import colon, cut, fit, html, markdown, utf16
from lockgate.units import utc

LIMIT = 60_000
_GATES, _SLICES, _IGNORED, _NAMED, _MENTIONED, _LONG = 40, 12, 5, 8, 10, 400
_MARK = {"pass": "✅", "inconclusive": "❔", "fail": "❌", "error": "💥"}
_CLOSED = ("approved", "expired", "superseded", "refused")
# What happens next, or what helps, where the decision is about a pull request.
_AFTER = {
    "approved": "the promotion runs next, and this comment will tell how it ended",
    "expired": "run the gate workflow again: that makes new evidence with a new digest, and votes begin anew",
}
_MARKER = re.compile(r"<!-- [A-Za-z0-9:/._%+ ]+ -->")
_LOGIN = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")
_URL = re.compile(r"https://[A-Za-z0-9.\-]+(?::\d+)?/[A-Za-z0-9._/\-]+")
_BLANK = re.compile(r"\n{3,}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Place:
    """Where the comment stands: the hidden line that it is found again by, and what a reader may want to open.

    replaced: digests of this pull request that this evidence makes void, the newest first.
    """

    marker: str
    run_url: str | None = None
    commit: str | None = None
    replaced: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _MARKER.fullmatch(self.marker) or "--" in self.marker[4:-3]:
            raise UsageError(f"{self.marker!r} cannot be hidden in a comment")


@dataclass(frozen=True)
class Asked:
    """What the pull request's comments came to so far.

    ballot: the votes, and who had a hand in the work. done: what the promotion said, line by line, None before it.
    """

    policy: SignoffPolicy
    ballot: Ballot = field(default_factory=Ballot)
    decision: Decision | None = None
    done: tuple[str, ...] | None = None


def render(evidence: Evidence, *, place: Place, asked: Asked | None, limit: int = LIMIT) -> str:
    """The whole comment, at most `limit` UTF-16 units long: gates are left out, the worst last, never parts of one.

    asked: None where the policy of the default branch is not known; nothing can then be approved.
    """
    head = "\n".join([place.marker, *_headline(evidence, asked), *_table(evidence, room=limit // 3)]) + "\n"
    foot = "\n".join([*_signoff(evidence, asked), *_footer(evidence, place)]) + "\n"
    sections = [section for section in map(_section, sorted(evidence.gates, key=_worst_first)[:_GATES]) if section]
    legend = f"\n<sub>{LEGEND}.</sub>\n" if any("`" in section for section in sections) else ""
    room = limit - utf16(head) - utf16(legend) - utf16(foot)
    whole = head + "".join(fit(sections, room=room, size=utf16, left_out=_left_out)) + legend + foot
    return _BLANK.sub("\n\n", whole)


def _left_out(count: int) -> str:
    return f"\n_{count} more gate{'s' if count > 1 else ''} in the job summary and in the report._\n"


def _text(value: str, length: int = _LONG) -> str:
    return markdown(cut(value, length))


def _worst_first(gate: GateResult) -> tuple[bool, int]:
    return not gate.counts and gate.verdict is not Verdict.PASS, -gate.verdict.rank


def _headline(evidence: Evidence, asked: Asked | None) -> list[str]:
    name = f"{_text(evidence.model, 100)} version {_text(str(evidence.candidate['version']), 40)}"
    mark, what = _state(evidence, asked)
    champion = evidence.champion
    against = "There is no champion yet." if champion is None else (
        f"Held against version {_text(str(champion['version']), 40)}, Production at the time."
    )  # fmt: skip
    return [f"### {mark} {name} {what}", "", against, ""]


def _state(evidence: Evidence, asked: Asked | None) -> tuple[str, str]:
    decision = None if asked is None else asked.decision
    if asked is not None and asked.done is not None:
        return "🚀", "is promoted"
    if decision is not None and decision.state == "approved":
        return "✅", "is approved"
    if decision is not None and decision.state == "rejected":
        return "⛔", "was rejected"
    if decision is not None and decision.state == "expired":
        return "⌛", "waited too long"
    if decision is not None and decision.state == "superseded":
        return "♻️", "is not what was evaluated any more"
    if decision is not None and decision.state == "refused" and evidence.opens != "no":
        return "🚫", "may not be promoted as it stands"
    if evidence.opens == "yes":
        return "✅", "passes every gate that counts"
    if evidence.opens == "by_owner":
        count = len(evidence.asks)
        return "❔", f"is undecided on {count} point{'s' if count != 1 else ''}, which an owner may accept"
    mark = _MARK[evidence.verdict.value]
    return mark, {
        "pass": "passes, and nothing was to be opened",
        "inconclusive": "is undecided and may not be promoted",
        "fail": "is held back",
        "error": "could not be judged",
    }[evidence.verdict.value]


def _table(evidence: Evidence, *, room: int) -> list[str]:
    """One row a gate in the order of the pipeline; where they are too many, the worst are kept."""
    ordered = sorted(enumerate(evidence.gates), key=lambda one: _worst_first(one[1]))[:_GATES]
    rows = {place: _gate_row(gate) for place, gate in ordered}
    kept = len(fit(list(rows.values()), room=room, size=utf16, left_out=str)) if rows else 0
    kept -= 1 if sum(map(utf16, rows.values())) > room else 0
    shown = [row for _, row in sorted(list(rows.items())[:kept])]
    hidden = len(evidence.gates) - len(shown)
    more = [f"| | | … and {hidden:,} more |"] if hidden else []
    return ["| | gate | what was found |", "|:-:|---|---|", *shown, *more]


def _gate_row(gate: GateResult) -> str:
    counts = "" if gate.counts else " _(does not count)_"
    return f"| {_MARK[gate.verdict.value]} | **{_text(gate.name, 80)}**{counts} | {_text(gate.reason)} |"


def _section(gate: GateResult) -> str:
    """What stands in the way at one gate, requirement by requirement, then what was only watched; empty for nothing."""
    found = obstacles(gate, named=_NAMED)
    alone = [one for one in found if len(one.findings) == 1 and one.findings[0].decided is not None]
    lines: list[str] = []
    for requirement, group in groupby(_by_requirement(gate, alone), key=lambda one: one.findings[0].requirement):
        lines += _requirement(gate, requirement, [one.findings[0] for one in group])
    lines += [f"* **{one.verdict}** {_text(one.reason, 1_000)}" for one in found if one not in alone][:_SLICES]
    broken = gate.context.get("broken")
    if isinstance(broken, Mapping):
        lines.append(f"* **error** {_text(gate.reason)}; {_text(str(broken.get('remedy') or 'see the log'))}")
    remedies = dict.fromkeys(one.remedy for one in found if one.remedy)
    lines += [f"* 💡 {_text(remedy)}" for remedy in list(remedies)[:3]]
    heading = ["", f"#### {_MARK[gate.verdict.value]} {_text(gate.name, 80)}", ""] if lines else []
    return "".join(f"{line}\n" for line in [*heading, *lines, *_folded(gate)])


def _by_requirement(gate: GateResult, alone: Sequence[Obstacle]) -> list[Obstacle]:
    order = {asked.id: place for place, asked in enumerate(gate.requirements)}
    return sorted(alone, key=lambda one: order.get(one.findings[0].requirement, len(order)))


def _requirement(gate: GateResult, requirement: str, findings: list[Finding]) -> list[str]:
    """One table a requirement: each slice that is no pass, with its interval on the scale that all of them share."""
    text = next((asked.text for asked in gate.requirements if asked.id == requirement), requirement)
    shown, against = findings[:_SLICES], _against(findings)
    worse = "◂ worse" if findings[0].limit.op == ">=" else "worse ▸"
    lines = [
        _tally(gate, requirement, findings, _text(text, 200)),
        "",
        f"| | | observed |{' champion |' if against else ''} {against or 'interval'} | {worse} | {shown[0].counted_in} |",
        f"|:-:|---|--:|{'--:|' if against else ''}:-:|---|--:|",
    ]
    for one, bar in zip(shown, bars(shown), strict=True):
        champion = f" {_number(one.champion)} |" if against else ""
        where = _text(slice_words(tuple(one.slice.items())) or "overall", 120)
        lines.append(
            f"| {_MARK[one.verdict.value]} | {where} | {_number(one.observed)} |{champion} {_interval(one, against)} "
            f"| {f'`{bar}`' if bar else ''} | {one.rows:,} |"
        )
    if len(findings) > len(shown):
        lines.append(f"| | … and {len(findings) - len(shown):,} more |{' |' * (5 if against else 4)}")
    return [*lines, ""]


def _tally(gate: GateResult, requirement: str, findings: Sequence[Finding], text: str) -> str:
    """`**auc >= 0.9**: 2 failed, 1 undecided of 8`; the requirement alone where there is only one to tell."""
    judged = sum(1 for one in gate.findings if one.requirement == requirement)
    if judged == 1:
        return f"**{text}**"
    counts = Counter(str(one.verdict) for one in findings)
    words = {"error": "broke", "fail": "failed", "inconclusive": "undecided"}
    told = ", ".join(f"{counts[name]:,} {word}" for name, word in words.items() if counts[name])
    return f"**{colon(text).removesuffix(':')}**: {told} of {judged:,}"


def _against(findings: Sequence[Finding]) -> str | None:
    on = findings[0].decided.on if findings[0].decided is not None else "value"
    return {"difference": "difference", "ratio": "factor"}.get(on)


def _number(value: float | None) -> str:
    return "–" if value is None else short(value)


def _interval(one: Finding, against: str | None) -> str:
    decided = one.decided
    if decided is None:
        return ""
    sign = "+" if against == "difference" and decided.estimate is not None and decided.estimate > 0 else ""
    value = f"{sign}{_number(decided.estimate)}" if against else ""
    if decided.low is None and decided.high is None:
        return value
    ends = f"<sub>{short(decided.low)} to {short(decided.high)}</sub>".replace(" ", "&nbsp;")
    return f"{value}<br>{ends}" if value else ends


def _folded(gate: GateResult) -> Iterator[str]:
    said = [(word, line) for word, lines in (("watched", watched(gate)), ("merged", merged(gate))) for line in lines]
    if not said:
        return
    count = sum(1 for one in gate.findings if one.code == "watched")
    title = f"{count} watched, not proven" if count else "small slices judged as one"
    yield from ("", f"<details><summary>{colon(html(cut(gate.name, 80)))} {title}</summary>", "")
    yield from (f"* **{word}** {_text(line, 1_500)}" for word, line in said[:_SLICES])
    yield from ("", "</details>")


def _signoff(evidence: Evidence, asked: Asked | None) -> list[str]:
    if asked is None:
        return ["", "---", "The default branch has no pipeline for this model yet: nothing can be approved here."]
    if evidence.opens == "no" and asked.done is None:
        return ["", "---", "Nothing to approve: " + _why_not(evidence)]
    lines = ["", "---", *_decided(asked)]
    if asked.done is not None or (asked.decision is not None and asked.decision.state in _CLOSED):
        return lines
    if not asked.policy.require:
        return [*lines, "The pipeline says nothing about who signs, so nothing can be promoted."]
    if asked.policy.nobody_signs:
        return [*lines, "The policy says that nobody signs."]
    accepting = f" accepting {len(evidence.asks)} undecided" if evidence.opens == "by_owner" else ""
    rejected = asked.decision is not None and asked.decision.state == "rejected"
    return [
        *lines,
        f"**{'Once that is lifted' if rejected else 'To promote it'}**, {_who(asked)} must comment this line:",
        "",
        "```",
        f"/gate approve {evidence.digest}{accepting}",
        "```",
        "",
        *_undecided(evidence),
        *_expiry(evidence, asked),
        "<sub>Or `/gate reject` with a reason below it; `/gate revoke` takes a vote back, `/gate status` looks again. "
        "Only a new, unedited comment counts. A new push or a new run makes a new digest, and votes begin anew.</sub>",
    ]


def _why_not(evidence: Evidence) -> str:
    return {
        Verdict.PASS: "this run was partial or observed only.",
        Verdict.INCONCLUSIVE: "what is undecided above was not declared a question to the owner.",
        Verdict.FAIL: "no approval changes a failed gate. Push a better candidate, and the gates run again.",
        Verdict.ERROR: "something broke. Mend it and run the gates again.",
    }[evidence.verdict]


def _decided(asked: Asked) -> list[str]:
    if asked.done is not None:
        return [*(f"* {_text(line, 1_000)}" for line in asked.done), ""]
    decision = asked.decision
    if decision is None:
        return []
    why, after = decision.reason.splitlines()[0], _AFTER.get(decision.state) or decision.remedy
    remedy = f". {_text(after[:1].upper() + after[1:])}." if after and decision.state != "pending" else ""
    by = why.removeprefix(f"{decision.state} ")
    lines = [f"**{decision.state}**{':' if by == why else ''} {_text(by)}{remedy}", ""]
    lines += [
        f"* {_text(str(one.vote.by), 80)}'s {one.vote.verb} does not count: {_text(one.reason, 200)}"
        for one in decision.ignored[-_IGNORED:]
    ]
    return [*lines, ""] if decision.ignored else lines


def _who(asked: Asked) -> str:
    """`1 of owners (@octocat, @hubot) and 1 of risk (@monalisa)`, without those who may not vote on this work."""
    wanted = []
    for group, count in sorted(asked.policy.require.items()):
        if count:
            people = [person for person in asked.policy.people() if group in person.groups and _may(person, asked)]
            shown = ", ".join(_mention(person) for person in people[:_MENTIONED]) or "nobody who may"
            more = f" and {len(people) - _MENTIONED} more" if len(people) > _MENTIONED else ""
            told = {} if asked.decision is None else asked.decision.missing
            left = told.get(group, 0) if told else count
            if not left:
                continue
            still = f"{left} more" if left < count else str(left)
            wanted.append(f"{still} of {_text(group, 80)} ({shown}{more})")
    return " and ".join(wanted)


def _may(person: Person, asked: Asked) -> bool:
    return person.may_vote and not (asked.policy.separation_of_duties and asked.ballot.made_by(person))


def _mention(person: Person) -> str:
    logins = [owner.github for owner in person.owners if owner.github is not None and _LOGIN.fullmatch(owner.github)]
    return f"@{logins[0]}" if logins else _text(person.name, 80)


def _undecided(evidence: Evidence) -> list[str]:
    if evidence.opens != "by_owner":
        return []
    shown = ", ".join(_text(one, 120) for one in evidence.asks[:_SLICES])
    more = f" and {len(evidence.asks) - _SLICES} more" if len(evidence.asks) > _SLICES else ""
    return [f"Undecided, and accepted with that line: {shown}{more}.", ""]


def _expiry(evidence: Evidence, asked: Asked) -> list[str]:
    try:
        until = utc(evidence.document["run"]["finished_at"]) + asked.policy.expires
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    return [f"It can be approved until **{until:%Y-%m-%d %H:%M} UTC**.", ""]


def _footer(evidence: Evidence, place: Place) -> list[str]:
    said = [f"evidence `{evidence.digest}`"]
    said += [f"replaces ~~`{digest}`~~" for digest in place.replaced[:1]]
    if place.commit is not None and _COMMIT.fullmatch(place.commit):
        said.append(f"commit `{place.commit[:12]}`")
    if place.run_url is not None and _URL.fullmatch(place.run_url):
        said.append(f"[the run and its report]({place.run_url})")
    return ["", f"<sub>{' · '.join(said)}</sub>"]
