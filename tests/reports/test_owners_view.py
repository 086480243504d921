"""What the owner of a model sees first of a replay."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.report_evidence import HOSTILE
from helpers.report_pictures import ANSWERS, FLIPS, REPLAY
from helpers.report_replay import ENTRY, SHADOW, replay
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import FORMATS


def view(about: Evidence, folder: Path) -> str:
    """Everything that it says, tags apart."""
    page = FORMATS["html"].render(RunRecord(about, lambda: folder))
    _, _, rest = page.partition('<div class="view">')
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", rest.partition("<h3>")[0])).split())


FACTS = {
    "candidate": "version 7, asked in this run",
    "champion": "version 6, recorded (score), and 300 of 5,000 rows that were asked again got the same: at most 0.99 % of all would not (95 % confidence)",
    "requests": "5,000, 12 not answered by the champion",
    "window": "2026-11-21 03:42 to 2026-11-28 03:40 UTC",
    "sampled": "10 % of the traffic",
    "records": "5,120, of which dropped 12 (damaged 3, truncated 9), late 4, duplicate 0, without an answer 12",
}


def test_it_says_who_answered_and_what_was_left_out(tmp_path: Path) -> None:
    """On the page, and as a list in Markdown."""
    about = replay(tmp_path)
    said, listed = view(about, tmp_path), FORMATS["md"].render(RunRecord(about, lambda: tmp_path))

    for what, words in FACTS.items():
        assert f"{what} {words}" in said
        assert f"* **{what}** {words}" in listed.replace("\\", "")


def test_it_shows_the_worst_slices_the_moved_inputs_and_five_flips(tmp_path: Path) -> None:
    """Of forty slices six, overall among them; of thirty features and twenty flips five each. The matrix stands there alone."""
    about = replay(tmp_path)
    said = view(about, tmp_path)

    assert "10 1 % 20 2 %" in said
    assert said.count("merchant_category=secon") == 5 + 5
    assert "… and 14 more below" in said
    assert said.count("days since the") == said.count("0.38–0.42 up to 30") == 5
    assert "Answers of both candidate champion" in said
    assert FORMATS["html"].render(RunRecord(about, lambda: tmp_path)).count("<strong>Flips</strong>") == 1


def test_answers_of_several_classes_are_shares(tmp_path: Path) -> None:
    """What one gained and another lost first."""
    points = (("billing", "billing", 60), ("billing", "fraud", 20), ("other", "other", 15), ("other", "fraud", 5))
    said = view(replay(tmp_path, replace(FLIPS, points=points)), tmp_path)

    assert "class candidate champion fraud 25 % 0 % billing 60 % 80 % other 15 % 20 %" in said


def test_numbers_have_no_flips_and_the_slices_of_the_worst_line(tmp_path: Path) -> None:
    """As it was judged: with verdicts, and the limit."""
    said = view(replay(tmp_path, ANSWERS), tmp_path)

    assert "Worst slices: auc >= champion - 0.03 ● candidate minus champion" in said
    assert "geo=BR fail" in said
    assert "Flips" not in said


@pytest.mark.parametrize("exhibit", REPLAY, ids=lambda exhibit: exhibit.name)
@pytest.mark.parametrize("points", [(), ((HOSTILE,) * 10,), (("x", 1),)])
def test_parts_that_cannot_be_drawn_are_left_out(
    tmp_path: Path, exhibit: Exhibit, points: tuple[tuple[str, ...], ...]
) -> None:
    """No report breaks on it, and no markup of it is one."""
    others = [other for other in REPLAY if other is not exhibit]
    page = FORMATS["html"].render(
        RunRecord(replay(tmp_path, replace(exhibit, points=points), *others), lambda: tmp_path)
    )

    assert '<div class="view">' in page
    assert "<script>x" not in page


@pytest.mark.parametrize(
    "entry", [None, {}, {"data": "traffic"}, ENTRY | {"answered": {"nobody": "x"}}, ENTRY | {"thresholds": 3}]
)
def test_evidence_of_another_shape_stops_no_report(tmp_path: Path, entry: object) -> None:
    """Whoever wrote it."""
    shadow = replace(SHADOW, context={"replayed": entry})

    for name in ("html", "md"):
        assert FORMATS[name].render(RunRecord(replay(tmp_path, ANSWERS, shadow=shadow), lambda: tmp_path))
