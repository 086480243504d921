"""The page as people open it: in a browser, from a file, at the width of a desk, of a tablet and of a telephone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.browser import Browser, Page
from helpers.hub.programs import laid_down
from helpers.picture import chromium
from helpers.report_evidence import EVIL, HOSTILE, METRICS, WHOLE, evidence, finding
from helpers.report_pictures import PICTURES
from helpers.report_replay import SHADOW, SHIFT, replay
from helpers.report_story import LATENCY, METADATA, SIGNATURE
from helpers.report_story import METRICS as STORY
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import FORMATS

WIDTHS = (390, 768, 1280)
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
BEHAVIOUR = """(() => {
  const table = document.querySelector(".findings table"), head = table.tHead.rows[0].cells[7];
  const rows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const numbers = () => rows().map((row) => Number(row.cells[7].dataset.v));
  const names = () => rows().map((row) => row.cells[1].textContent.trim());
  const seen = {};
  head.querySelector("button").click(); seen.up = numbers();
  head.querySelector("button").click(); seen.down = numbers(); seen.sorted = head.getAttribute("aria-sort");
  const [text, verdict] = ["input", "select"].map((name) => document.querySelector(".filter " + name));
  const set = (field, value) => { field.value = value; field.dispatchEvent(new Event("input", { bubbles: true })); };
  set(text, "geo=br"); seen.filtered = names();
  set(text, ""); set(verdict, "fail"); seen.failed = names();
  set(verdict, "waived"); seen.waived = names();
  return seen;
})()"""
# Rules of WCAG 2.2 and good practice; what is unsure is no violation.
AXE = """axe.run(document, { resultTypes: ["violations"] }).then((seen) => ({ passed: seen.passes.length, violations: seen.violations.map(
  (each) => `${each.impact}: ${each.id}: ${each.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")}`) }))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("Chromium is not installed here: apt-get install chromium")
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()


def page(browser: Browser, about: Evidence, folder: Path) -> Page:
    return Page(browser, FORMATS["html"].render(RunRecord(about, lambda: folder)), folder / "report.html")


def illustrated(folder: Path, **more: Any) -> Evidence:
    """A run of every kind of gate, with every kind of picture."""
    kept = RunFolder(folder)
    entries = [kept.keep_exhibit(exhibit) for exhibit in PICTURES]
    return evidence(SIGNATURE, METADATA, STORY, LATENCY, SHADOW, SHIFT, exhibits=entries, **more)


def test_it_sorts_and_filters_and_complains_of_nothing(browser: Browser, tmp_path: Path) -> None:
    """Under its own policy: a click on a head sorts up and down, words and verdicts filter, nothing else is fetched."""
    waiver = {
        "finding": "metrics/r1/geo=XX",
        "owner": "ann",
        "reason": "known",
        "until": "2026-12-01",
        "expired": False,
    }
    opened = page(browser, evidence(METRICS, waivers=[waiver]), tmp_path)
    seen = opened.value(BEHAVIOUR)

    assert opened.complaints == []
    assert opened.requests == [(tmp_path / "report.html").as_uri()]
    assert seen["up"] == sorted(seen["up"])
    assert seen["down"] == sorted(seen["down"], reverse=True)
    assert seen["sorted"] == "descending"
    assert seen["filtered"] == ["geo=BR"]
    assert seen["failed"] == ["geo=BR"]
    assert seen["waived"] == ["geo=XX"]


def test_it_fits_every_screen_by_day_and_by_night(browser: Browser, tmp_path: Path) -> None:
    """Unfolded, with every picture: nothing makes it scroll sideways, and the night is dark."""
    opened = page(browser, illustrated(tmp_path), tmp_path)
    opened.value(UNFOLD)
    grounds = {}
    for width in WIDTHS:
        for dark in (False, True):
            opened.show(width=width, dark=dark)
            taken = opened.screenshot()
            assert taken.startswith(b"\x89PNG")
            assert struct.unpack(">I", taken[16:20]) == (width,)
            assert opened.value(SIDEWAYS) == 0, width
            grounds[dark] = opened.value("getComputedStyle(document.body).backgroundColor")

    assert grounds == {False: "rgb(255, 255, 255)", True: "rgb(13, 17, 23)"}
    assert opened.complaints == []
    assert opened.value("document.body.innerText.includes('cannot be drawn')") is False


def test_who_cannot_see_it_can_read_it(browser: Browser, tmp_path: Path) -> None:
    """axe-core finds nothing, by day and by night, on a wide screen and on a narrow one."""
    folder, _ = laid_down()
    axe = (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    opened = page(browser, illustrated(tmp_path), tmp_path)
    opened.value(UNFOLD)
    opened.value(axe)
    for width, dark in ((1280, False), (1280, True), (390, True)):
        opened.show(width=width, dark=dark)
        checked = opened.value(AXE)
        assert checked["violations"] == []
        assert checked["passed"] > 20


def test_the_owners_view_fits_one_screen(browser: Browser, tmp_path: Path) -> None:
    """With its heading and what stands in the way, at its fullest; nothing in it scrolls sideways."""
    opened = page(browser, replay(tmp_path), tmp_path)
    opened.show(width=1280, dark=False)
    view = "document.querySelector('.view')"

    assert (
        opened.value(f"{view}.getBoundingClientRect().bottom - {view}.closest('section').getBoundingClientRect().top")
        < 900
    )
    assert (
        opened.value(
            f"[...{view}.querySelectorAll('.wide')].filter((each) => each.scrollWidth > each.clientWidth).length"
        )
        == 0
    )
    assert opened.value(f"{view}.querySelectorAll('svg path.line').length") == 2


def test_a_name_that_wants_to_be_more_is_text(browser: Browser, tmp_path: Path) -> None:
    """Markup, control characters, turned text, and ten thousand letters: shown, harmless, and no wider than the screen."""
    long = finding(id="metrics/r1/geo=long", slice={"geo": "x" * 10_000}, reason="y" * 10_000, subject="z" * 10_000)
    about = evidence(
        *EVIL.gates, replace(METRICS, name="long", findings=(long,)), model={**WHOLE.document["model"], "name": HOSTILE}
    )
    opened = page(browser, about, tmp_path)
    opened.value(UNFOLD)

    assert opened.complaints == []
    assert opened.value("document.scripts.length") == 1
    assert "<script>x</script>|`b` @team" in opened.value("document.querySelector('.facts dd').innerText")
    assert (
        opened.value(r"/[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)") is False
    )
    assert (
        opened.value(
            "Math.max(...[...document.querySelectorAll('td, th, li, p')].map((each) => each.innerText.length))"
        )
        <= 4_500
    )
    for width in WIDTHS:
        opened.show(width=width, dark=False)
        assert opened.value(SIDEWAYS) == 0, width
