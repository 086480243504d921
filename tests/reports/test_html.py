"""The report as a page: complete in itself, harmless whatever it is fed, and drawn in a browser."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from helpers.mutated import examples
from helpers.report_evidence import EVIL, HOSTILE, METRICS, WHOLE, evidence, finding
from helpers.report_story import BR, PASSING, STOPPED
from lockgate.evaluation.command.reported import Measured, Reported, findings
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import FORMATS
from lockgate.reports.html.sections import _NAMED
from lockgate.reports.run_facts import cells

ROC = Exhibit(
    "metrics/roc",
    "curve",
    ("model", "false_positive_rate", "true_positive_rate"),
    tuple(
        (role, step / 399, (step / 399) ** power)
        for role, power in (("candidate", 0.5), ("champion", 0.2))
        for step in range(400)
    ),
)
ECDF = Exhibit(
    "metrics/ecdf-batch-1",
    "ecdf",
    ("model", "latency_ms", "share", "low", "high"),
    (("candidate", 1.0, 0.5, 0.4, 0.6), ("candidate", 20.0, 1.0, 0.9, 1.0), (HOSTILE, 10.0, 0.99, None, None)),
)
TIMELINE = Exhibit(
    "metrics/timeline-batch-1",
    "timeline",
    ("model", "block", "second", "median_ms", "longest_ms", "failed"),
    (
        ("candidate", 0, 0.0, 1.0, 2.0, 0),
        ("candidate", 0, 3.0, 1.0, 5.0, 0),
        ("candidate", 1, 1.0, 1.0, 900.0, 1),
        ("candidate", 1, 2.0, None, None, 4),
    ),
)


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page below each kind of tag."""

    VOID = frozenset(["meta", "input", "br", "path", "circle"])

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag] = self.texts.get(tag, "") + data


def page(about: Evidence) -> str:
    return FORMATS["html"].render(RunRecord(about))


def with_exhibits(tmp_path: Path, *exhibits: Exhibit) -> tuple[RunFolder, str]:
    """A run folder whose evidence declares them, and its page."""
    folder = RunFolder.new(tmp_path, "r")
    entries = [folder.keep_exhibit(exhibit) for exhibit in exhibits]
    return folder, FORMATS["html"].render(RunRecord(evidence(METRICS, exhibits=entries), lambda: folder.path))


def sliced(count: int, *, lines: int = 1) -> Evidence:
    """A gate with findings on so many slices, every seventh a failure."""
    findings = tuple(
        finding(
            id=f"metrics/r{line}/geo=G{number:03}",
            requirement=f"r{line}",
            slice={"geo": f"G{number:03}"},
            verdict=Verdict.PASS if number % 7 else Verdict.FAIL,
        )
        for line in range(lines)
        for number in range(count)
    )
    return evidence(replace(METRICS, findings=findings))


def test_the_page_says_what_the_markdown_says() -> None:
    """The same verdict, sentences, numbers, certainty and digests."""
    seen = html.unescape(re.sub(r"<[^>]*>", " ", page(WHOLE)))

    for sentence in (
        "fraud version 7 does not pass: shadow broke; metrics failed",
        "It blocks promotion until what broke is mended and the gates run again.",
        "auc on geo=BR is 0.8712, 0.0511 below the champion's 0.9223",
        "the model was killed",
        "moving house",
        "Chance of a wrong pass: at most 7.8 %.",
        WHOLE.digest,
    ):
        assert sentence in seen
    for result in METRICS.findings:
        shown = cells(result)
        assert all(
            text in seen
            for text in (shown.verdict, shown.value, shown.interval, shown.difference, shown.champion, shown.limit)
        )


def test_what_stopped_a_run_stands_first_and_in_the_head() -> None:
    """The worst finding's own sentence, then its gate; what passed is folded, and the links of the table still lead there."""
    document = page(STOPPED)
    head, _, body = document.partition('<main id="gates">')

    assert f'<p class="lead">{escape(BR.reason)}.</p>' in head
    assert re.findall(r'<section id="gate-(\d)"', body) == ["2", "3", "4", "1"]
    assert body.index("<details><summary>all 3 requirements met</summary>") > body.index('<section id="gate-1"')
    assert '<a href="#gate-1">signature</a>' in body
    assert re.findall(r'<section id="gate-(\d)"', page(PASSING)) == ["1", "2"]
    assert page(PASSING).count('class="lead"') == 1


def test_circumstances_are_said_in_words_with_four_figures() -> None:
    """What the evidence has to the last digit, under its own names; a version that looks like a number is left."""
    context = {
        "able_rps": {"candidate, batch 1": "58.16155682353229"}, "meanwhile": {"others_share": "0.817", "stolen_share": "0.001"},
        "python": "3.10",
    }  # fmt: skip
    document = page(evidence(replace(METRICS, context=context)))

    assert "<td>candidate, batch 1 58.16</td>" in document
    assert "answered a second, by a few requests beforehand" in document
    assert "share of all processor time 0.817, share that the host gave to other virtual machines 0.001" in document
    assert "<td>3.10</td>" in document


def test_a_gap_has_a_table_of_its_groups_by_both_models() -> None:
    """Those that are furthest apart stand out where the gap does not pass; against a number the champion has no column."""
    detail: dict[str, Any] = {"slices": {"F": "0.6123456", "M": "0.81"}, "pair": ["M", "F"], "pairs_compared": 2}
    beside = {**detail, "champion_slices": {"F": "0.7", "M": "0.8"}}
    gap, alone = (finding(subject="recall gap over sex", slice={}, detail=each) for each in (beside, detail))
    document, by_number = (
        page(evidence(replace(METRICS, findings=(gap,)))),
        page(evidence(replace(METRICS, findings=(alone,)))),
    )
    row = r"<tr[^>]*>\s*<th[^>]*>F</th>\s*<td>0.6123</td>\s*"

    assert re.search(row + r"<td>0.7</td>", document)
    assert re.search(row + r"</tr>", by_number)
    assert "pairs_compared" not in page(
        evidence(replace(METRICS, findings=(replace(gap, detail={**beside, "pair": 3}),)))
    )


def test_a_hostile_name_is_text_and_in_no_heading() -> None:
    """No tag, attribute, link or script is made of it, and no heading or title holds any of it."""
    document = page(EVIL)
    parsed, tame = Page(document), Page(page(evidence(*EVIL.gates[:0], METRICS)))

    assert document.count("<script") == 1
    assert {tag for tag, _ in parsed.tags} <= {tag for tag, _ in tame.tags} | {"pre", "em"}
    assert all(not name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", document)
    for tag in ("h1", "h2", "h3", "title"):
        assert "script" not in parsed.texts.get(tag, "")
        assert "@team" not in parsed.texts.get(tag, "")
    assert "<script>x</script>|`b` @team" in parsed.texts["td"]


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No address to fetch, and a policy that forbids it; style and script are named by their hashes."""
    parsed = Page(page(STOPPED))
    targets = [value for _, each in parsed.tags for name, value in each.items() if name in ("src", "href", "action")]
    (policy,) = [each["content"] for _, each in parsed.tags if each.get("http-equiv") == "Content-Security-Policy"]

    assert all(str(target).startswith("#") for target in targets)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [each for _, each in parsed.tags if "style" in each]
    assert "url(" not in page(STOPPED)


def test_every_table_has_a_caption_and_its_heads_a_scope() -> None:
    """A screen reader says what a cell belongs to, and every picture has words."""
    parsed = Page(page(STOPPED))
    counts = {tag: sum(each == tag for each, _ in parsed.tags) for tag in ("table", "caption", "h1")}

    assert counts["table"] == counts["caption"] > 2
    assert counts["h1"] == 1
    assert all(each.get("scope") for tag, each in parsed.tags if tag == "th")
    assert all(each.get("aria-label") or each.get("aria-hidden") for tag, each in parsed.tags if tag == "svg")


def test_slices_stand_in_a_forest_plot_failures_first() -> None:
    """Before what is undecided, and that before what passed."""
    forest = re.search(r'<table class="forest sorts">.*?</table>', page(STOPPED), re.DOTALL)

    assert forest is not None
    names = re.findall(r'<th scope="row">geography=(\w+)', forest[0])
    assert names[:3] == ["BR", "NG", "PT"]
    assert forest[0].count('class="limit" d=') == len(names)


def test_exhibits_are_drawn_with_their_numbers(tmp_path: Path) -> None:
    """A curve from end to end, latencies with their limit, and a stall as the longest request."""
    _, document = with_exhibits(tmp_path, ROC, ECDF, TIMELINE)

    paths = re.findall(r'class="(?:candidate|champion) line" d="([^"]*)"', document)
    assert [(line[:7], line[-6:]) for line in paths[:2]] == [("M52 246", "410 12")] * 2
    assert document.count("<figure>") == 3
    assert document.count('class="limit" d="M') == 2 + 2  # two slices were compared
    longest = re.sub(r"<[^>]*>", " ", document.rpartition("The longest requests")[2]).split()
    assert longest[7:12] == ["4", "candidate", "1", "900", "1"]  # block 1 begins when block 0 has ended
    assert "candidate: 4 failed" in document
    assert "limit of &lt;script&gt;" in document


CELLS = (
    st.none()
    | st.integers()
    | st.floats()
    | st.sampled_from(["0.5", "1e308", "-0.0", "5e-324", HOSTILE])
    | st.lists(st.none())
)


@examples(50)
@given(
    name=st.sampled_from(["x", "roc", *_NAMED]),
    kind=st.sampled_from(["curve", "ecdf", "timeline", "bars", "table"]),
    width=st.integers(0, 9),
    rows=st.lists(st.tuples(st.sampled_from(["candidate", "champion", HOSTILE]), *[CELLS] * 8), max_size=6),
)
@example(name="x", kind="table", width=0, rows=[("candidate", 1, 2, 3, 4, 5, 6, 7, 8)])
@example(name="fixes_and_breaks", kind="table", width=9, rows=[("overall", 0, 0, 0, 0, 0, "0.0", "0.0", "0.0")] * 2)
@example(name="lost_and_gained", kind="table", width=9, rows=[("a", 5, 1, 2, 1, 1, "0.2", "0.2", "0.2")] * 2)
@example(name="flips_by_slice", kind="table", width=6, rows=[("a", 5, 1, "0.2", "0.2", "0.2")] * 2)
@example(
    name="thresholds", kind="curve", width=8, rows=[("candidate", "0.5", None, "1e999", "-1e999", "0.1", "0.1", 1)]
)
def test_points_of_any_shape_stop_no_report(name: str, kind: Any, width: int, rows: list[tuple[Any, ...]]) -> None:
    """A picture is decoration: whatever strangers wrote in its place, the rest of the page is there, and well formed."""
    columns = ("model", "a", "b", "c", "d", "e", "f", "g", "h")[:width]
    exhibit = Exhibit(f"metrics/{name}", kind, columns, tuple(row[:width] for row in rows))

    class Record(RunRecord):
        def exhibit(self, name: str) -> Exhibit:
            return exhibit

    document = FORMATS["html"].render(
        Record(evidence(METRICS, exhibits=[{"name": f"metrics/{name}", "kind": kind, "sha256": "0"}]))
    )

    assert "It blocks promotion, and no approval changes that" in document
    assert not re.search(r'd="[^"]*(?:nan|inf)', document)


def test_an_altered_or_missing_exhibit_is_named(tmp_path: Path) -> None:
    """In the place of its picture."""
    folder, _ = with_exhibits(tmp_path, ROC)
    about = evidence(METRICS, exhibits=[{"name": "metrics/roc", "kind": "curve", "sha256": "sha256:0"}])

    for record in (RunRecord(about, lambda: folder.path), RunRecord(about)):
        assert "Pictures that cannot be drawn" in FORMATS["html"].render(record)


def test_a_gate_that_calls_its_own_context_broken_breaks_no_page() -> None:
    """`broken` is our word for a breakdown; a gate that uses it says what it likes."""
    own = replace(METRICS, context={"broken": True, "models": [1], "load": {"a": [None, {}]}})

    assert "Failed" in page(evidence(own))


def test_what_is_waived_looks_waived() -> None:
    """In the table of findings and in the plot of slices, and stands in nobody's way."""
    waiver = {
        "finding": "metrics/r1/geo=BR",
        "owner": "ann",
        "reason": "known",
        "until": "2026-12-01",
        "expired": False,
    }
    document = page(evidence(METRICS, waivers=[waiver]))

    assert "fail, waived" in document
    assert "<strong>fail</strong>" not in document
    assert '<tr class="waived"><th scope="row">geo=BR' in document


def test_five_hundred_slices_stay_a_small_page() -> None:
    """Within two megabytes, with every finding in the table and the worst ones in the plot."""
    document = page(sliced(500))

    assert len(document.encode()) < 500_000
    assert document.count("geo=G") == 500 + 40  # in the table, and in the plot
    assert "460 more slices, 32 of them no pass, in the table of findings" in document


def test_stored_evidence_makes_the_same_page() -> None:
    """Byte for byte, in whatever order a gate named what it measured under."""
    models = {"champion": {"versions": {"b": "2", "a": "1"}}, "candidate": {"versions": {"a": "1", "b": "3"}}}
    context = {"models": models, "requests": 10, "machine": {"system": "Linux", "cpus": 2}}
    about = evidence(replace(METRICS, context=context))

    document = page(about)
    packages = re.findall(r"<th scope=\"row\">([ab])</th>.*<td>(same|differs)</td>", document)

    assert document == page(Evidence.read(about.stored))
    assert packages == [("b", "differs"), ("a", "same")]


def test_a_command_is_shown_by_what_it_checked_and_by_what_ran() -> None:
    """Its output as text; no bars, since each of its findings has a scale of its own."""
    outcomes = [
        Reported("test", "serving::test_range", "fail", "assert 1.2 <= 1"),
        Reported("test", f"serving::{HOSTILE}", "pass"),
        Reported("finding", "drift", Measured(0.4, "<=", 0.3), slice=(("column", "amount"),)),
    ]
    gate = GateResult(
        "serving", "command", True, Verdict.FAIL, "it fails", (RequirementLine("r1", "failures <= 0"),),
        tuple(findings("serving", "r1", parse("failures <= 0"), outcomes)),
        {"command": {"run": ["pytest", "-q"], "exit_code": 1, "findings": {"j.xml": "sha256:f"}}, "output": f"last {HOSTILE}"},
    )  # fmt: skip
    record = RunRecord(evidence(gate))
    page, report = (FORMATS[name].render(record) for name in ("html", "md"))
    shown = html.unescape(page)

    for words in (
        "Findings of the command",
        "serving::test_range failed: assert 1.2 <= 1",
        "pytest, -q",
        "j.xml sha256:f",
    ):
        assert words in shown
    assert "Last lines of the process" in page
    assert "<svg" not in page.partition("Findings of the command")[0].partition("<main")[2]
    assert "| ❌ | finding=drift &amp; column=amount | 0.4 | &lt;= 0.3 | 1 check |" in report
    for text in (page, report):
        assert HOSTILE not in text
