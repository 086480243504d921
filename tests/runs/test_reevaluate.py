"""Evidence judged under another policy comes to what a run under it would have found; what only rows say is not guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import report_story
from lockgate.evaluation.command.reported import Measured, Reported, findings
from lockgate.evaluation.data_quality.check_results import CheckResult
from lockgate.evaluation.data_quality.quality_findings import QualityJudge
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict
from lockgate.gates.data_quality import DataQuality
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.reevaluation.reevaluate import Reevaluation, reevaluate
from lockgate.testing import run_gate
from recordings import shelf

BOTH = {"candidate": "p_new", "champion": "p_old"}
SLICES: list[Any] = [
    "country",
    {"name": "band", "column": "amount", "bins": [0, 50, 200]},
    {"column": "region", "values": ["near", "far"]},
]
GAIN = {"metric": "auc", "at_least": "champion + 0.2", "on": "each slice", "claim": "superior"}
LINES: list[Any] = [
    "auc >= champion - 0.05 on each slice", "auc >= 0.7", "accuracy >= champion - 0.02", "recall >= 0.5 on each country",
    "log_loss <= 0.7", "recall_at_precision(0.8) >= 0.1", "f1 >= champion * 0.9",
]  # fmt: skip


def policy(
    lines: list[Any], *, slices: list[Any] = SLICES, small: dict[str, Any] | None = None, **more: Any
) -> Pipeline:
    """A pipeline of one gate with these lines."""
    document = {
        "model": "fraud", "task": "binary", "threshold": 0.5, "registry": {"uri": "sqlite:///m.db"},
        "candidate": {"newest": True}, "champion": {"alias": "production", "else": "none"},
        "data": {"holdout": {"path": "d.parquet", "label": "y", "slices": slices, **({"small_slices": small} if small else {})}},
        "gates": [{"gate": "metrics", "data": "holdout", "require": lines, **more.pop("gate", {})}, *more.pop("gates", [])],
        **more,
    }  # fmt: skip
    return loader.read(yaml.safe_dump(document, sort_keys=False), name="gates/fraud.yaml", root=Path.cwd())


def measured(
    lines: list[Any], *, small: dict[str, Any] | None = None, slices: list[Any] = SLICES, **more: Any
) -> GateResult:
    """What a run finds."""
    return run_gate(
        "metrics",
        table=shelf.payments(),
        label="y",
        scores=BOTH,
        require=lines,
        slices=slices,
        small_slices=small,
        **more,
    )


def evidence_of(result: GateResult, pipeline: Pipeline, *others: GateResult, **more: Any) -> Evidence:
    lines = pipeline.requirements_of("metrics")
    return report_story.told(replace(result, name="metrics", requirements=lines), *others, **more)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(measured(LINES), policy(LINES))


def answers(result: GateResult) -> list[tuple[str, str, str]]:
    return sorted((finding.id.partition("/")[2], str(finding.verdict), finding.code) for finding in result.findings)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(LINES, id="the same"),
        pytest.param(["auc >= champion - 0.001 on each slice", "auc >= 0.85", "accuracy >= champion - 0.001"], id="stricter"),
        pytest.param([GAIN, "log_loss <= 0.2", "recall >= 0.99 on each country"], id="far stricter"),
        pytest.param(["log_loss <= 0.7", "auc >= champion - 0.05 on each band", "auc >= champion - 0.001 on each region"], id="fewer, in another order"),
        pytest.param(
            [
                {"metric": "auc", "at_least": "champion - 0.01", "on": "each slice", "confidence": 0.99},
                {"metric": "accuracy", "at_least": "champion", "claim": "superior", "confidence": 0.8},
                {"metric": "auc", "at_least": 0.84, "claim": "point"},
            ],
            id="another confidence or claim",
        ),
        pytest.param([{"metric": "auc", "at_least": "champion - 0.001", "on": "each slice", "claim": "no_harm"}], id="no harm"),
        pytest.param(["auc >= 0.84 on each slice"], id="absolute where it was relative"),
        pytest.param([{"metric": "auc", "at_least": "champion - 0.05", "on": "each slice", "min_rows": 500}], id="min_rows"),
    ],
)  # fmt: skip
def test_another_policy_comes_to_what_a_run_under_it_finds(evidence: Evidence, lines: list[Any]) -> None:
    """Each finding with its verdict and code, Holm's method among the lines that are there now."""
    again = reevaluate(policy(lines), evidence)

    assert again.unknown == []
    assert answers(again.gates[0].result) == answers(measured(lines))


@pytest.mark.parametrize("below", ["watch", "block"])
def test_another_policy_for_small_slices_does_so_too(evidence: Evidence, below: str) -> None:
    """Rows and positives of each slice are in the evidence."""
    small, lines = (
        {"min_rows": 400, "min_positives": 5, "below": below},
        ["auc >= champion - 0.05 on each slice", "recall >= 0.5 on each country"],
    )

    again = reevaluate(policy(lines, small=small), evidence)

    assert again.unknown == []
    assert answers(again.gates[0].result) == answers(measured(lines, small=small))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["brier <= 0.2"], "no line on brier was judged"),
        (["auc >= 0.7 on each slice", "f1 >= champion * 0.95"], "another factor of the champion's value needs the rows"),
        (["recall >= champion - 0.1"], "it was judged on each country"),
        (["accuracy >= 0.6 on each country"], "it was judged overall"),
        (["auc >= champion - 0.05", "auc gap over country <= 0.1"], "no line on auc gaps was judged"),
        ([{"metric": "recall_at_precision(0.8)", "at_least": 0.1, "confidence": 0.9}], "another confidence needs more than the interval that the evidence has"),
        (["log_loss <= champion + 0.01"], "it was not compared with the champion"),
    ],
)  # fmt: skip
def test_what_only_rows_say_is_not_guessed(evidence: Evidence, lines: list[Any], reason: str) -> None:
    """The run is neither passed nor blocked by it, and says why."""
    again = reevaluate(policy(lines), evidence)

    assert any(reason in sentence for sentence in again.unknown), again.unknown
    assert (again.outcome, again.verdict) in {("unknown", None), ("blocked", None), ("blocked", Verdict.FAIL)}


def test_slices_that_are_cut_otherwise_are_not_guessed(evidence: Evidence) -> None:
    """Bins of other edges, a slice that nobody cut; values that are no longer declared are left out."""
    line = "auc >= champion - 0.05 on each slice"
    bins = reevaluate(policy([line], slices=[{"name": "band", "column": "amount", "bins": [0, 100, 200]}]), evidence)
    new = reevaluate(policy([line], slices=["country", "shop"]), evidence)
    fewer = reevaluate(policy([line], slices=["country", {"column": "region", "values": ["near"]}]), evidence)

    assert "band was cut otherwise" in bins.unknown[0]
    assert "the rows were not cut by shop" in new.unknown[0]
    assert fewer.unknown == []
    assert {tuple(finding.slice.values()) for finding in fewer.gates[0].result.findings} == {
        ("BR",),
        ("US",),
        ("near",),
    }


def test_pools_are_judged_anew_where_the_policy_pools_the_same() -> None:
    """Else the slices that went into them have no findings of their own."""
    slices, line = ["country", "shop"], "accuracy >= 0.5 on each slice"
    merged = {"min_rows": 100, "below": "merge"}
    stored = evidence_of(measured([line], slices=slices, small=merged), policy([line], slices=slices, small=merged))

    same = reevaluate(policy(["accuracy >= 0.78 on each slice"], slices=slices, small=merged), stored)
    other = reevaluate(policy([line], slices=slices, small={"min_rows": 5, "below": "merge"}), stored)
    apart = reevaluate(policy([line], slices=slices), stored)

    assert answers(same.gates[0].result) == answers(
        measured(["accuracy >= 0.78 on each slice"], slices=slices, small=merged)
    )
    assert "other slices of shop would be pooled than were" in other.unknown[0]
    assert "small slices of shop were pooled" in apart.unknown[0]


def test_a_gap_is_judged_by_its_interval() -> None:
    """Whether a wider one than is allowed fails, only its pairs say."""
    stored = evidence_of(measured(["recall gap over country <= 0.2"]), policy(["recall gap over country <= 0.2"]))

    met = reevaluate(policy(["recall gap over country <= 0.15"]), stored)
    wide = reevaluate(policy(["recall gap over country <= 0.001"]), stored)

    assert answers(met.gates[0].result) == answers(measured(["recall gap over country <= 0.15"]))
    assert (wide.outcome, wide.verdict) == ("blocked", None)


def test_a_gap_beside_the_champion_is_judged_by_its_interval() -> None:
    """At another margin; not against a number, nor by another factor."""
    line = "recall gap over country <= champion + {}"
    stored = evidence_of(measured([line.format(0.2)]), policy([line.format(0.2)]))

    met = reevaluate(policy([line.format(0.15)]), stored)
    wide = reevaluate(policy([line.format(0.001)]), stored)
    number, factor = (
        reevaluate(policy([f"recall gap over country <= {limit}"]), stored) for limit in (0.2, "champion * 1.5")
    )

    assert answers(met.gates[0].result) == answers(measured([line.format(0.15)]))
    assert answers(wide.gates[0].result) == answers(measured([line.format(0.001)]))
    assert "the interval of its own value is not in the evidence" in number.unknown[0]
    assert "another factor of the champion's value needs the rows" in factor.unknown[0]


def older(result: GateResult) -> GateResult:
    """As a lockgate before this one wrote it: what tests saw is not there."""
    findings = [
        replace(finding, detail={key: value for key, value in finding.detail.items() if key != "test"})
        for finding in result.findings
    ]
    return replace(result, findings=tuple(findings))


def test_older_evidence_is_judged_by_its_intervals() -> None:
    """They meet a limit where the test does; whether what lies beyond fails, only the test says, and it passes in no case."""
    lines = ["auc >= champion - 0.05 on each country", "auc >= 0.7"]
    stored = evidence_of(older(measured(lines)), policy(lines))

    looser = reevaluate(policy(["auc >= champion - 0.1 on each country", "auc >= 0.6"]), stored)
    stricter = reevaluate(policy(["auc >= champion - 0.05 on each country", "auc >= 0.95"]), stored)

    assert (looser.outcome, looser.verdict) == ("passes", Verdict.PASS)
    assert (stricter.outcome, stricter.verdict) == ("blocked", None)
    assert reevaluate(policy([{"metric": "auc", "at_least": 0.7, "confidence": 0.9}]), stored).outcome == "unknown"


def test_other_expectations_are_not_judged_by_what_earlier_ones_found(evidence: Evidence) -> None:
    """The same ones stand as they were found, whatever their own verdicts rest on."""
    (finding,) = findings_of_expectation()
    checked = {"expectations": {"file": "./s.yaml", "sha256": "sha256:0"}}
    lines = (RequirementLine("r1", "offenders <= 0", 0, None),)
    result = GateResult("data_quality", "data_quality", True, Verdict.PASS, "", lines, (finding,), checked)
    both = replace(evidence, document={**evidence.document, "gates": [result.to_json(), *evidence.document["gates"]]})

    def again(file: str) -> Reevaluation:
        gate = {"gate": "data_quality", "data": "holdout", "pandera": file}
        return reevaluate(policy(["auc >= 0.6"], gates=[gate]), both)

    assert (again("./s.yaml").unknown, again("./s.yaml").outcome) == ([], "passes")
    assert again("./other.yaml").unknown == [
        "data_quality: it is to be checked against ./other.yaml, and was against ./s.yaml"
    ]


def findings_of_expectation() -> list[Finding]:
    """Of one that lets 5 of 100 rows offend, of which 3 do."""
    fields = {"words": "", "first": (), "observed": None, "raised": None, "problem": None, "warns": False}
    check = CheckResult(type="between", column="age", rows=100, offenders=3, mostly=0.95, success=True, **fields)
    gate = DataQuality.model_validate({"gate": "data_quality", "data": "holdout", "pandera": "./s.yaml"})
    (line,) = gate.numbered_requirements
    return list(QualityJudge("data_quality", line, gate.subjects, "./s.yaml", (), {}, ids=False).findings([check]))


def test_gates_come_and_go(evidence: Evidence) -> None:
    """One that was added cannot be judged, unless it does not count; one that was removed decides nothing."""
    fine = ["auc >= 0.6"]
    added = [{"gate": "metadata"}]
    signature = GateResult("signature", "signature", True, Verdict.FAIL, "other columns")
    stopped = replace(
        evidence, document={**evidence.document, "gates": [signature.to_json(), *evidence.document["gates"]]}
    )

    assert reevaluate(policy(fine), stopped).outcome == "passes"
    assert reevaluate(policy(fine, gates=added), evidence).unknown == ["metadata: it is not in this evidence"]
    assert reevaluate(policy(fine, gates=added), evidence).outcome == "unknown"
    assert reevaluate(policy(fine, gates=[{"gate": "metadata", "severity": "warn"}]), evidence).outcome == "passes"
    assert reevaluate(policy(["auc >= 0.99"], gates=added), evidence).outcome == "blocked"


def test_waivers_hold_as_on_the_day_of_the_run(evidence: Evidence) -> None:
    """The run was of 2026-11-21."""
    lines = ["auc >= 0.99", "log_loss <= 0.7"]

    def waived(until: str, finding: str = "metrics/r1/overall") -> Reevaluation:
        waiver = {"finding": finding, "owner": "ann", "reason": "known", "until": until}
        return reevaluate(policy(lines, waive=[waiver]), evidence)

    assert waived("2026-11-21").outcome == "passes"
    assert waived("2026-11-20").outcome == "blocked"
    assert waived("2026-11-21", "metrics").verdict is Verdict.INCONCLUSIVE  # no gate is left that counts
    assert reevaluate(policy(lines, gate={"severity": "warn"}), evidence).verdict is Verdict.INCONCLUSIVE


def test_an_owner_may_be_asked(evidence: Evidence) -> None:
    """Where the policy lets one accept what is undecided."""
    line = {"metric": "auc", "at_least": 0.87, "if_inconclusive": "ask"}
    signoff = {"groups": {"owners": [{"github": "octocat", "id": 1}]}, "require": {"owners": 1}}
    again = reevaluate(policy([line], signoff=signoff), evidence)

    assert (again.verdict, again.outcome, again.asks) == (Verdict.INCONCLUSIVE, "by_owner", ("metrics/r1/overall",))


def test_a_reuse_budget_withholds_what_was_evaluated_too_often(evidence: Evidence) -> None:
    """By the number that the run had."""
    run = {**evidence.document["run"], "evaluations": {"holdout": {"counted": 3}}}
    third = replace(evidence, document={**evidence.document, "run": run})

    assert reevaluate(policy(["auc >= 0.6"], reuse={"budget": 5}), third).outcome == "passes"
    assert [f.code for f in reevaluate(policy(["auc >= 0.6"], reuse={"budget": 2}), third).deciding] == ["budget_spent"]
    assert (
        "how often its rows were evaluated"
        in reevaluate(policy(["auc >= 0.6"], reuse={"budget": 5}), evidence).unknown[0]
    )
    model = evidence.document["model"]
    itself = replace(evidence, document={**evidence.document, "model": {**model, "champion": model["candidate"]}})
    assert reevaluate(policy(["auc >= 0.6"], reuse={"budget": 5}), itself).outcome == "passes"


def fact(subject: str, value: float, limit: str, **more: Any) -> Finding:
    """Something that was counted."""
    given: dict[str, Any] = {
        "id": f"latency/{subject}/overall", "requirement": "r1", "subject": subject, "slice": {}, "observed": value,
        "interval": None, "champion": 20.0, "limit": FindingLimit("<=", float(limit), limit),
        "decided": Decided("count", "at_limit", value, value, value, ("<=", float(limit)), None, None, None, "counted"),
        "rows": 1, "positives": None, "rows_needed": None, "verdict": Verdict.PASS, "code": "met", "reason": "", "detail": {},
    }  # fmt: skip
    return Finding(**given | more)


def test_what_was_counted_is_compared_with_the_new_limit() -> None:
    """Also with the champion's count, where the evidence has it."""
    line = RequirementLine("r1", "rss_mb <= 100")
    result = GateResult("latency", "latency", True, Verdict.PASS, "", (line,), (fact("rss_mb", 90.0, "100"),))

    def verdict(requirement: str) -> str:
        gates = [{"gate": "latency", "data": "holdout", "require": [requirement]}]
        again = reevaluate(policy(["auc >= 0.6"], gates=gates), report_story.told(result))
        return str(again.gates[1].result.verdict)

    assert [verdict(each) for each in ("rss_mb <= 90", "rss_mb <= 89", "rss_mb <= champion * 2", "rss_mb <= champion * 5")] == [
        "pass", "fail", "fail", "pass",
    ]  # fmt: skip


def test_times_are_judged_by_their_interval_and_noise_by_its_factor() -> None:
    """A percentile's own requests are not in the evidence; a runner too noisy for a tighter factor is known."""
    decided = Decided(
        "ratio", "not_worse", 1.2, 1.1, 1.3, ("<=", 2.0), 0.95, 0.05, 20.0, "pooled ratio, half-sampled blocks, t"
    )
    detail = {
        "counted_in": "requests",
        "noise_factor": "1.25",
        "p_pass": "0.001",
        "p_fail": "0.9",
        "p_fail_holm": "0.9",
    }
    finding = fact("p99_ms", 24.0, "2", decided=decided, detail=detail, rows=1000)
    result = GateResult(
        "latency", "latency", True, Verdict.PASS, "", (RequirementLine("r1", "p99_ms <= champion * 2"),), (finding,)
    )

    def code(factor: float) -> str:
        gates = [{"gate": "latency", "data": "holdout", "require": [f"p99_ms <= champion * {factor}"]}]
        again = reevaluate(policy(["auc >= 0.6"], gates=gates), report_story.told(result))
        return again.gates[1].result.findings[0].code

    assert [code(1.4), code(1.29), code(1.2)] == ["met", "not_shown", "too_noisy"]


def test_the_document_is_json(evidence: Evidence) -> None:
    """With the old verdict beside the new one."""
    document = json.loads(json.dumps(reevaluate(policy(["auc >= 0.99"]), evidence).to_json()))

    assert document["before"] == {"verdict": str(evidence.verdict), "outcome": "blocked"}
    assert document["after"]["outcome"] == "blocked"
    assert [finding["id"] for finding in document["deciding"]] == ["metrics/r1/overall"]


def test_findings_that_a_command_held_to_their_own_limits_stand_as_they_are() -> None:
    """Under the same line; whatever else the policy says now."""
    command = {"gate": "command", "name": "serving", "run": ["pytest"], "findings": "j.xml"}
    pipeline = policy(["auc >= 0.7"], gates=[command])
    outcomes = [Reported("test", "a", "pass"), Reported("finding", "drift", Measured(0.4, "<=", 0.3))]
    line = parse("failures <= 0")
    result = GateResult(
        "serving", "command", True, Verdict.FAIL, "", pipeline.requirements_of("serving"),
        tuple(findings("serving", "r1", line, outcomes)),
    )  # fmt: skip
    again = reevaluate(policy(["auc >= 0.6"], gates=[command]), evidence_of(measured(["auc >= 0.7"]), pipeline, result))

    assert again.unknown == []
    assert [(str(each.result.verdict), len(each.result.findings)) for each in again.gates] == [("pass", 1), ("fail", 2)]
    assert again.gates[1].result.findings == result.findings


class TestSeenRows:
    """`max_seen` of another policy is held against what the run found in the training data."""

    @staticmethod
    def on_seen(evidence: Evidence, seen: dict[str, Any] | None, **spec: Any) -> Reevaluation:
        document = json.loads(evidence.stored)
        document["data"] = [{**entry, **({"seen": seen} if seen else {})} for entry in document["data"]]
        pipeline = policy(LINES)
        data = pipeline.data["holdout"]
        holdout = type(data).model_validate({**data.model_dump(exclude_unset=True), **spec})
        return reevaluate(pipeline.model_copy(update={"data": {"holdout": holdout}}), Evidence.from_document(document))

    def test_a_smaller_share_withholds_what_passed(self, evidence: Evidence) -> None:
        """As a run under it would have; a larger one, or none looked for, changes nothing."""
        seen = {"rows": 90, "of": 3000, "repeated": 0, "in": [{"path": "train.csv"}], "not_checked": []}
        spec = {"not_in": {"path": "train.csv"}}

        assert self.on_seen(evidence, seen, **spec, max_seen="5%").verdict == self.on_seen(evidence, None).verdict
        [gate] = self.on_seen(evidence, seen, **spec).gates
        assert {finding.code for finding in gate.result.findings if finding.verdict == "inconclusive"} >= {"seen_rows"}
        assert not any(finding.verdict == "pass" for finding in gate.result.findings)

    def test_where_nobody_looked_that_is_unknown(self, evidence: Evidence) -> None:
        """The rows would have to be read."""
        again = self.on_seen(evidence, None, not_in={"path": "train.csv"})

        assert again.unknown == [
            "metrics: the run did not look for rows of holdout that the candidate was trained on, as not_in wants it"
        ]


class TestRecordedAnswers:
    """A policy that trusts no recording is held against what the run found when it asked again."""

    @staticmethod
    def on(evidence: Evidence, state: str | None, recorded: Any = None) -> Reevaluation:
        document = json.loads(evidence.stored)
        entry = {"columns": ["p_new"], "state": state}
        told = {"recorded": {"candidate": entry, "champion": entry}} if state else {}
        document["scored"] = [{"data": "holdout", "rows": 3000, "sha256": "sha256:s", **told}]
        owners = {"groups": {"owners": [{"github": "ann", "id": 1}]}, "require": {"owners": 1}}
        pipeline = policy(["auc >= 0.7"], signoff=owners)
        data = pipeline.data["holdout"]
        spec = {**data.model_dump(exclude_unset=True), "scores": BOTH, **({"recorded": recorded} if recorded else {})}
        holdout = type(data).model_validate(spec)
        return reevaluate(pipeline.model_copy(update={"data": {"holdout": holdout}}), Evidence.from_document(document))

    def test_what_nobody_confirmed_is_for_an_owner(self, evidence: Evidence) -> None:
        """As in a run; confirmed or trusted answers decide."""
        assert self.on(evidence, "confirmed").outcome == "passes"
        assert (self.on(evidence, "unconfirmed").outcome, len(self.on(evidence, "unconfirmed").asks)) == ("by_owner", 1)
        assert self.on(evidence, "unconfirmed", "trusted").outcome == "passes"

    def test_where_nobody_asked_again_that_is_unknown(self, evidence: Evidence) -> None:
        """Of a run that trusted the recording, or was made before anybody asked."""
        reason = "metrics: the run did not ask the models again whether the recorded answers of holdout are theirs"

        assert self.on(evidence, "trusted").unknown == self.on(evidence, None).unknown == [reason]
        assert self.on(evidence, None, "trusted").outcome == "passes"
