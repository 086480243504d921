"""What the losses of a first version say of the lines on slices: which of them such data decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.cli.drafting.answers import Reading
from lockgate.cli.drafting.limits import Limits, limits
from lockgate.cli.drafting.slice_lines import class_lines
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evidence.finding import Verdict
from lockgate.models.model import Output
from lockgate.testing import run_gate

ROWS = 1000


def predictions(*, spread: float, largest: float = 0.0) -> dict[str, Any]:
    """Errors as a forest makes them, most of them small; the largest one lies in a slice of its own region."""
    draw = np.random.default_rng(4)
    errors = draw.laplace(0, spread, ROWS)
    errors[0] = largest
    label = draw.normal(300, 90, ROWS)
    region = np.array(["north", "south"])[np.arange(ROWS) % 2]
    return {"price": label, "region": region, "score": label + errors}


def limits_of(columns: dict[str, Any], on_slices: str = "mae") -> Limits:
    reading = Reading("regression", Output(), False, pa.table(columns), "score", (), None, None)
    spec = DatasetSpec.model_validate({"path": "d.csv", "label": "price", "slices": ["region"]})
    overall = ["rmse <= champion * 1.05", "mae <= champion * 1.05"]
    return limits(reading, spec, overall, f"{on_slices} <= champion * 1.1 on each slice")


def test_a_better_version_passes_the_lines_on_slices_that_were_drafted_of_a_worse_one() -> None:
    """The same largest error beside smaller ones carries all of an rmse, and little of an mae."""
    worse, better = predictions(spread=16, largest=140), predictions(spread=10, largest=140)
    drafted = limits_of(worse)
    assert drafted.each_slice is not None
    assert drafted.tolerance is not None

    first = [f"mae <= {drafted.each_slice.limit} on each slice"]
    second = [*first, f"mae <= champion * {1 + drafted.tolerance} on each slice"]
    for lines, table in ((first, worse), (second, {**better, "before": worse["score"]})):
        scores = {"candidate": "score", **({"champion": "before"} if "before" in table else {})}
        result = run_gate(
            "metrics", table=pa.table(table), scores=scores, require=lines, slices=["region"], task="regression", label="price"
        )  # fmt: skip
        assert result.verdict is Verdict.PASS, result.reason


def test_no_line_is_drafted_on_slices_where_a_few_losses_decide() -> None:
    """Not of an rmse with such a loss, though this version would just pass it; nor of any error where one row is all of it."""
    heavy = predictions(spread=16, largest=140)

    assert (limits_of(heavy, "rmse").each_slice, limits_of(heavy, "rmse").weak) == (None, frozenset({"region"}))
    assert limits_of(predictions(spread=16, largest=1e5)).each_slice is None


def test_the_tolerance_on_slices_is_that_of_the_smallest_one() -> None:
    """Fewer rows of a slice decide less; of a slice too small for a verdict there is no line."""
    even = limits_of(predictions(spread=16))
    columns = predictions(spread=16)
    columns["region"] = np.where(np.arange(ROWS) < 120, "west", "east")
    uneven = limits_of(columns)

    assert even.tolerance is not None
    assert uneven.tolerance is not None
    assert 0.03 < even.tolerance < 0.1 < uneven.tolerance < 0.2


def test_the_tolerances_of_all_rows_are_those_of_the_losses_that_there_are() -> None:
    """One large error widens that of an rmse by as much as it widens its interval, and that of an mae less."""
    even, heavy = (limits_of(predictions(spread=16, largest=largest)).tolerances for largest in (0.0, 140.0))

    assert all(tolerance is not None for tolerance in (*even, *heavy))
    assert (heavy[0] or 0) > 1.1 * (even[0] or 0)
    assert (heavy[1] or 0) < 1.1 * (even[1] or 0)


def test_slices_that_decide_too_little_are_left_out_of_the_lines_on_slices() -> None:
    """By their positive rows; the limit is that of the weakest of the others, and so is the tolerance."""
    draw = np.random.default_rng(8)
    group = np.repeat(["north", "south", "west"], [8000, 8000, 500])
    label = draw.random(len(group)) < np.where(group == "west", 0.04, 0.3)
    table = pa.table({"label": label.astype(int), "group": group, "score": label + draw.normal(0, 1, len(group))})
    reading = Reading("binary", Output(), False, table, "score", (), 1, None)
    spec = DatasetSpec.model_validate({"path": "d.csv", "label": "label", "slices": ["group"]})

    drafted = limits(reading, spec, ["auc >= champion - 0.03"], "auc >= champion - 0.06 on each slice")

    assert drafted.small is not None
    assert (drafted.small.key, drafted.small.count, drafted.small.total) == ("min_positives", 1, 3)
    assert drafted.small.least > 500 * 0.1
    assert drafted.each_slice is not None
    assert drafted.each_slice.limit > 0.7
    assert (drafted.tolerance or 1) <= 0.06


def test_the_lines_of_classes_stop_a_loss_that_a_mean_over_them_hides() -> None:
    """Of ten classes of 36 rows one lost 26 points of recall, and the others won as much; an equal version passes all."""
    label = np.repeat(np.arange(10).astype(str), 36)
    before = label.copy()
    before[::40] = "0"
    lost = label.copy()
    lost[8 * 36 : 8 * 36 + 10] = "9"
    own = class_lines(dict.fromkeys(sorted(set(label)), 36), {}, together=12)
    drafted = [line.partition("  #")[0] for line in own]
    overall = ["accuracy >= champion - 0.055", "recall(average=macro) >= champion - 0.055"]

    def verdict(lines: list[str], candidate: Any) -> Verdict:
        table = pa.table({"label": label, "candidate": candidate, "champion": before})
        return run_gate("metrics", table=table, task="multiclass", require=lines).verdict

    assert len(drafted) == 10
    assert verdict(overall, lost) is Verdict.PASS
    assert verdict([*overall, *drafted], lost) is not Verdict.PASS
    assert verdict([*overall, *drafted], before) is Verdict.PASS


def test_classes_that_get_no_line_are_named() -> None:
    """Those whose rows decide next to nothing, and those above twelve."""
    rows = {"rare": 12} | {f"c{number:02}": 100 + number for number in range(14)}
    *lines, note = class_lines(rows, {"recall(class=c00)": 0.19}, together=14)

    assert [line.partition("  #")[0] for line in lines[:2]] == [
        "recall(class=c00) >= champion - 0.19",
        "recall(class=c01) >= champion - 0.12",
    ]
    assert len(lines) == 11
    assert (
        note
        == "# no line holds a class of these alone (12 at most have one): rare (12 rows decide no less than 0.4), c11, c12, c13"
    )
    assert class_lines({"${a}": 100, "b": 100}, {}, together=4) == []
