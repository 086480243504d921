"""Is the candidate fast enough, and in the tail?"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from helpers.fakes import FakeModel, ask, case_of, pipeline_of
from lockgate.evaluation.latency import interleaved_run
from lockgate.evaluation.latency.machine_info import ProcessorTimes
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.satisfiability import refusals
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.latency import Latency
from lockgate.models.model import Usage

Law = Callable[[random.Random], float]


def lognormal(times: float = 1.0, *, sigma: float = 0.2) -> Law:
    return lambda draw: 10 * times * math.exp(draw.gauss(0, sigma))


def gate(*lines: Any, **load: Any) -> Latency:
    given = {
        "gate": "latency",
        "require": list(lines),
        "load": {"closed": {"concurrency": 1}, "requests": 2000, **load},
    }
    return Latency.model_validate(given)


def timed(
    folder: Path,
    *lines: Any,
    candidate: Law | None = None,
    champion: Law | None = None,
    alone: bool = False,
    **load: Any,
) -> GateResult:
    case = case_of(
        folder,
        candidate=FakeModel(candidate or lognormal(), seed=1),
        champion=FakeModel(champion or lognormal(), seed=2),
        alone=alone,
    )
    return ask(case, gate(*lines, **load))


@pytest.mark.parametrize(("times", "verdict"), [(1.0, Verdict.PASS), (1.1, Verdict.INCONCLUSIVE), (1.3, Verdict.FAIL)])
def test_a_ratio_is_decided_on_its_bound(tmp_path: Path, times: float, verdict: Verdict) -> None:
    """Equal models pass at a tenth more; slower by just that is not shown either way; slower by a third fails."""
    found = timed(tmp_path, "p95_ms <= champion * 1.10", candidate=lognormal(times), requests=4000).findings[0]

    assert found.decided is not None
    assert found.decided.high is not None
    assert found.verdict is verdict, found.reason
    assert (found.decided.on, found.decided.required) == ("ratio", ("<=", 1.1))
    assert (found.decided.high <= 1.1) == (verdict is Verdict.PASS)


@pytest.mark.parametrize("subject", ["p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms"])
def test_a_limit_in_milliseconds_is_met_where_its_interval_ends_below(tmp_path: Path, subject: str) -> None:
    """The finding's own end is what decides: a limit at it passes, one a little below does not."""

    def against(limit: float) -> Any:
        return timed(tmp_path / str(limit), f"{subject} <= {limit!r}", alone=True).findings[0]

    first = against(20.0)
    assert first.decided is not None
    end = first.decided.high
    assert end is not None
    assert against(end * (1 + 1e-9)).verdict is Verdict.PASS
    below = against(end * (1 - 1e-3))
    assert below.verdict is Verdict.INCONCLUSIVE
    assert " ms not shown; measured on " in below.reason


def test_a_whole_run_is_told(tmp_path: Path) -> None:
    """Counted facts beside estimated ones, the circumstances, and every raw request on disk."""
    result = timed(
        tmp_path, "p50_ms <= champion * 2", "errors <= 0", "load_seconds <= 2", "rss_mb <= champion * 1.5", requests=500
    )
    raw = pq.read_table(tmp_path / "latency" / "latency.parquet").to_pydict()

    assert result.verdict is Verdict.PASS, result.reason
    assert [(one.subject, one.observed, one.champion) for one in result.findings[1:]] == [
        ("errors", 0.0, 0.0),
        ("load_seconds", 1.5, 1.5),
        ("rss_mb", 200.0, 200.0),
    ]
    assert result.context["load"] == "closed loop, one request at a time: service time"
    assert result.context["requests"] == 500
    assert result.context["data"] == "input example"
    assert sorted(raw) == ["batch", "block", "done_s", "failed", "intended_s", "lag_s", "model", "sent_s"]
    assert len(raw["model"]) == 1000
    assert sorted(set(raw["block"])) == list(range(20))


def test_errors_are_counted_and_the_first_is_shown(tmp_path: Path) -> None:
    """One failed request is one too many, and the champion's are not the candidate's."""
    result = timed(
        tmp_path, "errors <= 0", candidate=lambda draw: math.inf if draw.random() < 0.01 else 10.0, requests=1000
    )
    found = result.findings[0]

    assert (found.verdict, found.code, found.champion) == (Verdict.FAIL, "exceeded", 0.0)
    assert (found.observed or 0) > 0
    assert found.detail["first_error"] == "KeyError: 'age'"
    assert found.reason.endswith("; the first: KeyError: 'age'")


def test_a_failed_request_is_slower_than_any_limit(tmp_path: Path) -> None:
    """Two in a hundred fail: there is no p99, and nothing passes."""
    found = timed(
        tmp_path, "p99_ms <= 1000", "p99_ms <= champion * 5", "mean_ms <= 1000",
        candidate=lambda draw: math.inf if draw.random() < 0.02 else 10.0,
    ).findings  # fmt: skip

    assert [(one.code, one.verdict) for one in found] == [("requests_failed", Verdict.INCONCLUSIVE)] * 3


def test_a_runner_too_noisy_to_tell_says_so(tmp_path: Path) -> None:
    """The champion differs from itself by more than the limit: neither pass nor fail."""
    wild = lognormal(sigma=2.5)
    found = timed(tmp_path, "p99_ms <= champion * 1.05", candidate=wild, champion=wild, requests=400).findings[0]

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "too_noisy")
    assert (
        "this runner is too noisy to tell: halves of the champion's own requests differ by a factor of" in found.reason
    )
    assert "OMP_NUM_THREADS=1 gate run" in str(found.remedy)


def open_loop(folder: Path, *lines: str, candidate: Law, champion: Law, **load: Any) -> tuple[GateResult, FakeModel]:
    """An open loop before models whose requests wait for each other; and the champion that was asked."""
    case = case_of(
        folder,
        candidate=FakeModel(candidate, seed=1, queues=True),
        champion=(asked := FakeModel(champion, seed=2, queues=True)),
    )
    return ask(case, Latency.model_validate({"gate": "latency", "require": list(lines), "load": load})), asked


def slow(ms: float) -> Law:
    return lambda draw: ms * math.exp(draw.gauss(0, 0.001))


TWO = ("p50_ms <= champion * 2", "errors <= 0")


def test_a_load_a_little_above_what_the_model_bears_measures_the_queue(tmp_path: Path) -> None:
    """At a rate beyond the champion's own, the remedy names a lower one; what was counted stands."""
    result, _ = open_loop(tmp_path, *TWO, candidate=slow(10), champion=slow(10), rate="115/s", requests=500)

    assert [one.verdict for one in result.findings] == [Verdict.INCONCLUSIVE, Verdict.PASS]
    assert "the champion answers about 100 requests a second and 115 were sent" in result.reason
    assert "lower load.rate to 50/s" in result.reason
    assert result.context["requests"] == 500


def test_a_rate_far_above_what_the_model_bears_is_not_sent(tmp_path: Path) -> None:
    """A few requests show it; the finding has the line to write, nothing is met, and facts of the model stand."""
    lines = (*TWO, "load_seconds <= 2")
    result, champion = open_loop(tmp_path, *lines, candidate=slow(45), champion=slow(45), rate="100/s", requests=3000)
    median, errors, load_seconds = result.findings

    assert [(one.verdict, one.code, one.observed) for one in (median, errors)] == [
        (Verdict.INCONCLUSIVE, "saturated", None)
    ] * 2
    assert load_seconds.verdict is Verdict.PASS
    assert "100/s is above what the champion serves (about 22." in result.reason
    assert "so no load is sent; lower load.rate to 11/s" in result.reason
    assert median.remedy is not None
    assert median.remedy.startswith(
        "write load: {rate: 11/s, requests: 3000}, which takes about 9 min; or load: {closed: "
    )
    assert [(plan.rate, plan.requests) for plan in champion.plans] == [(None, 20)]
    assert result.context["requests"] == 0


def test_a_load_ends_as_soon_as_a_queue_is_proven(tmp_path: Path) -> None:
    """A model that is quick at first and slow then: three blocks in a row say it, and errors among fewer are not shown."""

    def tiring() -> Law:
        asked = iter(range(10**9))
        return lambda draw: 1.0 if next(asked) < 20 else slow(25)(draw)

    result, champion = open_loop(tmp_path, *TWO, candidate=tiring(), champion=tiring(), rate="100/s", requests=2000)

    assert [(one.verdict, one.code) for one in result.findings] == [(Verdict.INCONCLUSIVE, "saturated")] * 2
    assert "the champion answers about 40 requests a second and 100 were sent" in result.reason
    assert "the load was ended after 3 of 20 blocks" in result.reason
    assert result.findings[0].remedy is not None
    assert "{rate: 20/s, requests: 2000}" in result.findings[0].remedy
    assert len(champion.plans) == 1 + 3


def test_a_candidate_far_slower_than_the_rate_fails_on_fewer_requests(tmp_path: Path) -> None:
    """The champion bears it: the candidate is not excused, and what it does not fail is not shown."""
    result, champion = open_loop(tmp_path, *TWO, candidate=slow(200), champion=slow(2), rate="100/s", requests=2000)
    median, errors = result.findings

    assert (median.verdict, errors.verdict, errors.code) == (Verdict.FAIL, Verdict.INCONCLUSIVE, "saturated")
    assert errors.reason.endswith("so fewer requests are sent, of which only a failure is taken (99 requests)")
    assert sum(plan.requests for plan in champion.plans if plan.rate) == 99


def test_a_busy_moment_beforehand_condemns_no_model(tmp_path: Path) -> None:
    """Most of the few requests are slow, one is not: the load itself decides."""

    def waking() -> Law:
        asked = iter(range(10**9))
        return lambda draw: 60.0 if next(asked) < 19 else 2.0

    result, _ = open_loop(tmp_path, *TWO, candidate=waking(), champion=waking(), rate="100/s", requests=600)

    assert result.verdict is Verdict.PASS, result.reason


@pytest.mark.parametrize(
    ("ms", "behind_server", "load", "requests"),
    [
        (2.0, False, "closed loop, one request at a time: service time", 600),
        (200.0, False, "closed loop, one request at a time: service time", 118),
        (1.0, True, "open loop, 100 requests a second, poisson arrivals: response time", 600),
    ],
)
def test_a_bare_gate_compares_with_the_champion_under_a_load_that_fits(
    tmp_path: Path, ms: float, behind_server: bool, load: str, requests: int
) -> None:
    """A process one request at a time, a server at a rate; before slow models twice as many as the line needs."""
    models = [FakeModel(slow(ms), seed=seed, queues=True, behind_server=behind_server) for seed in (1, 2)]
    result = ask(
        case_of(tmp_path, candidate=models[0], champion=models[1]), Latency.model_validate({"gate": "latency"})
    )

    assert [one.text for one in result.requirements] == ["p95_ms <= champion * 1.5", "errors <= 0"]
    assert (result.verdict, result.context["load"], result.context["requests"]) == (Verdict.PASS, load, requests)


def test_what_fewer_requests_left_undecided_names_the_load_that_decides(tmp_path: Path) -> None:
    """Not the rows: models that are slow in the moment were sent 118 requests, of which the slowest tenth stood together."""

    def stalling() -> Law:
        asked = iter(range(10**9))
        return lambda draw: 70.0 + 400.0 * (next(asked) in (60, 61, 62, 63))

    made = Latency.model_validate({"gate": "latency", "require": ["p95_ms <= 380"], "load": {"warmup": 2}})
    case = case_of(tmp_path, candidate=FakeModel(stalling(), queues=True), champion=FakeModel(slow(70), queues=True))
    finding = ask(case, made).findings[0]

    assert (finding.verdict, finding.code, finding.rows) == (Verdict.INCONCLUSIVE, "not_shown", 118)
    assert "; only 118 of 600 requests were sent, because one took 70 ms beforehand" in finding.reason
    assert "write load: {warmup: 2, requests: 600}, which takes about 87 s" in str(finding.remedy)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others take most of the machine while a load runs."""
    times = iter([ProcessorTimes(0, 0, 0, {}), ProcessorTimes(1000, 100, 0, {10**9: ("python", 1600, 1)})] * 2)
    monkeypatch.setattr(interleaved_run, "read_processor_times", lambda: next(times))


@pytest.mark.usefixtures("busy")
def test_a_fail_beside_busy_programs_says_so_and_what_steadies_threads(tmp_path: Path) -> None:
    """It stays a fail; the remedy is that of the page, whether a line fails or is undecided."""
    failed, passed = timed(tmp_path, "p95_ms <= 5", "p95_ms <= 50", alone=True).findings

    assert (failed.verdict, passed.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert "; meanwhile other programs used 90 % of the machine (python " in failed.reason
    assert str(failed.remedy).startswith(
        "run again when the machine is quiet; a model that computes on several threads "
    )
    assert "OMP_NUM_THREADS=1 gate run" in str(failed.remedy)
    assert "meanwhile" not in passed.reason
    assert passed.remedy is None


def test_a_model_that_uses_more_than_a_processor_is_named(tmp_path: Path) -> None:
    """On a quiet machine too: the processor time of its process is more than its requests took."""

    class Parallel(FakeModel):
        def usage(self) -> Usage:
            return Usage(self.rss_bytes, 0.02 * sum(plan.requests or 0 for plan in self.plans))

    case = case_of(tmp_path, candidate=Parallel(slow(10)), alone=True)

    finding = ask(case, gate("p95_ms <= 5")).findings[0]

    assert "the model computes on several threads (" in str(finding.remedy)
    assert "OMP_NUM_THREADS=1 gate run" in str(finding.remedy)


def test_an_unsteady_load_names_the_load_to_write(tmp_path: Path) -> None:
    """With a longer warm-up and more requests, in place of a duration too; the reason says why getting faster matters."""

    def slower() -> Law:
        asked = iter(range(10**9))
        return lambda draw: 10.0 + next(asked) / 100

    finding = timed(tmp_path, "p95_ms <= 50", candidate=slower(), alone=True).findings[0]

    assert (finding.verdict, finding.code) == (Verdict.INCONCLUSIVE, "not_steady")
    assert "it rose all through the run, so that a longer one would give another number" in finding.reason
    assert "write load: {closed: {concurrency: 1}, requests: 8000, warmup: 100}" in str(finding.remedy)


def test_lines_that_need_more_requests_get_them(tmp_path: Path) -> None:
    """Twice as many as they need at least, so that no default is refused; a number that is written stays."""

    def planned(load: dict[str, Any], *lines: str) -> int | None:
        made = Latency.model_validate({"gate": "latency", "load": load, "require": list(lines)})
        assert list(made.complaints(pipeline_of(made, target="process"))) == []
        return made.load_at("process").planned

    assert planned({}, "p95_ms <= 20") == 600
    assert planned({}, "p999_ms <= 20") == 2 * 2995
    assert planned({"stall": 20}, "p99_ms <= 20") == 2 * 20 * 299
    assert planned({"requests": 400}, "p99_ms <= 20") == 400


def test_a_load_that_did_not_go_when_it_should_has_no_number(tmp_path: Path) -> None:
    """Two milliseconds late beside ten: no verdict is made of such times, whoever they favour; counts stand."""
    case = case_of(tmp_path, candidate=FakeModel(lognormal(0.5), lag_s=0.002), champion=FakeModel(lognormal()))
    result = ask(case, gate("p50_ms <= champion * 2", "p50_ms <= 100", "max_ms <= 1", "errors <= 0"))

    assert [one.verdict for one in result.findings] == [Verdict.INCONCLUSIVE] * 3 + [Verdict.PASS]
    assert [one.code for one in result.findings] == ["load_generator"] * 3 + ["met"]
    assert [one.observed for one in result.findings] == [None, None, None, 0.0]
    assert "the load generator was late: it sent 1 % of the requests to the candidate 2 ms after" in result.reason
    assert result.context["lag_p99_ms"] == {"candidate, batch 1": "2.0", "champion, batch 1": "0.0"}


def test_a_duration_is_shared_by_the_blocks(tmp_path: Path) -> None:
    """Ten seconds at 100 a second are a thousand requests; a closed loop takes what it gets in half a second a block."""
    asked = Latency.model_validate({"gate": "latency", "load": {"rate": "100/s", "duration": "10s"}})
    closed = Latency.model_validate(
        {"gate": "latency", "require": ["p50_ms <= 20"], "load": {"closed": {"concurrency": 4}, "duration": "10s"}}
    )
    model = FakeModel(lognormal())
    result = ask(case_of(tmp_path, candidate=model, alone=True), closed)

    assert asked.load.planned == 1000
    assert closed.load.planned is None
    assert {(plan.duration_s, plan.concurrency, plan.rate) for plan in model.plans} == {(0.5, 4, None)}
    assert result.context["load"] == "closed loop, 4 requests at a time: service time"
    assert result.context["requests"] == 20 * 50


def test_times_that_never_vary_break_nothing(tmp_path: Path) -> None:
    """A law without spread: the ratio is exact, and a mean without any spread is not decided."""
    still: Law = lambda draw: 10.0  # noqa: E731
    ratio, mean = timed(
        tmp_path, "p50_ms <= champion * 1.5", "mean_ms <= 20", candidate=still, champion=still
    ).findings  # fmt: skip

    assert ratio.verdict is Verdict.PASS
    assert mean.verdict is not Verdict.FAIL
    assert mean.observed == pytest.approx(10.0)


def test_batches_are_measured_each_on_its_own(tmp_path: Path) -> None:
    """A line says for which."""
    result = timed(
        tmp_path, "p50_ms(batch=32) <= champion * 2", "p50_ms(batch=1) <= 100", batch_size=[1, 32], requests=200
    )

    assert [one.subject for one in result.findings] == ["p50_ms(batch=32)", "p50_ms(batch=1)"]
    assert result.verdict is Verdict.PASS
    assert sorted(path.name for path in (tmp_path / "exhibits").iterdir()) == [
        "latency-ecdf-batch-1.json",
        "latency-ecdf-batch-32.json",
        "latency-timeline-batch-1.json",
        "latency-timeline-batch-32.json",
    ]


def test_a_point_ratio_needs_no_quiet_runner(tmp_path: Path) -> None:
    """And says that it has no error rate."""
    line = {"metric": "p50_ms", "at_most": "champion * 1.5", "claim": "point"}
    found = timed(tmp_path, line, requests=100).findings[0]

    assert found.decided is not None
    assert (found.verdict, found.decided.method, found.decided.confidence) == (Verdict.PASS, "point", None)


COMPLAINTS = [
    (["p99_ms <= 20"], {"requests": 200}, "'p99_ms <= 20': 200 requests can never decide it; write load: {requests: 299} or more"),
    (["p999_ms <= champion * 2"], {}, "'p999_ms <= champion * 2': 2,000 requests can never decide it; write load: {requests: 2995} or more"),
    (["p99_ms <= 20"], {"stall": 20}, "'p99_ms <= 20': 2,000 requests can never decide it with stalls of 20; write load: {requests: 5980} or more"),
    (["p50_ms(batch=8) <= 20"], {}, "'p50_ms(batch=8) <= 20': no load of batch_size 8 is sent; known: 1"),
    (["p50_ms <= 20"], {"batch_size": [1, 8]}, "'p50_ms <= 20' does not say for which batch; write p50_ms(batch=1)"),
    (["p50_ms <= champion + 5"], {}, "'p50_ms <= champion + 5': times of two models are compared by a factor; write champion * 1.1"),
    (["p99_ms <= 20", "errors <= 0"], {"requests": 299}, None),
    ([{"metric": "p99_ms", "at_most": 20, "claim": "point"}], {"requests": 10}, None),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "load", "said"), COMPLAINTS)
def test_what_no_run_could_decide_is_refused_beforehand(
    lines: list[Any], load: dict[str, Any], said: str | None
) -> None:
    """With the rewrite, at the line's own place."""
    asked = gate(*lines, **load)

    assert list(asked.complaints(pipeline_of(asked))) == ([] if said is None else [(("require", 0), said)])


def test_what_is_counted_holds_for_this_run(tmp_path: Path) -> None:
    """The slowest request, the size of the files, processor time; a champion's beside it."""
    (tmp_path / "case").mkdir()
    case = case_of(tmp_path / "case", candidate=FakeModel(lognormal()), champion=FakeModel(lognormal()))
    (case.candidate.files / "weights.bin").write_bytes(b"0" * 3_000_000)
    lines = ["max_ms <= 1000", "model_mb <= 4", "cpu_seconds_per_1k <= 1", "first_prediction_ms <= 100", "gpus >= 0"]
    found = ask(case, gate(*lines, requests=400)).findings

    assert [one.subject for one in found] == [line.split()[0] for line in lines]
    assert found[0].observed is not None
    assert 10 < found[0].observed < 30
    assert (found[1].observed, found[1].verdict) == (3.0, Verdict.PASS)
    assert (found[2].observed, found[2].rows) == (0.0, 400 + 20 + 19 * found_warmup(400))
    assert (found[3].verdict, found[3].code) == (Verdict.INCONCLUSIVE, "nothing_counted")
    assert found[4].decided is not None
    assert found[4].decided.on == "count"


def found_warmup(requests: int) -> int:
    """Requests before each block but the first, which are sent and not measured."""
    return max(1, min(20, requests // 20 // 20))


def test_rates_are_asked_as_times_are(tmp_path: Path) -> None:
    """Two in a hundred fail: fewer than five are, more than one beside a champion that never fails, and one in a thousand."""
    failing: Law = lambda draw: math.inf if draw.random() < 0.02 else 10.0  # noqa: E731
    result = timed(
        tmp_path, "error_rate <= 5%", "error_rate <= champion + 0.01", "error_rate <= 0.1%",
        candidate=failing, requests=3000,
    )  # fmt: skip

    assert [one.verdict for one in result.findings] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    assert result.findings[1].decided is not None
    assert result.findings[1].decided.on == "difference"


@pytest.mark.parametrize(
    ("line", "load", "what"),
    [
        ("throughput_rps >= 50", {"rate": "100/s"}, "write load: {closed: {concurrency: 4}} to learn how many"),
        ("error_rate <= champion * 1.1", {}, "a champion without errors leaves no room for a factor"),
        ("throughput_rps >= champion - 3", {}, "rates of two models are compared by a factor; write champion * 0.9"),
        ("p50_ms <= champion + 3", {}, "times of two models are compared by a factor; write champion * 1.1"),
        ("error_rate <= 0.1%", {"requests": 400}, "400 requests can never decide it; write load: {requests: 2995}"),
    ],
)
def test_a_rate_that_cannot_be_told_like_that_is_refused(line: str, load: dict[str, Any], what: str) -> None:
    """Before anything is sent."""
    made = Latency.model_validate({"gate": "latency", "require": [line], "load": load or {"closed": {}}})
    complaints = [text for _, text in made.complaints(pipeline_of(made))]

    assert len(complaints) == 1
    assert what in complaints[0]


def test_the_distribution_is_drawn_with_its_bounds_and_limits(tmp_path: Path) -> None:
    """Shares lie within their intervals, the limit of a percentile beside them; the timeline has every block."""
    timed(tmp_path, "p95_ms <= 40", requests=2000)
    shown = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "exhibits").iterdir()}
    points = shown["latency-ecdf-batch-1"]["points"]
    limits = [point for point in points if point[0] == "p95_ms <= 40"]
    shares = [[float(cell) for cell in point[1:]] for point in points if point[0] == "candidate"]

    assert limits == [["p95_ms <= 40", "40.0", "0.95", None, None]]
    assert all(low <= share <= high for _, share, low, high in shares)
    assert shares[-1][1] == 1.0
    timeline = shown["latency-timeline-batch-1"]["points"]
    assert {(model, block) for model, block, *_ in timeline} == {
        (model, block) for model in ("candidate", "champion") for block in range(20)
    }
    assert len(timeline) <= 2000


def test_a_model_that_says_how_it_is_to_be_served_is_held_to_it(tmp_path: Path) -> None:
    """Where the pipeline names no line: the budget at a batch size, memory; the evidence shows them and who asked."""
    serving = {"p95_ms": 40, "batch": 32, "rss_mb": 150}
    case = case_of(tmp_path, candidate=FakeModel(lognormal()), candidate_facts={"metadata": {"serving": serving}})
    result = ask(case, Latency.model_validate({"gate": "latency", "load": {"closed": {}, "requests": 400}}))

    assert [one.text for one in result.requirements] == [
        "p95_ms(batch=32) <= 40",
        "rss_mb <= 150",
        "errors(batch=32) <= 0",
    ]
    assert [one.verdict for one in result.findings] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert result.context["asked_by"] == "the candidate's own metadata"
    assert result.context["batch_sizes"] == [32]


SERVING = {"p95_ms": 40, "rss_mb": 250, "batch": 32, "input_format": "dataframe_split", "cpus": 2}


@pytest.mark.parametrize(
    "declared",
    [
        {"metadata": {"serving": SERVING}},
        {"tags": {f"serving.{name}": str(value) for name, value in SERVING.items()}},
        {"run": {"id": "abc", "params": {f"serving.{name}": str(value) for name, value in SERVING.items()}}},
        {"metadata": {"serving": SERVING}, "tags": {"serving.p95_ms": "1", "serving.notes": "as agreed"}},
    ],
    ids=["metadata", "tags", "params", "metadata before tags"],
)
def test_a_version_is_held_to_what_it_declares(tmp_path: Path, declared: dict[str, Any]) -> None:
    """At the batch that it declares, beside the lines of the pipeline on its own; the evidence has the numbers."""
    lines = ["p95_ms <= declared", "rss_mb <= declared", "errors <= 0"]
    case = case_of(tmp_path, candidate=FakeModel(lognormal()), candidate_facts=declared)
    result = ask(case, gate(*lines, requests=400))

    assert [one.text for one in result.requirements] == ["p95_ms(batch=32) <= 40", "rss_mb <= 250", "errors <= 0"]
    assert [one.verdict for one in result.findings] == [Verdict.PASS] * 3
    assert result.context["batch_sizes"] == [1, 32]


def test_what_is_not_declared_is_held_against_nothing(tmp_path: Path) -> None:
    """Nor is a number for another batch; who logs the model is told how to declare it, and the other lines are judged."""
    facts = {"metadata": {"serving": {"p95_ms": 40, "batch": 32}}}
    case = case_of(tmp_path, candidate=FakeModel(lognormal()), candidate_facts=facts)
    result = ask(case, gate("p95_ms(batch=1) <= declared", "rss_mb <= declared", "errors <= 0", requests=400))

    assert [(one.requirement, one.verdict, one.code) for one in result.findings] == [
        ("r1", Verdict.INCONCLUSIVE, "not_declared"),
        ("r2", Verdict.INCONCLUSIVE, "not_declared"),
        ("r3", Verdict.PASS, "met"),
    ]
    assert "fraud version 7 declares its p95_ms for batches of 32" in result.findings[0].reason
    assert "fraud version 7 does not declare its rss_mb" in result.findings[1].reason
    assert str(result.findings[1].remedy).startswith("log the model with metadata={'serving': {'rss_mb': 1}}, or tag")


@pytest.mark.parametrize(
    "lines",
    [["gpus >= declared", "p95_ms <= 40"], ["gpus >= 99", "p95_ms <= 40"], ["p95_ms <= declared", "errors <= 0"]],
)
def test_without_the_graphics_processor_that_is_asked_for_nothing_is_measured(tmp_path: Path, lines: list[str]) -> None:
    """Times of another machine are neither kept nor broken promises, and no request is sent."""
    model = FakeModel(lognormal())
    case = case_of(tmp_path, candidate=model, candidate_facts={"metadata": {"serving": {"p95_ms": 40, "gpus": 99}}})
    result = ask(case, gate(*lines, requests=400))

    assert [(one.verdict, one.code) for one in result.findings] == [(Verdict.INCONCLUSIVE, "no_gpu")] * 2
    assert model.driven == 0


def test_a_limit_that_no_version_declares_is_refused(tmp_path: Path) -> None:
    """Before anything runs."""
    subject = Subject("auc", "higher", bounds=(0, 1))

    assert refusals(parse("auc >= declared"), subject, champion=True, confidence=0.95) == [
        "'auc >= declared': no version declares its auc; write a number or champion"
    ]
    assert not refusals(parse("rss_mb <= declared"), Latency.subjects["rss_mb"], champion=True, confidence=0.95)


def test_lines_of_the_pipeline_win_over_the_models(tmp_path: Path) -> None:
    """The team's policy is not the model's to soften."""
    known = {"metadata": {"serving": {"p50_ms": 1000}}}
    case = case_of(tmp_path, candidate=FakeModel(lognormal()), candidate_facts=known)

    assert [one.subject for one in ask(case, gate("errors <= 0", requests=200)).findings] == ["errors"]


def test_a_bare_gate_names_each_batch_size(tmp_path: Path) -> None:
    """A line on several would be none."""
    made = Latency.model_validate({"gate": "latency", "load": {"batch_size": [1, 8]}})

    assert [str(line) for line in made.lines] == [
        "p95_ms(batch=1) <= champion * 1.5", "errors(batch=1) <= 0", "p95_ms(batch=8) <= champion * 1.5",
        "errors(batch=8) <= 0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("serving", "what"),
    [
        ([1], "which is no map"),
        ({"p99ms": 5}, "asks for serving: p99ms, which nothing measures; known: batch, p50_ms"),
        ({"p99_ms": "fast"}, "serving.p99_ms: 'fast', which is no number"),
        ({"p99_ms": math.inf}, "serving.p99_ms: inf, which is no number"),
        ({"p99_ms": 5, "batch": 0}, "serving.batch: 0, which is no number"),
    ],
)
def test_metadata_that_asks_for_nothing_measurable_fails_the_candidate(tmp_path: Path, serving: Any, what: str) -> None:
    """With what to write instead."""
    case = case_of(tmp_path, candidate_facts={"metadata": {"serving": serving}})
    result = ask(case, Latency.model_validate({"gate": "latency"}))

    assert result.verdict is Verdict.FAIL
    assert what in result.reason


def test_the_evidence_says_where_the_models_answered(tmp_path: Path) -> None:
    """Each role, with what was learned there."""
    result = timed(tmp_path, "errors <= 0", requests=100)

    models = result.context["models"]
    assert sorted(models) == ["candidate", "champion"]
    assert {one["where"] for one in models.values()} == {"in a test"}
    assert models["candidate"]["versions"] == {"mlflow": "3.1.0"}


def test_what_a_server_does_not_tell_is_not_taken_for_nothing(tmp_path: Path) -> None:
    """Neither memory nor the time to load of a server that somebody else runs."""
    server = FakeModel(lognormal(), load_seconds=None, rss_bytes=None)
    result = ask(case_of(tmp_path, candidate=server, alone=True), gate("load_seconds <= 5", "rss_mb <= 500"))

    assert [finding.verdict for finding in result.findings] == [Verdict.INCONCLUSIVE] * 2


def test_a_place_of_the_gates_own_is_where_it_asks(tmp_path: Path) -> None:
    """And the pipeline's place is left alone."""
    case = case_of(tmp_path, alone=True)
    served = Latency.model_validate({"gate": "latency", "require": ["errors <= 0"], "target": {"serve": "mlflow"}})
    result = ask(case, served)

    assert result.verdict is Verdict.PASS
    assert case.candidate.load_facts(served.target) is not None
    assert case.candidate.load_facts(None) is None


def test_an_interrupted_load_leaves_what_was_measured(tmp_path: Path) -> None:
    """Four whole blocks of both models, readable, under a name that says it is not all; nothing under the other name."""
    case = case_of(tmp_path, candidate=FakeModel(interrupted=5), champion=FakeModel(interrupted=5))
    with pytest.raises(KeyboardInterrupt):
        ask(case, gate("errors <= 0", requests=200))
    raw = pq.read_table(tmp_path / "latency" / "latency.partial.parquet")

    assert [path.name for path in (tmp_path / "latency").iterdir()] == ["latency.partial.parquet"]
    assert raw.num_rows in (80, 90)
    assert set(raw["block"].to_pylist()) <= set(range(5))
    assert set(raw["model"].to_pylist()) == {"candidate", "champion"}


LINES = ["p99_ms <= 30", "mean_ms <= 11", "p95_ms <= champion * 1.2", "error_rate <= 1%", "error_rate <= champion + 0.01", "max_ms <= 1000"]  # fmt: skip


def test_a_long_run_is_decided_on_bins_as_a_short_one_on_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same verdicts, numbers within half a permille; the evidence says that values were counted in bins."""
    exact = timed(tmp_path / "exact", *LINES)
    monkeypatch.setattr("lockgate.evaluation.latency.interleaved_run.EXACT", 700)
    folded = timed(tmp_path / "folded", *LINES)

    assert [one.verdict for one in folded.findings] == [one.verdict for one in exact.findings]
    assert [one.observed for one in folded.findings] == pytest.approx(
        [one.observed for one in exact.findings], rel=6e-4
    )
    assert "values" not in exact.context
    assert folded.context["values"] == "counted in bins half a permille wide; claims hold for either edge"
    one, other = (pq.read_table(tmp_path / name / "latency" / "latency.parquet") for name in ("exact", "folded"))
    assert one == other


def test_how_long_it_takes_is_foretold_from_a_few_requests(tmp_path: Path) -> None:
    """A closed loop of 200 requests of 50 ms to each model, its warm-up, and nothing else; of a rate too high, why."""
    models = [FakeModel(slow(50), seed=seed, queues=True) for seed in (1, 2)]
    case = case_of(tmp_path, candidate=models[0], champion=models[1])
    closed = gate("p50_ms <= champion * 2", requests=200).foretell(case, loaded=True)
    open_ = Latency.model_validate(
        {"gate": "latency", "require": ["p50_ms <= 9"], "load": {"rate": "50/s", "requests": 3000}}
    )
    above = open_.foretell(case, loaded=True)

    assert closed.seconds == pytest.approx(2 * 0.05 * (200 + 20 + 19), rel=0.01)
    assert closed.obstacle is None
    assert "50/s is above what the champion serves (about 20/s" in (above.obstacle or "")
    assert [plan.requests for plan in models[0].plans] == [20, 20]
