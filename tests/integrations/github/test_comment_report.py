"""The comment on a pull request: whole outputs, and nothing that a hostile text can do in it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.report_evidence import EVIL, WHOLE
from helpers.report_story import ASKING, CONTEXT, LATENCY, METRICS, PASSING, POLICY, SIGNATURE, STOPPED, told
from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.comment_report import CommentContext, SignoffStatus, render
from lockgate.signoff.decision import Ballot, IgnoredVote, SignoffDecision
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Owner, SignoffPolicy
from lockgate.signoff.vote import Vote
from lockgate.text import utf16
from test_text import AUTOMATIC, MARKDOWN, NASTY, Page, hostile

SNAPSHOTS = Path(__file__).parent / "snapshots"
KEY = f"ssh-ed25519 {b64encode(bytes([0, 0, 0, 11]) + b'ssh-ed25519' + bytes(36)).decode()} olga"
BY_KEY = SignoffPolicy.model_validate({"groups": {"owners": [{"key": KEY}]}, "require": {"owners": 1}})
OCTOCAT = Identity("github", "583231", "octocat")
TAGS = {
    "h3", "h4", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "code", "ul", "li", "details", "summary", "hr", "pre", "sub",
    "br", "a", "s",
}  # fmt: skip


@pytest.mark.parametrize(("name", "evidence"), [("stopped", STOPPED), ("asking", ASKING), ("passing", PASSING)])
def test_the_whole_comment(name: str, evidence: Evidence) -> None:
    """A candidate that is held back, one that asks its owners, and one that passes, as they are kept beside this test."""
    shown = render(RunRecord(evidence), context=CONTEXT, signoff=SignoffStatus(POLICY))

    assert shown.splitlines() == (SNAPSHOTS / f"{name}.md").read_text(encoding="utf-8").splitlines()


def test_the_line_to_copy_names_the_digest_and_what_it_accepts() -> None:
    """It stands alone in a block, where GitHub offers to copy it."""
    shown = render(RunRecord(ASKING), context=CONTEXT, signoff=SignoffStatus(POLICY)).splitlines()
    line = shown.index(f"/gate approve {ASKING.digest} accepting 1 undecided")

    assert (shown[line - 1], shown[line + 1]) == ("```", "```")
    assert not [
        one
        for one in render(RunRecord(STOPPED), context=CONTEXT, signoff=SignoffStatus(POLICY)).splitlines()
        if one.startswith("/gate")
    ]


def test_who_may_approve_is_mentioned_and_who_made_it_is_not() -> None:
    """An author is not asked to sign their own work, unless the policy lets them."""
    asked = SignoffStatus(POLICY, ballot=Ballot(accounts=(OCTOCAT,)))
    alone = SignoffStatus(POLICY.model_copy(update={"separation_of_duties": False}), ballot=Ballot(accounts=(OCTOCAT,)))

    assert "1 of owners (@hubot) and 1 of risk (@monalisa) must" in render(
        RunRecord(PASSING), context=CONTEXT, signoff=asked
    )
    assert "(@octocat, @hubot)" in render(RunRecord(PASSING), context=CONTEXT, signoff=alone)


def test_only_what_can_be_a_login_is_mentioned() -> None:
    """Somebody known by a key or an address is named without calling anybody else."""
    names = SignoffPolicy(
        groups={"owners": (Owner(github="a/b @team", id=1), Owner(github="jane-doe", id=2))}, require={"owners": 2}
    )

    assert "2 of owners (a/b @\u200bteam, @jane-doe) must" in render(
        RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(names)
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"decision": SignoffDecision("approved", "approved", "approved by octocat")},
            "### ✅ fraud version 7 is approved",
        ),
        (
            {"decision": SignoffDecision("rejected", "rejected", "octocat rejected it")},
            "### ⛔ fraud version 7 was rejected",
        ),
        (
            {"decision": SignoffDecision("expired", "votes_expired", "too late")},
            "### ⌛ fraud version 7 waited too long",
        ),
        (
            {"decision": SignoffDecision("superseded", "new_head", "4c1d was pushed")},
            "### ♻️ fraud version 7 is not what was evaluated any more",
        ),
        (
            {
                "done": (
                    "fraud version 7 is Production since 04:30",
                    "which version answers your users was not checked; promotion.switch with a check does that",
                )
            },
            "### 🚀 fraud version 7 is promoted",
        ),
    ],
)
def test_it_says_what_became_of_it(more: dict[str, Any], said: str) -> None:
    """In its headline, and why below the line; what is decided asks for nothing any more."""
    shown = render(RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(POLICY, **more))
    decision = more.get("decision")
    told = [f"* {line}" for line in more.get("done", ())]

    assert said in shown.splitlines()
    assert set(told) <= set(shown.replace("\u200b", "").splitlines())
    assert decision is None or decision.reason in shown
    assert "To promote it" not in shown
    assert ("Once that is lifted" in shown) == (decision is not None and decision.state == "rejected")


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (SignoffDecision("approved", "approved", "approved by octocat"), "**approved by octocat**. The promotion runs next, and this comment will tell how it ended."),
        (SignoffDecision("rejected", "rejected", "octocat rejected it", remedy="only octocat can lift that"), "**rejected**: octocat rejected it. Only octocat can lift that."),
        (SignoffDecision("expired", "evidence_expired", "too late", remedy="gate run"), "**expired**: too late. Run the gate workflow again: that makes new evidence with a new digest, and approvals begin anew."),
        (SignoffDecision("refused", "draft", "it is a draft", remedy="mark it as ready"), "**refused**: it is a draft. Mark it as ready."),
        (SignoffDecision("pending", "votes_missing", "1 approval missing", remedy="gate approve --key"), "**pending**: 1 approval missing"),
    ],
)  # fmt: skip
def test_it_says_what_helps(decision: SignoffDecision, said: str) -> None:
    """In the words of whoever stands before a pull request; what is refused does not look like a pass."""
    shown = render(RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(POLICY, decision=decision)).splitlines()

    assert said in shown
    assert ("### 🚫 fraud version 7 may not be promoted as it stands" in shown) == (decision.state == "refused")


def test_a_group_that_has_its_votes_is_not_asked_again() -> None:
    """Only who is still missing is called."""
    decision = SignoffDecision("pending", "votes_missing", "1 approval of risk missing", missing={"risk": 1})
    shown = render(RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(POLICY, decision=decision))

    assert "**To promote it**, 1 of risk (@monalisa) must comment this line:" in shown
    assert "@octocat" not in shown


def test_votes_that_do_not_count_are_listed_and_what_is_missing_is_said() -> None:
    """One of two is there; the other's vote was for older evidence."""
    vote = Vote("approve", PASSING.digest, "fraud", None, "", datetime(2026, 11, 21, tzinfo=UTC), OCTOCAT)
    ignored = IgnoredVote(vote, "other_evidence", "it is about other evidence")
    decision = SignoffDecision(
        "pending", "votes_missing", "1 approval of risk missing\n  and more", missing={"risk": 1}, ignored=(ignored,)
    )
    shown = render(RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(POLICY, decision=decision))

    assert "**pending**: 1 approval of risk missing\n" in shown
    assert "'s approval does not count: it is about other evidence" in shown


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, "The default branch has no pipeline for this model yet: nothing can be approved here."),
        (SignoffStatus(SignoffPolicy()), "The pipeline says nothing about who signs, so nothing can be promoted."),
        (SignoffStatus(SignoffPolicy(require={"owners": 0})), "The policy says that nobody signs."),
        (SignoffStatus(BY_KEY), "Comments cannot approve it: owners needs 1 and 0 can; write owners who comment as"),
    ],
)
def test_without_somebody_to_sign_nothing_is_offered(asked: SignoffStatus | None, said: str) -> None:
    """There is no line to copy."""
    shown = render(RunRecord(PASSING), context=CONTEXT, signoff=asked)

    assert said in shown
    assert "/gate approve" not in shown


def test_older_evidence_is_struck_out() -> None:
    """Both digests are there, and only one of them can be read as the one that counts."""
    old = "sha256:" + "0a" * 32

    assert f"replaces ~~`{old}`~~" in render(
        RunRecord(PASSING), context=replace(CONTEXT, replaced=(old,)), signoff=SignoffStatus(POLICY)
    )


@pytest.mark.parametrize("marker", ["<!-- a --> b -->", "<!-- a\nb -->", "lockgate", "<!-- a--b -->", "<!-- <b> -->"])
def test_a_marker_that_would_show_is_refused(marker: str) -> None:
    """It is one hidden line."""
    with pytest.raises(UsageError, match="cannot be hidden"):
        CommentContext(marker=marker)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.y/a)b", "https://x.y/a b", "http://x.y/a"])
def test_only_an_address_of_a_run_is_linked(url: str) -> None:
    """Anything else is left out."""
    assert "the run and its report" not in render(RunRecord(WHOLE), context=replace(CONTEXT, run_url=url), signoff=None)


@given(st.lists(hostile, min_size=8, max_size=8))
@example(["", "", "", ":tada:0", "", "", "", ""])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_hostile_text_is_shown_and_does_nothing(texts: list[str]) -> None:
    """Model, version, gate, requirement, slice, reason, remedy and the policy's names: no tag, mention or link but ours."""
    page = Page(
        MARKDOWN.render(render(RunRecord(_evil(texts)), context=CONTEXT, signoff=SignoffStatus(_policy(texts))))
    )

    hidden = f"<!-- {CONTEXT.marker.removeprefix('<!--').removesuffix('-->')}"
    assert set(page.tags) - TAGS == {hidden}
    assert page.tags.count("a") == 1
    assert not AUTOMATIC.search(re.sub(r"@(hubot|monalisa)\b", "", page.text))
    assert page.tags.count("hr") == 1


def _evil(texts: list[str]) -> Evidence:
    model, version, gate, line, column, value, reason, remedy = texts
    bad = [
        replace(one, slice={column: value}, reason=reason, remedy=remedy, subject=reason) for one in METRICS.findings
    ]
    results = (
        GateResult(
            gate, "metrics", True, Verdict.FAIL, reason, (replace(METRICS.requirements[0], text=line),), tuple(bad)
        ),
        GateResult(gate, "x", True, Verdict.ERROR, reason, context={"broken": {"remedy": remedy, "stderr": "SECRET"}}),
    )
    document = told(*results, opens="by_owner", asks=[value, line], verdict="inconclusive").document
    named = {"name": model, "candidate": {"version": version}, "champion": {"version": version}}
    return Evidence.from_document({**document, "model": named})


def _policy(texts: list[str]) -> SignoffPolicy:
    owners = (Owner(github=f"{texts[0]}!", id=1), Owner(github="hubot", id=2))
    return SignoffPolicy(
        groups={texts[1]: owners, "risk": (Owner(github="monalisa", id=3),)}, require={texts[1]: 1, "risk": 1}
    )


def test_what_a_model_wrote_stays_out() -> None:
    """A row may stand in it."""
    assert "SECRET" not in render(RunRecord(_evil(["x"] * 8)), context=CONTEXT, signoff=None)


def test_a_row_of_hostile_names_keeps_its_cells() -> None:
    """Every row of a table has as many cells as its head."""
    shown = render(RunRecord(EVIL), context=CONTEXT, signoff=None) + render(
        RunRecord(_evil(NASTY[:8])), context=CONTEXT, signoff=None
    )
    for table in re.findall(r"(?:^\|.*\n)+", shown, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize("sign", ["x", "&", "🚀", "\\"])
@pytest.mark.parametrize("count", [1, 12, 60])
def test_it_is_never_longer_than_github_takes(count: int, sign: str) -> None:
    """However many gates and however long their texts; what is left out is said, and the line to copy stays."""
    long = sign * 1_600
    bad = [replace(one, reason=long, remedy=long, slice={long: long}) for one in METRICS.findings]
    gates = [replace(METRICS, name=f"{number}{long}", reason=long, findings=tuple(bad)) for number in range(count)]
    owners = tuple(Owner(github=long, id=number) for number in range(1, 90))
    evidence = told(*gates, opens="by_owner", asks=[long] * 90, verdict="inconclusive")
    shown = render(
        RunRecord(evidence),
        context=CONTEXT,
        signoff=SignoffStatus(SignoffPolicy(groups={long: owners}, require={long: 1})),
    )

    assert utf16(shown) <= 60_000
    assert f"\n/gate approve {evidence.digest} accepting 90 undecided\n" in shown
    assert count < 60 or "more gate" in shown


def test_thousands_of_gates_are_counted() -> None:
    """As many rows as a person reads, the worst among them, and how many more there are."""
    shown = render(
        RunRecord(told(*[replace(SIGNATURE, name=f"s{n}") for n in range(5_000)], LATENCY)),
        context=CONTEXT,
        signoff=None,
    )

    assert "| … and 4,961 more |" in shown
    assert "**latency**" in shown


def test_the_worst_gates_are_kept() -> None:
    """Where there is room for one, it is one that failed."""
    many = [
        replace(SIGNATURE, name=f"s{number}", verdict=Verdict.INCONCLUSIVE, reason="x" * 300) for number in range(60)
    ]
    shown = render(RunRecord(told(*many, LATENCY)), context=CONTEXT, signoff=None, limit=8_000)

    assert "#### ❌ latency" in shown
    assert "**latency**" in shown
