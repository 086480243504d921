"""The short version of the decision benchmarks: few cells, fixed seeds, bounds of four standard errors and more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any

import pytest

from bench.decisions import exact, rules
from bench.decisions.agreement import AgreementCell
from bench.decisions.bars import Bar
from bench.decisions.breaks import BreakCell
from bench.decisions.cells import Cell, run
from bench.decisions.foretold import ForetoldCell
from bench.decisions.gaps import GapCell
from bench.decisions.laws import monotone
from bench.decisions.laws.law import LawCell
from bench.decisions.laws.no_harm import NoHarmCell
from bench.decisions.losses import LossCell
from bench.decisions.scores import ScoreCell
from bench.decisions.shares import PAIRS, ShareCell
from bench.decisions.shifted import ShiftCell
from bench.decisions.weights import WeightCell
from bench.grids import printed, report
from lockgate.evidence.finding import Verdict

TWENTY = ShareCell(disc=0.1, margin=0.03, slices=20, rows=2_000, sims=600)


@pytest.fixture
def nothing_remembered() -> Iterator[None]:
    """No enumeration outlives a test that changes the rule."""
    exact.slice_rates.cache_clear()
    yield
    exact.slice_rates.cache_clear()


def test_a_regression_at_the_margin_is_promoted_one_time_in_twenty() -> None:
    """However many slices are fine; a comparison of the points promotes every second one."""
    found = TWENTY.run()

    assert 0.015 <= found.promoted["D"]["gate"] <= 0.085
    assert 0.015 <= found.promoted["C"]["gate"] <= 0.085
    assert found.promoted["D"]["point"] >= 0.40
    assert found.promoted["D"]["kayenta"] >= 0.85
    assert found.promoted["G"]["gate"] == 0.0


def test_equal_models_pass_about_as_often_as_an_oracle_would_let_them() -> None:
    """Twenty slices of 2,000 rows decide at this margin, and nine times in ten they do."""
    found = TWENTY.run()

    assert found.promoted["A"]["gate"] >= 0.85
    assert abs(found.promoted["A"]["gate"] - found.promoted["A"]["oracle"]) <= 0.04
    assert found.failed["A"] == 0.0


def test_a_slice_at_twice_the_margin_fails_the_gate() -> None:
    """One of twenty, after Holm; and slices exactly at the margin seldom do."""
    found = TWENTY.run()

    assert found.failed["E"] >= 0.90
    assert found.promoted["E"]["gate"] == 0.0
    assert found.failed["G"] <= 0.09


@pytest.mark.parametrize(("disc", "margin"), PAIRS)
@pytest.mark.parametrize("rows", [200, 2_000, 10_000])
def test_one_slice_keeps_its_rates_by_enumeration(disc: float, margin: float, rows: int) -> None:
    """Without simulation: the false pass at the margin is at most 0.055, the power within 0.03 of the oracle's."""
    false, _ = exact.slice_rates(rows, disc, -margin, margin=margin)
    power, _ = exact.slice_rates(rows, disc, 0.0, margin=margin)

    assert (0.03 if margin > 3 / rows else 0.0) <= false <= 0.055
    if rows * disc >= 40:
        assert power >= rules.oracle_power(rows, disc, margin=margin) - 0.03


@pytest.mark.parametrize(("disc", "margin"), PAIRS)
@pytest.mark.parametrize(("slices", "rows"), [(1, 200), (20, 500), (100, 1_000), (500, 1_000), (500, 5_000)])
def test_slices_at_the_margin_seldom_fail(disc: float, margin: float, slices: int, rows: int) -> None:
    """Far in its tail too, where Holm reads it; without its skewness taken out it is up to 0.09 at disagreement 0.02."""
    at_margin = exact.run_rates(rows, disc, margin=margin, slices=slices, one=-margin, rest=-margin)

    assert at_margin[1] <= 0.054


@pytest.mark.parametrize(("disc", "margin"), PAIRS)
def test_a_loss_of_twice_the_margin_is_found_as_often_as_can_be(disc: float, margin: float) -> None:
    """Nine times in ten among twenty slices of 2,000 rows, or within three points of what any test of that level could."""
    possible = exact.best_possible_fail(2_000, disc, margin=margin, slices=20)
    _, failed = exact.run_rates(2_000, disc, margin=margin, slices=20, one=-2 * margin, rest=0.0)

    assert failed >= min(0.90, possible - 0.03)


@pytest.mark.parametrize(
    "cell", [ShareCell(0.02, 0.01, 1, 200, 3), ShareCell(0.1, 0.03, 20, 500, 1), ShareCell(0.3, 0.05, 100, 200, 1)]
)
def test_counts_and_tables_are_judged_alike(cell: ShareCell) -> None:
    """What is simulated on counts is what the gate says of the rows."""
    found = AgreementCell(cell).run()

    assert found.runs == 6 * cell.sims
    assert found.apart == 0
    assert found.differ <= 1e-9


def test_an_auc_at_the_margin_is_seldom_promoted() -> None:
    """Two hundred positives; the point is a coin's flip."""
    found = ScoreCell(area=0.85, correlation=0.9, prevalence=0.1, positives=200, sims=400, equal_sims=100).run().found

    assert 0.01 <= found.false <= 0.11
    assert found.by_point >= 0.40
    assert found.power >= 0.10


def test_heavy_losses_in_clusters_are_seldom_promoted() -> None:
    """Who is not told of the clusters promotes several times too often."""
    found = LossCell(shape="tail", sigma=1.2, icc=0.6, clusters=200, rows=2_000, sims=400, equal_sims=50).run()

    assert 0.005 <= found.found.false <= 0.12
    assert found.naive is not None
    assert found.naive >= 0.14


def test_ten_rows_that_carry_all_weight_show_nothing() -> None:
    """By influence values alone a third of such candidates pass, and they are at the limit."""
    found = WeightCell("ten heavy rows", sims=30).run()

    assert found.units < 11
    assert found.false.max() <= 0.1
    assert found.power.max() <= 0.1


def test_a_gap_that_is_the_margin_too_wide_seldom_passes() -> None:
    """Nor fails, also where the champion has no gap at all; equal models pass, and those that closed a gap."""
    cell = GapCell((60, 60), "rows", 0.2, sims=40).run()

    assert cell.false.max() <= 0.19
    assert cell.power.min() >= 0.5


def test_heavy_users_of_whom_none_was_seen_to_err_prove_nothing() -> None:
    """Three users with three rows in ten err in one case of three: by Kish's number of users 30 % of such candidates pass."""
    found = LawCell("clusters 3 users of 200 rows, 300 of 5: accuracy >= 0.9", sims=40).run()

    assert found.false is not None
    assert max(line.promised for line in found.false) <= 0.1


def test_rare_rows_that_are_lost_are_not_taken_for_none() -> None:
    """A squared error of 1 in one row of a hundred, unseen in every fifth sample of 150 rows."""
    found = LawCell("rare 0.0001 for 0.9, 150 rows: brier <= champion + 0.01", sims=150).run()

    assert found.false is not None
    assert found.false[0].promised <= 0.12


def test_a_lost_share_of_positives_is_seldom_promoted() -> None:
    """Three positives in a hundred are ranked last, unseen in every fourth sample of forty."""
    found = LawCell("lost, 40 positives of 400: auc >= champion - 0.03", sims=150).run()

    assert found.false is not None
    assert found.false[0].promised <= 0.12


@pytest.mark.parametrize("cell", monotone.grid(0), ids=lambda cell: cell.name)
def test_a_better_model_never_loses(cell: monotone.MonotoneCell) -> None:
    """More rows right, or more rows alike, never turn a pass into less."""
    assert {metric: turned for metric, turned in cell.run().turned.items() if turned} == {}


def test_a_loss_that_a_check_says_it_would_have_seen_is_seen() -> None:
    """Nine times in ten."""
    assert NoHarmCell("brier", slices=1, rows=60, sims=60).run().unseen <= 0.25


@pytest.mark.parametrize(
    "cell",
    [
        ForetoldCell("accuracy", 300, 60, 150),
        ForetoldCell("precision", 1_000, 400, 150),
        ForetoldCell("auc", 200, 100, 150),
        ForetoldCell("average_precision", 600, 60, 150),
        ForetoldCell("accuracy", 1_000, 200, 150, 0.6),
        ForetoldCell("auc", 1_000, 50, 100, 0.85),
    ],
)
def test_equal_models_pass_as_often_as_the_plan_foretells(cell: ForetoldCell) -> None:
    """Nine times in ten where *underpowered* turns into *has power*, and less below; four standard errors are ten points or more."""
    row = cell.run()

    assert row.foretold == pytest.approx(0.9, abs=0.01) if cell.part == 1 else row.foretold < 0.9
    assert abs(row.passed - row.foretold) <= (0.10 if cell.part == 1 else 0.14)


def test_what_a_candidate_breaks_of_clusters_is_bounded() -> None:
    """At the limit one in twenty passes, at half of it nearly all do; four standard errors."""
    row = BreakCell("clusters", limit=0.05, rows=2_000, sims=60).run()

    assert row.false.max() <= 0.05 + 4 * 0.028
    assert row.fails.max() <= 0.05 + 4 * 0.028
    assert row.power.min() >= 0.85


def test_results_do_not_depend_on_who_computes_them() -> None:
    """Every cell has a seed of its own: two workers in another order say what one says."""
    cells: list[Cell] = [
        ShareCell(0.1, 0.03, 20, 200, 50),
        ScoreCell(0.7, 0.8, 0.5, 20, 20, 4),
        LossCell("pair", 0.6, 0.3, 20, 200, 20, 4),
    ]
    alone = [str(run(cell)) for cell in cells]
    with get_context("spawn").Pool(2) as pool:
        together = pool.map(run, cells[::-1])

    assert [str(row) for row in together[::-1]] == alone


@pytest.mark.usefixtures("nothing_remembered")
def test_a_gate_that_compares_points_misses_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars can be missed."""

    def points(b: int, c: int, rows: int, *, margin: float) -> tuple[float, float]:
        return (0.0, 1.0) if b - c >= -margin * rows else (1.0, 0.5)

    monkeypatch.setattr(rules, "p_values", points)
    monkeypatch.setattr(exact, "p_values", points)
    found = ShareCell(0.1, 0.03, 20, 2_000, 100).run()
    missed = {bar.what for bar in found.bars if not bar.met}

    assert missed == {"G1 false promotion at the least favourable point", "G1 fails a slice at -2 margin"}


@pytest.mark.usefixtures("nothing_remembered")
def test_a_simulation_that_differs_from_its_enumeration_misses_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways to the same number watch each other."""
    monkeypatch.setattr(rules, "p_values", lambda b, c, rows, *, margin: (0.01, 1.0))
    found = ShareCell(0.1, 0.03, 1, 500, 200).run()

    assert {bar.what for bar in found.bars if not bar.met} == {
        "G1 simulation and enumeration apart, in standard errors"
    }


@pytest.mark.parametrize(("found", "code", "word"), [(0.06, 1, "missed"), (0.05, 0, "met   ")])
def test_a_missed_bar_fails_the_benchmark(
    found: float, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is said."""
    bars = [Bar("kept", 0.04, "<=", 0.05, "here"), Bar("held", found, "<=", 0.05, "there")]

    assert report(bars, seconds=1.0) == code
    assert f"bar {word}  held: {found:.4f} <= 0.0500  (there)" in capsys.readouterr().out


@dataclass(frozen=True)
class _LuckyCell:
    """A rate of 0.08 in a hundred simulations, and of `truth` in more."""

    sims: int
    truth: float

    def run(self) -> Any:
        rate = 0.08 if self.sims == 100 else self.truth
        return SimpleNamespace(bars=(Bar("false pass", rate, "<=", 0.07, "cell"),), sims=self.sims)


class _Here:
    """As a pool of processes."""

    imap = staticmethod(map)

    @staticmethod
    def apply(call: Any, args: Any) -> Any:
        return call(*args)


def test_a_bar_that_is_missed_is_held_against_more_simulations(capsys: pytest.CaptureFixture[str]) -> None:
    """Which luck does not miss, and a rate that is too high does."""
    cells = [_LuckyCell(100, 0.05), _LuckyCell(100, 0.09)]

    ((well, badly),) = printed(_Here(), {"X": ("header", cells)}, only="X")  # type: ignore[arg-type]

    assert [well.sims, badly.sims] == [800, 800]
    assert [row.bars[0].met for row in (well, badly)] == [True, False]
    assert capsys.readouterr().out.count("run again with 8 times the simulations") == 2


def test_traffic_at_the_margin_passes_one_time_in_twenty() -> None:
    """Where all of the distance lies at one number, which is where the bound is sharpest."""
    verdicts = ShiftCell("two numbers", 2_000, 1_000, sims=150).verdicts(1.0)

    assert 0.005 <= sum(verdict is Verdict.PASS for verdict in verdicts) / 150 <= 0.12
    assert Verdict.FAIL not in verdicts
