"""Who moves versions, and the state of a model in the registry as they read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from typing import Any

from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Entry, Kind
from lockgate.promotion.ledger.holder import Holder, Process
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.standing import Standing
from lockgate.registries.ports import LedgerStore, ModelSource, Registry, Stages
from lockgate.signoff.identity import Identity
from lockgate.signoff.vote import CLOCK_SKEW
from lockgate.units import utc_text

Clock = Callable[[], datetime]
TrafficSwitch = Callable[[Entry], str]


def registry_clock(registry: Registry, own: Clock) -> Clock:
    """The registry's time, so that clocks of machines cannot differ; this machine's own where the registry says none."""
    return lambda: registry.time() or own()


@dataclass(frozen=True)
class Operator:
    """Who moves the versions of a model, in which registry, and under which policy.

    switch_traffic: makes serving follow an entry and says what that led to, None where the policy has no switch.
    rollback_owners: what the entries say of who must agree to a rollback. process: who carries entries out. is_gone: whether
    another process certainly does not any more. at_once: the reason for which an entry of others is not waited for.
    """

    registry: Registry
    model: str
    _: KW_ONLY
    promotion: PromotionPolicy
    actor: Identity
    clock: Clock
    switch_traffic: TrafficSwitch | None = None
    rollback_owners: tuple[str, ...] | None = None
    process: Process = field(default_factory=Process.current)
    is_gone: Callable[[Process], bool] = lambda process: process.is_gone
    at_once: str | None = None

    def read_state(self) -> RegistryState:
        """Read ledger, aliases and stages. Raises Refused where the ledger is broken or deleted."""
        return read_state(self.registry, self.model)

    def read_chain(self) -> Chain:
        """Read the ledger. Raises Refused where it is broken or deleted."""
        return stored_chain(self.registry, self.model).whole()

    def show_holder(self, entry: Entry) -> None:
        """Say that we carry out an entry. Raises as any write does; nothing rests on it."""
        note = Holder(entry.sha256, self.clock(), self.process)
        self.registry.ledger(self.model).show_holder(note.bytes.decode())

    def objection_to_hold(self, chain: Chain, entry: Entry) -> str | None:
        """Why nobody need wait for whoever holds an unfinished entry; None where they may be at it."""
        holder, now = chain.holder_of(entry), self.clock()
        if self.at_once is not None:
            return f"taken over at once: {self.at_once}"
        if holder is not None and self.is_gone(holder.process):
            return f"{holder}, which carried it out, is gone"
        if entry.at > now + CLOCK_SKEW:
            return f"it is dated {utc_text(entry.at)}, which is still to come at {utc_text(now)}"
        return None if chain.is_held(entry, now) else f"its lease was over at {utc_text(chain.held_until(entry, now))}"

    def draft(self, chain: Chain, kind: Kind, **fields: Any) -> Entry:
        """The entry of ours that would come next. fields: the others of `Chain.draft`."""
        return chain.draft(
            kind,
            actor=self.actor,
            at=self.clock(),
            lease=self.promotion.lease,
            rollback_owners=self.rollback_owners,
            **fields,
        )


@dataclass(frozen=True)
class RegistryState:
    """The ledger and the aliases of a model as they were read last.

    stages: those that mirror the aliases. serving: what switching traffic led to. gone: versions that turned out to be
    deleted while an entry was carried out. warnings: what of the decoration could not be set.
    """

    chain: Chain
    aliases: Mapping[str, str]
    stages: Stages = field(default_factory=Stages)
    serving: tuple[str, ...] = ()
    gone: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        return self.chain.standing


def read_state(registry: Registry, model: str) -> RegistryState:
    """Read ledger and aliases. Raises Refused where the ledger is broken or deleted."""
    chain = stored_chain(registry, model).whole()
    return RegistryState(chain, registry.aliases(model), registry.stages(model))


def stored_chain(registry: ModelSource, model: str) -> Chain:
    """The ledger as it stands, and who carries out its last entry. Raises Refused where it is deleted."""
    ledger = registry.ledger(model)
    return held_chain(ledger, ledger.keys())


def held_chain(ledger: LedgerStore, keys: Mapping[str, str]) -> Chain:
    """The ledger of these keys, and who carries out its last entry."""
    return replace(read_chain(keys), holder=Holder.read(ledger.holder()))
