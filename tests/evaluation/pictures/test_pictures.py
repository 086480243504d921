"""The points of pictures: what textbooks and libraries make of the same rows, and no row among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from helpers.mutated import examples
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.pictures.answer_distances import answer_distances
from lockgate.evaluation.pictures.confusions import confusions
from lockgate.evaluation.pictures.decisions import fixes_and_breaks, flips
from lockgate.evaluation.pictures.directions import flip_examples, lost_and_gained
from lockgate.evaluation.pictures.distributions import answers, differences, errors
from lockgate.evaluation.pictures.of_labelled import pictures
from lockgate.evaluation.pictures.reliability import reliability
from lockgate.evaluation.pictures.signature_changes import signature_changes
from lockgate.evaluation.pictures.thresholds import thresholds
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.models.signature_diff import diff
from lockgate.stats.proportions import clopper_pearson, tango

IN_USE = {"candidate": 0.5, "champion": 0.35}
CLASSES = ("billing", "fraud", "other")


def payments(n: int = 3000) -> dict[str, Any]:
    draw = np.random.default_rng(7)
    score = draw.random(n)
    return {
        "y": (draw.random(n) < score).astype(int),
        "candidate": score,
        "champion": np.clip(score + draw.normal(0, 0.2, n), 0, 1),
        "country": np.array(["BR", "US", "LU"])[np.searchsorted([0.3, 0.998], draw.random(n))],
    }


def scored(table: dict[str, Any], task: Any = "binary", classes: tuple[str, ...] = (), **spec: Any) -> Scored:
    data = DatasetSpec.model_validate({"path": "t", "label": "y", **spec})
    return Scored.from_table(pa.table(table), data, task=task, positive=1, classes=classes)


def only(exhibits: Iterator[Exhibit]) -> list[dict[str, Any]]:
    """The points of the only exhibit, by column."""
    (exhibit,) = exhibits
    return [dict(zip(exhibit.columns, point, strict=True)) for point in exhibit.points]


def test_bins_of_equal_mass_hold_what_was_predicted_against_what_came() -> None:
    """Twenty of the same size, each with the exact interval of its share."""
    rows = payments()
    bins = [point for point in only(reliability("m", scored(rows))) if point["model"] == "candidate"]
    order = np.argsort(rows["candidate"]).reshape(20, -1)

    assert [point["rows"] for point in bins] == [150] * 20
    for point, members in zip(bins, order, strict=True):
        hits = int(rows["y"][members].sum())
        interval = clopper_pearson(hits, 150, confidence=0.9)
        assert point["probability"] == pytest.approx(rows["candidate"][members].mean(), rel=1e-5)
        assert (point["observed"], point["low"], point["high"]) == pytest.approx(
            (interval.value, interval.low, interval.high), rel=1e-5
        )


def test_weights_count_as_rows_and_clusters_widen() -> None:
    """A row that is there twice, as one cluster, counts once; equal weights count as none."""
    rows = payments(1000)
    twice = {name: np.repeat(values, 2) for name, values in rows.items()} | {"user": np.repeat(np.arange(1000), 2)}
    plain, doubled = (only(reliability("m", table)) for table in (scored(rows), scored(twice, cluster="user")))
    weighted = only(reliability("m", scored(rows | {"w": np.full(1000, 3.0)}, weight="w")))

    for one, other, heavy in zip(plain, doubled, weighted, strict=True):
        assert other["rows"] == 2 * one["rows"]
        assert (other["probability"], other["observed"]) == pytest.approx(
            (one["probability"], one["observed"]), rel=1e-5
        )
        assert 1 <= (other["high"] - other["low"]) / (one["high"] - one["low"]) < 1.05
        for name in ("probability", "observed", "low", "high"):
            assert heavy[name] == pytest.approx(one[name], rel=1e-4)


def test_the_predicted_class_is_held_against_how_often_it_was_right() -> None:
    """Of several classes: top-label confidence."""
    draw = np.random.default_rng(3)
    shares = {role: draw.dirichlet([1, 1, 1], 600) for role in ("new", "old")}
    table = {"y": np.array(CLASSES)[draw.integers(0, 3, 600)]} | {
        f"{role}_{name}": values[:, place] for role, values in shares.items() for place, name in enumerate(CLASSES)
    }
    scores = {
        role: {name: f"{model}_{name}" for name in CLASSES}
        for role, model in (("candidate", "new"), ("champion", "old"))
    }
    rows = scored(table, "multiclass", CLASSES, scores=scores)
    points = [point for point in only(reliability("m", rows)) if point["model"] == "candidate"]
    right = np.array(CLASSES)[shares["new"].argmax(axis=1)] == table["y"]

    assert sum(point["rows"] * point["observed"] for point in points) == pytest.approx(right.sum(), rel=1e-4)
    assert points[0]["confidence"] >= 1 / 3


def test_scores_that_are_no_probabilities_have_no_reliability() -> None:
    """Logits, and class labels."""
    rows = payments(200)

    assert not list(
        reliability("m", scored(rows | {"candidate": rows["candidate"] * 9 - 4, "champion": rows["champion"] * 9}))
    )


def test_every_threshold_has_the_metrics_of_scikit_learn() -> None:
    """The one in use among them, where it is written."""
    rows = payments()
    points = only(thresholds("m", scored(rows), IN_USE))

    assert [(point["model"], point["threshold"]) for point in points if point["in_use"]] == list(IN_USE.items())
    for point in points[:: len(points) // 12]:
        decided = rows[point["model"]] >= point["threshold"]
        expected = (
            precision_score(rows["y"], decided), recall_score(rows["y"], decided), f1_score(rows["y"], decided), decided.mean(),
            decided[rows["y"] == 0].mean(),
        )  # fmt: skip
        assert tuple(
            point[name] for name in ("precision", "recall", "f1", "positive_rate", "false_positive_rate")
        ) == pytest.approx(expected, rel=1e-5)


def test_no_threshold_lies_beyond_the_last_rows() -> None:
    """Ten rows at least on either side, and at most 130 numbers of three figures, which are no row's score."""
    rows = payments()
    points = [point for point in only(thresholds("m", scored(rows), IN_USE)) if point["model"] == "candidate"]
    above = [int((rows["candidate"] >= point["threshold"]).sum()) for point in points]

    assert 10 <= min(above) <= max(above) <= 2990
    assert 60 < len(points) <= 130
    assert not {point["threshold"] for point in points} & set(rows["candidate"].tolist())


def test_fixes_and_breaks_are_counted_on_all_rows_and_on_each_slice() -> None:
    """With Tango's interval of the net; a slice of fewer than ten rows is not shown."""
    rows = payments()
    points = only(fixes_and_breaks("m", scored(rows, slices=["country"]), IN_USE))
    candidate, champion = ((rows[role] >= IN_USE[role]) == rows["y"] for role in ("candidate", "champion"))

    assert next(point["slice"] for point in points) == "overall"
    assert {point["slice"] for point in points} == {"overall", "country=BR", "country=US"}
    assert (rows["country"] == "LU").sum() < 10
    for point in points:
        inside = np.ones(3000, bool) if point["slice"] == "overall" else rows["country"] == point["slice"][-2:]
        (wrong, broken), (fixed, right) = confusion_matrix(candidate[inside], champion[inside])
        interval = tango(right, fixed, broken, wrong, confidence=0.9)
        assert [point[name] for name in ("both_right", "candidate_fixes", "candidate_breaks", "both_wrong")] == [
            right,
            fixed,
            broken,
            wrong,
        ]
        assert (point["net"], point["low"], point["high"]) == pytest.approx(
            (interval.value, interval.low, interval.high), abs=1e-6
        )


def classified(size: int, n: int = 2000) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of classes 0, 1, …, of which the candidate answers the last but one for the last; of the first there are nine."""
    draw = np.random.default_rng(5)
    label = np.r_[np.zeros(9, int), draw.integers(1, size, n)]
    champion = np.where(draw.random(label.size) < 0.8, label, draw.integers(0, size, label.size))
    candidate = np.where((label == size - 1) & (draw.random(label.size) < 0.5), size - 2, champion)
    table = {name: column.astype(str) for name, column in (("y", label), ("new", candidate), ("old", champion))}
    spec = {"scores": {"candidate": "new", "champion": "old"}}
    return table, {"task": "multiclass", "classes": tuple(map(str, range(size))), **spec}


@pytest.mark.parametrize("size", [12, 13])
def test_which_class_is_taken_for_which_is_what_scikit_learn_counts(size: int) -> None:
    """Recall and share of answers of both models, what lost most first; a class of nine rows is left out, many classes show what grew."""
    table, options = classified(size)
    points = only(confusions("m", scored(table, **options)))
    names = list(options["classes"])
    matrices = {
        role: confusion_matrix(table["y"], table[name], labels=names)
        for role, name in (("candidate", "new"), ("champion", "old"))
    }
    recalls, shares, pairs = (
        [point for point in points if point["number"] == number] for number in ("recall", "share", "rows")
    )

    assert recalls[0]["label"] == str(size - 1)
    assert {point["label"] for point in recalls} == set(names[1:]) == {point["answered"] for point in shares}
    for role, matrix in matrices.items():
        for point in recalls:
            code = int(point["label"])
            assert point[role] == pytest.approx(matrix[code, code] / matrix[code].sum(), rel=1e-5)
            assert point["rows"] == matrix[code].sum()
        for point in shares:
            assert point[role] == pytest.approx(matrix[:, int(point["answered"])].sum() / matrix.sum(), rel=1e-5)
        assert all(point[role] == matrix[int(point["label"]), int(point["answered"])] for point in pairs)
    assert (pairs[0]["label"], pairs[0]["answered"]) == (str(size - 1), str(size - 2))
    assert len(pairs) == (11 * 12 if size == 12 else 1)


def test_the_share_answered_with_a_class_is_by_weight() -> None:
    """A row of weight 3 counts three times."""
    table, options = classified(3, 60)
    heavy = scored(table | {"w": np.where(table["y"] == "2", 3.0, 1.0)}, weight="w", **options)
    points = only(confusions("m", heavy))
    answered, weights = table["new"], np.where(table["y"] == "2", 3.0, 1.0)

    share = next(point for point in points if point["number"] == "share" and point["answered"] == "1")
    assert share["candidate"] == pytest.approx(weights[answered == "1"].sum() / weights.sum(), rel=1e-5)


def test_two_classes_and_a_lone_model_are_not_confused() -> None:
    """Fixes and breaks say it of two classes; alone nothing is compared."""
    table, options = classified(4)
    alone = {name: values for name, values in table.items() if name != "old"}

    assert not list(confusions("m", scored(payments())))
    assert not list(confusions("m", scored(alone, **options | {"scores": {"candidate": "new"}})))


def test_without_a_threshold_or_a_champion_nobody_fixes_anything() -> None:
    """There are no decisions to compare."""
    rows = payments(100)
    alone = {name: values for name, values in rows.items() if name != "champion"}

    assert not list(fixes_and_breaks("m", scored(rows), {"candidate": 0.5, "champion": None}))
    assert not list(fixes_and_breaks("m", scored(alone), IN_USE))


def test_flips_are_counted_by_both_classes_and_by_slice() -> None:
    """Of requests that both answered."""
    rows = payments()
    table = scored(rows, slices=["country"])
    table.candidate = np.where(np.arange(3000) < 100, np.nan, rows["candidate"])
    matrix, by_slice = flips("s", table, IN_USE)
    old, new = rows["champion"][100:] >= 0.35, rows["candidate"][100:] >= 0.5
    names = np.array(["negative", "positive"])

    assert {point[:2]: point[2] for point in matrix.points} == {
        (str(names[a]), str(names[b])): int(((old == a) & (new == b)).sum()) for a in (0, 1) for b in (0, 1)
    }
    (whole,) = [point for point in by_slice.points if point[0] == "overall"]
    interval = clopper_pearson(int((old != new).sum()), 2900, confidence=0.9)
    assert whole[1:3] == (2900, int((old != new).sum()))
    assert whole[3:] == pytest.approx((interval.value, interval.low, interval.high), rel=1e-5)
    assert [point[4] for point in by_slice.points] == sorted((point[4] for point in by_slice.points), reverse=True)


def test_what_is_lost_and_gained_is_counted_by_slice() -> None:
    """Each flip matrix adds up to the requests that both answered; the slice whose loss is surest first."""
    rows = payments()
    table = scored(rows, slices=["country"])
    lost = np.where(rows["country"] == "BR", 0.1, rows["champion"])
    table.candidate = np.where(np.arange(3000) < 100, np.nan, lost)
    (exhibit,) = lost_and_gained("s", table, {"candidate": 0.35, "champion": 0.35})
    whole, *slices = exhibit.points
    stopped = (rows["champion"] >= 0.35)[100:]

    assert (whole[0], slices[0][0]) == ("overall", "country=BR")
    assert all(point[1] == sum(point[2:6]) for point in exhibit.points)
    assert (whole[1], whole[2] + whole[3], whole[4]) == (2900, stopped.sum(), 0)
    assert slices[0][2:4] == (0, (stopped & (rows["country"] == "BR")[100:]).sum())
    assert [point[6] for point in slices] == [1.0] + [0.0] * (len(slices) - 1)
    interval = clopper_pearson(int(whole[3]), int(stopped.sum()), confidence=0.9)
    assert whole[6:] == pytest.approx((interval.value, interval.low, interval.high), rel=1e-5)


def test_examples_of_flips_come_from_the_worst_slices() -> None:
    """By number, id and both decisions, each request once, and nothing else of it."""
    rows = payments()
    table = scored(rows, slices=["country"])
    table.candidate = np.where(rows["country"] == "BR", 0.1, rows["champion"])
    (exhibit,) = flip_examples("s", table, {"candidate": 0.35, "champion": 0.35})
    numbers = [point[0] - 1 for point in exhibit.points]

    assert exhibit.points[0][2:] == ("country=BR", "positive", "negative")
    assert len(set(numbers)) == len(numbers) <= 20
    assert all(rows["country"][number] == "BR" and rows["champion"][number] >= 0.35 for number in numbers)
    assert not list(flip_examples("s", scored(rows | {"candidate": rows["champion"]}), dict.fromkeys(IN_USE, 0.5)))


def test_distances_of_answers_stand_beside_what_chance_makes_of_equal_ones() -> None:
    """Kolmogorov and Smirnov's is scipy's; equal laws stay below, a shift does not; of classes the last two."""
    draw = np.random.default_rng(6)
    old, equal = draw.normal(0, 1, 5_000), draw.normal(0, 1, 5_000)
    for new, moved in ((equal, False), (old + 0.3, True)):
        (exhibit,) = answer_distances("s", scored({"y": old, "candidate": new, "champion": old}, "regression"))
        assert [point[0] for point in exhibit.points] == ["ks", "js", "psi"]
        assert exhibit.points[0][1] == pytest.approx(ks_2samp(new, old).statistic, rel=1e-5)
        assert all((point[1] > point[2]) is moved for point in exhibit.points)

    assert not list(answer_distances("s", scored({"y": old, "candidate": old}, "regression")))


def test_answers_of_both_are_counted_in_the_same_bins() -> None:
    """Scores from 0 to 1, an answer on an edge in the bin that it begins; other numbers over what they span, none left out."""
    draw = np.random.default_rng(6)
    rows = payments()
    table = scored(rows)
    table.candidate = np.where(np.arange(3000) < 30, np.nan, draw.choice([0.0, 0.04, 0.5, 1.0], 3000))
    (exhibit,) = answers("s", table)
    ours, theirs = (np.array([point[column] for point in exhibit.points]) for column in (2, 3))
    edges = np.linspace(0, 1, 26)

    assert (exhibit.columns, exhibit.points[0][:2], exhibit.points[-1][:2]) == (
        ("from", "to", *IN_USE),
        (0, 0.04),
        (0.96, 1),
    )
    assert (ours.sum(), theirs.sum()) == (2970, 3000)
    assert np.flatnonzero(ours).tolist() == [0, 1, 12, 24]
    assert theirs.tolist() == np.histogram(rows["champion"], edges)[0].tolist()

    minutes = draw.normal(35, 9, 3000)
    (exhibit,) = answers("s", scored({"y": minutes, "candidate": minutes + 50, "champion": minutes}, "regression"))
    assert exhibit.points[0][0] < 20 < 100 < exhibit.points[-1][1]
    assert [sum(point[column] for point in exhibit.points) for column in (2, 3)] == [3000, 3000]
    assert not list(answers("s", scored({"y": minutes, "candidate": minutes * 0 + 2}, "regression")))


def test_errors_and_differences_are_shares_at_round_numbers() -> None:
    """Of both models as equals; and of what the one answers more than the other."""
    draw = np.random.default_rng(5)
    truth = draw.normal(50, 10, 2000)
    table = {"y": truth, "candidate": truth + draw.normal(1, 2, 2000), "champion": truth + draw.normal(0, 4, 2000)}
    rows = scored(table, "regression")
    for point in only(errors("m", rows))[::20]:
        error = table[point["model"]] - truth
        assert point["share"] == pytest.approx((error <= point["error"]).mean(), rel=1e-5)
    difference = table["candidate"] - table["champion"]
    for point in only(differences("s", rows))[::20]:
        assert point["share"] == pytest.approx((difference <= point["difference"]).mean(), rel=1e-5)
    assert {exhibit.name for exhibit in pictures("m", rows, {"rmse"}, {})} == {"m/predicted_actual", "m/errors"}


def test_what_breaks_callers_stands_first_in_the_diff() -> None:
    """And the same signature has no diff."""
    old = {
        "inputs": [
            {"name": "age", "type": "long", "required": True},
            {"name": "city", "type": "string", "required": True},
        ]
    }
    new = {
        "inputs": [
            {"name": "age", "type": "double", "required": True},
            {"name": "zip", "type": "string", "required": False},
        ]
    }
    (exhibit,) = signature_changes("s", diff(old, new)[1])

    assert [point[1:3] + point[5:] for point in exhibit.points] == [
        ("age", "retyped", "yes", "MLflow's server takes 9007199254740993 as 9007199254740992"),
        ("city", "removed", "yes", "renamed to zip?"),
        ("zip", "added optional", "no", "renamed from city?"),
    ]
    assert not list(signature_changes("s", diff(old, old)[1]))


def test_rows_of_one_cluster_show_as_little_as_one() -> None:
    """However many they are."""
    rows = payments(60) | {"user": np.repeat([0, 1], [30, 30]), "part": np.repeat(["a", "b"], [30, 30])}
    points = only(fixes_and_breaks("m", scored(rows, slices=["part"], cluster="user"), IN_USE))

    assert all(point["high"] - point["low"] > 1 for point in points if point["slice"] != "overall")


@examples(40)
@given(
    data=st.lists(
        st.tuples(
            st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.floats(0, 1), st.sampled_from([0.0, 1e-9, 1.0, 50.0]),
            st.integers(0, 3), st.sampled_from("ab"),
        ),
        min_size=1, max_size=60,
    ),
    options=st.sampled_from([{}, {"weight": "w"}, {"cluster": "user"}, {"weight": "w", "cluster": "user"}]),
)  # fmt: skip
def test_whatever_the_rows_are_shares_stay_within_one(data: list[Any], options: dict[str, str]) -> None:
    """Rows of no weight, one cluster, a single class, equal scores: each picture can be stored, and its shares are shares."""
    y, candidate, champion, weight, user, part = map(np.array, zip(*data * 3, strict=True))
    weight[0] = 1.0
    table = {"y": y.astype(int), "candidate": candidate, "champion": champion, "w": weight, "user": user, "part": part}
    rows = scored(table, slices=["part"], **options)
    exhibits = [*pictures("m", rows, {"brier", "recall"}, IN_USE), *flips("s", rows, IN_USE)]
    exhibits += [*lost_and_gained("s", rows, IN_USE), *flip_examples("s", rows, IN_USE)]

    for exhibit in exhibits:
        assert exhibit.to_bytes()
        for point in exhibit.points:
            numbers = [value for value in point if isinstance(value, float)]
            assert all(-1.000001 <= value <= 1.000001 for value in numbers)


def test_the_decisions_of_fewer_than_ten_requests_are_not_shown() -> None:
    """A row could be read from them."""
    rows = {name: values[:9] for name, values in payments(60).items()}

    assert not list(flips("s", scored(rows), IN_USE))


@pytest.mark.parametrize("n", [0, 1, 12])
def test_few_rows_make_few_points_and_no_error(n: int) -> None:
    """Down to none at all."""
    rows = {name: values[:n] for name, values in payments(60).items()}

    for exhibit in pictures("m", scored(rows, slices=["country"]), {"auc", "recall"}, IN_USE):
        assert len(exhibit.points) <= 60
        assert exhibit.to_bytes()
