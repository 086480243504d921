"""Does the candidate hold on labelled data, overall and on every slice?"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate


def table(n: int = 2000, *, seed: int = 3) -> dict[str, Any]:
    """Two good models of a label that a tenth of rows have; Brazil is a tenth of the rows."""
    draw = np.random.default_rng(seed)
    label = (draw.random(n) < 0.3).astype(int)
    champion = np.clip(0.5 * label + draw.normal(0.25, 0.12, n), 0, 1)
    return {
        "label": label,
        "candidate": np.clip(champion + draw.normal(0, 0.01, n), 0, 1),
        "champion": champion,
        "geo": np.where(draw.random(n) < 0.25, "BR", "US"),
        "late": draw.random(n) < 0.5,
    }


def ruined(n: int = 4000) -> dict[str, Any]:
    """Better on average, and without a clue about Brazil."""
    rows = table(n)
    there = rows["geo"] == "BR"
    draw = np.random.default_rng(1)
    rows["candidate"] = np.where(there, draw.random(n), rows["label"] * 0.9 + 0.05)
    rows["champion"] = np.clip(rows["champion"] + draw.normal(0, 0.2, n), 0, 1)
    return rows


def test_the_values_are_scikit_learns_on_every_slice() -> None:
    """Observed values, rows and slices as Python values; overall findings have an empty slice."""
    rows = table()
    found = run_gate("metrics", table=rows, slices=["geo"], require=["auc >= 0.5", "auc >= 0.5 on each geo"]).findings

    assert [one.slice for one in found] == [{}, {"geo": "BR"}, {"geo": "US"}]
    for one in found:
        inside = np.ones(2000, bool) if not one.slice else rows["geo"] == one.slice["geo"]
        assert one.observed == pytest.approx(roc_auc_score(rows["label"][inside], rows["candidate"][inside]), abs=1e-12)
        assert one.rows == int(inside.sum())
        assert isinstance(one.interval, tuple)
        assert one.interval[0] is not None
        assert one.interval[1] is not None
        assert one.interval[0] < one.observed < one.interval[1]


def test_a_candidate_that_ruins_one_slice_is_stopped_there_by_name() -> None:
    """The average is better; the slice is not."""
    result = run_gate(
        "metrics", table=ruined(), slices=["geo"],
        require=["auc >= champion - 0.03 on each slice", "accuracy >= 0.8"],
    )  # fmt: skip

    assert [(one.slice, one.verdict) for one in result.findings if one.verdict is not Verdict.PASS] == [
        ({"geo": "BR"}, Verdict.FAIL)
    ]
    assert result.verdict is Verdict.FAIL
    assert result.reason.startswith("auc on geo=BR is 0.5")
    assert "below the champion's" in result.reason


def test_a_slice_too_small_to_judge_is_inconclusive() -> None:
    """Forty rows cannot show that a model is good; the number that could is said."""
    result = run_gate("metrics", table=table(40), require=["accuracy >= champion - 0.01"])

    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.findings[0].rows_needed is None or result.findings[0].rows_needed > 40


@pytest.mark.parametrize(
    "rows",
    [
        {name: column[:0] for name, column in table().items()},
        table() | {"label": np.zeros(2000, dtype=int)},
        table() | {"candidate": np.full(2000, 0.3), "champion": np.full(2000, 0.3)},
    ],
    ids=["no rows", "one class", "constant scores"],
)
def test_what_cannot_be_measured_never_passes(rows: dict[str, Any]) -> None:
    """No rows, no positives, scores that say nothing: an AUC that is asked for is not shown."""
    result = run_gate("metrics", table=rows, slices=["geo"], require=["auc >= 0.6", "auc >= 0.6 on each geo"])

    assert result.verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL)
    assert Verdict.PASS not in {one.verdict for one in result.findings}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_breaks_the_gate(value: float) -> None:
    """One NaN among two thousand scores, and nothing is measured."""
    rows = table()
    rows["candidate"][7] = value
    result = run_gate("metrics", table=rows, require=["auc >= 0.5"])

    assert (result.verdict, result.findings) == (Verdict.ERROR, ())
    assert "candidate's score" in result.reason


def test_a_declared_value_without_rows_is_inconclusive() -> None:
    """Luxembourg was promised and is not there."""
    result = run_gate(
        "metrics", table=table(), slices=[{"column": "geo", "values": ["US", "LU"]}], require=["auc >= 0.5 on each geo"]
    )

    assert {one.slice["geo"]: (one.verdict, one.code) for one in result.findings} == {
        "US": (Verdict.PASS, "met"),
        "LU": (Verdict.INCONCLUSIVE, "no_rows"),
    }
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == "auc on geo=LU: there are no rows"


def test_where_slices_and_cells_are_judged_on_their_rows() -> None:
    """A condition, and two slices crossed in a line."""
    rows = table()
    result = run_gate(
        "metrics", table=rows, slices=["geo", {"name": "evening", "where": {"late": True}}],
        require=["auc >= 0.5 on slice evening", "auc >= 0.5 on geo=BR & evening=true"],
    )  # fmt: skip

    assert [(one.id, one.rows) for one in result.findings] == [
        ("metrics/r1/evening=true", int(rows["late"].sum())),
        ("metrics/r2/geo=BR&evening=true", int((rows["late"] & (rows["geo"] == "BR")).sum())),
    ]


def test_crossed_slices_are_found_under_the_names_of_their_parts() -> None:
    """Both in the id and in the finding's slice; quantile bins cross like everything else."""
    rows = table() | {"amount": np.arange(2000)}
    result = run_gate(
        "metrics", table=rows, require=["auc >= 0.5 on each market"],
        slices=["geo", {"column": "amount", "quantiles": 2}, {"name": "market", "cross": ["geo", "amount"]}],
    )  # fmt: skip

    assert [(one.id, one.slice) for one in result.findings] == [
        (f"metrics/r1/geo={geo}&amount={encoded}", {"geo": geo, "amount": band})
        for geo in ("BR", "US")
        for band, encoded in (("(-inf,1000)", "%28-inf%2C1000%29"), ("[1000,inf)", "%5B1000%2Cinf%29"))
    ]
    assert [one.rows for one in result.findings] == [
        int(((rows["geo"] == geo) & ((rows["amount"] < 1000) == low)).sum())
        for geo in ("BR", "US")
        for low in (True, False)
    ]


def test_a_combination_that_was_named_and_has_no_rows_is_inconclusive() -> None:
    """It was promised, like a declared value."""
    result = run_gate(
        "metrics", table=table(), require=["accuracy >= 0.5 on each slice"],
        slices=[{"column": "geo", "values": ["US", "LU"]}, {"name": "late", "where": {"late": True}}, {"cross": ["geo", "late"]}],
    )  # fmt: skip

    assert {one.id.removeprefix("metrics/r1/"): one.code for one in result.findings} == {
        "geo=US": "met", "geo=LU": "no_rows", "late=true": "met", "geo=US&late=true": "met", "geo=LU&late=true": "no_rows",
    }  # fmt: skip


def test_small_crossings_merge_where_one_part_was_not_named() -> None:
    """Under the crossing's own name; rows outside every slice stay outside."""
    rows = table() | {"city": np.where(np.arange(2000) < 1900, "A", np.where(np.arange(2000) < 1960, "B", "C"))}
    result = run_gate(
        "metrics", table=rows, require=["accuracy >= 0.5 on each both"],
        slices=[{"column": "geo", "values": ["US"]}, "city", {"name": "both", "cross": ["geo", "city"]}],
        small_slices={"min_rows": 200, "below": "merge"},
    )  # fmt: skip
    us = rows["geo"] == "US"

    assert [(one.id, one.rows) for one in result.findings] == [
        ("metrics/r1/geo=US&city=A", int((us & (rows["city"] == "A")).sum())),
        ("metrics/r1/both=other", int((us & (rows["city"] != "A")).sum())),
    ]
    assert result.findings[1].detail["members"] == ["geo=US&city=B", "geo=US&city=C"]


def test_lines_relative_to_nobody_are_not_asked_and_the_reason_says_so() -> None:
    """On a first promotion there is no champion; what is absolute decides."""
    rows = {name: column for name, column in table().items() if name != "champion"}
    both = run_gate("metrics", table=rows, require=["auc >= champion - 0.03", "auc >= 0.6"])
    neither = run_gate("metrics", table=rows, require=["auc >= champion - 0.03", "recall >= champion - 0.1"])

    assert [one.requirement for one in both.findings] == ["r2"]
    assert both.verdict is Verdict.PASS
    assert both.reason == "1 requirement met; 1 requirement not compared: there is no champion yet"
    assert neither.verdict is Verdict.INCONCLUSIVE
    assert neither.reason == "nothing was measured; 2 requirements not compared: there is no champion yet"


def test_a_point_comparison_says_that_it_is_one() -> None:
    """In the finding, in the decision and in the gate's first sentence."""
    line = {"metric": "auc", "at_least": "champion - 0.03", "claim": "point"}
    result = run_gate("metrics", table=table(200), require=[line])
    found = result.findings[0]

    assert found.decided is not None
    assert (found.verdict, found.decided.claim, found.decided.confidence) == (Verdict.PASS, "point", None)
    assert found.interval is None
    assert found.reason.endswith("(a point comparison, without an error rate)")
    assert result.reason == "1 requirement met; 1 compared by points, without an error rate"


def test_small_slices_are_watched_in_the_open() -> None:
    """The first sentence tells how many are proven, how many watched, and what would go unseen."""
    rows = table()
    asked: dict[str, Any] = {"table": rows, "slices": ["geo"], "require": ["auc >= champion - 0.01 on each geo"]}
    watched = run_gate("metrics", **asked, small_slices={"min_rows": 1000, "below": "watch"})
    blocked = run_gate("metrics", **asked, small_slices={"min_rows": 1000, "below": "block"})

    assert {one.slice["geo"]: one.code for one in watched.findings} == {"BR": "watched", "US": "met"}
    assert watched.verdict is Verdict.PASS
    assert watched.reason.startswith("1 proven, 1 under the no-harm check; a loss under 0.09")
    assert {one.slice["geo"]: one.code for one in blocked.findings} == {"BR": "too_small", "US": "met"}
    assert blocked.verdict is Verdict.INCONCLUSIVE


def test_regression_is_told_from_the_lines() -> None:
    """Whole numbers as labels, and a metric of errors: a regression."""
    draw = np.random.default_rng(0)
    label = draw.integers(0, 50, 500)
    rows = {"label": label, "candidate": label + draw.normal(0, 1, 500)}
    result = run_gate("metrics", table=rows, require=["mae <= 1.2", "rmse <= 1.4", "r2 >= 0.9"])

    assert [one.subject for one in result.findings] == ["mae", "rmse", "r2"]
    assert result.verdict is Verdict.PASS
    assert result.findings[0].observed == pytest.approx(float(np.abs(rows["candidate"] - label).mean()))


def test_a_threshold_in_the_line_wins() -> None:
    """recall(threshold=0.7) is another question than recall."""
    result = run_gate("metrics", table=table(), require=["recall >= 0.1", "recall(threshold=0.7) >= 0.1"])
    first, second = (one.observed or 0.0 for one in result.findings)

    assert [one.subject for one in result.findings] == ["recall", "recall(threshold=0.7)"]
    assert second < first


def test_rows_of_one_user_count_once() -> None:
    """The same rows ten times over prove no more than once, when the cluster is named."""
    rows = {name: np.repeat(column, 10) for name, column in table(60).items()} | {"user": np.repeat(np.arange(60), 10)}
    naive = run_gate("metrics", table=rows, require=["brier <= champion + 0.05"])
    honest = run_gate("metrics", table=rows, cluster="user", require=["brier <= champion + 0.05"])
    alone = run_gate("metrics", table=table(60), require=["brier <= champion + 0.05"])
    se = [result.findings[0].decided.se for result in (naive, honest, alone) if result.findings[0].decided]

    assert se[0] is not None
    assert se[1] is not None
    assert se[2] is not None
    assert se[1] == pytest.approx(se[2], rel=0.03)
    assert se[0] < 0.4 * se[1]


def test_a_fail_by_scores_of_the_other_class_says_what_to_write() -> None:
    """Beside what failed; not where the scores speak for the positive class, nor of what passed."""
    rows = {name: values for name, values in table().items() if name != "champion"}
    turned = {**rows, "candidate": 1 - rows["candidate"]}
    words = "scores speak for the other class: the candidate ranks"

    failed, passed = run_gate("metrics", table=turned, require=["auc >= 0.9", "brier <= 0.95"]).findings
    assert (failed.verdict, passed.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert str(failed.remedy).startswith(words)
    assert passed.remedy is None
    (other,) = run_gate("metrics", table=rows, require=["brier <= 0.0001"]).findings
    assert other.verdict is Verdict.FAIL
    assert not str(other.remedy).startswith(words)


def test_scores_of_the_other_class_break_the_gate_and_a_guess_does_not() -> None:
    """As the champion shows, else the only model; a candidate that is turned round alone fails."""
    rows = table()
    turned = {"candidate": 1 - rows["candidate"], "champion": 1 - rows["champion"]}
    alone = {name: values for name, values in rows.items() if name != "champion"}
    words = "scores speak for the other class: the {} ranks"

    def gate(rows: dict[str, Any], line: str = "auc >= champion - 0.03", **more: Any) -> tuple[Verdict, str]:
        result = run_gate("metrics", table=rows | more, require=[line])
        return result.verdict, result.reason

    for found, role in (
        (gate(rows, **turned), "champion"),
        (gate(alone, "brier <= 0.95", candidate=turned["candidate"]), "candidate"),
    ):
        assert found[0] is Verdict.ERROR
        assert found[1].startswith(words.format(role))
    assert gate(rows, candidate=turned["candidate"])[0] is Verdict.FAIL
    assert gate(alone, "auc >= 0.4", candidate=turned["candidate"])[0] is Verdict.FAIL
    few = table(100, seed=5)
    assert gate(few | {"champion": 1 - few["champion"]})[0] is not Verdict.ERROR
    for seed in range(20):
        guess = np.random.default_rng(100 + seed).random(2000)
        assert gate(rows, champion=guess)[0] is Verdict.PASS


def test_a_log_loss_says_its_clip_and_how_many_rows_it_clipped() -> None:
    """Once in the sentence, with those of the champion where it stands beside; a line chooses another clip."""
    draw = np.random.default_rng(0)
    label = np.arange(3000) % 2
    p = np.where(label == 1, 0.8, 0.2) + draw.normal(0, 0.01, 3000)
    candidate, champion = np.where(np.arange(3000) < 40, 1 - label, p), np.where(np.arange(3000) < 1, 1 - label, p)
    found = run_gate(
        "metrics", table={"label": label, "candidate": candidate, "champion": champion},
        require=["log_loss <= 0.7", "log_loss(clip=0.001) <= champion + 0.3", "log_loss(clip=0.3) <= 0.5"],
    ).findings  # fmt: skip

    assert found[0].reason.startswith("log_loss is 0.4045 (clip 1e-06 in 40 rows); at 95 % confidence at most ")
    assert found[1].reason.startswith(
        "log_loss(clip=0.001) is 0.3124 (clip 0.001 in 40 rows, in 1 row of the champion), "
    )
    assert found[2].observed == pytest.approx(
        -np.log(np.maximum(np.where(label == 1, candidate, 1 - candidate), 0.3)).mean()
    )
    assert {key: found[1].detail[key] for key in ("clip", "clipped", "champion_clipped")} == {
        "clip": "0.001", "clipped": 40, "champion_clipped": 1,
    }  # fmt: skip


def test_an_approximate_bound_is_called_so_once() -> None:
    """In the sentence as in the method; the gap between slices is as approximate as their values."""
    draw = np.random.default_rng(1)
    label = draw.normal(size=600)
    table = {"label": label, "candidate": label + draw.normal(size=600), "champion": label + draw.normal(size=600)}
    table["geo"] = np.arange(600) % 2
    lines = ["rmse <= 2", "mae <= champion + 0.5", "mae gap over geo <= 0.9"]
    findings = run_gate("metrics", table=table, task="regression", slices=["geo"], require=lines).findings

    assert "; at 95 % confidence (approximate) at most " in findings[0].reason
    assert ", approximate); at most 0.5 above is allowed" in findings[1].reason
    assert "at 95 % confidence (approximate) at most " in findings[2].reason
    assert [one.reason.count("approximate") for one in findings] == [1, 1, 1]
    assert all(one.decided is not None and one.decided.method.endswith(", approximate") for one in findings)


def test_no_sentence_has_a_number_that_nobody_could_use() -> None:
    """Where nothing bounds a difference that is said, and where more rows than anybody labels would decide none are named."""
    draw = np.random.default_rng(2)
    label = draw.normal(size=20)
    one = np.where(np.arange(20) == 0, 1e6, 1e-3) * draw.normal(size=20)
    three = np.where(np.arange(20) < 3, 1e6, draw.normal(size=20))
    table = {"label": label, "one": label + one, "three": label + three, "champion": label + draw.normal(0, 0.1, 20)}
    for candidate, bound in (
        ("one", ", without a confidence interval: 1.1 rows carry the variance; below 30 rows the test needs 5;"),
        ("three", "(90 % interval 6,360 above or higher, approximate): 4.1 rows"),
    ):
        [finding] = run_gate(
            "metrics", table=table, task="regression", scores={"candidate": candidate, "champion": "champion"},
            require=["mae <= champion + 0.001"],
        ).findings  # fmt: skip

        assert finding.verdict is Verdict.INCONCLUSIVE
        assert bound in finding.reason
        assert finding.rows_needed is None
        assert not re.search(r"\d(,\d{3}){3}|\d{10}", f"{finding.reason} {finding.remedy}")


def test_copies_of_a_table_are_called_that() -> None:
    """Thirty copies of sixty rows are sixty rows; the sentence of the gate says so."""
    draw = np.random.default_rng(0)
    score = draw.random(60)
    table = {"label": np.tile((score + draw.random(60) > 1).astype(int), 30), "candidate": np.tile(score, 30)}
    copied = "; every row is there 30 times, so that 1,800 say no more than 60"

    assert run_gate("metrics", table=table, require=["auc >= 0.5"]).reason.endswith(copied)
    assert "every row" not in run_gate("metrics", table={**table, "x": np.arange(1800)}, require=["auc >= 0.5"]).reason
