"""Whatever bytes lie where a document should be: a value, or an error that is a sentence."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.mutated import examples, hostile
from helpers.promoting import CI, NOW, POLICY, evidence
from lockgate.errors import LockgateError
from lockgate.evidence import stored_json
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github import annotations
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.promotion.ledger.export import copy_ledger, read_copy
from lockgate.promotion.rollback_proof import RerunResult, RollbackProof
from lockgate.reports import FORMATS
from lockgate.signoff.ssh import stored_votes, unreadable_votes
from lockgate.signoff.vote import Vote

FINDING = Finding(
    id="metrics/r1/overall", requirement="r1", subject="auc", slice={"geo": "BR"}, observed=0.9, interval=(0.8, 1.0), champion=0.9,
    limit=FindingLimit(">=", 0.5, "0.5"), decided=Decided("value", "at_limit", 0.9, 0.8, 1.0, (">=", 0.5), 0.95, 0.1, 10.0, "delta"),
    rows=10, positives=3, rows_needed=None, verdict=Verdict.FAIL, code="below", reason="auc is low", remedy="train",
)  # fmt: skip
EVIDENCE = json.loads(evidence(findings=[FINDING.to_json()]).stored) | {
    "data": [{"name": "holdout", "digest": POLICY, "rows": 10}],
    "exhibits": [{"name": "metrics/roc", "sha256": POLICY, "kind": "curve"}],
    "waivers": [{"finding": "metrics/r1", "reason": "known", "owner": "olga", "until": "2026-12-01", "expired": False}],
}
VOTE = Vote("approve", POLICY, "fraud", None, "fine", NOW, CI).to_json()
FIRST = Entry(1, None, "adopted", None, "1", CI, None, (), "begin", NOW, timedelta(minutes=10))
DONE = Done(1, FIRST.sha256, CI, NOW)
PROOF = RollbackProof(
    "fraud", POLICY, "1", POLICY, "holdout", 10, NOW, CI, RerunResult(("metrics",), {"latency": "no"})
).to_json()
COPY = copy_ledger("fraud", {"epoch-1": FIRST.bytes.decode(), "done-1": DONE.bytes.decode()})
EXHIBIT = json.loads(Exhibit("metrics/roc", "curve", ("x", "y"), ((0.0, 1.0), (1.0, 1.0))).to_bytes())

READERS: list[tuple[str, Any, Callable[[bytes], Any]]] = [
    ("evidence", EVIDENCE, Evidence.read),
    ("vote", VOTE, Vote.read),
    ("entry", FIRST.to_json(), lambda data: Entry.read(data.decode("utf-8", "replace"))),
    ("mark", DONE.to_json(), lambda data: Done.read(data.decode("utf-8", "replace"))),
    ("proof", PROOF, RollbackProof.read),
    ("exhibit", EXHIBIT, Exhibit.read),
    ("copy", COPY.to_json(), lambda data: read_copy(data, name="copy.json")),
]


@pytest.mark.parametrize(("kind", "good", "read"), READERS, ids=[name for name, *_ in READERS])
@examples(30)
@given(data=st.data())
def test_a_document_is_read_or_refused_in_a_sentence(
    kind: str, good: Any, read: Callable[[bytes], Any], data: st.DataObject
) -> None:
    """And what is read can be shown."""
    read(json.dumps(good).encode())  # the document itself is one
    content = data.draw(hostile(good))
    value, error = attempt(read, content)
    if error is not None:
        assert type(error) is ValueError or isinstance(error, LockgateError)  # no UnicodeError, no KeyError
        assert " " in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 400
        return
    repr(value).encode()
    if kind == "evidence":
        record = RunRecord(value)
        for form in FORMATS.values():
            form.render(record).encode()
        annotations.render(record).encode()


def attempt(read: Callable[[bytes], Any], content: bytes) -> tuple[Any, Exception | None]:
    """What a reader returns, or raises."""
    try:
        return read(content), None
    except (ValueError, LockgateError) as error:
        return None, error


@examples(30)
@given(
    st.sampled_from(["epoch-1", "done-1"]).flatmap(
        lambda key: st.tuples(st.just(key), hostile(json.loads(COPY.keys[key])))
    )
)
def test_a_ledger_holds_together_or_names_the_entry_that_does_not(changed: tuple[str, bytes]) -> None:
    """One bad key breaks the chain there, and nothing else."""
    key, content = changed
    chain = read_chain({**COPY.keys, key: content.decode("utf-8", "replace"), "epoch-" + "9" * 5_000: "x"})

    assert chain.bad is None or "-1" in chain.bad
    assert [entry.epoch for entry in chain.entries] in ([], [1])


@examples(20)
@given(st.lists(hostile(VOTE), max_size=3))
def test_a_bad_file_among_votes_is_one_objection_and_hinders_no_other(contents: list[bytes]) -> None:
    """Each with its name; also what cannot be opened at all."""
    with tempfile.TemporaryDirectory() as folder:
        votes = Path(folder, "votes")
        votes.mkdir()
        good = Vote.read(json.dumps(VOTE).encode()).bytes
        (votes / "0.json").write_bytes(good)
        (votes / "1.json").mkdir()
        (votes / "2.json").symlink_to("nowhere")
        (votes / "3\n.json").write_bytes(b"\xff")
        (votes / "0.sig").mkdir()
        for number, content in enumerate(contents):
            (votes / f"x{number}.json").write_bytes(content)
        pairs, sentences = stored_votes(votes), unreadable_votes(votes)

    assert pairs[0] == (good, b"")
    assert len(pairs) + len(sentences) == 4 + len(contents)
    assert [sentence.split(" does not")[0] for sentence in sentences[:3]] == [
        f"the file {name} in votes/" for name in ("1.json", "2.json", "3 .json")
    ]
    assert not any("\n" in sentence for sentence in sentences)


@examples(20)
@given(hostile({"state": "running", "note": "x"}))
def test_a_state_that_cannot_be_read_is_none(content: bytes) -> None:
    """It is for people, and decides nothing; nor does what was sealed by nobody."""
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder.new(Path(root), "run-1").with_key(fresh=True)
        (folder.path / "state.json").write_bytes(content)
        sealed = Path(root, ".gate", "sealed", "run-1", "x")
        sealed.write_bytes(content)

        assert isinstance(folder.state(), dict)
        assert folder.sealed("x") is None
        with pytest.raises(LockgateError, match="has no evidence"):
            folder.evidence()


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u00e9", max_size=2), inner, max_size=3)))  # fmt: skip
def test_ordinary_json_is_read_as_it_stands(value: Any) -> None:
    """Within the bounds nothing is changed."""
    assert stored_json.read(json.dumps(value)) == value
    assert stored_json.read(json.dumps(value, ensure_ascii=False).encode()) == value
