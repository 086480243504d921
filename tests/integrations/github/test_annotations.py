"""What a pipeline's lines show beside them on GitHub."""

from __future__ import annotations

import re
from dataclasses import replace

from helpers.report_evidence import EVIL
from helpers.report_story import LATENCY, METADATA, METRICS, NEARLY, SIGNATURE, STOPPED, told
from lockgate.evidence.evidence import GateResult, RequirementLine
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.annotations import render

ANNOTATIONS = """\
::error file=gates/fraud.yaml,line=31,title=metrics%3A average_precision >= champion - 0.03 on each slice::\
average_precision on geography=BR is 0.771, 0.0512 below the champion's 0.8222; and 2 more
::error file=gates/fraud.yaml,line=36,title=latency%3A p99_ms <= champion * 1.10::\
p99_ms is 48.9 ms, 1.567 times the champion's 31.2 ms (90 %25 interval 1.44–1.69); at most 1.1 times is allowed
::warning file=gates/fraud.yaml,title=metadata::the version has no description
"""


def test_a_requirement_that_is_not_met_is_told_at_its_line() -> None:
    """Its worst finding and how many more; what does not count is a warning."""
    assert render(RunRecord(STOPPED)).splitlines() == ANNOTATIONS.splitlines()


def test_what_is_undecided_is_a_warning() -> None:
    """It is no failure, and it blocks all the same."""
    assert re.match(r"::warning file=gates/fraud.yaml,line=31,", render(RunRecord(told(NEARLY))))


def test_nothing_is_told_of_what_is_waived() -> None:
    """The next finding of its line is, and of a waived gate none."""
    names = [result.id for result in METRICS.findings if result.verdict is not Verdict.PASS]
    waivers = [
        {"finding": name, "owner": "ann", "reason": "known", "until": "2026-12-01"} for name in (*names[:2], "latency")
    ]
    shown = render(RunRecord(told(METRICS, LATENCY, waivers=waivers))).splitlines()

    assert [line.partition("::average_precision on ")[2][:12] for line in shown] == ["geography=PT"]


def test_nothing_is_told_of_a_pass() -> None:
    """Also of one that is only watched."""
    assert render(RunRecord(told(SIGNATURE))) == ""


def test_github_shows_ten_of_a_level() -> None:
    """The last of them says how many more there are."""
    lines = tuple(RequirementLine(f"r{number}", f"auc >= 0.{number}", 0, number) for number in range(1, 31))
    bad = [replace(METRICS.findings[2], requirement=one.id, id=f"metrics/{one.id}/overall") for one in lines]
    gate = replace(METRICS, requirements=lines, findings=tuple(bad))
    shown = render(RunRecord(told(gate, LATENCY, *[METADATA] * 12))).splitlines()

    assert [line.split(" ")[0] for line in shown] == ["::error"] * 10 + ["::warning"] * 10
    assert shown[9] == "::error title=lockgate::22 more; see the job summary"
    assert shown[19] == "::warning title=lockgate::3 more; see the job summary"


def test_a_line_of_another_file_is_told_there() -> None:
    """Where the requirement was written, which may be what the pipeline extends."""
    gate = replace(LATENCY, requirements=(RequirementLine("r1", "p99_ms <= champion * 1.10", 1, 4),))
    files = [{"path": "gates/fraud.yaml"}, {"path": "gates/base.yaml"}]

    assert "file=gates/base.yaml,line=4," in render(RunRecord(told(gate, policy={"sha256": "x", "files": files})))


def test_a_broken_gate_is_told_with_what_to_do() -> None:
    """At the pipeline, where no line of it is to blame."""
    gate = GateResult(
        "shadow", "shadow", True, Verdict.ERROR, "the model was killed", context={"broken": {"remedy": "more memory"}}
    )

    assert (
        render(RunRecord(told(gate)))
        == "::error file=gates/fraud.yaml,title=shadow::the model was killed; more memory\n"
    )


def test_a_hostile_text_is_one_command() -> None:
    """Whatever a name holds, each line is one annotation of ours."""
    shown = render(RunRecord(EVIL)).splitlines()

    assert len(shown) == 1
    assert re.fullmatch(r"::(error|warning) ([a-z]+=[^,:\n]*,)*[a-z]+=[^,:\n]*::[^\n\r]*", shown[0])
