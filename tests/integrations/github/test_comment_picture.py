"""What people see of a comment and of a summary, in a browser that lays it out as GitHub does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.picture import chromium, looks
from helpers.report_story import ASKING, CONTEXT, PASSING, POLICY, STOPPED
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github import job_summary as summary
from lockgate.integrations.github.comment_report import SignoffStatus, render
from lockgate.signoff.decision import SignoffDecision

DECISIONS = [
    SignoffDecision("pending", "votes_missing", "1 approval of risk missing", missing={"risk": 1}),
    SignoffDecision("approved", "approved", "approved by monalisa, octocat"),
    SignoffDecision("rejected", "rejected", "octocat rejected it: the slice BR", remedy="only octocat can lift that"),
    SignoffDecision("expired", "evidence_expired", "the evidence is from 2026-11-14T04:19:02Z and was good for 7 d"),
    SignoffDecision("superseded", "new_run", "the evidence is of run 5, attempt 1; the newest is 5, attempt 2"),
    SignoffDecision(
        "refused", "needs_policy_review", "pull request 12 touches gates/fraud.yaml", remedy="bring it by itself"
    ),
]


def test_every_state_is_laid_out_and_fits(tmp_path: Path) -> None:
    """Nothing but the line to copy is wider than a comment, no markup shows, and bars stand below each other."""
    if chromium() is None:
        pytest.skip("Chromium is not installed here: apt-get install chromium")
    shown = [
        render(RunRecord(one), context=CONTEXT, signoff=SignoffStatus(POLICY)) for one in (STOPPED, ASKING, PASSING)
    ]
    shown += [
        render(RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(POLICY, decision=one)) for one in DECISIONS
    ]
    shown += [
        render(
            RunRecord(PASSING), context=CONTEXT, signoff=SignoffStatus(POLICY, done=("fraud version 7 is Production",))
        )
    ]
    seen = looks("\n\n".join([*shown, summary.render(RunRecord(STOPPED))]), tmp_path)

    assert set(seen.wide) <= {"PRE"}
    assert len(seen.bars) == 5 + 9  # of what stands in the way, and of every finding in the summary
    assert {lines for _, _, lines in seen.bars} == {1}
    assert max(width for _, width, _ in seen.bars) - min(width for _, width, _ in seen.bars) < 1
    assert not re.search(r"\*\*|~~|\\[_*`]|^[|#]|</?\w+>|&\w+;|<!--", seen.text, re.MULTILINE)
    for said in ("is held back", "2 failed, 1 undecided of 8", "-0.0643 to -0.0381", "🚫", "🚀", "Evidence and data"):
        assert said in seen.text.replace("\u00a0", " ")
