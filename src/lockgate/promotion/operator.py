"""Who moves versions, and the state of a model in the registry as they read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any

from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Entry, Kind
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.registries.ports import Registry, Stages
from lockgate.signoff.identity import Identity

Clock = Callable[[], datetime]
TrafficSwitch = Callable[[Entry], str]


def registry_clock(registry: Registry, own: Clock) -> Clock:
    """The registry's time, so that clocks of machines cannot differ; this machine's own where the registry says none."""
    return lambda: registry.time() or own()


@dataclass(frozen=True)
class Operator:
    """Who moves the versions of a model, in which registry, and under which policy.

    switch_traffic: makes serving follow an entry and says what that led to, None where the policy has no switch.
    rollback_owners: what the entries say of who must agree to a rollback.
    """

    registry: Registry
    model: str
    _: KW_ONLY
    promotion: PromotionPolicy
    actor: Identity
    clock: Clock
    switch_traffic: TrafficSwitch | None = None
    rollback_owners: tuple[str, ...] | None = None

    def read_state(self) -> RegistryState:
        """Read ledger, aliases and stages. Raises Refused where the ledger is broken or deleted."""
        return read_state(self.registry, self.model)

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
        return standing(self.chain.finished)


def read_state(registry: Registry, model: str) -> RegistryState:
    """Read ledger and aliases. Raises Refused where the ledger is broken or deleted."""
    chain = read_chain(registry.ledger(model).keys()).whole()
    return RegistryState(chain, registry.aliases(model), registry.stages(model))
