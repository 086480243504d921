"""What the comment of a pull request remembers of how often a holdout was evaluated there."""

from __future__ import annotations

import pytest

from helpers.promoting import evidence
from lockgate.evidence.evaluations import Evaluation
from lockgate.evidence.evidence import Evidence
from lockgate.integrations.github.pull_request_evaluations import counted_line, evaluations_so_far, hidden_line

ROWS = "sha256:" + "a" * 64


def evaluated(name: str = "holdout", *, id: str = "1", counted: int = 1, rows: str | None = ROWS) -> Evidence:
    document = evidence().document
    entry = {"rows": rows, "id": id, "counted": counted, "unknown": "unrecorded"}
    run = {**document["run"], "looks": {name: None}, "evaluations": {name: entry}}
    return Evidence.from_document({**document, "run": run})


def test_each_push_adds_its_own() -> None:
    """The same models again are the same evaluation, and what was published before comes on top."""
    body = ""
    for number in ("1", "2", "2", "3"):
        so_far = evaluations_so_far(body, evaluated(id=number, counted=3))
        body = f"<!-- marker -->\n{hidden_line(so_far)}### The rest"

    assert [each.id for each in so_far] == ["1", "2", "3"]
    assert counted_line(evaluated(id="3", counted=3), so_far) == (
        "\n<sub>Evaluated at least: holdout 5 times, 3 of them on this pull request.</sub>\n"
    )


def test_the_first_evaluation_needs_no_word() -> None:
    """Nor does evidence without any, whose comment remembers none."""
    first = evaluated()

    assert counted_line(first, evaluations_so_far("", first)) == ""
    assert counted_line(evidence(), ()) == hidden_line(()) == ""


@pytest.mark.parametrize("name", ["--> ~ <b>", "a--b", "é\n"])
def test_names_do_not_come_out_of_hiding(name: str) -> None:
    """Whatever evidence that somebody forged calls its data."""
    other = Evaluation(name, None, "2")
    hidden = hidden_line(evaluations_so_far("", evaluated(name)))

    assert hidden.count("--") == hidden.count("<!--") + hidden.count("-->") == 2
    assert hidden.count("\n") == 1
    assert evaluations_so_far(hidden, None) == (Evaluation(name, ROWS, "1"),)
    assert "<b>" not in counted_line(evaluated(name), (other,))


@pytest.mark.parametrize("text", ["%5B%7B", "7", "%5B7%5D", "%FF"])
def test_a_line_that_cannot_be_read_is_none(text: str) -> None:
    """The count is the least that there were."""
    assert evaluations_so_far(f"<!-- lockgate/evaluations {text} -->", None) == ()
