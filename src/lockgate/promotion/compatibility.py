"""Client compatibility of two versions, from their signatures; it delays no rollback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from lockgate.errors import LockgateError, Unavailable
from lockgate.models.signature_diff import Change, diff
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.text import cut

PATIENCE_S = 10.0  # for both files together; whoever rolls back has done so by then
_CHANGES = 10
_NAME, _MESSAGE = 60, 300  # characters of a name, and of what went wrong


@dataclass(frozen=True)
class ClientCompatibility:
    """What a change of versions means for clients. breaks: None where it could not be told, for which `note` says why."""

    breaks: tuple[Change, ...] | None
    note: str | None = None

    @property
    def notes(self) -> list[str]:
        return [] if self.note is None else [self.note]


def compare_signatures(registry: Registry, model: str, *, leaves: str, returns: str) -> ClientCompatibility:
    """Compare the signature of the version that returns with that of the one that leaves. It never raises.

    Clients follow the signature of the version that leaves. Of each version one file is read, and nothing is loaded.
    """

    def compare() -> ClientCompatibility:
        old, new = (registry.signature(ModelVersion(model, version)) for version in (leaves, returns))
        bare = [version for version, signature in ((leaves, old), (returns, new)) if signature is None]
        if old is None or new is None:
            have = f"version {bare[0]} has" if len(bare) == 1 else f"versions {' and '.join(bare)} have"
            return ClientCompatibility(None, f"{unknown}: {have} no signature")
        breaks = tuple(change for change in diff(old, new)[1] if change.breaking)
        return ClientCompatibility(breaks, _warning(breaks, leaves, returns) if breaks else None)

    unknown = f"whether version {returns} is compatible with clients of version {leaves} is not known"
    try:
        return _in_time(compare)
    except Exception as error:  # whatever a store's own client raises, or a file leads to: the rollback stands
        message = error.message if isinstance(error, LockgateError) else f"{type(error).__name__}: {error}"
        return ClientCompatibility(None, f"{unknown}: {cut(message, _MESSAGE)}")


def _in_time(compare: Callable[[], ClientCompatibility]) -> ClientCompatibility:
    """The result, unless it takes too long: then the caller goes on without. Raises what comparing raises."""
    future = Future[ClientCompatibility]()

    def run() -> None:
        try:
            future.set_result(compare())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, name="signatures", daemon=True).start()
    if not wait([future], PATIENCE_S).done:
        raise Unavailable(f"their files did not come within {PATIENCE_S:g} s")
    return future.result()


def _warning(breaks: Sequence[Change], leaves: str, returns: str) -> str:
    lines = [_describe(change) for change in breaks[:_CHANGES]]
    lines += [f"and {len(breaks) - _CHANGES} more (--json)"] * (len(breaks) > _CHANGES)
    return f"clients of version {leaves} may break, because version {returns} has another signature: {'; '.join(lines)}"


def _describe(change: Change) -> str:
    side = "parameter" if change.side == "params" else change.side[:-1]
    name, old, new = cut(change.name, _NAME), cut(change.old, _NAME), cut(change.new, _NAME)
    if change.side == "outputs":
        missing = {"removed": f"its output lacks {name}", "now optional": f"its output may lack {name}"}
        return missing.get(change.kind, f"its output has {name} as {new}, not {old}")
    return {
        "removed": f"it does not know the {side} {name}",
        "retyped": f"it takes the {side} {name} as {new}, not {old}",
        "newly required": f"the {side} {name} may not be left out",
        "added required": f"it needs the {side} {name} ({new}) too",
    }[change.kind]
