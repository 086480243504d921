"""Every metric is scikit-learn's on every slice that is judged, for both models, and where it does not exist the gate says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.oracles import ORACLES, lacking
from lockgate.evaluation.judging.number_format import counted_words
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evidence.finding import Finding, Verdict
from lockgate.testing import run_gate

REL = {"actual_expected": 1e-7, "gini": 1e-10}  # of sums that may nearly cancel
PLACES = ("EU", "US", "BR")
Table = dict[str, Any]


def line(name: str) -> str:
    """A line that both models' values are needed for."""
    limit = "<= champion + 0.1" if SUBJECTS[name].better == "lower" else ">= champion - 0.1"
    return f"{name} {limit}"


def names(task: str) -> list[str]:
    return [name for name, subject in SUBJECTS.items() if task in subject.tasks and name in ORACLES]


def scores(draw: st.DrawFn, kind: st.SearchStrategy[float], rows: int) -> np.ndarray[Any, Any]:
    return np.array(draw(st.lists(kind, min_size=rows, max_size=rows)), float)


@st.composite
def tables(draw: st.DrawFn, task: str) -> Table:
    """Rows of three places: labels of one class or two, scores with ties, none, or all the same; weights, also of zero."""
    rows = draw(st.integers(3, 50))
    if task == "binary":
        labels: Any = np.array(draw(st.lists(st.sampled_from([0, 0, 1]), min_size=rows, max_size=rows)))
        kinds = [st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1), st.just(0.3)]
    else:
        numbers = st.floats(-100, 100).map(lambda value: round(value, 3))
        labels = scores(draw, draw(st.sampled_from([numbers, st.sampled_from([1.0, 2.0])])), rows)
        kinds = [numbers, st.sampled_from([-1.0, 0.0, 1.5]), st.just(0.3)]
    place = np.array(draw(st.lists(st.sampled_from(PLACES), min_size=rows, max_size=rows)))
    if draw(st.booleans()):  # one place knows one label only
        labels = np.where(place == "BR", labels[0], labels)
    made = {
        "label": labels,
        "candidate": scores(draw, draw(st.sampled_from(kinds)), rows),
        "champion": scores(draw, draw(st.sampled_from(kinds)), rows),
        "geo": place,
    }
    weights = draw(st.none() | st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=rows, max_size=rows))
    return made if weights is None else {**made, "w": np.array(weights, float)}


def asked(table: Table, task: str, metrics: list[str]) -> list[Finding]:
    require = [text for name in metrics for text in (line(name), f"{line(name)} on each slice")]
    return list(
        run_gate(
            "metrics", table=table, task=task, require=require, slices=["geo"], weight="w" if "w" in table else None
        ).findings
    )  # fmt: skip


def held(one: Finding, table: Table, task: str) -> None:
    """One finding against scikit-learn on the same rows."""
    place = one.slice.get("geo")
    inside = np.ones(table["geo"].size, bool) if place is None else table["geo"] == place
    labels = table["label"][inside].astype(bool) if task == "binary" else table["label"][inside]
    weights = table["w"][inside] if "w" in table else None
    first, second = table["candidate"][inside], table["champion"][inside]
    missing = lacking(one.subject, labels, first, weights)
    if missing is None:
        expected = ORACLES[one.subject](labels, first, weights)
        assert one.observed == pytest.approx(expected, rel=REL.get(one.subject, 1e-12), abs=1e-12), one.id
    else:
        assert one.observed is None, one.id
    of_champion = lacking(one.subject, labels, second, weights)
    if missing is None and of_champion is None:
        expected = ORACLES[one.subject](labels, second, weights)
        assert one.champion == pytest.approx(expected, rel=REL.get(one.subject, 1e-12), abs=1e-12), one.id
        return
    code = missing or of_champion
    assert (one.verdict, one.code, one.decided) == (Verdict.INCONCLUSIVE, code, None), one.id
    assert "nan" not in one.reason
    assert one.reason.endswith(f"({counted_words(int(inside.sum()))})")


@pytest.mark.parametrize("task", ["binary", "regression"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_gate_measures_what_scikit_learn_measures(task: str, data: st.DataObject) -> None:
    """Overall and by slice, with weights; a metric that is not there is inconclusive with its reason, never a number."""
    table = data.draw(tables(task))

    for one in asked(table, task, names(task)):
        held(one, table, task)


def test_no_metric_is_left_out() -> None:
    """What scikit-learn has not is held to a definition of its own, beside its family."""
    own = {"broken_rate", "calibration_error", "fixed_rate", "quantile_loss", "recall_at_precision"}

    assert set(names("binary")) | set(names("regression")) | own == {
        name for name, subject in SUBJECTS.items() if set(subject.tasks) & {"binary", "regression"}
    }
