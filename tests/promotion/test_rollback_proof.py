"""A proof is about one promotion and half an hour; a waiver ends on its day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from helpers.promoting import CI, NOW
from lockgate.errors import Refused
from lockgate.promotion.ledger.policy import ProofWaiver, parse_waiver
from lockgate.promotion.rollback_proof import RerunResult, RollbackProof

DIGEST, FILES = "sha256:" + "1" * 64, "sha256:" + "2" * 64
PROOF = RollbackProof("fraud", DIGEST, "6", FILES, "input example", 10, NOW, CI)


def objection(proof: RollbackProof = PROOF, **more: object) -> str | None:
    about = {"model": "fraud", "evidence": DIGEST, "outgoing": "6", "now": NOW + timedelta(minutes=29)}
    return proof.objection(**{**about, **more})  # type: ignore[arg-type]


def test_a_proof_is_read_back_as_it_was_written() -> None:
    """Canonical bytes with a schema."""
    assert RollbackProof.read(PROOF.bytes) == PROOF
    assert PROOF.bytes.startswith(b'{"asked":"input example","at":"2026-11-21T12:00:00.000Z"')


def test_a_proof_says_which_gates_were_asked_again() -> None:
    """It is read back as it was written, and one that leaves a gate of the pipeline unmentioned is refused."""
    again = replace(
        PROOF,
        rerun=RerunResult(("metadata",), {"latency": "it measures time"}),
        run="https://example.org/1",
    )

    assert RollbackProof.read(again.bytes) == again
    assert again.summary == (
        "the rollback was proven by ci (unverified) on 2026-11-21T12:00:00.000Z; "
        "re-run: metadata; not re-run: latency; in https://example.org/1"
    )
    again.require_gates(["metadata", "latency"])
    for proof, gates in ((again, ["metadata", "metrics"]), (PROOF, ["metadata"])):
        with pytest.raises(Refused, match="does not say whether these gates were re-run: met") as caught:
            proof.require_gates(gates)
        assert caught.value.code == "proof"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", PROOF.bytes.replace(b"proof/v1", b"proof/v2")])
def test_other_bytes_are_no_proof(data: bytes) -> None:
    """Whatever they are."""
    with pytest.raises(ValueError, match=r"not a proof|schema|Expecting|decode"):
        RollbackProof.read(data)


def test_a_proof_counts_for_half_an_hour_and_one_promotion() -> None:
    """Not for another model, evidence or version, and not before it was made."""
    assert objection() is None
    assert objection(replace(PROOF, version=None, files=None, rows=0), outgoing=None) is None
    assert "good for 30 minutes" in str(objection(now=NOW + timedelta(minutes=30, seconds=1)))
    assert "still to come" in str(objection(now=NOW - timedelta(minutes=11)))
    assert "it is about income" in str(objection(replace(PROOF, model="income")))
    assert FILES in str(objection(replace(PROOF, evidence=FILES)))
    assert "version 7 holds Production" in str(objection(outgoing="7"))
    assert "nothing holds Production" in str(objection(outgoing=None))
    assert "no rows" in str(objection(replace(PROOF, rows=0)))
    assert "no files" in str(objection(replace(PROOF, files=None)))


def test_a_waiver_has_a_reason_and_a_last_day() -> None:
    """Which is the whole day, in UTC."""
    said = parse_waiver("waived: needs a wheel, which is gone, until 2026-11-21")

    assert said == ProofWaiver("needs a wheel, which is gone", date(2026, 11, 21))
    assert said.holds(NOW.replace(hour=23, minute=59))
    assert not said.holds(NOW + timedelta(days=1))
    assert parse_waiver("prove") is None


@pytest.mark.parametrize(
    "text", ["", "waived", "waived: x", "waived: , until 2026-11-21", "waived: x, until 2026-11-31", "Prove"]
)
def test_anything_else_is_refused(text: str) -> None:
    """A waiver without reason or day among it."""
    with pytest.raises(ValueError, match=r"prove|no day"):
        parse_waiver(text)
