"""Evidence that opens anything is whole, and its verdicts follow from its findings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from helpers.promoting import NOW, evidence
from lockgate.evidence.completeness import PolicyGate, PolicyGates
from lockgate.evidence.evidence import Evidence

Document = dict[str, Any]


def finding(name: str, line: str, verdict: str = "pass", code: str = "met") -> Document:
    whole: Document = copy.deepcopy(evidence().document["gates"][0]["findings"][0])
    return whole | {"id": name, "requirement": line, "verdict": verdict, "code": code}


def gate(name: str, verdict: str, *findings: Document, counts: bool = True, lines: int = 2) -> Document:
    numbers = [{"id": f"r{number}", "text": "auc >= 0.8", "file": 0, "line": None} for number in range(1, lines + 1)]
    return {
        "name": name, "kind": name, "counts": counts, "verdict": verdict, "reason": "", "context": {},
        "requirements": numbers, "findings": list(findings),
    }  # fmt: skip


POLICY = PolicyGates(
    (
        PolicyGate("metrics", "metrics", True, ("r1", "r2"), frozenset(), frozenset({"r2"})),
        PolicyGate("metadata", "metadata", False, ("r1",)),
    )
)
PASSING: Document = dict(evidence().document) | {
    "gates": [
        gate("metrics", "pass", finding("metrics/r1", "r1"), finding("metrics/r2", "r2")),
        gate("metadata", "fail", finding("metadata/r1", "r1", "fail"), counts=False, lines=1),
    ]
}


def gaps(change: Callable[[Document], Any] = lambda document: None, policy: PolicyGates = POLICY) -> list[str]:
    document = copy.deepcopy(PASSING)
    change(document)
    return policy.gaps(Evidence.from_document(document))


def test_what_a_run_leaves_is_whole() -> None:
    """A gate that only warns may fail; evidence that opens nothing may say anything."""
    assert gaps() == []
    assert gaps(lambda document: document.update(opens="no", verdict="fail", gates=[])) == []


def _fail(document: Document) -> None:
    document["gates"][0]["findings"][0]["verdict"] = "fail"


ATTACKS: dict[str, tuple[Callable[[Document], Any], str]] = {
    "drops a gate": (lambda d: d["gates"].pop(0), "it has the gates metadata"),
    "drops every gate": (lambda d: d.update(gates=[]), "it has the gates none"),
    "adds a gate": (lambda d: d["gates"].append(gate("more", "pass", lines=0)), "it has the gates metrics"),
    "doubles a gate": (lambda d: d["gates"].append(d["gates"][0]), "it has the gates metrics"),
    "another kind of gate": (lambda d: d["gates"][0].update(kind="metadata"), "it has the gates metrics (metadata)"),
    "another order": (lambda d: d["gates"].reverse(), "it has the gates metadata"),
    "doubles an id": (lambda d: d["gates"][0]["findings"].append(finding("metrics/r1", "r1")), "is there 2 times"),
    "an id of another gate": (
        lambda d: d["gates"][1]["findings"].append(finding("metrics/r1", "r1", "fail")), "is there 2 times",
    ),
    "no finding of a line": (lambda d: d["gates"][0]["findings"].pop(), "metrics/r2 has no finding"),
    "no findings": (lambda d: d["gates"][0].update(findings=[]), "metrics is pass, and its findings come to inconclusive"),
    "no requirements": (lambda d: d["gates"][0].update(requirements=[]), "metrics has the requirements none"),
    "a failed finding": (_fail, "metrics is pass, and its findings come to fail"),
    "a gate that failed": (
        lambda d: (_fail(d), d["gates"][0].update(verdict="fail")), "its verdict is pass, and its gates come to fail",
    ),
    "does not count": (
        lambda d: (_fail(d), d["gates"][0].update(verdict="fail", counts=False)), "metrics counts by the policy",
    ),
    "some gates only": (lambda d: d["policy"].update(only=["metrics"]), "it is of a run that only looks"),
    "observed": (lambda d: d["policy"].update(mode="observe"), "it is of a run that only looks"),
    "a verdict for owners": (lambda d: d.update(opens="by_owner", asks=["metrics/r1"]), "that no owner may accept"),
    "no time": (lambda d: d["run"].pop("started_at"), "it has another shape"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_forged_evidence_opens_nothing(attack: str) -> None:
    """Whoever wrote it, and whatever it says that it opens."""
    change, said = ATTACKS[attack]

    assert any(said in sentence for sentence in gaps(change)), gaps(change)


@pytest.mark.parametrize(
    ("line", "code", "asks", "said"),
    [
        ("r2", "not_shown", ["metrics/r2"], None),
        ("r2", "not_shown", [], "not all of it is for an owner to accept"),
        ("r2", "budget_spent", ["metrics/r2"], "that no owner may accept"),
        ("r1", "not_shown", ["metrics/r1"], "that no owner may accept"),
        ("r2", "not_shown", ["metrics/r2", "metrics/r2"], "that no owner may accept"),
        ("r2", "not_shown", ["metrics/r9"], "that no owner may accept"),
    ],
)
def test_an_owner_accepts_what_the_policy_lets_them(line: str, code: str, asks: list[str], said: str | None) -> None:
    """Undecided findings of lines with `if_inconclusive: ask`, all of them."""

    def undecided(document: Document) -> None:
        for each in document["gates"][0]["findings"]:
            if each["requirement"] == line:
                each.update(verdict="inconclusive", code=code)
        document["gates"][0]["verdict"] = document["verdict"] = "inconclusive"
        document.update(opens="by_owner", asks=asks)

    listed = gaps(undecided)
    assert listed == [] if said is None else any(said in sentence for sentence in listed), listed


def test_what_rests_on_recorded_answers_is_for_an_owner_where_somebody_signs() -> None:
    """Also on a line that does not ask."""

    def undecided(document: Document) -> None:
        document["gates"][0]["findings"][0].update(verdict="inconclusive", code="recorded")
        document["gates"][0]["verdict"] = document["verdict"] = "inconclusive"
        document.update(opens="by_owner", asks=["metrics/r1"])

    assert gaps(undecided, replace(POLICY, signed=True)) == []
    assert gaps(undecided) == ["it lets an owner accept findings that no owner may accept"]


def test_a_waiver_of_the_policy_excuses_and_one_of_the_evidence_does_not() -> None:
    """Until its last day."""

    def waived(document: Document) -> None:
        document["gates"][0].update(counts=False, verdict="inconclusive", findings=[])
        document["gates"][1]["counts"] = True
        document["gates"][1]["findings"][0]["verdict"] = document["gates"][1]["verdict"] = "pass"
        document["waivers"] = [{"finding": "metrics", "until": "2999-01-01"}]

    gates = POLICY.gates
    assert gaps(waived, PolicyGates(gates, (("metrics", NOW.date()),))) == []
    assert gaps(waived, PolicyGates(gates, (("metrics", date(2020, 1, 1)),))) == [
        "metrics counts by the policy, and not in the evidence"
    ]
    assert gaps(waived)


def test_lines_about_a_champion_need_one() -> None:
    """Nobody compares with what is not there."""
    compared = PolicyGate("metrics", "metrics", True, ("r1", "r2"), frozenset({"r2"}))
    policy = PolicyGates((compared, POLICY.gates[1]))

    def first(document: Document) -> None:
        document["gates"][0]["findings"].pop()

    def second(document: Document) -> None:
        first(document)
        document["model"]["champion"] = {"version": "1", "digest": None}

    assert gaps(first, policy) == []
    assert gaps(second, policy) == ["metrics/r2 has no finding"]
