"""Roll back where the pipeline is not: the registry is named, and the rules are those that the ledger holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lockgate.errors import LockgateError, UsageError
from lockgate.integrations import committers
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.operator import Operator, read_state, registry_clock
from lockgate.promotion.rollback_consent import ledger_policy
from lockgate.registries.ports import Registry
from lockgate.registries.spec import RegistrySpec
from lockgate.runs.run import now
from lockgate.signoff.policy import SignoffPolicy


def ledger_operator(
    uri: str, model: str, root: Path, *, tracking_uri: str | None = None
) -> tuple[Operator, SignoffPolicy]:
    """Who rolls a model back, and the policy of that by the ledger; traffic is not switched.

    uri: of an MLflow registry; tracking_uri: of the runs, where they are elsewhere. root: where a relative path in them
    begins. Raises Waiting where an owner must approve, and who that is cannot be read from the ledger.
    """
    registry = open_ledger(uri, model, root, tracking_uri=tracking_uri)
    last = read_state(registry, model).chain.last
    if last is None:
        raise UsageError(
            f"the ledger of {model} is empty there, so nothing can be rolled back",
            remedy="look at the name of the model, and at the registry",
        )
    actor, rule = committers.current_identity(root), last.rollback_owners
    clock = registry_clock(registry, now)
    operator = Operator(registry, model, promotion=PromotionPolicy(), actor=actor, clock=clock, rollback_owners=rule)
    return operator, ledger_policy(last)


def open_ledger(uri: str, model: str, root: Path, *, tracking_uri: str | None = None) -> Registry:
    """The registry, with stages where they mirror the aliases: serving may load its models by them."""
    fields = {"uri": uri, "tracking_uri": tracking_uri}
    registry = RegistrySpec.model_validate(fields).open(root)
    with suppress(LockgateError):  # one without stages has none that mirror anything
        staged = RegistrySpec.model_validate({**fields, "lifecycle": "stages"}).open(root)
        stages, production = staged.stages(model), registry.aliases(model).get("production")
        if production and stages.by_version.get(production) == stages.names.get("production"):
            return staged
    return registry
