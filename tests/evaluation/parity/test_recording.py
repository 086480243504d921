"""What rests on recorded answers that nobody confirmed is for an owner to accept, and each report says that they are recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from helpers.report_story import CONTEXT, DE, NEARLY, US, told
from lockgate.evaluation.judging.flip_points import flip_points
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evaluation.judging.opening import acceptable, opening
from lockgate.evaluation.parity.recording import sentence, withhold
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github import comment_report
from lockgate.reports import FORMATS
from lockgate.reports.run_facts import verdict_sentence

CONFIRMED = {
    "columns": ["p"], "state": "confirmed",
    "spot_check": {"rows": 1_000, "of": 52_047, "differing": 0, "at_most": "0.002991"},
}  # fmt: skip
BARE = {"columns": ["q"], "state": "unconfirmed", "obstacle": "input amount is not in the data"}
FEW = {
    "columns": ["p"], "state": "unconfirmed",
    "spot_check": {"rows": 300, "of": 300, "differing": 4, "at_most": "0.0133", "unsteady": 3},
}  # fmt: skip
TRUSTED = {"columns": ["p"], "state": "trusted"}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            {"candidate": CONFIRMED, "champion": {**CONFIRMED, "columns": ["q"]}},
            "the answers of the candidate and the champion are recorded in logs (p, q), and 1,000 of 52,047 rows that were asked again "
            "got the same: at most 0.3 % of all would not (95 % confidence)",
        ),
        (
            {"candidate": FEW, "champion": BARE},
            "the answers of the candidate are recorded in logs (p), and of all 300 rows that were asked again 4 got another answer, 3 of "
            "them a third one when they were sent once more; the answers of the champion are recorded in logs (q), and could not be "
            "asked again: input amount is not in the data",
        ),
        (
            {"candidate": {**TRUSTED, "missing": 12}},
            "the answers of the candidate are recorded in logs (p), and nobody was asked again: recorded: trusted; 12 rows have no "
            "recorded answer of the candidate",
        ),
    ],
)
def test_the_sentence_says_recorded_and_how_it_is_known(entries: dict[str, Any], words: str) -> None:
    assert sentence(entries, "logs") == words


def test_only_what_would_pass_on_doubtful_answers_is_withheld() -> None:
    """By the candidate's, or by the champion's where a line compares with it; a fail stands, and so does what is confirmed."""
    doubted = {"logs": {"candidate": CONFIRMED, "champion": BARE}}
    held = withhold(US, doubted, compares=True)

    assert (held.verdict, held.code, held.detail["recorded"]) == (
        Verdict.INCONCLUSIVE,
        "recorded",
        {"logs": ["champion"]},
    )
    assert "Not decided: the answers of the champion are recorded in logs (q)" in held.reason
    assert held.remedy is not None
    assert "data.logs.recorded: trusted" in held.remedy
    assert withhold(US, doubted, compares=False) is US
    assert withhold(US, {"logs": {"candidate": TRUSTED, "champion": CONFIRMED}}, compares=True) is US
    fail = replace(US, verdict=Verdict.FAIL)
    assert withhold(fail, doubted, compares=True) is fail
    passing = {**US.detail, "p_pass": "0.001", "p_fail_holm": "0.9"}
    assert verdict_of(US.decided, passing) is Verdict.PASS
    assert verdict_of(held.decided, {**passing, **held.detail}) is Verdict.INCONCLUSIVE
    assert flip_points(held, parse("average_precision >= champion - 0.03"), [held]).obstacle == "recorded"


def test_an_owner_may_accept_them_where_somebody_signs() -> None:
    """Without a word in the line; what fails beside them keeps the gate shut."""
    held = withhold(US, {"logs": {"candidate": BARE}}, compares=False)
    gate = replace(NEARLY, findings=(held, DE), verdict=Verdict.INCONCLUSIVE)
    undecided = replace(gate, findings=(held, replace(DE, verdict=Verdict.INCONCLUSIVE, code="not_shown")))

    def opened(result: Any, *, signed: bool) -> str:
        asks = acceptable([result], (), lambda _: False, signed=signed)
        return opening(Verdict.INCONCLUSIVE, [result], asks, lambda _: False)

    assert (opened(gate, signed=True), opened(gate, signed=False), opened(undecided, signed=True)) == (
        "by_owner",
        "no",
        "no",
    )


def test_every_report_says_that_answers_are_recorded() -> None:
    """In the first sentence, the head, and of JUnit beside the cases of the gate; evidence of another shape is refused."""
    passing = replace(NEARLY, verdict=Verdict.PASS, findings=(US, DE), context={"recorded": ["logs"]})
    scored = [{"data": "logs", "rows": 52_047, "sha256": "sha256:s", "recorded": {"candidate": CONFIRMED}}]
    evidence = told(passing, scored=scored, opens="yes")
    record = RunRecord(Evidence.read(evidence.stored))
    words = "the answers of the candidate are recorded in logs (p), and 1,000 of 52,047 rows that were asked again got the same"

    assert verdict_sentence(evidence) == "fraud version 7 passes its only gate, by recorded answers of logs"
    assert f"**Recorded:** {words}" in FORMATS["md"].render(record).replace("\\", "")
    comment = comment_report.render(record, context=CONTEXT, signoff=None)
    assert f"**Recorded:** {words}" in comment.replace("\\", "")
    assert f"<strong>Recorded:</strong> {words}" in FORMATS["html"].render(record)
    assert Xml.fromstring(FORMATS["junit"].render(record)).findtext("testsuite/system-out", "").startswith(words)
    assert "recorded" not in FORMATS["junit"].render(RunRecord(told(replace(passing, context={}), opens="yes")))
    for broken in (
        {"candidate": "p"},
        {"candidate": {**CONFIRMED, "columns": "p"}},
        {"candidate": {**FEW, "spot_check": {}}},
    ):
        document = json.loads(evidence.stored) | {"scored": [{**scored[0], "recorded": broken}]}
        with pytest.raises(EvidenceError):
            Evidence.read(Evidence.from_document(document).stored)
