"""A ledger in a file: written from a registry, verified without one, and held against the registry later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lockgate import hashing as digest
from lockgate.errors import UsageError
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.discrepancy import Disagreement

SCHEMA = "lockgate/ledger-copy/v1"


@dataclass(frozen=True)
class LedgerCopy:
    """The keys of a model's ledger, as they were read. hashes: key → the SHA-256 of its value, written beside it."""

    model: str
    keys: Mapping[str, str]
    hashes: Mapping[str, str]

    @property
    def bytes(self) -> bytes:
        return digest.canonical(
            {"schema": SCHEMA, "model": self.model, "keys": dict(self.keys), "sha256": dict(self.hashes)}
        )

    @property
    def chain(self) -> Chain:
        return read_chain(self.keys)


def copy(model: str, keys: Mapping[str, str]) -> LedgerCopy:
    """The copy of a ledger's keys. Equal ledgers make equal bytes."""
    return LedgerCopy(model, dict(keys), {key: digest.sha256(value.encode()) for key, value in keys.items()})


def read(data: bytes, *, name: str) -> tuple[LedgerCopy, tuple[Disagreement, ...]]:
    """A copy from its bytes, and everything in it that was edited, dropped or added, each key by name.

    Raises UsageError for what is no copy of a ledger. name: of the file.
    """
    try:
        document = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}")
        keys, hashes = dict(document["keys"]), dict(document["sha256"])
        if not all(isinstance(text, str) for text in [*keys, *keys.values(), *hashes.values()]):
            raise ValueError("its keys are not texts")
        found = LedgerCopy(str(document["model"]), keys, hashes)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{name} is no copy of a ledger: {error}", remedy="write one with gate verify MODEL --export FILE"
        ) from error
    return found, tuple(_problems(found, data, name))


def missing_from(registry: Mapping[str, str], known: LedgerCopy, *, name: str) -> list[Disagreement]:
    """What a copy holds and the registry's ledger does not, or otherwise: what was changed there since."""
    found = []
    for key, value in _in_order(known.keys):
        if registry.get(key) != value:
            what = "is missing in the registry" if key not in registry else "was edited in the registry"
            found.append(
                Disagreement(
                    "copy_differs",
                    key,
                    f"{what}: {name} holds other bytes of it",
                    "find out who may write the registry's database; the copy says what it was",
                )
            )
    return found


def uncovered(chain: Chain) -> str | None:
    """What no later hash covers, so that only a copy kept elsewhere could show it edited; None for an empty ledger."""
    if chain.last is None:
        return None
    last = chain.last.epoch
    keys = [f"epoch-{last}"]
    loose = [epoch for epoch in chain.done if epoch + 1 in chain.done and chain.done[epoch + 1].prev is None]
    keys += [f"done-{epoch}" for epoch in [*loose, *([last] if last in chain.done else [last - 1] if last > 1 else [])]]
    keys += [f"failed-{epoch}" for epoch in chain.failed]
    return (
        f"no later hash covers {', '.join(keys)}, nor would it show a last entry that was taken away: "
        "a copy kept elsewhere does (--export now, --ledger later)"
    )


def _problems(found: LedgerCopy, data: bytes, name: str) -> list[Disagreement]:
    remedy = "take the copy from where it was kept safe"
    problems = []
    for key, _ in _in_order({**found.hashes, **found.keys}):
        value, expected = found.keys.get(key), found.hashes.get(key)
        if value is None:
            problems.append(Disagreement("entry_dropped", key, f"was dropped from {name}", remedy))
        elif expected is None:
            problems.append(Disagreement("entry_added", key, f"was added to {name}", remedy))
        elif digest.sha256(value.encode()) != expected:
            problems.append(Disagreement("entry_edited", key, f"was edited in {name}: its hash is another", remedy))
    if found.chain.bad is not None:
        problems.append(Disagreement("ledger_edited", name, f"the chain does not hold: {found.chain.bad}", remedy))
    if not problems and found.bytes != data:
        problems.append(
            Disagreement(
                "copy_rewritten",
                name,
                "its bytes are not those that --export writes: it was reordered or reformatted",
                remedy,
            )
        )
    return problems


def _in_order(keys: Mapping[str, str]) -> list[tuple[str, str]]:
    """epoch-1, failed-1, done-1, epoch-2, …, and whatever else there is behind them."""
    words = ("epoch", "failed", "done")

    def place(item: tuple[str, str]) -> tuple[int, int, str]:
        word, _, number = item[0].partition("-")
        known = number.isdecimal() and word in words
        return (int(number), words.index(word), "") if known else (2**63, 0, item[0])

    return sorted(keys.items(), key=place)
