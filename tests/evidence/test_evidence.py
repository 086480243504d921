"""Evidence: verdicts in their order, values that survive JSON, and bytes that are hashed as they lie."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate import hashing as digest
from lockgate.evidence.evidence import SCHEMA, Evidence, EvidenceError, GateResult, RequirementLine
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | NUMBER
COUNT = st.integers(0, 2**53 - 1)
DECIDED = st.builds(
    Decided,
    on=st.sampled_from(["value", "difference", "ratio", "count"]),
    claim=st.sampled_from(["not_worse", "superior", "no_harm", "point", "at_limit"]),
    estimate=MAYBE, low=MAYBE, high=MAYBE, required=st.tuples(st.sampled_from([">=", "<="]), NUMBER),
    confidence=MAYBE, se=MAYBE, n_eff=MAYBE, method=TEXT,
)  # fmt: skip
FINDING = st.builds(
    Finding,
    id=TEXT, requirement=TEXT, subject=TEXT, slice=st.dictionaries(TEXT, TEXT, max_size=2), observed=MAYBE,
    interval=st.none() | st.tuples(MAYBE, MAYBE), champion=MAYBE,
    limit=st.builds(FindingLimit, op=st.sampled_from([">=", "<="]), value=MAYBE, text=TEXT),
    decided=st.none() | DECIDED, rows=COUNT, positives=st.none() | COUNT, rows_needed=st.none() | COUNT,
    verdict=st.sampled_from(Verdict), code=TEXT, reason=TEXT, remedy=st.none() | TEXT,
    detail=st.dictionaries(TEXT, st.none() | TEXT | COUNT, max_size=2),
)  # fmt: skip
RESULT = st.builds(
    GateResult,
    name=TEXT, kind=TEXT, counts=st.booleans(), verdict=st.sampled_from(Verdict), reason=TEXT,
    requirements=st.lists(st.builds(RequirementLine, id=TEXT, text=TEXT, file=st.integers(0, 9), line=st.none() | COUNT), max_size=2).map(tuple),
    findings=st.lists(FINDING, max_size=2).map(tuple), context=st.dictionaries(TEXT, TEXT, max_size=2), exhibits=st.just(()),
)  # fmt: skip


def document(**more: Any) -> dict[str, Any]:
    """The smallest evidence."""
    return {
        "schema": SCHEMA,
        "run": {"id": "run-1"},
        "model": {"name": "fraud", "candidate": {"version": "7"}, "champion": None},
        "gates": [],
        "asks": [],
        "verdict": "inconclusive",
        "opens": "no",
        **more,
    }


def measured(value: Any) -> list[float]:
    """Every float that lies in a JSON value."""
    if isinstance(value, dict):
        return [number for one in value.values() for number in measured(one)]
    if isinstance(value, list):
        return [number for one in value for number in measured(one)]
    return [value] if isinstance(value, float) else []


def test_the_worst_verdict_wins_and_none_at_all_is_inconclusive() -> None:
    """pass < inconclusive < fail < error."""
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR]

    assert list(Verdict) == order
    assert [Verdict.worst(order[: place + 1]) for place in range(4)] == order
    assert Verdict.worst([]) is Verdict.INCONCLUSIVE
    assert [verdict.exit_code for verdict in order] == [0, 3, 1, 4]


@settings(max_examples=60)
@given(RESULT)
def test_what_a_gate_said_survives_its_json(result: GateResult) -> None:
    """Through canonical bytes and back, and no measured value is a JSON number."""
    stored = json.loads(digest.canonical(result.to_json()))

    assert GateResult.from_json(stored) == result
    assert measured(stored) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null(value: float) -> None:
    """NaN is never written; a missing bound is null."""
    decided = Decided("value", "at_limit", value, value, value, (">=", 0.5), 0.95, value, value, "none").to_json()

    assert decided == {
        "on": "value", "claim": "at_limit", "estimate": None, "low": None, "high": None, "required": [">=", "0.5"],
        "confidence": "0.95", "se": None, "n_eff": None, "method": "none",
    }  # fmt: skip


def test_the_digest_covers_the_stored_bytes() -> None:
    """Other spacing is another digest, though it says the same; what is read is never dumped anew."""
    one = Evidence.from_document(document())
    spaced = json.dumps(document(), indent=1).encode()
    other = Evidence.read(spaced)

    assert one.document == other.document
    assert (other.stored, other.digest) == (spaced, digest.sha256(spaced))
    assert one.digest != other.digest
    assert Evidence.read(one.stored) == one


def test_evidence_may_go_on_from_other_evidence() -> None:
    """Named by its digest; what is older says nothing of it."""
    digests = ["sha256:" + "0" * 64]

    assert Evidence.read(digest.canonical(document(parents=digests))).parents == tuple(digests)
    assert Evidence.read(digest.canonical(document(parents=None))).parents == ()


def test_readers_ignore_what_they_do_not_know() -> None:
    """Within v1 writers only add."""
    read = Evidence.read(digest.canonical(document(later={"x": 1})))

    assert (read.model, read.run_id, read.verdict, read.opens, read.champion, read.asks, read.gates) == (
        "fraud", "run-1", Verdict.INCONCLUSIVE, "no", None, (), (),
    )  # fmt: skip


BROKEN = {
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "deep nesting": b"[" * 100_000,
    "another schema": digest.canonical(document(schema="lockgate/evidence/v2")),
    "no verdict": digest.canonical({key: value for key, value in document().items() if key != "verdict"}),
    "an unknown verdict": digest.canonical(document(verdict="fine")),
    "an unknown opening": digest.canonical(document(opens="maybe")),
    "parents that are no digests": digest.canonical(document(parents=["<b>"])),
    "a gate that is none": digest.canonical(document(gates=[{}])),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_bytes_that_are_no_evidence_are_refused(data: bytes) -> None:
    """With an error that says so, and nothing else."""
    with pytest.raises(EvidenceError):
        Evidence.read(data)


def test_an_exhibit_holds_at_most_two_thousand_points() -> None:
    """More is refused where it is made."""
    with pytest.raises(ValueError, match="2001 points"):
        Exhibit("metrics/roc", "curve", ("x",), tuple((0.5,) for _ in range(2001)))


def test_an_exhibit_is_canonical_json() -> None:
    """Floats as text, what is not finite as null, counts as integers."""
    exhibit = Exhibit("m/x", "table", ("a", "b", "c"), ((0.5, 1, "t"), (math.inf, 2, None)))

    assert json.loads(exhibit.to_bytes()) == {
        "schema": "lockgate/exhibit/v1", "name": "m/x", "kind": "table", "columns": ["a", "b", "c"],
        "points": [["0.5", 1, "t"], [None, 2, None]],
    }  # fmt: skip
