"""The pictures of a gate's exhibits: what they say in words and numbers, beside what they draw."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

from helpers.report_evidence import METRICS, evidence
from helpers.report_pictures import CHANGES, CONFUSIONS, FIXES, FLIPS, FOUND, RATES, RELIABILITY, ROC, THRESHOLDS
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import FORMATS


def words(tmp_path: Path, *exhibits: Exhibit) -> str:
    """Everything that the page says, tags apart."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page(tmp_path, *exhibits))).split())


def page(tmp_path: Path, *exhibits: Exhibit) -> str:
    folder = RunFolder.new(tmp_path, "r")
    entries = [folder.keep_exhibit(exhibit) for exhibit in exhibits]
    others = [GateResult(name, name, True, METRICS.verdict, "failed") for name in ("shadow", "signature")]
    return FORMATS["html"].render(RunRecord(evidence(METRICS, *others, exhibits=entries), lambda: folder.path))


def test_the_operating_point_is_a_dot_and_stands_in_the_table(tmp_path: Path) -> None:
    """Of each model, at its own threshold."""
    document = page(tmp_path, ROC, THRESHOLDS)
    said = words(tmp_path, ROC, THRESHOLDS)

    assert "<title>candidate at its threshold 0.42</title>" in document
    assert "<title>champion at its threshold 0.5</title>" in document
    assert "● threshold in use 0.42 0.5 ● its false positive rate 0.05 0.02 ● its recall 0.55 0.45" in said


def test_each_metric_is_drawn_against_the_threshold(tmp_path: Path) -> None:
    """Four small charts with both thresholds upright, and a table in which the one in use stands out."""
    document, said = page(tmp_path, THRESHOLDS), words(tmp_path, THRESHOLDS)

    assert document.count('viewBox="0 0 272 178"') == 4
    assert document.count('class="candidate upright"') == document.count('class="champion upright"') == 4
    assert "candidate 0.42, ● in use, highest F1 0.6 0.55 0.57 0.1 0.05" in said
    assert "candidate 0.8 – 0 0 0 0" in said  # no row is positive there


def test_class_labels_have_no_other_threshold(tmp_path: Path) -> None:
    """What they decide stands in the table, and nothing is drawn."""
    points = tuple(point for point in THRESHOLDS.points if point[-1] == 1)
    document, said = (
        page(tmp_path, replace(THRESHOLDS, points=points)),
        words(tmp_path, replace(THRESHOLDS, points=points)),
    )

    assert "candidate 0.42, ● in use 0.6 0.55 0.57 0.1 0.05" in said
    assert 'viewBox="0 0 272 178"' not in document


def test_reliability_has_a_diagonal_and_an_interval_a_bin(tmp_path: Path) -> None:
    """Both models on one scale that ends where the bins do."""
    document, said = page(tmp_path, RELIABILITY), words(tmp_path, RELIABILITY)

    assert re.search(r'class="candidate whisker" d="M\S+ \S+V\S+M\S+ \S+V\S+"', document)
    assert 'class="chance line" d="M52 246L410 12"' in document
    assert "candidate 0.3 0.15 0.12–0.18 500" in said


def test_fixes_and_breaks_say_the_net_overall_and_by_slice(tmp_path: Path) -> None:
    """In one sentence, in four cells, and as intervals against no change."""
    said = words(tmp_path, FIXES)

    assert "The candidate fixes 150 and breaks 320 of 5,000 rows: −3.4 % net (90 % interval −4.1 % to −2.7 %)" in said
    assert "candidate right 4,200 84 % 150 3 % candidate wrong 320 6.4 % 330 6.6 %" in said
    assert "amount_band=[50,200) +20 −190 −18.9 % −21.5 % to −16.3 % 900" in said


def test_many_slices_are_drawn_in_part_and_listed_in_full(tmp_path: Path) -> None:
    """Those that surely lose most first; a net that differs from the counts says that it is by weight."""
    overall = ("all rows", 5000, 4200, 150, 320, 330, -0.05, -0.06, -0.04)
    slices = tuple((f"shop=S{n:02}", 100, 80, 5, 5, 10, 0.0, -0.05, 0.05) for n in range(50))
    document = page(tmp_path, replace(FIXES, points=(overall, *slices)))
    said = words(tmp_path, replace(FIXES, points=(overall, *slices)))

    assert "−5 % net by weight (90 % interval" in said
    assert "… and 30 more slices in the table below." in said
    assert document.count("shop=S49") == 1
    assert document.count("shop=S01") == 2


def test_which_class_is_taken_for_which_is_named_counted_and_shaded(tmp_path: Path) -> None:
    """Recall of both by class, each mix-up that grew, and all pairs of few classes, in the order of numbers."""
    document, said = page(tmp_path, CONFUSIONS), words(tmp_path, CONFUSIONS)

    assert "9 78 0.5128 0.9359 −0.4231 16.1 % 29.3 % 8 81 0.9259 0.9136 +0.0123 44.2 % 30.5 %" in said
    assert "Mix-ups that grew most: 9 answered as 8: 2 → 35 rows" in said
    assert "9 answered as 8 2 35 +33 78" in said
    assert "8 answered as 10" not in said
    assert "answered 8 answered 9 answered 10 class 8 75 +1 0 −1 6 ±0 class 9 35 +33 40 −33 3 ±0" in said
    assert '<td class="bad">35 <small>+33</small>' in document
    assert '<td class="good faint">75 <small>+1</small>' in document


def test_of_many_classes_those_that_lost_most_stand_open_without_a_matrix(tmp_path: Path) -> None:
    """All of them are folded below; every mix-up stands open."""
    names = [f"c{number:02}" for number in range(40)]
    recalls = tuple(("recall", name, "", 50, 0.5 + number / 100, 0.9) for number, name in enumerate(names))
    shares = tuple(("share", "", name, 2000, 0.025, 0.025) for name in names)
    pairs = tuple(("rows", name, "c39", 50, 25 - number, 1) for number, name in enumerate(names[:20]))
    exhibit = replace(CONFUSIONS, points=(*recalls, *shares, *pairs))
    document, said = page(tmp_path, exhibit), words(tmp_path, exhibit)

    assert "Recall by class, the 12 of 40 classes that lost most" in said
    assert '<details class="whole"><summary>Recall by class, all of them' in document
    assert '<details class="whole" open><summary>Mix-ups that grew most: c00 answered as c39: 1 → 25 rows' in document
    assert "Answers by class" not in said


def test_flips_say_from_which_class_to_which_and_where(tmp_path: Path) -> None:
    """As a matrix and by slice."""
    said = words(tmp_path, FLIPS, RATES)

    assert "80 of 1,000 requests that both answered are decided otherwise (8 %)" in said
    assert "champion negative 900 90 % 70 7 % champion positive 10 1 % 20 2 %" in said
    assert "country=BR 40 40 % 31 % to 49 % 100" in said


def test_what_is_lost_is_shown_by_slice(tmp_path: Path) -> None:
    """With its interval, and the flip matrix of each."""
    columns = ("slice", "requests", "kept", "lost", "gained", "neither", "lost_rate", "low", "high")
    points = (("overall", 1000, 20, 10, 70, 900, 0.3333, 0.19, 0.5), ("country=BR", 100, 0, 8, 2, 90, 1.0, 0.69, 1.0))
    said = words(tmp_path, Exhibit("shadow/lost_and_gained", "table", columns, points))

    assert "Lost and gained" in said
    assert "country=BR −8 +2 100 % 69 % to 100 % 8" in said
    assert "country=BR 100 0 8 2 90" in said


def test_features_that_moved_and_the_mix_of_slices_are_drawn(tmp_path: Path) -> None:
    """With their intervals, where a feature is farthest apart, and both shares of a slice."""
    moved = ("age", 9000, 0.1441, 0.1045, 0.1598, "up to 50", 0.8006, 0.6565, 0.0, 0.01, 0.0)
    heads = (
        "feature", "rows of the traffic", "distance", "at least", "at most", "farthest apart", "share", "share of the traffic",
        "missing", "missing in the traffic", "new values",
    )  # fmt: skip
    mix = ("slice", "rows", "rows of the traffic", "share", "share of the traffic", "difference", "low", "high")
    said = words(
        tmp_path,
        Exhibit("shadow/moved_features", "table", heads, (moved,)),
        Exhibit("shadow/slice_mix", "table", mix, (("country=LU", 3, 310, 0.0003, 0.031, 0.0307, 0.028, 0.034),)),
    )

    assert "age up to 50 14.4 % 10.4 % to 16 % 9,000" in said
    assert "country=LU 0.03 % → 3.1 % +3.07 % +2.8 % to +3.4 % 310" in said


def test_many_classes_are_listed_by_flips(tmp_path: Path) -> None:
    """A matrix of a thousand cells says nothing."""
    points = tuple((f"c{one}", f"c{other}", 5 + one) for one in range(13) for other in range(13))
    said = words(tmp_path, Exhibit("shadow/flips", "table", ("champion", "candidate", "requests"), points))

    assert "champion candidate requests share c12 c0 17" in said


def test_the_signature_is_a_diff(tmp_path: Path) -> None:
    """With what it means for callers."""
    said = words(tmp_path, CHANGES)

    assert "− input amount removed double – breaks callers + input channel added optional – string harmless" in said


def test_found_slices_say_that_nobody_judged_them(tmp_path: Path) -> None:
    """And by which loss, of how many."""
    search = {"found_slices": {"loss": "brier", "searched": 42}}
    folder = RunFolder.new(tmp_path, "r")
    gate = replace(METRICS, context=search)
    record = RunRecord(evidence(gate, exhibits=[folder.keep_exhibit(FOUND)]), lambda: folder.path)
    said = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", FORMATS["html"].render(record)).split()))

    assert "Slices that lose most, of 42 searched after the fact; none is judged" in said
    assert "country=BR & channel=web 120 0.2 0.1 0.1 0.05 0.01" in said


def test_a_table_with_a_sentence_in_a_cell_has_the_width_of_the_page(tmp_path: Path) -> None:
    """Half of the page would hide its end behind a scrollbar, which nobody sees in a picture or on paper."""

    def problems(text: str) -> str:
        head = ("counted as", "file", "byte", "problem")
        return page(
            tmp_path, Exhibit("metrics/problems", "table", head, (("unsafe files", "'model.pkl'", "208", text),))
        )

    assert '<details class="whole" open><summary>Problems' in problems(
        "holds code of its own: cloudpickle._make_function"
    )
    assert "<details open><summary>Problems" in problems("is code")
