"""The points of a picture: scikit-learn's curves, thinned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.pictures.curves import curves
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit


def drawn(n: int, subjects: set[str], *, label: Any = None, ties: bool = False) -> tuple[dict[str, Any], list[Exhibit]]:
    draw = np.random.default_rng(0)
    y = (draw.random(n) < 0.3).astype(int) if label is None else np.full(n, label)
    table = {"y": y, "candidate": (draw.random(n) + 0.3 * y).round(1 if ties else 9), "champion": draw.random(n)}
    spec = DatasetSpec.model_validate({"path": "t", "label": "y"})
    return table, list(curves("m", Scored.from_table(pa.table(table), spec, task="binary", positive=1), subjects))


@pytest.mark.parametrize("ties", [False, True])
def test_small_curves_hold_every_point(ties: bool) -> None:
    """Both models, ties taken together."""
    table, (roc, pr) = drawn(60, {"auc", "average_precision"}, ties=ties)
    fpr, tpr, _ = roc_curve(table["y"], table["candidate"], drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(table["y"], table["candidate"])

    assert (roc.name, pr.name, roc.columns) == (
        "m/roc",
        "m/precision_recall",
        ("model", "false_positive_rate", "true_positive_rate"),
    )
    ours = {one.name: np.array([point[1:] for point in one.points if point[0] == "candidate"]) for one in (roc, pr)}
    np.testing.assert_allclose(ours["m/roc"], np.column_stack([fpr, tpr]))
    np.testing.assert_allclose(ours["m/precision_recall"], np.column_stack([recall, precision])[-2::-1])
    assert {point[0] for point in roc.points} == {"candidate", "champion"}


def test_a_curve_of_a_rare_class_turns_where_its_rows_are() -> None:
    """Thirty positives among 20,000 rows: each of them is a point, and every point is one of scikit-learn's."""
    draw = np.random.default_rng(3)
    y = np.zeros(20_000, bool)
    y[:30] = True
    scores = (draw.random(y.size) + 0.5 * y).round(3)
    spec = DatasetSpec.model_validate({"path": "t", "label": "y"})
    scored = Scored.from_table(pa.table({"y": y, "candidate": scores}), spec, task="binary", positive=True)
    for labels, wanted in ((y, scores), (~y, -scores)):
        scored.labels, scored.candidate = labels, wanted
        (roc,) = curves("m", scored, {"auc"})
        fpr, tpr, _ = roc_curve(labels, wanted, drop_intermediate=False)
        found = {point[1:] for point in roc.points}

        assert found <= set(zip(fpr.tolist(), tpr.tolist(), strict=True))
        rare = 1 if labels is y else 0
        assert len({point[rare] for point in found}) == len(set((tpr if rare else fpr).tolist()))


def test_large_curves_are_thinned_and_keep_their_ends() -> None:
    """At most 2,000 points in all."""
    _, (roc,) = drawn(20_000, {"auc"})
    points = [point[1:] for point in roc.points if point[0] == "candidate"]

    assert len(roc.points) <= 2000
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))


@pytest.mark.parametrize(("subjects", "label"), [({"recall"}, None), ({"auc"}, 0)])
def test_no_curve_where_there_is_none(subjects: set[str], label: Any) -> None:
    """Nobody asked for it, or there is one class."""
    assert drawn(60, subjects, label=label)[1] == []
