"""What is computed from values alone is computed once in an exploration: the same ledger is read by thousands of commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any
from unittest.mock import patch

from lockgate.evidence.record import Record
from lockgate.hashing import folder_digest
from lockgate.promotion import apply, operator, preconditions, rollback
from lockgate.promotion.compatibility import ClientCompatibility
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.promotion.ledger.holder import Holder
from lockgate.promotion.ledger.projection import all_tags
from lockgate.registries.ports import Registry

Pairs = tuple[tuple[str, str], ...]


@cache
def chain_of(keys: Pairs, holder: str | None = None) -> Chain:
    return replace(read_chain(dict(keys)), holder=Holder.read(holder))


def stored_chain(registry: Registry, model: str) -> Chain:
    ledger = registry.ledger(model)
    return chain_of(tuple(sorted(ledger.keys().items())), ledger.holder())


@contextmanager
def remembered() -> Iterator[None]:
    """Patch pure functions with the same functions that remember; signatures, which are all none, are compared by nobody."""
    plain = Record.bytes.fget
    assert plain is not None
    to_bytes = lru_cache(50_000)(plain)
    entry, done = lru_cache(50_000)(Entry.read), lru_cache(50_000)(Done.read)
    patches: list[Any] = [
        patch.object(Record, "bytes", property(to_bytes)),
        patch.object(Entry, "read", entry),
        patch.object(Done, "read", done),
        patch.object(apply, "all_tags", lru_cache(50_000)(all_tags)),
        patch.object(preconditions, "folder_digest", lru_cache(folder_digest)),  # nobody changes files
        patch.object(operator, "stored_chain", stored_chain),
        patch.object(rollback, "compare_signatures", lambda *_, **__: ClientCompatibility(None)),
    ]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()
