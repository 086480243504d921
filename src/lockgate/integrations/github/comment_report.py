"""The one comment on a pull request: results, blockers, who may approve, and the line that approves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from lockgate.data.slices.names import id_words
from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.closing_words import HELP
from lockgate.reports.blockers import pooled_slices, unproven_slices, unwaived_blockers
from lockgate.reports.finding_tables import MARKS, finding_table
from lockgate.reports.interval_bars import LEGEND
from lockgate.reports.run_facts import beside_champion, recorded_words
from lockgate.signoff.decision import Ballot, SignoffDecision, missing_text
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Person, SignoffPolicy, person_of
from lockgate.signoff.unclear_words import UnclearWords
from lockgate.text import colon, cut, fit, html, listed, markdown, utf16
from lockgate.units import minute_text

LIMIT = 60_000
# How many gates, table rows, ignored votes, slices of one blocker and owners appear, and the characters of one text.
_GATES, _ROWS, _IGNORED, _NAMED, _MENTIONED, _LONG = 40, 12, 5, 8, 10, 400
_NOUNS = {"approve": "approval", "reject": "rejection", "revoke": "revocation"}
# (mark, what the headline says) of a decision, and (headline, reason) of evidence that blocks promotion.
_DECIDED = {
    "approved": ("✅", "is approved"),
    "rejected": ("⛔", "was rejected"),
    "expired": ("⌛", "waited too long"),
    "superseded": ("♻️", "is not what was evaluated any more"),
    "refused": ("🚫", "may not be promoted as it stands"),
}
_BLOCKED = {
    Verdict.PASS: ("passes, in a run that cannot be promoted", "this run was partial or observed only."),
    Verdict.INCONCLUSIVE: (
        "is undecided and may not be promoted",
        "the policy lets no owner accept what is undecided above.",
    ),
    Verdict.FAIL: (
        "is held back",
        "no approval changes a failed gate. Push a better candidate, and the gates run again.",
    ),
    Verdict.ERROR: ("could not be evaluated", "something broke. Mend it and run the gates again."),
}
_CLOSED = ("approved", "expired", "superseded", "refused")
# What happens next, or what helps, in a pull request; a decision's own remedy names commands of a terminal.
_AFTER = {
    "approved": "the promotion runs next, and this comment will tell how it ended",
    "expired": "run the gate workflow again: that makes new evidence with a new digest, and approvals begin anew",
}
_MARKER = re.compile(r"<!-- [A-Za-z0-9:/._%+ ]+ -->")
_LOGIN = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")
_URL = re.compile(r"https://[A-Za-z0-9.\-]+(?::\d+)?/[A-Za-z0-9._/\-]+(?:#[A-Za-z0-9_\-]+)?")
_BLANK = re.compile(r"\n{3,}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CommentContext:
    """Hidden marker line by which the comment is found again, and what it links to.

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
class SignoffStatus:
    """The policy, and what the pull request's comments came to so far.

    ballot: the votes, and who contributed. done: lines of the promotion's outcome, None before it.
    """

    policy: SignoffPolicy
    ballot: Ballot = field(default_factory=Ballot)
    decision: SignoffDecision | None = None
    done: tuple[str, ...] | None = None


def render(record: RunRecord, *, context: CommentContext, signoff: SignoffStatus | None, limit: int = LIMIT) -> str:
    """The whole comment, at most `limit` UTF-16 units long: gates are left out, the worst last, never parts of one.

    signoff: None where the policy of the default branch is not known; nothing can then be approved.
    """
    evidence = record.evidence
    head = "\n".join([context.marker, *_headline(evidence, signoff), *_table(evidence, room=limit // 3)]) + "\n"
    foot = "\n".join([*_signoff(evidence, signoff), *_footer(evidence, context)]) + "\n"
    sections = [
        section
        for gate in sorted(evidence.gates, key=_worst_first)[:_GATES]
        if (section := _section(gate, evidence.waived))
    ]
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


def _headline(evidence: Evidence, signoff: SignoffStatus | None) -> list[str]:
    name = f"{_text(evidence.model, 100)} version {_text(str(evidence.candidate['version']), 40)}"
    mark, state = _state(evidence, signoff)
    champion = evidence.champion
    against = "There is no champion yet." if champion is None else (
        f"Compared with version {_text(str(champion['version']), 40)}, Production at the time."
    )  # fmt: skip
    recorded = [line for words in recorded_words(evidence) for line in (f"**Recorded:** {_text(words)}.", "")]
    return [f"### {mark} {name} {state}", "", against, "", *recorded]


def _state(evidence: Evidence, signoff: SignoffStatus | None) -> tuple[str, str]:
    decision = None if signoff is None else signoff.decision
    if signoff is not None and signoff.done is not None:
        return "🚀", "is promoted"
    if evidence.is_of_champion and evidence.opens == "yes":
        return "✅", "is the champion already"
    if decision is not None and decision.state in _DECIDED and (decision.state != "refused" or evidence.opens != "no"):
        return _DECIDED[decision.state]
    if evidence.opens == "yes":
        return "✅", "passes every gate that counts"
    if evidence.opens == "by_owner":
        count = len(evidence.asks)
        return "❔", f"is undecided on {count} point{'s' if count != 1 else ''}, which an owner may accept"
    return MARKS[evidence.verdict.value], _BLOCKED[evidence.verdict][0]


def _table(evidence: Evidence, *, room: int) -> list[str]:
    """One row a gate in the order of the pipeline; where they are too many, the worst are kept."""
    ordered = sorted(enumerate(evidence.gates), key=lambda entry: _worst_first(entry[1]))[:_GATES]
    rows = {index: _gate_row(gate) for index, gate in ordered}
    count = len(fit(list(rows.values()), room=room, size=utf16, left_out=str)) if rows else 0
    count -= 1 if sum(map(utf16, rows.values())) > room else 0  # the line of `fit` for what it left out
    in_order = [row for _, row in sorted(list(rows.items())[:count])]
    hidden = len(evidence.gates) - len(in_order)
    more = [f"| | | … and {hidden:,} more |"] if hidden else []
    return ["| | gate | result |", "|:-:|---|---|", *in_order, *more]


def _gate_row(gate: GateResult) -> str:
    counts = "" if gate.counts else " _(does not count)_"
    return f"| {MARKS[gate.verdict.value]} | **{_text(gate.name, 80)}**{counts} | {_text(gate.reason)} |"


def _section(gate: GateResult, waived: Collection[str]) -> str:
    """The blockers of one gate, requirement by requirement, then its unproven and pooled slices; empty without any."""
    gate = beside_champion(gate)
    listed = [blocker for blocker in unwaived_blockers(gate, waived, named=_NAMED) if blocker.findings]
    alone = [blocker for blocker in listed if len(blocker.findings) == 1 and blocker.findings[0].decided is not None]
    lines: list[str] = []
    judged = [blocker.findings[0] for blocker in alone]
    names = (*(line.id for line in gate.requirements), *(finding.requirement for finding in judged))
    for requirement in dict.fromkeys(names):
        findings = [finding for finding in judged if finding.requirement == requirement]
        lines += _requirement(gate, requirement, findings) if findings else []
    grouped = [blocker for blocker in listed if blocker not in alone][:_ROWS]
    lines += [f"* **{blocker.verdict}** {_text(blocker.reason, 1_000)}" for blocker in grouped]
    if gate.breakdown is not None:
        lines.append(f"* **error** {_text(gate.reason)}; {_text(str(gate.breakdown.get('remedy') or 'see the log'))}")
    remedies = dict.fromkeys(blocker.remedy for blocker in listed if blocker.remedy)
    lines += [f"* 💡 {_text(remedy)}" for remedy in list(remedies)[:3]]
    heading = ["", f"#### {MARKS[gate.verdict.value]} {_text(gate.name, 80)}", ""] if lines else []
    return "".join(f"{line}\n" for line in [*heading, *lines, *_folded(gate)])


def _requirement(gate: GateResult, requirement: str, findings: list[Finding]) -> list[str]:
    """One table a requirement: each slice that is no pass, with its interval on the scale that all of them share."""
    text = next((entry.text for entry in gate.requirements if entry.id == requirement), requirement)
    return [_tally(gate, requirement, findings, _text(text, 200)), "", *finding_table(findings, most=_ROWS), ""]


def _tally(gate: GateResult, requirement: str, findings: Sequence[Finding], text: str) -> str:
    """`**auc >= 0.9**: 2 failed, 1 undecided of 8`; the requirement alone where it has a single finding."""
    judged = sum(1 for finding in gate.findings if finding.requirement == requirement)
    if judged == 1:
        return f"**{text}**"
    counts = Counter(str(finding.verdict) for finding in findings)
    words = {"error": "broke", "fail": "failed", "inconclusive": "undecided"}
    tally = ", ".join(f"{counts[name]:,} {word}" for name, word in words.items() if counts[name])
    return f"**{colon(text).removesuffix(':')}**: {tally} of {judged:,}"


def _folded(gate: GateResult) -> Iterator[str]:
    labelled = (("no-harm check", unproven_slices(gate)), ("pooled", pooled_slices(gate)))
    lines = [(label, sentence) for label, sentences in labelled for sentence in sentences]
    if not lines:
        return
    count = sum(1 for finding in gate.findings if finding.code == "watched")
    title = f"{count} under the no-harm check, not proven" if count else "small slices pooled"
    yield from ("", f"<details><summary>{colon(html(cut(gate.name, 80)))} {title}</summary>", "")
    yield from (f"* **{label}** {_text(sentence, 1_500)}" for label, sentence in lines[:_ROWS])
    yield from ("", "</details>")


def _signoff(evidence: Evidence, signoff: SignoffStatus | None) -> list[str]:
    if signoff is None:
        return [
            "",
            "---",
            "The default branch has no pipeline for this model yet: nothing can be approved here. Merge the pipeline first; the "
            "next pull request that changes what names the candidate can be approved.",
        ]
    if evidence.opens == "no" and signoff.done is None:
        return ["", "---", f"Nothing to approve: {_BLOCKED[evidence.verdict][1]}"]
    if evidence.is_of_champion and signoff.done is None:
        return ["", "---", "Nothing to approve: the candidate is the champion itself, and was compared with itself."]
    lines = ["", "---", *_decision(signoff)]
    if signoff.done is not None or (signoff.decision is not None and signoff.decision.state in _CLOSED):
        return lines
    if not signoff.policy.require:
        return [*lines, "The pipeline says nothing about who signs, so nothing can be promoted."]
    if signoff.policy.nobody_signs:
        return [*lines, "The policy says that nobody signs."]
    if (obstacle := signoff.policy.comment_obstacle) is not None:
        return [*lines, f"Comments cannot approve it: {_text(obstacle)}."]
    if signoff.decision is not None and signoff.decision.code == "not_merged" and signoff.decision.counted:
        return [*lines, "Comment `/gate status` once it is merged, and it is promoted."]
    accepting = f" accepting {len(evidence.asks)} undecided" if evidence.opens == "by_owner" else ""
    return [
        *lines,
        _asks(signoff),
        "",
        "```",
        f"/gate approve {evidence.digest}{accepting}",
        "```",
        "",
        *_undecided(evidence),
        *_expiry(evidence, signoff),
        f"<sub>{HELP} Only a new, unedited comment counts. A new push or a new run makes a new digest, and approvals begin anew.</sub>",
    ]


def _asks(signoff: SignoffStatus) -> str:
    """What the line that approves is for, now."""
    decision = signoff.decision
    if decision is not None and (decision.code == "unclear" or decision.standing):
        return (
            "**Once that is cleared up**, it is promoted by the approvals that stand. This is the line that approves:"
        )
    when = "Once that is lifted" if decision is not None and decision.state == "rejected" else "To promote it"
    return f"**{when}**, {_approvers(signoff)} must comment this line:"


def _decision(signoff: SignoffStatus) -> list[str]:
    if signoff.done is not None:
        return [*(f"* {_text(line, 1_000)}" for line in signoff.done), ""]
    decision = signoff.decision
    if decision is None:
        return []
    # what is ignored is listed below, and not repeated
    reason = missing_text(decision.missing, ()) if decision.missing else decision.reason
    if decision.code == "unclear":
        altered = decision.unclear[-1].altered
        reason = f"an owner's words were {'edited by somebody else' if altered else 'not understood'}"
    help_text = _AFTER.get(decision.state) or (decision.remedy if decision.rejection is None else None)
    remedy = f". {_text(help_text[:1].upper() + help_text[1:])}." if help_text and decision.state != "pending" else ""
    state = f"**{_text(reason)}**" if decision.code == "approved" else f"**{decision.state}**: {_text(reason)}"
    ignored = [
        f"* {_text(str(entry.vote.by), 80)}'s {_NOUNS.get(entry.vote.verb, entry.vote.verb)} does not count: "
        f"{_text(entry.reason, 200)}"
        for entry in decision.ignored[-_IGNORED:]
    ]
    lines = [*_rejected(signoff.policy, decision), *_unclear(signoff.policy, decision.unclear), *ignored]
    return [f"{state}{remedy}", "", *lines, *([""] if lines else [])]


def _rejected(policy: SignoffPolicy, decision: SignoffDecision) -> Iterator[str]:
    """Who can lift the rejection, with a link to it, and what follows."""
    vote = decision.rejection
    if vote is not None:
        who, where = _author(policy, vote.by), f"[that]({vote.url})" if _URL.fullmatch(vote.url) else "that"
        also = ", an approving review," if vote.reason.startswith("a review that") else ""
        yield f"* {who}: only you can lift {where}, by `/gate revoke`{also} or the line that approves, in a new comment."
        if decision.standing:
            standing = decision.standing[:1].upper() + decision.standing[1:]
            yield f"* {_text(standing)}: it is promoted as soon as {who} comments `/gate revoke`."


def _author(policy: SignoffPolicy, author: Identity) -> str:
    person = person_of(policy.people(), author)
    return _text(str(author), 80) if person is None else _mention(person)


def _unclear(policy: SignoffPolicy, unclear: Sequence[UnclearWords]) -> Iterator[str]:
    """Who must say anew what was not understood, with a link to it."""
    for words in unclear[-_IGNORED:]:
        who = _author(policy, words.by)
        where = f"[these words]({words.url})" if _URL.fullmatch(words.url) else "words"
        problem = (
            f"somebody else edited {where} of yours"
            if words.altered
            else f"the gate does not understand {where} of yours"
        )
        yield (
            f"* {who}: {problem}, and promotes nothing while they may be an objection. "
            "Please comment `/gate reject`, `/gate revoke` to take them back, or the line that approves."
        )


def _approvers(signoff: SignoffStatus) -> str:
    """`1 of owners (@octocat, @hubot) and 1 of risk (@monalisa)`, without those who may not vote on this work."""
    groups, policy = [], signoff.policy
    made_by = signoff.ballot.made_by if policy.separation_of_duties else lambda _: False
    eligible = [person for person in policy.people() if person.has_account and not made_by(person)]
    for group, count in sorted(policy.require.items()):
        if count:
            people = [person for person in eligible if group in person.groups]
            mentions = listed([_mention(person) for person in people], _MENTIONED) or "nobody who may"
            missing = {} if signoff.decision is None else signoff.decision.missing
            needed = missing.get(group, 0) if missing else count
            if not needed:
                continue
            still = f"{needed} more" if needed < count else str(needed)
            groups.append(f"{still} of {_text(group, 80)} ({mentions})")
    return " and ".join(groups)


def _mention(person: Person) -> str:
    logins = [owner.github for owner in person.owners if owner.github is not None and _LOGIN.fullmatch(owner.github)]
    return f"@{logins[0]}" if logins else _text(person.name, 80)


def _undecided(evidence: Evidence) -> list[str]:
    if evidence.opens != "by_owner":
        return []
    ids = listed([_text(id_words(finding_id), 120) for finding_id in evidence.asks], _ROWS)
    return [f"Undecided, and accepted with that line: {ids}.", ""]


def _expiry(evidence: Evidence, signoff: SignoffStatus) -> list[str]:
    if evidence.finished_at is None:
        return []
    try:
        until = evidence.finished_at + signoff.policy.expires
    except OverflowError:
        return []
    return [f"It can be approved until **{minute_text(until)}**.", ""]


def _footer(evidence: Evidence, context: CommentContext) -> list[str]:
    parts = [f"evidence `{evidence.digest}`"]
    parts += [f"replaces ~~`{digest}`~~" for digest in context.replaced[:1]]
    if context.commit is not None and _COMMIT.fullmatch(context.commit):
        parts.append(f"commit `{context.commit[:12]}`")
    if context.run_url is not None and _URL.fullmatch(context.run_url):
        parts.append(f"[the run and its report]({context.run_url})")
    return ["", f"<sub>{' · '.join(parts)}</sub>"]
