"""What is computed from values alone is computed once in an exploration: the same ledger is read by thousands of commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any
from unittest.mock import patch

from lockgate.evidence.record import Record
from lockgate.promotion import operator, rollback
from lockgate.promotion.compatibility import ClientCompatibility
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.promotion.ledger.standing import standing

Pairs = tuple[tuple[str, str], ...]


@cache
def chain_of(keys: Pairs) -> Chain:
    return read_chain(dict(keys))


@contextmanager
def remembered() -> Iterator[None]:
    """Patch pure functions with the same functions that remember; signatures, which are all none, are compared by nobody."""
    plain = Record.bytes.fget
    assert plain is not None
    to_bytes = lru_cache(50_000)(plain)
    entry, done = lru_cache(50_000)(Entry.read), lru_cache(50_000)(Done.read)
    standing_of = lru_cache(50_000)(standing)
    patches: list[Any] = [
        patch.object(Record, "bytes", property(to_bytes)),
        patch.object(Entry, "read", entry),
        patch.object(Done, "read", done),
        patch.object(operator, "read_chain", lambda keys: chain_of(tuple(sorted(keys.items())))),
        patch.object(operator, "standing", lambda entries: standing_of(tuple(entries))),
        patch.object(rollback, "compare_signatures", lambda *_, **__: ClientCompatibility(None)),
    ]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()
