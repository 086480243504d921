"""Is a model that tells several classes apart held to what is asked of it, overall, by class and by slice?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.errors import UsageError
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

CLASSES = ("billing", "fraud", "other")
NEW = {name: f"new_{name}" for name in CLASSES}
OLD = {name: f"old_{name}" for name in CLASSES}


def tickets(rows: int = 1_500, *, worse: float = 0.0, seed: int = 3) -> dict[str, Any]:
    """Both models know a label about equally well; `worse` is what the new one does not know of fraud in Brazil."""
    draw = np.random.default_rng(seed)
    team = draw.choice(CLASSES, rows, p=[0.5, 0.3, 0.2])
    country = draw.choice(["BR", "US"], rows)
    shared, table = draw.normal(size=(rows, 3)), {"label": team, "country": country, "who": draw.integers(0, 300, rows)}
    own = team[:, None] == np.array(CLASSES)
    for prefix, loss in (("new", worse), ("old", 0.0)):
        knows = np.where((team == "fraud") & (country == "BR"), 2.0 - loss, 2.0)[:, None]
        raw = np.exp(shared + 0.3 * draw.normal(size=(rows, 3)) + knows * own)
        shares = raw / raw.sum(axis=1, keepdims=True)
        table |= {f"{prefix}_{name}": shares[:, place] for place, name in enumerate(CLASSES)}
        table |= {f"{prefix}_team": np.array(CLASSES)[shares.argmax(axis=1)]}
    return table


def asked(table: dict[str, Any], *lines: str, **more: Any) -> GateResult:
    scores = more.pop("scores", {"candidate": NEW, "champion": OLD})
    return run_gate(
        "metrics", table=pa.table(table), scores=scores, task="multiclass", require=lines, slices=["country"], **more
    )


def test_a_class_that_is_lost_on_one_slice_fails_there_alone() -> None:
    """The sentence names metric, class and slice; the other lines know nothing of it."""
    found = asked(
        tickets(worse=3.0),
        "recall(class=fraud) >= champion - 0.1 on each slice",
        "recall(class=billing) >= champion - 0.1 on each slice",
    )
    brazil = found.findings[0]

    assert [one.verdict for one in found.findings] == [Verdict.FAIL, Verdict.PASS, Verdict.PASS, Verdict.PASS]
    assert brazil.id == "metrics/r1/country=BR"
    assert brazil.subject == "recall(class=fraud)"
    assert brazil.reason.startswith("recall of class fraud on country=BR is 0.")
    assert brazil.decided is not None
    assert brazil.decided.method == "tango score"
    assert brazil.positives == int(
        (np.array(tickets()["label"])[np.array(tickets()["country"]) == "BR"] == "fraud").sum()
    )


@pytest.mark.parametrize(
    ("line", "method"),
    [
        ("accuracy >= 0.5", "clopper-pearson"),
        ("top_k_accuracy(2) >= 0.5", "clopper-pearson"),
        ("recall(class=fraud) >= 0.5", "clopper-pearson"),
        ("recall(average=micro) >= 0.5", "clopper-pearson"),
        ("precision(class=fraud) >= 0.4", "clopper-pearson"),
        ("accuracy >= champion - 0.05", "tango score"),
        ("top_k_accuracy(k=2) >= champion - 0.05", "tango score"),
        ("recall(class=fraud) >= champion - 0.1", "tango score"),
        ("precision(class=fraud) >= champion - 0.1", "influence paired, t"),
        ("recall(average=macro) >= 0.5", "influence, t, logit"),
        ("auc(class=fraud) >= 0.6", "delong, t, logit"),
        ("auc(average=macro) >= champion - 0.05", "influence paired, t"),
        ("log_loss <= 2", "influence, t, skew-corrected"),
        ("brier <= champion + 0.05", "influence paired, t, skew-corrected"),
        ("calibration_error(class=fraud) <= 0.9", "debiased squared error, 10 equal-mass bins, approximate"),
    ],
)
def test_a_line_is_decided_by_its_metrics_method(line: str, method: str) -> None:
    """Shares of independent rows exactly, all else by influence values; two models on the same rows."""
    [finding] = asked(tickets(), line).findings

    assert finding.verdict is Verdict.PASS
    assert finding.decided is not None
    assert finding.decided.method == method


@pytest.mark.parametrize("line", ["accuracy >= champion - 0.1", "recall(class=fraud) >= 0.4", "auc(macro) >= 0.5"])
def test_clusters_are_kept_together_and_weights_are_used(line: str) -> None:
    """By influence values then, and the clusters are counted."""
    table = tickets() | {"w": np.random.default_rng(5).choice([0.5, 2.0], 1_500)}
    [finding] = asked(table, line, cluster="who", weight="w").findings

    assert finding.decided is not None
    assert finding.decided.method.startswith("influence") or finding.decided.method.startswith("delong")
    assert finding.decided.method.endswith("by cluster")
    assert finding.detail["clusters"] > 200


@pytest.mark.parametrize("subject", ["recall", "precision", "f1", "auc", "average_precision"])
def test_a_class_without_rows_leaves_its_slice_without_a_macro_value(subject: str) -> None:
    """It is inconclusive, and the class is named; it is never left out of the mean."""
    table = tickets()
    table["country"] = np.where(table["label"] == "fraud", "US", table["country"])
    [brazil, states] = asked(table, f"{subject}(average=macro) >= 0.1 on each slice").findings

    assert (brazil.slice, brazil.verdict, brazil.observed) == ({"country": "BR"}, Verdict.INCONCLUSIVE, None)
    assert brazil.reason.startswith(f"macro {subject} on country=BR: there are no rows of class fraud (")
    assert states.verdict is Verdict.PASS


def test_a_class_with_few_rows_is_too_small_for_a_mean_over_classes() -> None:
    """Nine rows prove nothing, however many the others have."""
    table = tickets()
    fraud = np.flatnonzero(table["label"] == "fraud")[9:]
    table["label"] = table["label"].copy()
    table["label"][fraud] = "other"
    macro, of_fraud = asked(table, "recall(macro) >= 0.1", "auc(class=fraud) >= 0.1").findings

    assert (macro.verdict, macro.code) == (Verdict.INCONCLUSIVE, "too_small")
    assert macro.detail["too_few"] == "9 rows of class fraud; the test needs 10"
    assert of_fraud.detail["too_few"] == "9 rows of class fraud; the test needs 10"


def test_small_slices_are_told_by_the_rows_of_the_class_that_is_asked() -> None:
    """`min_positives` counts those; a mean over classes has no positives."""
    small = {"min_rows": 10, "min_positives": 400, "below": "watch"}
    one, other = asked(
        tickets(), "recall(class=fraud) >= champion - 0.2 on country=BR",
        "recall(average=macro) >= champion - 0.2 on country=BR", small_slices=small,
    ).findings  # fmt: skip

    assert (one.code, other.code) == ("watched", "met")
    assert "positive rows; 400 are required" in one.reason
    assert other.positives is None


def test_plain_labels_answer_what_is_asked_of_labels() -> None:
    """As the scores do that they are the highest of."""
    lines = ("accuracy >= champion - 0.1", "recall(macro) >= 0.5", "f1(class=fraud) >= 0.5")
    labels = {"candidate": "new_team", "champion": "old_team"}

    assert [one.decided for one in asked(tickets(), *lines, scores=labels).findings] == [
        one.decided for one in asked(tickets(), *lines).findings
    ]


def test_plain_labels_have_no_probabilities() -> None:
    """The line is refused, with what to name."""
    with pytest.raises(UsageError, match=r"log_loss needs a score of each class, and .* names one column of labels"):
        asked(tickets(), "log_loss <= 1", scores={"candidate": "new_team"})


def test_a_class_that_is_none_breaks_the_gate_with_the_classes() -> None:
    """Where the pipeline does not declare them, they are known when the data is."""
    found = asked(tickets(), "recall(class=fruad) >= 0.5")

    assert found.verdict is Verdict.ERROR
    assert "no class is called 'fruad'; known: billing, fraud, other; did you mean 'fraud'?" in found.reason


def test_a_declared_class_may_have_no_rows() -> None:
    """Its own line has no value, the others do."""
    table = {name: column for name, column in tickets().items() if not name.startswith("old")}
    table |= {"new_rare": np.zeros(1_500)}
    rare, every = asked(
        table, "recall(class=rare) >= 0.5", "accuracy >= 0.5",
        scores={"candidate": NEW | {"rare": "new_rare"}}, classes=[*CLASSES, "rare"],
    ).findings  # fmt: skip

    assert rare.reason == "recall of class rare: there are no rows of class rare (1,500 rows)"
    assert every.verdict is Verdict.PASS


def test_slices_are_compared_and_searched() -> None:
    """A gap of one class's recall, and the conjunction that loses most."""
    found = asked(tickets(worse=3.0), "recall(class=fraud) gap over country <= 0.1")
    search = run_gate(
        "metrics", table=pa.table(tickets(worse=3.0)), scores={"candidate": NEW, "champion": OLD}, task="multiclass",
        require=["accuracy >= 0.1"], slices=["country", {"find": {"depth": 1, "worst": 2, "min_rows": 50}}],
    )  # fmt: skip

    assert found.findings[0].verdict is Verdict.FAIL
    assert found.findings[0].reason.startswith("recall of class fraud gap over country is 0.")
    assert search.context["found_slices"]["loss"] == "brier"
    assert search.context["found_slices"]["worst"]["slice"] == "country=BR"


def test_a_function_of_ones_own_is_given_places_of_classes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels as places in the order of the classes, scores as a matrix in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "def found(labels, scores, rows):\n    return (scores.argmax(axis=1) == labels).astype(float)\n"
    )
    functions = {"found": {"function": "mine.py:found", "better": "higher", "per_row": True, "bounds": [0, 1]}}
    own, known = asked(tickets(), "found >= 0.5", "accuracy >= 0.5", functions=functions).findings

    assert own.observed == known.observed


def test_the_log_loss_of_several_classes_has_a_clip_too() -> None:
    """Of all classes and of one, whose name without `class=` is no clip."""
    lines = ["log_loss <= 3", "log_loss(clip=0.1) <= 3", "log_loss(class=fraud, clip=0.1) <= 3", "log_loss(fraud) <= 3"]
    table = tickets()
    findings = asked(table, *lines).findings
    own = np.choose(np.searchsorted(CLASSES, table["label"]), [table[name] for name in NEW.values()])

    assert [finding.verdict for finding in findings] == [Verdict.PASS] * 4
    assert [finding.detail["clip"] for finding in findings] == ["1e-06", "0.1", "0.1", "1e-06"]
    assert findings[1].observed == pytest.approx(-np.log(np.maximum(own, 0.1)).mean())
    assert findings[1].detail["clipped"] == (own < 0.1).sum() > 0


def test_a_pass_names_the_class_that_lost_most() -> None:
    """By recall, in the summary and as a field; where nothing passes the finding does, and where no class lost nobody."""
    lines = ("accuracy >= champion - 0.3", "recall(average=macro) >= champion - 0.3")
    passed, same = (
        asked(tickets(worse=1.0), *lines),
        asked(tickets(), *lines, scores={"candidate": OLD, "champion": OLD}),
    )
    worst = passed.context["worst_class"]

    assert passed.verdict is Verdict.PASS
    assert (worst["class"], worst["rows"]) == ("fraud", 450)
    assert float(worst["candidate"]) < float(worst["champion"]) - 0.05
    assert ". Class fraud lost most: its recall is 0." in passed.reason
    assert "worst_class" not in same.context
    assert "lost most" not in same.reason
