"""Report for people as one HTML page that needs nothing but itself: no network, no file beside it.

Pictures are SVG from our own templates and not a plotting library's: they take the colours of the page, light or dark, their
text stays text, and a run does not wait seconds for an import.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lockgate.data.slices.names import id_words
from lockgate.evaluation.judging.run_certainty import certainty
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import run_facts
from lockgate.reports.blockers import pooled_slices, unproven_slices, unwaived_blockers, worst_blocker
from lockgate.reports.html.forest import forests
from lockgate.reports.html.owners_view import owners_view
from lockgate.reports.html.sections import SECTIONS, environments, figures
from lockgate.reports.waivers import idle_waivers
from lockgate.text import cut

_MOST_SIGNS = 2000  # of one text
_MOST_OPEN = 30  # findings that stand open
_STDERR_WIDTH = 300
_HEADING = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_HEADLINES = {"pass": "Passed", "inconclusive": "Not decided", "fail": "Failed", "error": "Broke"}


def render(record: RunRecord) -> str:
    """The whole report as HTML."""
    evidence = record.evidence
    waived = evidence.waived
    gates = [_gate(number, gate, record, waived) for number, gate in enumerate(evidence.gates, 1)]
    stopped = evidence.verdict is not Verdict.PASS
    worst = worst_blocker(evidence) if stopped else None
    return _environment().get_template("page.html").render(
        evidence=evidence,
        headline=_HEADLINES[evidence.verdict.value],
        sentence=run_facts.verdict_sentence(evidence),
        worst="" if worst is None else worst.reason,
        against=run_facts.compared_with(evidence),
        opens=run_facts.opens_sentence(evidence).replace("`", "'"),
        recorded=run_facts.recorded_words(evidence),
        gates=gates,
        # What stopped a run stands first; what passed beside it is folded, in the order of the pipeline.
        sections=sorted(gates, key=lambda gate: -gate["result"].verdict.rank) if stopped else gates,
        stopped=stopped,
        waivers=[waiver | {"finding": id_words(waiver["finding"])} for waiver in evidence.document.get("waivers") or ()],
        idle=[str(waiver) for waiver in idle_waivers(evidence)],
        certainty=certainty(evidence),
        basis=run_facts.basis(evidence),
        environment=environments(evidence.gates),
        facts=_run(evidence),
    )  # fmt: skip


def _gate(number: int, gate: GateResult, record: RunRecord, waived: set[str]) -> dict[str, Any]:
    """What the template shows of one gate. heading: its name where that is a plain word."""
    gate = run_facts.beside_champion(gate)
    view = owners_view(gate, record, waived)
    return {
        "number": number,
        "heading": gate.name if _HEADING.fullmatch(gate.name) else f"gate {number}",
        "result": gate,
        "waived": gate.name in waived,
        "blockers": list(unwaived_blockers(gate, waived)),
        "notes": [("no-harm check", sentence) for sentence in unproven_slices(gate)]
        + [("pooled", sentence) for sentence in pooled_slices(gate)],
        "stderr": [cut(line, _STDERR_WIDTH) for line in run_facts.last_lines(gate)],
        "view": view,
        "forests": list(forests(gate, waived)),
        "figures": [figure for figure in figures(gate, record) if view is None or figure != view.flips],
        "open": gate.kind not in SECTIONS and len(gate.findings) <= _MOST_OPEN,
        "findings": [
            (finding, run_facts.cells(finding, waived=is_waived), is_waived)
            for finding in run_facts.most_urgent_first(gate.findings)
            for is_waived in [finding.id in waived or gate.name in waived]
        ],
    }


def _run(evidence: Evidence) -> list[tuple[str, str]]:
    """When, where and from which commit a run was made, as far as the evidence says."""
    run = evidence.document.get("run") or {}
    git, finished = run.get("git") or {}, evidence.finished_at
    return [
        *([("finished", f"{finished:%Y-%m-%d %H:%M:%S} UTC")] if finished else []),
        *([("commit", f"{git['commit']}{' and changes' if git.get('dirty') else ''}")] if git.get("commit") else []),
        *(
            ("policy file", f"{file.get('path')} {file.get('sha256')}")
            for file in (evidence.document.get("policy") or {}).get("files") or ()
        ),
    ]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__name__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (Markup(_asset(name)) for name in ("page.css", "page.js"))  # noqa: S704  # our own files
    environment.globals |= {
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; base-uri 'none'; form-action 'none'",
        "verdicts": [*(str(verdict) for verdict in reversed(Verdict)), "waived"],
    }
    return environment


def _visible(value: Any) -> Any:
    """Every text that a template shows: on one line, no sign that does something, and no longer than a page bears."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if value.isprintable() and len(value) <= _MOST_SIGNS else cut(value, _MOST_SIGNS)
    return value


def _asset(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _source(content: str) -> str:
    """How a content security policy names what may stand inline (CSP level 3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
