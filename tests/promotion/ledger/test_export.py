"""A ledger in a file verifies without a registry; whatever was edited, dropped, added or reordered is named."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.promoting import NOW
from lockgate import hashing as digest
from lockgate.errors import UsageError
from lockgate.promotion.ledger import export as ledger_copy
from lockgate.promotion.ledger.chain import Chain
from promotion.ledger.test_soak import Record


def record(promotions: int = 4) -> Record:
    """Version 1 adopted, 2, 3, … promoted an hour apart."""
    made = Record()
    made.add("adopted", "1", NOW)
    for number in range(2, promotions + 1):
        made.add("promoted", str(number), NOW + timedelta(hours=number))
    return made


COPY = ledger_copy.copy_ledger("fraud", record().keys)
KEYS = sorted(COPY.keys)


def named(document: dict[str, Any]) -> list[tuple[str, str]]:
    """(code, where) of everything that is wrong with a document, written canonically."""
    _, problems = ledger_copy.read_copy(digest.canonical(document), name="fraud.json")
    return [(one.code, one.where) for one in problems]


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(COPY.bytes)
    return found


def test_a_copy_is_canonical_and_holds_the_exact_bytes() -> None:
    """Equal ledgers make equal files; each value is what the registry holds."""
    found, problems = ledger_copy.read_copy(COPY.bytes, name="fraud.json")

    assert problems == ()
    assert dict(found.keys) == record().keys
    assert COPY.bytes == digest.canonical(document())
    assert ledger_copy.copy_ledger("fraud", record().keys).bytes == COPY.bytes


@given(st.sampled_from(KEYS), st.data())
def test_an_edited_value_is_named(key: str, data: st.DataObject) -> None:
    """Any field of any key, who finished the last entry included."""
    edited = document()
    value = json.loads(edited["keys"][key])
    field = data.draw(st.sampled_from(sorted(value)))
    value[field] = data.draw(st.sampled_from(["x", 99, None]).filter(lambda one: one != value[field]))
    edited["keys"][key] = digest.canonical(value).decode()

    assert ("entry_edited", key) in named(edited)


@given(st.sampled_from(KEYS))
def test_a_dropped_or_added_key_is_named(key: str) -> None:
    """Also at the very end."""
    dropped, added = document(), document()
    del dropped["keys"][key]
    del added["sha256"][key]

    assert ("entry_dropped", key) in named(dropped)
    assert ("entry_added", key) in named(added)


@given(st.lists(st.sampled_from(KEYS), min_size=2, max_size=2, unique=True))
def test_swapped_entries_are_named(pair: list[str]) -> None:
    """By their hashes, and where somebody swapped those as well, by the chain."""
    first, second = pair
    swapped = document()
    swapped["keys"][first], swapped["keys"][second] = swapped["keys"][second], swapped["keys"][first]
    both = json.loads(json.dumps(swapped))
    both["sha256"][first], both["sha256"][second] = both["sha256"][second], both["sha256"][first]

    assert {("entry_edited", first), ("entry_edited", second)} <= set(named(swapped))
    assert ("ledger_edited", "fraud.json") in named(both)


@pytest.mark.parametrize("key", [f"{word}-{number}" for word in ("epoch", "done") for number in (1, 2, 3)])
def test_an_edit_with_its_hash_made_anew_breaks_the_chain(key: str) -> None:
    """All but the last entry and its mark, which nothing follows; that is said."""
    edited = document()
    value = json.loads(edited["keys"][key])
    value["at"] = "2026-11-21T12:30:00.000Z"
    edited["keys"][key] = digest.canonical(value).decode()
    edited["sha256"][key] = digest.sha256(edited["keys"][key].encode())

    assert named(edited) == [("ledger_edited", "fraud.json")]
    assert str(ledger_copy.uncovered(COPY.chain)).startswith(
        "only a copy kept elsewhere would show that epoch-4, done-4 were edited"
    )


def test_a_file_that_was_written_anew_is_named() -> None:
    """The same content in another order or with other spaces is not what --export wrote."""
    shuffled = list(document()["keys"].items())
    random.Random(1).shuffle(shuffled)
    text = json.dumps({**document(), "keys": dict(shuffled)})

    _, problems = ledger_copy.read_copy(text.encode(), name="fraud.json")

    assert [(one.code, one.where) for one in problems] == [("copy_rewritten", "fraud.json")]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"schema": "lockgate/vote/v1"}', b"\xff\xfe", b'{"schema": 1}'])
def test_what_is_no_copy_is_refused(data: bytes) -> None:
    """With the way to write one."""
    with pytest.raises(UsageError, match=r"no copy of a ledger.*--export"):
        ledger_copy.read_copy(data, name="fraud.json")


def test_marks_of_an_older_lockgate_are_read_and_told_as_uncovered() -> None:
    """They say nothing of the one before, so only a copy elsewhere would show them edited."""
    keys = {}
    for key, text in record(3).keys.items():
        value = json.loads(text)
        if key.startswith("done"):
            value.pop("prev")
        keys[key] = digest.canonical(value).decode()

    chain = ledger_copy.copy_ledger("fraud", keys).chain

    assert chain.bad is None
    assert "that epoch-3, done-1, done-2, done-3 were edited" in str(ledger_copy.uncovered(chain))
    assert ledger_copy.uncovered(Chain()) is None


def test_what_a_copy_holds_and_the_registry_does_not_is_named() -> None:
    """A ledger that only grew is no difference."""
    longer = record(6).keys
    shorter = {key: value for key, value in COPY.keys.items() if not key.endswith("-4")}
    edited = {**COPY.keys, "done-4": COPY.keys["done-3"]}

    assert ledger_copy.changed_since(longer, COPY, name="the copy") == []
    assert [one.where for one in ledger_copy.changed_since(shorter, COPY, name="the copy")] == ["epoch-4", "done-4"]
    assert [one.where for one in ledger_copy.changed_since(edited, COPY, name="the copy")] == ["done-4"]
