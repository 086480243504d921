"""The same rows looked at again: tested at alpha / budget, and refused when it is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.fakes import asking, case_of
from lockgate.data.slices.names import finding_id
from lockgate.errors import PipelineError
from lockgate.evaluation.case import Case
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evaluation.judging.run_certainty import certainty
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Decided, Finding, Verdict
from lockgate.gates.metrics import Metrics
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline, Reuse
from lockgate.runs.run import PipelineRun, now

TEXT = """\
model: fraud
task: binary
threshold: 0.5
registry: {uri: "sqlite:///m.db"}
candidate: {newest: true}
champion: {alias: production, else: none}
data:
  holdout: {path: data.parquet, label: y}
  other: {path: data.parquet, label: y}
REUSE
gates:
  - gate: metrics
    data: holdout
    require:
      - auc >= champion - 0.02
      - {metric: recall, at_least: 0.6, confidence: 0.9}
      - {metric: precision, at_least: 0.6, claim: point}
  - {gate: latency, data: other, load: {requests: 3000}, require: [p99_ms <= 20, errors <= 0]}
  - {gate: shadow, data: other, require: [errors <= 0]}
"""


def load(folder: Path, reuse: str = "") -> Pipeline:
    path = folder / "p.yaml"
    path.write_text(TEXT.replace("REUSE", reuse))
    return loader.load(path, environ={}, root=folder)


class TestBudget:
    """`reuse: {budget: B}` is in the policy, and in every line that looks at rows."""

    def test_each_look_is_tested_at_a_share_of_alpha(self, tmp_path: Path) -> None:
        """Lines on rows alone: latency is measured anew in each run, counts and points carry no rate."""
        of = load(tmp_path, "reuse: {budget: 5}")

        assert [line.confidence for gate in of.gates for line in gate.lines] == [0.99, 0.98, None, None, None, None]
        assert [one.text for one in of.requirements_of("metrics")] == [
            "auc >= champion - 0.02 {confidence: 0.99}",
            "recall >= 0.6 {confidence: 0.98}",
            "precision >= 0.6 {claim: point}",
        ]

    def test_it_is_part_of_the_digest(self, tmp_path: Path) -> None:
        """Another budget is another policy."""
        digests = {load(tmp_path, text).policy_digest for text in ("", "reuse: {budget: 1}", "reuse: {budget: 2}")}

        assert len(digests) == 3

    def test_a_budget_of_one_changes_no_confidence(self, tmp_path: Path) -> None:
        """One look at alpha."""
        assert [line.confidence for line in load(tmp_path, "reuse: {budget: 1}").gates[0].lines] == [0.95, 0.9, None]

    @pytest.mark.parametrize("budget", ["0", "many", "2.5", "1001"])
    def test_what_is_no_number_of_looks_is_refused(self, tmp_path: Path, budget: str) -> None:
        """From one on."""
        with pytest.raises(PipelineError, match="budget"):
            load(tmp_path, f"reuse: {{budget: {budget}}}")


def judged(
    gate: Metrics, name: str, *, p_pass: str = "0.001", p_fail: str = "0.999", claim: Any = "not_worse"
) -> Finding:
    line = dict(gate.numbered_requirements)[name]
    decided = Decided(
        "difference", claim, 0.0, -0.01, 0.01, (">=", -0.02), line.confidence or 0.95, 0.005, 900.0, "delong paired, t"
    )
    detail = {"p_pass": p_pass, "p_fail": p_fail, "p_fail_holm": p_fail}
    from lockgate.evidence.finding import FindingLimit

    return Finding(
        finding_id("metrics", name, ()), name, "auc", {}, 0.9, (0.88, 0.92), 0.9, FindingLimit(">=", 0.88, "champion - 0.02"),
        decided, 1000, 300, None, verdict_of(decided, detail), "met", "auc is 0.9", None, detail,
    )  # fmt: skip


SAID: list[Any] = []


class Says(Metrics):
    """Yields what SAID holds."""

    def check(self, case: Case) -> Any:
        yield from SAID


def asked(
    folder: Path, published: Any, *, budget: int | None = None, claim: Any = "not_worse", **p: str
) -> PipelineRun:
    gate = Says.model_validate({"gate": "metrics", "data": "holdout", "require": ["auc >= champion - 0.02"]})
    SAID[:] = [judged(gate, "r1", claim=claim, **p)]
    run = asking(case_of(folder / "run"), gate, reuse=None if budget is None else Reuse(budget=budget))
    run.published = published
    run.run_gates()
    return run


def written(run: PipelineRun) -> Evidence:
    return run.evidence(data=[], scored=[], finished_at=now())


def before(count: int) -> Any:
    return lambda: [{"data": '["holdout"]'}] * count


@pytest.mark.parametrize(
    ("published", "title", "said"),
    [
        (before(0), "Evaluation no. 1 of holdout, or a later one", "with this one alone it stays at most 7.8 %."),
        (
            before(2), "Evaluation no. 3 of holdout, or a later one",
            "over the 3 evaluations that are counted it is at most 23.4 %. Counted is each published run, also of the same models, and of unpublished "
            "ones in this checkout each pair of models once.",
        ),
        (before(30), "Evaluation no. 31 of holdout, or a later one", "over so many nothing is promised."),
        (
            None, "Evaluation of unknown number of holdout (what is published could not be read)",
            "over all of them the chance is unknown.",
        ),
    ],
)  # fmt: skip
def test_the_run_says_what_the_looks_come_to(tmp_path: Path, published: Any, title: str, said: str) -> None:
    """Beside its own rate."""
    about = written(asked(tmp_path, published))

    assert certainty(about)[2] == (title, f"Every evaluation of the same rows gives luck another chance; {said}")
    assert about.verdict is Verdict.PASS


def test_a_job_that_leaves_no_record_promises_nothing(tmp_path: Path) -> None:
    """It says how many there were at least; where these are more than the budget, nothing is decided."""
    gate = Says.model_validate({"gate": "metrics", "data": "holdout", "require": ["auc >= champion - 0.02"]})
    SAID[:] = [judged(gate, "r1")]
    run = asking(case_of(tmp_path / "run"), gate)
    run.published, run.unrecorded = before(2), True
    run.run_gates()
    strict = asking(case_of(tmp_path / "strict"), gate, reuse=Reuse(budget=2))
    strict.published, strict.unrecorded = before(2), True
    strict.run_gates()

    assert certainty(written(run))[2] == (
        "Evaluation of unknown number of holdout (jobs like this one leave no record; at least 3, this one included)",
        "Every evaluation of the same rows gives luck another chance; over all of them the chance is unknown.",
    )
    assert [finding.code for finding in strict.results[0].findings] == ["budget_spent"]


def test_the_looks_are_under_run(tmp_path: Path) -> None:
    """They differ between equal runs."""
    assert written(asked(tmp_path, before(2))).document["run"]["looks"] == {"holdout": 3}


def test_a_look_within_the_budget_is_shown_in_the_first_sentence(tmp_path: Path) -> None:
    """And in the run's."""
    run = asked(tmp_path, before(2), budget=3)

    assert run.results[0].reason == "1 requirement met; evaluation no. 3 of the 3 allowed on holdout"
    assert certainty(written(run))[2] == (
        "Evaluation no. 3 of the 3 allowed on holdout",
        "Every evaluation of the same rows gives luck another chance; over all 3, as far as they are counted, it is at most 23.4 %.",
    )
    assert written(run).document["policy"]["reuse"] == {"budget": 3}


@pytest.mark.parametrize("claim", ["not_worse", "no_harm", "superior"])
@pytest.mark.parametrize("p", [{}, {"p_pass": "1.0", "p_fail": "0.0001"}])
def test_a_spent_budget_decides_nothing(tmp_path: Path, claim: str, p: dict[str, str]) -> None:
    """Neither a pass nor a fail; a stranger comes to the same verdict, and the owner cannot accept it."""
    run = asked(tmp_path, before(3), budget=3, claim=claim, **p)
    [found] = run.results[0].findings
    stored = json.loads(written(run).stored)["gates"][0]["findings"][0]

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "budget_spent")
    assert found.reason == "auc is 0.9. Not decided: this is evaluation no. 4 on holdout, and reuse.budget allows 3"
    assert found.remedy == "judge on fresh rows, under a data name of their own"
    assert verdict_of(Decided.from_json(stored["decided"]), stored["detail"]) is Verdict.INCONCLUSIVE
    assert written(run).verdict is Verdict.INCONCLUSIVE


def test_an_unknown_count_does_not_break_the_run(tmp_path: Path) -> None:
    """It says so, in the first sentence too."""
    run = asked(tmp_path, None, budget=3)

    assert written(run).document["run"]["looks"] == {"holdout": None}
    assert run.results[0].reason == (
        "1 requirement met; one evaluation of the 3 allowed on holdout, how many there were is unknown"
    )
