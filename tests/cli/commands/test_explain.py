"""`gate explain` says of stored evidence alone how a verdict came about, and what would flip it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpers import report_story
from lockgate.cli.commands.explain import command
from lockgate.cli.finding_lookup import deciding
from lockgate.errors import UsageError
from lockgate.evaluation.judging.flip_points import Crossing, FlipPoints, flip_points
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.reports.derivation.derivation import Derivation
from lockgate.reports.derivation.flip_words import flip_sentences
from lockgate.testing import run_gate
from recordings import shelf

BOTH = {"candidate": "p_old", "champion": "p_new"}
LINES = [
    "accuracy >= champion - 0.05",
    "accuracy >= champion + 0.1",
    "auc >= 0.7 on each band",
    "recall >= champion - 0.05 on each country",
]
SLICES = ["country", {"name": "band", "column": "amount", "bins": [0, 50, 200]}]
HEAD = f"run {report_story.RUN['id']}  fraud version 7 does not pass: metrics failed\n"


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Of two models of payments: a pass, a fail, and what was left undecided."""
    superior = {"metric": "accuracy", "at_least": "champion + 0.1", "claim": "superior"}
    asked = [superior if line == "accuracy >= champion + 0.1" else line for line in LINES]
    gate = run_gate("metrics", table=shelf.payments(), label="y", scores=BOTH, require=asked, slices=SLICES)
    lines = tuple(RequirementLine(f"r{number}", text, 0, 30 + number) for number, text in enumerate(LINES, start=1))
    return report_story.told(GateResult("metrics", "metrics", True, gate.verdict, gate.reason, lines, gate.findings))


@pytest.fixture
def explain(evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the command in a checkout whose newest run has the evidence."""
    monkeypatch.chdir(tmp_path)
    RunFolder.new(tmp_path, evidence.run_id).keep_evidence(evidence)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(command, list(arguments), catch_exceptions=False)

    return call


def test_without_a_name_the_finding_that_decided_is_explained(explain: Any) -> None:
    """The first lines say what happened and what would flip it; then comes how, with the method by its name."""
    page = explain().stdout

    assert page.startswith(f"{HEAD}FAIL  accuracy (metrics/r2/overall)\naccuracy is ")
    assert "Flips it    passes at accuracy 0." in page
    assert "rows of 1,200 away" in page
    assert "fails at accuracy 0." in page
    assert "with the same answers and another limit, `accuracy >= champion " in page
    assert "more rows will not: that it lies beyond the limit is shown at 95 % confidence" in page
    assert "What to do  find out what changed here, and bring a candidate that is better" in page
    assert "Line        accuracy >= champion + 0.1 (gates/fraud.yaml:32)" in page
    assert "Test        Tango's score test of two shares on the same rows" in page
    assert "limit violated: p = " in page
    assert "or less fails: Holm's method for 6 findings" in page
    assert page.rstrip().endswith("docs/statistics.md#methods-and-their-sources")


@pytest.mark.parametrize(
    "name",
    ["metrics/r3/band=%5B0%2C50%29", "metrics/r3/band=[0,50)", "r3/band=[0,50)", "band=[0,50)"],
)
def test_a_finding_is_named_by_its_id_or_as_people_write_it(explain: Any, name: str) -> None:
    """Slices are copied from reports, where no percent signs stand."""
    assert explain(name).stdout.startswith(f"{HEAD}PASS  auc on band=[0,50) (metrics/r3/band=%5B0%2C50%29)")


def test_of_a_line_or_a_gate_the_worst_finding_is_meant(explain: Any, evidence: Evidence) -> None:
    """What stands in the way is what somebody asks about."""
    undecided = next(
        finding
        for finding in evidence.gates[0].findings
        if finding.requirement == "r4" and finding.verdict is not Verdict.PASS
    )

    assert f"({undecided.id})" in explain("metrics/r4").stdout
    assert "(metrics/r2/overall)" in explain("metrics").stdout


def test_what_is_undecided_says_how_many_rows_would_decide(explain: Any) -> None:
    """As the evidence has it, and which tolerance these rows decide."""
    page = explain("metrics/r4").stdout

    assert page.startswith(f"{HEAD}INCONCLUSIVE  recall on country=")
    assert re.search(r"What to do  about [0-9,]+ more rows.* would decide", page)
    assert "fails at recall 0." in page


def test_a_wrong_name_offers_the_nearest(explain: Any) -> None:
    """And lists what there is."""
    with pytest.raises(UsageError) as caught:
        explain("metrics/r3/band=[0,5)")

    assert "did you mean 'metrics/r3/band=[0,50)'?" in caught.value.message
    assert str(caught.value.remedy).startswith("name one of metrics/r1/overall (accuracy >= champion - 0.05), ")


def test_the_document_holds_the_numbers_of_the_evidence(explain: Any, evidence: Evidence) -> None:
    """Nothing is computed anew but the flip points."""
    document = json.loads(explain("metrics/r2", "--json").stdout)
    finding = next(finding for finding in evidence.gates[0].findings if finding.id == "metrics/r2/overall")

    assert document["schema"] == "lockgate/explanation/v1"
    assert document["digest"] == evidence.digest
    assert document["finding"] == finding.to_json()
    assert document["line"] == {"text": "accuracy >= champion + 0.1", "position": "gates/fraud.yaml:32"}
    assert document["holm"]["findings"] == 6
    assert document["flips"]["shares"] == finding.rows
    assert float(document["flips"]["value"]["passes"]) > float(document["flips"]["value"]["fails"])


def test_a_gate_that_broke_is_explained_by_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no finding, and a person must act."""
    broken = GateResult(
        "latency", "latency", True, Verdict.ERROR, "the model does not answer",
        context={"broken": {"remedy": "start it", "stderr": "OSError: no such file"}},
    )  # fmt: skip
    folder = RunFolder.new(tmp_path, report_story.RUN["id"])
    folder.keep_evidence(report_story.told(broken))
    monkeypatch.chdir(tmp_path)

    page = CliRunner().invoke(command, [], catch_exceptions=False).stdout

    assert page == (
        f"{HEAD.replace('metrics failed', 'latency broke')}ERROR  the gate latency\nthe model does not answer\n\nWhat to do  start it\n\nLast words  OSError: no such file\n"
    )


@pytest.mark.parametrize(
    ("value", "end", "sentence"),
    [
        (
            1.0,
            1.21,
            "about 4,000 requests like these would pass it",
        ),  # twice as far as there is room: four times as many
        (1.2, 1.3, "more requests will hardly pass it: the value itself lies beyond the limit"),
    ],
)
def test_an_undecided_ratio_says_whether_more_requests_would_do(value: float, end: float, sentence: str) -> None:
    """By how an interval narrows."""
    assert report_story.P99.decided is not None
    decided = replace(report_story.P99.decided, estimate=value, low=0.9, high=end)
    finding = replace(report_story.P99, decided=decided, verdict=Verdict.INCONCLUSIVE, code="not_shown", rows=1000)
    line = parse("p99_ms <= champion * 1.1")

    assert sentence in flip_sentences(finding, line, flip_points(finding, line, [finding]))


def test_where_every_limit_passes_the_last_that_can_be_met_is_named(evidence: Evidence) -> None:
    """`auc >= 1.128` is no line that anybody could write."""
    finding, line = evidence.gates[0].findings[0], parse("accuracy >= champion - 0.05")

    sentences = flip_sentences(finding, line, FlipPoints(limit=Crossing(0.2, None, every=True)))

    assert (
        "with the same answers and another limit, any limit up to champion + 0.2 passes, beyond which accuracy cannot go"
        in sentences
    )


def test_a_finding_is_named_by_its_line_as_it_is_written(explain: Any) -> None:
    """Whoever reads the pipeline has no id."""
    assert "(metrics/r1/overall)" in explain("accuracy>=champion - 0.05").stdout
    assert "(metrics/r3/band=" in explain("auc >= 0.7 on each band").stdout


def test_where_all_pass_the_first_line_is_explained_by_what_was_judged() -> None:
    """Overall, else its slice nearest to the limit; a small slice that was only watched says little."""
    overall = replace(report_story.US, id="metrics/r2/overall", requirement="r2", slice={})
    watched, (us, de) = report_story.SMALL[0], (report_story.US, report_story.DE)
    cases = [((watched, us, overall), us), ((watched, us, de), de), ((overall, us, de), overall), ((watched,), watched)]
    for findings, explained in cases:
        gate = replace(report_story.METRICS, verdict=Verdict.PASS, findings=findings)

        assert deciding(report_story.told(gate))[1] == explained


def test_the_newest_run_may_be_one_of_gate_try(explain: Any, evidence: Evidence, tmp_path: Path) -> None:
    """The page says which it is of."""
    folder = tmp_path / ".gate" / "tries"
    for name in ("20200101-000000-00000000", "20990101-000000-00000000"):
        assert "of gate try" not in explain().stdout
        (folder / name).mkdir(parents=True)
        RunFolder(folder / name).keep_evidence(evidence)

    assert explain().stdout.startswith(f"run {evidence.run_id} of gate try  fraud version 7 does not pass")


def test_a_fail_that_another_run_may_turn_gets_one_advice(evidence: Evidence) -> None:
    """Beside a busy machine nobody hears that nothing but a better model helps."""
    gate = evidence.gates[0]
    finding = replace(next(each for each in gate.findings if each.verdict is Verdict.FAIL), remedy="run again")
    derivation = Derivation(evidence, gate, finding)

    assert not any("more rows will not" in sentence for sentence in derivation.flip_sentences)
    assert derivation.advice[:2] == [
        "run again", "where it fails then too, find out what changed here, and bring a candidate that is better",
    ]  # fmt: skip
