"""`gate reevaluate` says of the runs of a model what another policy would have made of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpers import report_story
from lockgate.cli.commands.reevaluate import by_halves, command
from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict
from lockgate.evidence.run_folder import RunFolder

PIPELINE = """\
model: {model}
task: regression
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
data:
  holdout: {{path: d.parquet, label: y}}
gates:
  - gate: metrics
    data: holdout
    require: [{{metric: mae, at_most: {limit}, claim: point}}{more}]
"""


def mae(value: float) -> Evidence:
    """Of a run that compared the mean error of a version with 5."""
    verdict = Verdict.PASS if value <= 5 else Verdict.FAIL
    finding = Finding(
        id="metrics/r1/overall", requirement="r1", subject="mae", slice={}, observed=value, interval=None, champion=None,
        limit=FindingLimit("<=", 5.0, "5"), decided=Decided("value", "point", value, None, None, ("<=", 5.0), None, None, None, "point"),
        rows=100, positives=None, rows_needed=None, verdict=verdict, code="met", reason="", detail={},
    )  # fmt: skip
    lines = (RequirementLine("r1", "mae <= 5 {claim: point}", 0, 10),)
    gate = GateResult("metrics", "metrics", True, verdict, "", lines, (finding,))
    run = {
        **report_story.RUN,
        "id": f"20261121-0415{value * 10:02.0f}-9f3c21ab",
        "finished_at": f"2026-11-21T04:{value * 10:02.0f}:00Z",
    }
    candidate = {"version": f"{value * 10:.0f}", "digest": "sha256:c"}
    return report_story.told(
        gate,
        run=run,
        model={"name": "fraud", "candidate": candidate, "champion": None},
        opens="yes" if value <= 5 else "no",
    )


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Evidence]:
    """Three runs of a checkout: two that passed, one that failed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gates").mkdir()
    evidence = [mae(value) for value in (3.0, 4.5, 5.5)]
    for each in evidence:
        RunFolder.new(tmp_path, each.run_id).keep_evidence(each)
    return evidence


def call(limit: float, *arguments: str, more: str = "", model: str = "fraud") -> Result:
    path = Path("gates/strict.yaml")
    path.write_text(PIPELINE.format(limit=limit, more=more, model=model))
    return CliRunner().invoke(command, ["--pipeline", str(path), *arguments], catch_exceptions=False)


def test_the_page_says_what_the_policy_would_have_blocked(runs: list[Evidence]) -> None:
    """First how many, then which, with the line that decides; a registry that cannot be read is no reason to stop."""
    done = call(4)

    assert done.exit_code == 0
    assert done.stdout == (
        "3 runs of fraud under gates/strict.yaml\n"
        "     1  would pass\n"
        "     2  would be blocked\n"
        "1 of those that it would block passed, or waited for an owner\n"
        "warning  what is published could not be read: there is no MLflow database at sqlite:///m.db\n"
        "\n"
        f"pass → fail  version 45, 2026-11-21, {runs[1].digest[:19]}\n"
        "  metrics/r1/overall: mae is 4.5; at most 4 is allowed (a point comparison, without an error rate)\n"
        "\n"
        f"fail → fail  version 55, 2026-11-21, {runs[2].digest[:19]}\n"
        "  metrics/r1/overall: mae is 5.5; at most 4 is allowed (a point comparison, without an error rate)\n"
        "\n"
        "Judged is what the runs measured: other data, another threshold or load would need a new run.\n"
    )


def test_a_looser_policy_says_what_it_lets_through(runs: list[Evidence]) -> None:
    """And the same one that nothing changes."""
    assert "1 that was blocked would not be\n" in call(6).stdout
    assert "fail → pass  version 55" in call(6).stdout
    assert "every run would have come to what it did\n" in call(5).stdout


def test_a_run_that_cannot_be_judged_anew_says_why(runs: list[Evidence]) -> None:
    """The line is on nothing that was measured."""
    page = call(6, more=", r2 >= 0.5").stdout

    assert "     3  cannot be judged anew: what that needs is not in the evidence\n" in page
    assert "pass → unknown  version 30" in page
    assert "  metrics: r2 >= 0.5: no line on r2 was judged\n" in page


def test_the_document_has_all_runs_and_the_named_ones_alone_where_some_are(runs: list[Evidence]) -> None:
    """By digest, or its beginning."""
    every = json.loads(call(4, "--json").stdout)
    single = json.loads(call(4, "--json", str(Path(".gate/runs") / runs[1].run_id)).stdout)

    assert (every["schema"], every["runs"], every["newly_blocked"], every["no_longer_blocked"]) == (
        "lockgate/reevaluation/v1",
        3,
        1,
        0,
    )
    assert every["counts"] == {"passes": 1, "by_owner": 0, "blocked": 2, "unknown": 0}
    assert [run["digest"] for run in every["evidence"]] == [each.digest for each in runs]
    assert [(run["version"], run["after"]["verdict"]) for run in single["evidence"]] == [("45", "fail")]


def test_evidence_of_another_model_is_refused_where_it_is_named(runs: list[Evidence]) -> None:
    """Else it is no evidence of this model, and left out."""
    assert "0 runs of churn" in call(4, model="churn").stdout
    with pytest.raises(UsageError, match="is about churn, and evidence that is named about fraud"):
        call(4, str(Path(".gate/runs") / runs[0].run_id), model="churn")


def test_a_run_whose_evidence_is_damaged_is_named(runs: list[Evidence]) -> None:
    """The others are judged."""
    path = Path(".gate/runs") / runs[0].run_id / "evidence.json"
    path.write_bytes(b"{}")

    page = call(4).stdout

    assert page.startswith("2 runs of fraud")
    assert "warning  these bytes are not evidence" in page


def test_a_run_that_broke_stays_so(runs: list[Evidence]) -> None:
    """Whatever the policy says, its gate measured nothing."""
    broken = replace(report_story.METRICS, verdict=Verdict.ERROR, reason="the model does not answer", findings=())
    story: dict[str, Any] = {"run": {**report_story.RUN, "id": "20261122-000000-00000000"}, "opens": "no"}
    folder = RunFolder.new(Path.cwd(), "20261122-000000-00000000")
    folder.keep_evidence(report_story.told(broken, **story))

    document = json.loads(call(6, "--json", str(folder.path)).stdout)

    assert document["evidence"][0]["after"] == {"verdict": "error", "outcome": "blocked", "asks": 0}
    assert document["evidence"][0]["stopped"] == ["metrics: the model does not answer"]


@pytest.mark.parametrize("ends", [False, True])
def test_another_process_does_the_second_half_of_many(ends: bool) -> None:
    """In the order of all; what it does not come to is done here."""

    def work(items: Sequence[int]) -> list[tuple[int, int]]:
        if ends and os.getpid() != own:
            raise MemoryError
        return [(each, os.getpid()) for each in items]

    own, many = os.getpid(), range(200)
    results = by_halves(work, many)

    assert [each for each, _ in results] == list(many)
    assert len({process for _, process in results}) == (1 if ends else 2)
    assert {process for _, process in by_halves(work, range(9))} == {own}
