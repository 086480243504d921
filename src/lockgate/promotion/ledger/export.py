"""Ledger exports: written from a registry, verified without one, and compared with the registry later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lockgate.errors import UsageError
from lockgate.evidence import stored_json
from lockgate.evidence.record import Record
from lockgate.hashing import sha256
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.discrepancy import Discrepancy


@dataclass(frozen=True)
class LedgerCopy(Record):
    """The keys of a model's ledger, as they were read. hashes: key → the SHA-256 of its value, written beside it."""

    schema = "lockgate/ledger-copy/v1"
    most = stored_json.MAX_BYTES
    renamed: ClassVar = {"hashes": "sha256"}

    model: str
    keys: Mapping[str, str]
    hashes: Mapping[str, str]

    @property
    def chain(self) -> Chain:
        return read_chain(self.keys)


def copy_ledger(model: str, keys: Mapping[str, str]) -> LedgerCopy:
    """The copy of a ledger's keys. Equal ledgers make equal bytes."""
    return LedgerCopy(model, dict(keys), {key: sha256(value.encode()) for key, value in keys.items()})


def read_copy(data: bytes, *, name: str) -> tuple[LedgerCopy, tuple[Discrepancy, ...]]:
    """A copy from its bytes, and everything in it that was edited, dropped or added, each key by name.

    Raises UsageError for what is no copy of a ledger. name: of the file.
    """
    try:
        document = LedgerCopy.parse(data)
        keys, hashes = (dict(stored_json.mapping(document, name)) for name in ("keys", "sha256"))
        if not all(isinstance(text, str) for text in [*keys, *keys.values(), *hashes.values()]):
            raise ValueError("its keys are not texts")
        stored = LedgerCopy(stored_json.text(document, "model"), keys, hashes)
    except ValueError as error:
        raise UsageError(
            f"{name} is no copy of a ledger: {error}", remedy="write one with gate verify MODEL --export FILE"
        ) from error
    return stored, tuple(_problems(stored, data, name))


def changed_since(keys: Mapping[str, str], exported: LedgerCopy, *, name: str) -> list[Discrepancy]:
    """What the keys of the registry's ledger miss of an exported copy, or hold otherwise: what was changed since."""
    changed = []
    for key, value in _in_order(exported.keys):
        if keys.get(key) != value:
            message = "is missing in the registry" if key not in keys else "was edited in the registry"
            changed.append(
                Discrepancy(
                    "copy_differs",
                    key,
                    f"{message}: {name} holds other bytes of it",
                    "find out who may write the registry's database; the copy says what it was",
                )
            )
    return changed


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
        f"only a copy kept elsewhere would show that {', '.join(keys)} were edited, or that the last entry was taken away, as no later "
        "entry covers them: --export FILE now, --ledger FILE later"
    )


def _problems(stored: LedgerCopy, data: bytes, name: str) -> list[Discrepancy]:
    remedy = "take the copy from where it was kept safe"
    problems = []
    for key, _ in _in_order({**stored.hashes, **stored.keys}):
        value, expected = stored.keys.get(key), stored.hashes.get(key)
        if value is None:
            problems.append(Discrepancy("entry_dropped", key, f"was dropped from {name}", remedy))
        elif expected is None:
            problems.append(Discrepancy("entry_added", key, f"was added to {name}", remedy))
        elif sha256(value.encode()) != expected:
            problems.append(Discrepancy("entry_edited", key, f"was edited in {name}: its hash is another", remedy))
    if stored.chain.bad is not None:
        problems.append(Discrepancy("ledger_edited", name, f"the chain does not hold: {stored.chain.bad}", remedy))
    if not problems and stored.bytes != data:
        problems.append(
            Discrepancy(
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

    def order(pair: tuple[str, str]) -> tuple[int, int, str]:
        word, _, number = pair[0].partition("-")
        ours = number.isdecimal() and len(number) < 18 and word in words
        return (int(number), words.index(word), "") if ours else (2**63, 0, pair[0])  # strangers come last

    return sorted(keys.items(), key=order)
