"""Report as JUnit XML, one suite a gate and one case a finding, for CI pages that show tests."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from xml.etree import ElementTree as Xml

from lockgate.evaluation.parity.recording import recorded_in, sentence
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord

# Passes by the weaker no-harm claim: their sentence says how large a loss would go unseen, and must be read.
_NO_HARM = ("watched", "no_loss_seen")
# What XML 1.0 does not hold, and what ends a line or turns the direction of text on a page.
_NOT_XML = re.compile(
    "[^\t\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def render(record: RunRecord) -> str:
    """A testsuites document. fail → failure; error and inconclusive → error, because neither is a pass.

    What is waived, and what a gate finds that does not count, is skipped, with its verdict.
    """
    evidence = record.evidence
    recorded = recorded_in(evidence.document)
    root = Xml.Element("testsuites", name=_clean(f"{evidence.model} {evidence.candidate['version']}"))
    for gate in evidence.gates:
        _suite(
            root,
            gate,
            evidence.waived,
            [sentence(recorded[name], name) for name in _recorded_of(gate) if name in recorded],
        )
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _recorded_of(gate: GateResult) -> list[str]:
    """Names of the data whose recorded answers the gate rests on."""
    names = gate.context.get("recorded")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _suite(root: Xml.Element, gate: GateResult, waived: Collection[str], recorded: Sequence[str]) -> None:
    suite = Xml.SubElement(root, "testsuite", name=_clean(gate.name))
    cases = [(finding.id, finding.verdict, finding.code, finding.reason, finding.remedy) for finding in gate.findings]
    if not cases or gate.verdict is Verdict.ERROR:
        cases.append((gate.name, gate.verdict, gate.verdict.value, gate.reason, None))
    tally = {"failures": 0, "errors": 0, "skipped": 0}
    for name, verdict, code, reason, remedy in cases:
        case = Xml.SubElement(suite, "testcase", classname=_clean(gate.name), name=_clean(name))
        text = reason if remedy is None else f"{reason}\n{remedy}"
        if verdict is Verdict.PASS:
            if code in _NO_HARM:
                Xml.SubElement(case, "system-out").text = _clean(reason)
            continue
        is_waived = name in waived or gate.name in waived
        skipped = is_waived or not gate.counts
        kind = "skipped" if skipped else "failure" if verdict is Verdict.FAIL else "error"
        tally[{"skipped": "skipped", "failure": "failures", "error": "errors"}[kind]] += 1
        message = f"{'waived: ' if is_waived else ''}{verdict}: {reason}"
        Xml.SubElement(case, kind, message=_clean(message), type=_clean(code)).text = _clean(text)
    if recorded:
        Xml.SubElement(suite, "system-out").text = _clean("\n".join(recorded))
    suite.set("tests", str(len(cases)))
    for name, count in tally.items():
        suite.set(name, str(count))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
