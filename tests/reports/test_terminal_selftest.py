"""The page of a self-test, wide and narrow."""

from __future__ import annotations

from typing import Any

from lockgate.reports.terminal_layout import Medium
from lockgate.reports.terminal_selftest import selftest_page


def defect(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("gate", "finding", "line", "remedy"))
    return {"name": name, "outcome": outcome, "planted": f"it is {name}", "reason": "so it is", **empty, **more}


DOCUMENT = {
    "model": "fraud",
    "candidate": "3",
    "champion": "3",
    "beside_itself": True,
    "silent_gates": {"shadow": "fail on the copy without a defect: too many flips"},
    "defects": [
        defect("labels", "stopped", gate="metrics", line="auc >= 0.8"),
        defect("nan", "stopped", gate="metrics"),
        defect("slow", "not stopped", remedy="add - gate: latency to gates"),
        defect("environment", "does not apply"),
    ],
}


def test_the_page_says_what_stopped_each_defect_and_what_to_write_where_nothing_did() -> None:
    """Under it how many of those that apply are stopped."""
    assert selftest_page(DOCUMENT, Medium(width=100)).plain.splitlines() == [
        "fraud: copies of version 3 against itself",
        "warning  shadow: fail on the copy without a defect: too many flips",
        "",
        "defect       outcome         by",
        "labels       stopped         metrics: auc >= 0.8",
        "  it is labels",
        "  so it is",
        "nan          stopped         metrics: ends in error",
        "  it is nan",
        "  so it is",
        "slow         not stopped     nothing",
        "  it is slow",
        "  so it is",
        "environment  does not apply  –",
        "  it is environment",
        "  so it is",
        "",
        "warning  nothing stops it: it is slow",
        "         add - gate: latency to gates",
        "",
        "2 of 3 defects that apply are stopped.",
        "Nothing was registered or published.",
    ]


def test_a_narrow_terminal_gets_sentences_in_signs_that_it_has() -> None:
    """No line is wider, and no dash is one that an ASCII terminal lacks."""
    page = selftest_page(DOCUMENT, Medium(width=40, encoding="ascii")).plain

    assert max(map(len, page.splitlines())) <= 40
    assert page.isascii()
    assert "slow: not stopped" in page


def test_where_no_gate_passes_the_copy_the_page_names_the_way_out() -> None:
    """Nothing was planted then."""
    page = selftest_page(DOCUMENT | {"defects": []}, Medium()).plain

    assert "name a version that passes with --candidate" in " ".join(page.split())
