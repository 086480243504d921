"""Does the candidate say where it comes from?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.fakes import COMMIT, TRAINED_ON, ask, case_of, pipeline_of
from lockgate.evaluation.provenance.subjects import BARE, COMPLETE, QUERYABLE
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.metadata import Metadata
from lockgate.references import Reference


def told(folder: Path, *, require: Any = None, keys: Mapping[str, Any] | None = None, **known: Any) -> GateResult:
    gate = Metadata.model_validate({"gate": "metadata", "require": require, **(keys or {})})
    return ask(case_of(folder, candidate_facts=known), gate)


def test_a_version_that_says_all_passes(tmp_path: Path) -> None:
    """What was found, in a few words."""
    result = told(tmp_path)

    assert result.verdict is Verdict.PASS
    assert [one.reason for one in result.findings] == [
        f"training data: train ({TRAINED_ON})", f"code commit: {COMMIT}", "logged metrics: auc", "source run: abc",
        "requirements: scikit-learn==1.5.0",
    ]  # fmt: skip


LACKING = {
    "training_data": {"datasets": ()},
    "code_commit": {"commit": None},
    "logged_metrics": {"metrics": {}},
    "source_run": {"run": None},
    "requirements": {"requirements": ()},
}


@pytest.mark.parametrize("subject", BARE)
def test_what_is_missing_comes_with_the_line_that_adds_it(tmp_path: Path, subject: str) -> None:
    """Each on its own; the others hold."""
    result = told(tmp_path, **LACKING[subject])
    bad = [one for one in result.findings if one.verdict is not Verdict.PASS]

    assert [(one.subject, one.verdict, one.code, one.observed) for one in bad] == [
        (subject, Verdict.FAIL, "missing", 0.0)
    ]
    assert bad[0].reason == f"fraud version 7 has no {subject.replace('_', ' ')}"
    assert bad[0].remedy == f"add it where the model is logged: how to add {subject}"


def test_a_registry_that_knows_no_line_of_code_leaves_the_sentence_without(tmp_path: Path) -> None:
    """Every registry has its own; the gate has none."""
    (finding,) = told(tmp_path, require=["logged_metrics >= 1"], metrics={}, remedies={}).findings

    assert finding.remedy == "add it where the model is logged"


def test_more_than_one_may_be_asked(tmp_path: Path) -> None:
    """Some, and not enough of them."""
    found = told(tmp_path, require=["logged_metrics >= 2"]).findings[0]

    assert (found.verdict, found.observed) == (Verdict.FAIL, 1.0)
    assert found.reason == "logged_metrics is 1; at least 2 is required"


def test_what_is_there_and_does_not_do_counts_as_nothing(tmp_path: Path) -> None:
    """The reason says what is wrong, the remedy what mends it; the entries stay in the detail."""
    (finding,) = told(tmp_path, require=["code_commit >= 1"], commit="main").findings

    assert (finding.verdict, finding.code, finding.observed) == (Verdict.FAIL, "not_pinned", 0.0)
    assert finding.reason == "code commit: main: main is the name of a branch, which moves"
    assert finding.remedy == (
        "write the commit's hash: git rev-parse main; where the model is logged: how to add code_commit"
    )
    assert finding.detail == {"found": ["main"], "faults": ["main: main is the name of a branch, which moves"]}


def test_complete_asks_all_twelve_and_counts_them(tmp_path: Path) -> None:
    """Alone, or as an entry among other lines; what holds and what lacks is in the evidence of a bare gate too."""
    alone = told(tmp_path, require="complete")
    among = told(tmp_path, require=["complete", "model_type >= 1"])
    bare = told(tmp_path)

    assert [line.text for line in alone.requirements] == [f"{name} >= 1" for name in COMPLETE]
    assert [line.id for line in among.requirements] == [f"r{number}" for number in range(1, 14)]
    assert alone.reason.endswith("; 6 of 12 facts")
    assert bare.reason == "all 5 requirements met"
    held = ("training_data", "logged_metrics", "code_commit", "source_run", "promotion_record", "requirements")
    for result in (alone, among, bare):
        provenance = result.context["provenance"]
        assert (provenance["held"], provenance["of"]) == (6, 12)
        assert tuple(provenance["facts"]) == held
        assert provenance["lacking"] == [name for name in COMPLETE if name not in held]


def test_a_metric_must_have_a_history_where_a_line_names_it(tmp_path: Path) -> None:
    """A single number shows no course; a metric that was never logged has none at all."""
    logged = {"metrics": {"loss": 0.1}, "history": lambda name: 3}
    short, enough, absent = told(
        tmp_path, require=["steps(loss) >= 5", "steps(loss) >= 3", "steps(auc) >= 1"], **logged
    ).findings

    assert (short.verdict, short.code, short.subject) == (Verdict.FAIL, "incomplete", "steps(loss)")
    assert short.reason == "loss has 3 logged values; 5 are required, as a single number shows no course"
    assert (enough.verdict, absent.observed) == (Verdict.PASS, 0.0)


def test_a_short_history_of_a_metric_of_the_gate_is_a_warning(tmp_path: Path) -> None:
    """It stands in the sentence of the gate, and blocks nothing."""
    logged = {"metrics": {"auc": 0.9, "loss": 0.1}, "history": lambda name: {"auc": 9, "loss": 1}[name]}
    result = told(tmp_path, keys={"history": ["loss", "auc"]}, **logged)

    assert result.verdict is Verdict.PASS
    assert result.reason == "all 5 requirements met; loss has 1 of the 5 logged values that show a course"


def test_a_line_on_steps_names_its_metric() -> None:
    """Else it would be about none."""
    gate = Metadata.model_validate({"gate": "metadata", "require": ["steps >= 5"]})

    assert [message for _, message in gate.complaints(pipeline_of(gate))] == [
        "'steps >= 5': steps needs the name of a metric; write for example steps(loss) >= 5"
    ]


def test_the_champions_count_is_by_the_same_rules(tmp_path: Path) -> None:
    """A branch is none of its commits either."""
    case = case_of(tmp_path, champion_facts={"commit": "main", "metrics": {"auc": 0.8, "loss": 0.1}})
    gate = Metadata.model_validate({"gate": "metadata", "require": ["code_commit >= 1", "logged_metrics >= champion"]})
    commit, metrics = ask(case, gate).findings

    assert (commit.champion, metrics.champion, metrics.verdict) == (0.0, 2.0, Verdict.FAIL)


def test_tags_to_search_by_can_be_required(tmp_path: Path) -> None:
    """Each by a line."""
    lines = [f"{name} >= 1" for name in QUERYABLE]
    tagged, bare = (told(tmp_path, require=lines, tags=tags) for tags in (dict.fromkeys(QUERYABLE, "v3"), {}))

    assert tagged.verdict is Verdict.PASS
    assert [finding.code for finding in bare.findings] == ["missing"] * 4
    assert tagged.context["provenance"]["tags"] == dict.fromkeys(QUERYABLE, "v3")


def test_what_must_exist_is_looked_up(tmp_path: Path) -> None:
    """The candidate's own references alone, and only where the pipeline says so; what nobody could tell is let be."""
    asked: list[str] = []

    def look_up(reference: Reference) -> Reference:
        asked.append(reference.text)
        return replace(reference, exists=False, why="nobody has it", remedy="push it")

    case = replace(case_of(tmp_path), look_up=look_up)
    for must_exist, verdict in [(False, Verdict.PASS), (True, Verdict.FAIL)]:
        gate = Metadata.model_validate({"gate": "metadata", "require": ["code_commit >= 1"], "must_exist": must_exist})
        (finding,) = ask(case, gate).findings
        assert finding.verdict is verdict

    assert set(asked) >= {COMMIT}
    assert finding.reason == f"code commit: {COMMIT}: nobody has it"
    assert finding.remedy == "push it; where the model is logged: how to add code_commit"
    unclear = replace(case, look_up=lambda reference: reference.noting("there is no checkout"))
    assert ask(unclear, gate).verdict is Verdict.PASS


def test_a_name_is_looked_for_in_a_place_that_there_is() -> None:
    """A slip would find nothing, and say so of the version."""
    sources = {"code_commit": ["tag:release", "tags:release"], "seeds": ["rng"]}
    gate = Metadata.model_validate({"gate": "metadata", "sources": sources})

    assert [(path, message) for path, message in gate.complaints(pipeline_of(gate))] == [
        (
            ("sources", "code_commit", 1),
            "'tags:release' is looked for nowhere; a name stands alone, or behind one of param:, tag:, version:, metadata:, "
            "model:; did you mean 'tag'?",
        )
    ]
